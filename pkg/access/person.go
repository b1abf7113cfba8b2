package access

import (
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Person is somebody who is signed in. There is no person for strangers: they sign in first.
type Person struct {
	// ID is the person's identifier in the directory.
	ID string
	// Groups are the identifiers of the groups, inherited ones included.
	Groups map[string]bool
	// User is what policies read of the person, with the standing; nil makes policies fail that read any of it.
	User *directoryv1.User
	// Via names the groups, from the person's own to the given one, that make the person a member of it; for traces alone,
	// and optional.
	Via func(group string) []string
}

// NewPerson returns what the directory says of somebody; nil for nobody.
func NewPerson(u *directoryv1.User) *Person {
	if u.GetId() == "" {
		return nil
	}
	list := u.GetStanding().GetGroups()
	p := &Person{ID: u.GetId(), User: u, Groups: make(map[string]bool, len(list))}
	for _, g := range list {
		p.Groups[g.GetId()] = true
	}
	return p
}

// Situation is what is true only for a moment. A member counts only if its bit is in Known; Time is also that by which bindings
// expire, whether policies are told it or not.
type Situation = rules.Moment

// Known is a set of members of a situation.
type Known = rules.Known

// The members of a situation, as far as a caller needs them by name.
const (
	KnowsTime             = rules.KnowsTime
	KnowsIP               = rules.KnowsIP
	KnowsCountry          = rules.KnowsCountry
	KnowsContinent        = rules.KnowsContinent
	KnowsASN              = rules.KnowsASN
	KnowsPlace            = rules.KnowsPlace
	KnowsUserAgent        = rules.KnowsUserAgent
	KnowsProtocol         = rules.KnowsProtocol
	KnowsScopes           = rules.KnowsScopes
	KnowsResource         = rules.KnowsResource
	KnowsACR              = rules.KnowsACR
	KnowsAMR              = rules.KnowsAMR
	KnowsAuthTime         = rules.KnowsAuthTime
	KnowsIdentityProvider = rules.KnowsIdentityProvider
	KnowsMethod           = rules.KnowsMethod
	KnowsAuth             = rules.KnowsAuth
	KnowsAll              = rules.KnowsAll
)

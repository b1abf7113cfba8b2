package claims

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Target is where claims go: one of these, or several.
type Target uint8

// The targets.
const (
	UserInfo Target = 1 << iota
	IDToken
	AccessToken
)

// Mapping is a compiled claim mapping. It is safe for concurrent use because nothing in it changes.
type Mapping struct {
	ID, Name string
	Revision int64
	// Scope is the one without which the mapping does not run; empty = it always does.
	Scope string
	// Targets are never none.
	Targets Target
	// Deny stops the token where the expression fails.
	Deny bool
	// Default mappings apply to every application.
	Default bool

	order int32
	value *rules.Template
	// broken is why there is no value.
	broken error
}

// Compile compiles a claim mapping. The error, a [*rules.Error], says where the expression is wrong. The mapping is never nil: one
// that is wrong fails whenever it runs, so that one which stops tokens does so.
func Compile(m *configv1.ClaimMapping) (*Mapping, error) {
	value, err := rules.CompileTemplate(rules.ClaimMapping, m.GetExpression())
	return &Mapping{
		ID: m.GetId(), Name: m.GetName(), Revision: m.GetRevision(), Scope: m.GetScope(), Targets: targets(m.GetTargets()),
		Deny: m.GetOnError() == configv1.ClaimMapping_DENY, Default: m.GetDefault(), order: m.GetOrder(), value: value, broken: err,
	}, err
}

// Reads returns what the expression of a mapping reads, such as "user.groups", and the slugs of the applications that it names; nothing
// where it is wrong.
func Reads(m *configv1.ClaimMapping) (inputs, slugs []string) {
	compiled, err := Compile(m)
	if err != nil {
		return nil, nil
	}
	return compiled.value.Inputs(), compiled.value.Slugs()
}

// Enabled reports whether a mapping is to be run at all.
func Enabled(m *configv1.ClaimMapping) bool { return m.Enabled == nil || m.GetEnabled() }

func targets(list []configv1.ClaimMapping_Target) (t Target) {
	for _, one := range list {
		switch one {
		case configv1.ClaimMapping_USERINFO:
			t |= UserInfo
		case configv1.ClaimMapping_IDTOKEN:
			t |= IDToken
		case configv1.ClaimMapping_ACCESSTOKEN:
			t |= AccessToken
		}
	}
	if t == 0 {
		return UserInfo
	}
	return t
}

// Set is the mappings of an application in the order in which they run. Nil is none.
type Set struct {
	list []*Mapping
	all  Target
	// situational are the targets of mappings that read the moment of the sign-in.
	situational Target
}

// NewSet puts mappings in their order: by the number that they have, mappings of one number by name and identifier. It returns nil
// where there are none.
func NewSet(list []*Mapping) *Set {
	if len(list) == 0 {
		return nil
	}
	s := &Set{list: slices.Clone(list)}
	slices.SortFunc(s.list, func(a, b *Mapping) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	s.list = slices.CompactFunc(s.list, func(a, b *Mapping) bool { return a.ID == b.ID })
	for _, m := range s.list {
		s.all |= m.Targets
		if m.value != nil && slices.ContainsFunc(m.value.Inputs(), ofTheSignIn) {
			s.situational |= m.Targets
		}
	}
	return s
}

func ofTheSignIn(input string) bool {
	return input == "request" || input == "auth" || strings.HasPrefix(input, "request.") || strings.HasPrefix(input, "auth.")
}

// Situational reports whether a mapping for one of the targets reads how and from where the person signed in.
func (s *Set) Situational(t Target) bool { return s != nil && s.situational&t != 0 }

// For reports whether a mapping makes claims for one of the targets.
func (s *Set) For(t Target) bool { return s != nil && s.all&t != 0 }

// Reserved reports whether no mapping may make a claim of this name for any of the targets: what the protocols themselves say of
// tokens, and, in access tokens, what introspection adds to them (RFC 7662 §2.2).
func Reserved(name string, t Target) bool {
	switch name {
	case "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "auth_time", "acr", "amr", "at_hash", "c_hash", "s_hash", "cnf",
		"client_id", "scope", "sid", "act", "may_act", "events", oauth2.ClaimSealed:
		return true
	}
	return t&AccessToken != 0 && oauth2.ReservedClaim(name)
}

// Check compiles the expression of a mapping as it is written, and refuses reserved claims that it names literally. The error is a
// [*rules.Error]: it says where in the expression something is wrong.
func Check(m *configv1.ClaimMapping) error {
	if _, err := Compile(m); err != nil {
		return err
	}
	keys, err := rules.LiteralKeys(rules.ClaimMapping, m.GetExpression())
	if err != nil {
		return err
	}
	for _, key := range keys {
		if Reserved(key.Text, targets(m.GetTargets())) {
			return &rules.Error{Line: key.Line, Column: key.Column, Detail: fmt.Sprintf(
				"the claim %q is reserved: the protocol says it, and no mapping can", key.Text)}
		}
	}
	return nil
}

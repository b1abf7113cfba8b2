package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/scim"
)

// walk is what the steps work with.
type walk struct {
	*testing.T
	s *Store
	// mail and attempt are what a step has found for those after it.
	mail    *Mail
	attempt *RegistrationAttempt
}

func (w *walk) ok(err error) {
	w.Helper()
	if err != nil {
		w.Error(err)
	}
}

func (w *walk) is(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("error %v, want %v", err, want)
	}
}

// asksNothing are the methods that send no query.
var asksNothing = map[string]bool{
	"Store.Close": true, "Store.DropTestDatabase": true, "Store.Installation": true, "Store.Nudge": true, "Store.Ping": true,
	"Store.Run":                 true, // Sweep, again and again
	"Store.Reseal":              true, // every collection by _id, a page after the other, and no other way
	"RegistrationAttempts.Seal": true, "RegistrationAttempts.Open": true,
	// Follow, with a word when there is nothing to follow.
	"Store.FollowIdle": true,
	// Load, into something else than a list.
	"Store.LoadInto":   true,
	"Operators.Insert": true, "PersonalTokens.Insert": true, "Audits.Append": true, // they insert, and find out what is taken by failing
}

// functions are the steps that are no methods.
var functions = map[string]bool{"Get": true, "FindByUnique": true, "List": true, "sets": true}

// steps ask the store everything that it can be asked, in all ways that lead to different queries. A step is named after
// its method.
var steps = []struct {
	method string
	do     func(*walk)
}{
	{"Store.Prepare", func(w *walk) { w.ok(w.s.Prepare(w.Context())) }},
	{"Store.Write", func(w *walk) {
		a := scopeNamed("a")
		create(w.T, w.s, a)
		twin := scopeNamed("a")
		_, err := w.s.Write(w.Context(), Change{Ops: []Op{{New: twin}}})
		w.is(err, ErrDuplicate)
		_, err = w.s.Write(w.Context(), Change{Ops: []Op{{Old: twin, New: twin}}})
		w.is(err, ErrNotFound)
		_, err = w.s.Write(w.Context(), Change{Ops: []Op{{Old: a}}})
		w.ok(err)
	}},
	{"sets", func(w *walk) {
		b, c := scopeNamed("b"), scopeNamed("c")
		_, err := w.s.Write(w.Context(), Change{Ops: []Op{{New: b}, {New: c}}})
		w.ok(err)
		_, err = w.s.Write(w.Context(), Change{Ops: []Op{{Old: b, New: proto.CloneOf(b)}, {Old: c}}})
		w.ok(err)
	}},
	{"Get", func(w *walk) {
		_, err := Get(w.Context(), w.s, catalog.Scopes, "nobody")
		w.is(err, ErrNotFound)
	}},
	{"Store.GetAny", func(w *walk) {
		_, err := w.s.GetAny(w.Context(), catalog.Scopes, "nobody")
		w.is(err, ErrNotFound)
	}},
	{"FindByUnique", func(w *walk) {
		_, err := FindByUnique(w.Context(), w.s, catalog.Scopes, "key", "nobody")
		w.is(err, ErrNotFound)
	}},
	{"List", func(w *walk) {
		_, _, err := List(w.Context(), w.s, catalog.Scopes, Query{Domain: "d1"})
		w.ok(err)
	}},
	{"Store.ListAny", func(w *walk) {
		for _, where := range []map[string][]any{nil, {"vhostMode": {true}}} {
			_, _, err := w.s.ListAny(w.Context(), catalog.Domains, Query{Where: where})
			w.ok(err)
		}
		_, _, err := w.s.ListAny(w.Context(), catalog.Forms, Query{Where: map[string][]any{"level": {"a1"}}})
		w.ok(err)
		_, _, err = w.s.ListAny(w.Context(), catalog.Applications, Query{Domain: "d1", Where: map[string][]any{"certificate": {"c"}}})
		w.ok(err)
	}},
	{"Store.TakenUnique", func(w *walk) {
		_, err := w.s.TakenUnique(w.Context(), catalog.Scopes, scopeNamed("a"))
		w.ok(err)
	}},
	{"Store.LastRevision", func(w *walk) {
		_, err := w.s.LastRevision(w.Context())
		w.ok(err)
	}},
	{"Store.Load", func(w *walk) {
		_, err := w.s.Load(w.Context())
		w.ok(err)
	}},
	{"Store.Follow", func(w *walk) {
		ctx, cancel := context.WithCancel(w.Context())
		last, err := w.s.LastRevision(ctx)
		w.ok(err)
		err = w.s.Follow(ctx, 0, func(_ context.Context, e Entry) error {
			if e.Revision == last {
				cancel()
			}
			return nil
		})
		w.is(err, context.Canceled)
	}},
	{"Store.History", func(w *walk) {
		_, err := w.s.History(w.Context(), 9, 9)
		w.ok(err)
	}},
	{"Store.Missed", func(w *walk) {
		_, err := w.s.Missed(w.Context(), 0, map[resource.Key]int64{{Kind: "scope", Domain: "d1", ID: "x"}: 1})
		w.ok(err)
	}},
	{"Store.Remind", func(w *walk) {
		_, err := w.s.Remind(w.Context(), []resource.Key{{Kind: "scope", Domain: "d1", ID: "x"}})
		w.ok(err)
	}},

	{"Users.Insert", func(w *walk) {
		u := person("ann")
		w.ok(w.s.Users().Insert(w.Context(), u))
		w.is(w.s.Users().Insert(w.Context(), person("ann")), ErrDuplicate)
		same := person("bea")
		same.Subject = u.GetSubject()
		w.is(w.s.Users().Insert(w.Context(), same), ErrDuplicate)
	}},
	{"Users.Replace", func(w *walk) { w.is(w.s.Users().Replace(w.Context(), person("nobody"), person("nobody")), ErrNotFound) }},
	{"Users.Get", func(w *walk) {
		_, err := w.s.Users().Get(w.Context(), "d1", "nobody")
		w.is(err, ErrNotFound)
	}},
	{"Users.FindByUsername", func(w *walk) {
		_, err := w.s.Users().FindByUsername(w.Context(), "d1", "s", "nobody")
		w.is(err, ErrNotFound)
	}},
	{"Users.FindBySubject", func(w *walk) {
		_, err := w.s.Users().FindBySubject(w.Context(), "d1", "nobody")
		w.is(err, ErrNotFound)
	}},
	{"Users.List", func(w *walk) {
		for _, search := range []string{"", "a*", "*a*", "ann"} {
			_, _, err := w.s.Users().List(w.Context(), UserQuery{Domain: "d1", Size: 1, Search: search})
			w.ok(err)
		}
		for _, text := range []string{
			`userName eq "ann"`, `email sw "a"`, `externalId eq "x"`, `userName eq "ann" and enabled eq true`, `id eq "x"`,
			`firstName sw "a"`, `lastName eq "b"`, `source eq "s"`, `createdAt gt "2026-01-01T00:00:00Z"`, `updatedAt gt "2026-01-01T00:00:00Z"`,
		} {
			filter, err := scim.Parse(text)
			w.ok(err)
			_, _, err = w.s.Users().List(w.Context(), UserQuery{Domain: "d1", Size: 1, Filter: filter})
			w.ok(err)
		}
	}},
	{"Users.After", func(w *walk) {
		for _, last := range []*directoryv1.User{nil, person("a")} {
			_, err := w.s.Users().After(w.Context(), "d1", last, 10)
			w.ok(err)
		}
	}},
	{"Users.Some", func(w *walk) {
		_, err := w.s.Users().Some(w.Context(), "d1", []string{"a", "b"})
		w.ok(err)
	}},
	{"Users.RemoveRole", func(w *walk) { w.ok(w.s.Users().RemoveRole(w.Context(), "d1", "r")) }},

	{"Links.Add", func(w *walk) {
		w.ok(w.s.Links().Add(w.Context(), Link{Domain: "d1", Subject: "s", User: "a", Source: "p", LinkedAt: time.Now()}))
	}},
	{"Links.Find", func(w *walk) {
		_, err := w.s.Links().Find(w.Context(), "d1", "s")
		w.ok(err)
	}},
	{"Links.Note", func(w *walk) { w.ok(w.s.Links().Note(w.Context(), Link{Domain: "d1", Subject: "s"})) }},
	{"Links.OfUsers", func(w *walk) {
		_, err := w.s.Links().OfUsers(w.Context(), "d1", []string{"a"})
		w.ok(err)
	}},
	{"Links.Remove", func(w *walk) { w.ok(w.s.Links().Remove(w.Context(), "d1", "s")) }},
	{"Links.RemoveUser", func(w *walk) { w.ok(w.s.Links().RemoveUser(w.Context(), "d1", "a")) }},
	{"Links.RemoveSource", func(w *walk) { w.ok(w.s.Links().RemoveSource(w.Context(), "d1", "p")) }},

	{"Memberships.Add", func(w *walk) {
		_, err := w.s.Memberships().Add(w.Context(), "d1", "g", []string{"a", "b"})
		w.ok(err)
	}},
	{"Memberships.Remove", func(w *walk) {
		_, err := w.s.Memberships().Remove(w.Context(), "d1", "g", []string{"a"})
		w.ok(err)
	}},
	{"Memberships.OfGroup", func(w *walk) {
		_, _, err := w.s.Memberships().OfGroup(w.Context(), "d1", "g", 0, 10)
		w.ok(err)
	}},
	{"Memberships.OfUsers", func(w *walk) {
		_, err := w.s.Memberships().OfUsers(w.Context(), "d1", []string{"a", "b"})
		w.ok(err)
	}},
	{"Store.TouchedLately", func(w *walk) {
		_, err := w.s.TouchedLately(w.Context(), "d1")
		w.ok(err)
	}},
	{"Store.TouchedAfter", func(w *walk) {
		_, err := w.s.TouchedAfter(w.Context(), "d1", 1)
		w.ok(err)
	}},
	{"Users.SignedInSince", func(w *walk) {
		w.ok(w.s.Users().SignedInSince(w.Context(), "d1", time.Now(), func(string, time.Time) {}))
	}},
	{"Memberships.Each", func(w *walk) { w.ok(w.s.Memberships().Each(w.Context(), "d1", func(string, string) {})) }},
	{"Users.Sketches", func(w *walk) {
		w.ok(w.s.Users().Sketches(w.Context(), "d1", nil, func(*Sketch) {}))
		w.ok(w.s.Users().Sketches(w.Context(), "d1", []string{"a"}, func(*Sketch) {}))
	}},
	{"Memberships.RemoveGroup", func(w *walk) { w.ok(w.s.Memberships().RemoveGroup(w.Context(), "d1", "g")) }},
	{"Memberships.RemoveUser", func(w *walk) { w.ok(w.s.Memberships().RemoveUser(w.Context(), "d1", "u")) }},
	{"Users.Delete", func(w *walk) {
		u := person("gone")
		w.ok(w.s.Users().Insert(w.Context(), u))
		w.ok(w.s.Users().Delete(w.Context(), "d1", u.GetId()))
	}},
	{"Store.RemoveDirectory", func(w *walk) { w.ok(w.s.RemoveDirectory(w.Context(), "d2")) }},

	{"Consents.Save", func(w *walk) {
		for range 2 {
			w.ok(w.s.Consents().Save(w.Context(), "d1", "u", "c", []*directoryv1.Consent{{Scope: "a", Approved: true}}))
		}
	}},
	{"Consents.Get", func(w *walk) {
		_, err := w.s.Consents().Get(w.Context(), "d1", "u", "c")
		w.ok(err)
	}},
	{"Consents.OfUser", func(w *walk) {
		_, err := w.s.Consents().OfUser(w.Context(), "d1", "u")
		w.ok(err)
	}},
	{"Consents.ForgetScope", func(w *walk) { w.ok(w.s.Consents().ForgetScope(w.Context(), "d1", "u", "c", "b")) }},
	{"Consents.RemoveScope", func(w *walk) { w.ok(w.s.Consents().RemoveScope(w.Context(), "d1", "a")) }},
	{"Consents.Empty", func(w *walk) {
		_, err := w.s.Consents().Empty(w.Context(), "d1", "u", "c2")
		w.ok(err)
	}},
	{"Consents.DeleteUser", func(w *walk) { w.ok(w.s.Consents().DeleteUser(w.Context(), "d1", "u")) }},
	{"Consents.DeleteClient", func(w *walk) { w.ok(w.s.Consents().DeleteClient(w.Context(), "d1", "c")) }},

	{"Operators.Get", func(w *walk) {
		o := &Operator{ID: secret.NewID(), Name: "Admin"}
		w.ok(w.s.Operators().Insert(w.Context(), o))
		_, err := w.s.Operators().Get(w.Context(), "admin")
		w.ok(err)
	}},
	{"Operators.Replace", func(w *walk) {
		o, err := w.s.Operators().Get(w.Context(), "admin")
		w.ok(err)
		w.ok(w.s.Operators().Replace(w.Context(), o))
	}},
	{"Operators.List", func(w *walk) {
		_, err := w.s.Operators().List(w.Context())
		w.ok(err)
	}},
	{"Operators.Find", func(w *walk) {
		_, err := w.s.Operators().Find(w.Context(), "nobody")
		w.is(err, ErrNotFound)
	}},
	{"Operators.SignedIn", func(w *walk) { w.ok(w.s.Operators().SignedIn(w.Context(), "admin", time.Now())) }},
	{"Operators.Delete", func(w *walk) {
		w.is(w.s.Operators().Delete(w.Context(), &Operator{Key: "admin", Revision: 99}), ErrStale)
	}},
	{"OperatorMembers.Put", func(w *walk) {
		w.ok(w.s.OperatorMembers().Put(w.Context(), OperatorMembership{Reference: "domain/d1", Domain: "d1", Operator: "o", Role: "r"}))
	}},
	{"OperatorMembers.Get", func(w *walk) {
		_, err := w.s.OperatorMembers().Get(w.Context(), "domain/d1", "o")
		w.ok(err)
	}},
	{"OperatorMembers.At", func(w *walk) {
		_, _, err := w.s.OperatorMembers().At(w.Context(), "domain/d1", 0, 10)
		w.ok(err)
	}},
	{"OperatorMembers.Of", func(w *walk) {
		_, err := w.s.OperatorMembers().Of(w.Context(), "o", "d1")
		w.ok(err)
	}},
	{"OperatorMembers.Any", func(w *walk) {
		_, err := w.s.OperatorMembers().Any(w.Context(), "o", "d1")
		w.ok(err)
	}},
	{"OperatorMembers.DomainsOf", func(w *walk) {
		_, err := w.s.OperatorMembers().DomainsOf(w.Context(), "o")
		w.ok(err)
	}},
	{"OperatorMembers.RolesOf", func(w *walk) {
		_, err := w.s.OperatorMembers().RolesOf(w.Context(), "o")
		w.ok(err)
	}},
	{"OperatorMembers.HasRole", func(w *walk) {
		_, err := w.s.OperatorMembers().HasRole(w.Context(), "r")
		w.ok(err)
	}},
	{"OperatorMembers.Delete", func(w *walk) { w.ok(w.s.OperatorMembers().Delete(w.Context(), "domain/d1", "o")) }},
	{"OperatorMembers.RemoveOperator", func(w *walk) { w.ok(w.s.OperatorMembers().RemoveOperator(w.Context(), "o")) }},
	{"OperatorMembers.RemovePlace", func(w *walk) { w.ok(w.s.OperatorMembers().RemovePlace(w.Context(), "domain/d1")) }},
	{"OperatorMembers.RemoveDomain", func(w *walk) { w.ok(w.s.OperatorMembers().RemoveDomain(w.Context(), "d1")) }},
	{"OperatorRoles.Insert", func(w *walk) {
		w.ok(w.s.OperatorRoles().Insert(w.Context(), &OperatorRole{ID: "r", Name: "Reader", Organization: "o"}))
	}},
	{"OperatorRoles.Get", func(w *walk) {
		_, err := w.s.OperatorRoles().Get(w.Context(), "r")
		w.ok(err)
	}},
	{"OperatorRoles.List", func(w *walk) {
		_, err := w.s.OperatorRoles().List(w.Context())
		w.ok(err)
	}},
	{"OperatorRoles.Replace", func(w *walk) {
		w.ok(w.s.OperatorRoles().Replace(w.Context(), &OperatorRole{ID: "r", Name: "Writer", Organization: "o", Revision: 1}))
	}},
	{"OperatorRoles.Delete", func(w *walk) { w.ok(w.s.OperatorRoles().Delete(w.Context(), &OperatorRole{ID: "r", Revision: 2})) }},
	{"PersonalTokens.Get", func(w *walk) {
		w.ok(w.s.PersonalTokens().Insert(w.Context(), &PersonalToken{Hash: "h", ID: "t", Operator: "o"}))
		_, err := w.s.PersonalTokens().Get(w.Context(), "h")
		w.ok(err)
	}},
	{"PersonalTokens.Used", func(w *walk) { w.ok(w.s.PersonalTokens().Used(w.Context(), "h", time.Now())) }},
	{"PersonalTokens.List", func(w *walk) {
		_, err := w.s.PersonalTokens().List(w.Context(), "o")
		w.ok(err)
	}},
	{"PersonalTokens.Delete", func(w *walk) { w.ok(w.s.PersonalTokens().Delete(w.Context(), "o", "t")) }},
	{"PersonalTokens.RemoveOperator", func(w *walk) { w.ok(w.s.PersonalTokens().RemoveOperator(w.Context(), "o")) }},
	{"Attempts.Get", func(w *walk) {
		_, err := w.s.Attempts().Get(w.Context(), "k")
		w.ok(err)
	}},
	{"Attempts.Put", func(w *walk) {
		w.ok(w.s.Attempts().Put(w.Context(), Attempt{Key: "k"}))
		w.ok(w.s.Attempts().Put(w.Context(), Attempt{Key: "k", Revision: 1}))
	}},
	{"Store.PutSigningKeys", func(w *walk) {
		keys := &SigningKeys{Purpose: "p"}
		for range 2 {
			w.ok(w.s.PutSigningKeys(w.Context(), keys))
		}
	}},
	{"Store.SigningKeysOf", func(w *walk) {
		_, err := w.s.SigningKeysOf(w.Context(), "p")
		w.ok(err)
	}},
	{"RevokedTokens.Add", func(w *walk) { w.ok(w.s.RevokedTokens().Add(w.Context(), "t", time.Now())) }},
	{"RevokedTokens.Has", func(w *walk) {
		_, err := w.s.RevokedTokens().Has(w.Context(), "t")
		w.ok(err)
	}},

	{"Audits.List", func(w *walk) {
		now := time.Now()
		for _, q := range []AuditQuery{
			{}, {From: now}, {User: "ann"}, {Actions: []string{"a", "b"}}, {Result: ResultSuccess}, {Meant: true},
			{Domain: "d1"}, {Domain: "d1", From: now, To: now}, {Domain: "d1", User: "ann"}, {Domain: "d1", Actions: []string{"a"}},
			{Domain: "d1", Result: ResultSuccess}, {Domain: "d1", Meant: true}, {Domain: "d1", Kind: "scope"},
			{Domain: "d1", FromRevision: 1, ToRevision: 9}, {Domain: "d1", Kind: "scope", ResourceID: "x"},
			{Domain: "d1", Configuration: true, Result: ResultSuccess},
			{Domain: "d1", Configuration: true, Result: ResultSuccess, Actions: []string{ActionDelete}},
			{Domain: "d1", Configuration: true, Result: ResultSuccess, FromRevision: 1, ToRevision: 9},
			{Domain: "d1", Configuration: true, Result: ResultSuccess, FromRevision: 1, Actions: []string{ActionDelete}},
			{Domain: "d1", Kind: "scope", ResourceID: "x", Result: ResultSuccess, FromRevision: 1, ToRevision: 9},
		} {
			_, _, err := w.s.Audits().List(w.Context(), q)
			w.ok(err)
		}
	}},
	{"Audits.Get", func(w *walk) {
		_, err := w.s.Audits().Get(w.Context(), "nobody")
		w.is(err, ErrNotFound)
	}},
	{"Audits.Exist", func(w *walk) {
		r := &AuditRecord{Kind: "scope", ResourceID: "nobody", Revision: 1, Result: ResultSuccess}
		exist, err := w.s.Audits().Exist(w.Context(), []*AuditRecord{r})
		w.ok(err)
		if exist["nobody"] {
			w.Error("nobody exists")
		}
	}},
	{"Audits.Versions", func(w *walk) {
		_, _, err := w.s.Audits().Versions(w.Context(), resource.Key{Kind: "scope", Domain: "d1", ID: "x"}, 0, 10)
		w.ok(err)
	}},
	{"Audits.VersionAt", func(w *walk) {
		_, err := w.s.Audits().VersionAt(w.Context(), resource.Key{Kind: "scope", Domain: "d1", ID: "x"}, 7)
		w.is(err, ErrNotFound)
	}},

	{"Confirmations.Put", func(w *walk) { w.ok(w.s.Confirmations().Put(w.Context(), "q", 1, 2, time.Now())) }},
	{"Confirmations.Get", func(w *walk) {
		_, _, err := w.s.Confirmations().Get(w.Context(), "none", time.Now())
		w.is(err, ErrNotFound)
	}},
	{"SecretKeys.Put", func(w *walk) { w.ok(w.s.SecretKeys().Put(w.Context(), "d1", "a", "s", "value", time.Now())) }},
	{"SecretKeys.Get", func(w *walk) {
		_, err := w.s.SecretKeys().Get(w.Context(), "a", time.Now())
		w.ok(err)
	}},
	{"SecretKeys.Remove", func(w *walk) { w.ok(w.s.SecretKeys().Remove(w.Context(), "s", "t")) }},
	{"SecretKeys.RemoveApplication", func(w *walk) { w.ok(w.s.SecretKeys().RemoveApplication(w.Context(), "a")) }},
	{"SecretUses.Record", func(w *walk) {
		a := &configv1.Application{Name: "used"}
		resource.Stamp(a, resource.Stamps{ID: "used", Domain: "d1"})
		create(w.T, w.s, a)
		w.ok(w.s.SecretUses().Record(w.Context(), []SecretUse{{Secret: "s", Domain: "d1", Application: "used", At: time.Now()}}))
	}},
	{"SecretUses.OfApplication", func(w *walk) {
		_, err := w.s.SecretUses().OfApplication(w.Context(), "used")
		w.ok(err)
	}},
	{"SecretUses.Get", func(w *walk) {
		_, err := w.s.SecretUses().Get(w.Context(), []string{"s", "t"})
		w.ok(err)
	}},
	{"SecretUses.Remove", func(w *walk) { w.ok(w.s.SecretUses().Remove(w.Context(), "s")) }},
	{"SecretUses.RemoveApplication", func(w *walk) { w.ok(w.s.SecretUses().RemoveApplication(w.Context(), "used")) }},

	{"Users.FindByEmail", func(w *walk) {
		_, err := w.s.Users().FindByEmail(w.Context(), "d1", "ann@acme.example", 3)
		w.ok(err)
	}},
	{"Mails.Insert", func(w *walk) {
		w.ok(w.s.Mails().Insert(w.Context(), &Mail{ID: "m", Domain: "d1", User: "u", DueAt: time.Now().Add(-time.Minute)}))
	}},
	{"Mails.Claim", func(w *walk) {
		got, err := w.s.Mails().Claim(w.Context(), "me", time.Minute, 5)
		if w.ok(err); len(got) != 1 {
			w.Fatalf("%d claimed", len(got))
		}
		w.mail = got[0]
	}},
	{"Mails.Put", func(w *walk) { w.ok(w.s.Mails().Put(w.Context(), w.mail)) }},
	{"Mails.Waiting", func(w *walk) {
		for _, domain := range []string{"", "d1"} {
			_, err := w.s.Mails().Waiting(w.Context(), domain)
			w.ok(err)
		}
	}},
	{"Mails.Oldest", func(w *walk) {
		_, err := w.s.Mails().Oldest(w.Context())
		w.ok(err)
	}},
	{"Mails.Allow", func(w *walk) {
		for range 2 {
			_, err := w.s.Mails().Allow(w.Context(), "k", 1, time.Hour)
			w.ok(err)
		}
	}},
	{"Mails.RemoveUser", func(w *walk) { w.ok(w.s.Mails().RemoveUser(w.Context(), "d1", "u")) }},
	{"Mails.Remove", func(w *walk) { w.ok(w.s.Mails().Remove(w.Context(), "m")) }},

	{"Tickets.Issue", func(w *walk) { w.ok(w.s.Tickets().Issue(w.Context(), aTicket())) }},
	{"Tickets.Get", func(w *walk) {
		_, err := w.s.Tickets().Get(w.Context(), "d1", "h")
		w.ok(err)
	}},
	{"Tickets.Live", func(w *walk) {
		_, err := w.s.Tickets().Live(w.Context(), "d1", "u", "reset")
		w.ok(err)
	}},
	{"Tickets.Try", func(w *walk) {
		_, err := w.s.Tickets().Try(w.Context(), "h", 10)
		w.ok(err)
	}},
	{"Tickets.Untry", func(w *walk) { w.ok(w.s.Tickets().Untry(w.Context(), "h")) }},
	{"Tickets.Use", func(w *walk) {
		_, err := w.s.Tickets().Use(w.Context(), "h")
		w.ok(err)
	}},
	{"Tickets.PutBack", func(w *walk) { w.ok(w.s.Tickets().PutBack(w.Context(), aTicket())) }},
	{"Tickets.RemoveUser", func(w *walk) { w.ok(w.s.Tickets().RemoveUser(w.Context(), "d1", "u")) }},

	{"Icons.Put", func(w *walk) {
		for range 2 {
			w.ok(w.s.Icons().Put(w.Context(), Icon{Domain: "d1", Digest: "x", MediaType: "image/png", Content: []byte("x")}))
		}
	}},
	{"Icons.Get", func(w *walk) {
		_, err := w.s.Icons().Get(w.Context(), "d1", "x")
		w.ok(err)
		_, err = w.s.Icons().Get(w.Context(), "d2", "x")
		w.is(err, ErrNotFound)
	}},
	{"RegistrationAttempts.Put", func(w *walk) {
		attempt := &RegistrationAttempt{ID: "a", Domain: "d1", BegunAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
		for range 2 {
			w.ok(w.s.RegistrationAttempts().Put(w.Context(), attempt))
		}
		w.attempt = attempt
	}},
	{"RegistrationAttempts.Get", func(w *walk) {
		_, err := w.s.RegistrationAttempts().Get(w.Context(), "a")
		w.ok(err)
	}},
	{"RegistrationAttempts.Forget", func(w *walk) { w.ok(w.s.RegistrationAttempts().Forget(w.Context(), w.attempt)) }},

	{"RegistrationTokens.Insert", func(w *walk) { w.ok(w.s.RegistrationTokens().Insert(w.Context(), aToken())) }},
	{"RegistrationTokens.List", func(w *walk) {
		_, _, err := w.s.RegistrationTokens().List(w.Context(), "d1", 0, 10)
		w.ok(err)
	}},
	{"RegistrationTokens.Get", func(w *walk) {
		_, err := w.s.RegistrationTokens().Get(w.Context(), "d1", "t")
		w.ok(err)
	}},
	{"RegistrationTokens.Find", func(w *walk) {
		_, err := w.s.RegistrationTokens().Find(w.Context(), "d1", "h")
		w.ok(err)
	}},
	{"RegistrationTokens.Take", func(w *walk) {
		_, err := w.s.RegistrationTokens().Take(w.Context(), aToken(), "a", time.Now())
		w.ok(err)
	}},
	{"Store.Migrated", func(w *walk) {
		_, err := w.s.Migrated(w.Context())
		w.ok(err)
		w.ok(w.s.putMigration(w.Context(), "1", &migrationDone{Number: 1, DoneAt: time.Now()}))
	}},
	{"Store.ClearDomain", func(w *walk) { w.ok(w.s.ClearDomain(w.Context(), "d-nobody-has")) }},
	{"Store.TakenIDs", func(w *walk) {
		_, err := w.s.TakenIDs(w.Context(), catalog.Applications, "d1", []string{"a"})
		w.ok(err)
	}},
	{"Users.TakenIDs", func(w *walk) {
		_, err := w.s.Users().TakenIDs(w.Context(), "d1", []string{"a"})
		w.ok(err)
	}},
	{"Store.TakenKept", func(w *walk) {
		for _, tree := range []prototree.Object{
			{"_id": "a", "domain": "d7", "hash": "h", "name": "n", "quota": 1, "used": 0},
		} {
			one, err := ReadKept(KeptRegistrationToken, tree)
			w.ok(err)
			_, err = w.s.TakenKept(w.Context(), "d1", []Kept{one})
			w.ok(err)
			w.ok(w.s.PutKept(w.Context(), []Kept{one}))
		}
		one, err := ReadKept(KeptSecretKey, prototree.Object{"_id": "a", "domain": "d7", "application": "a", "value": "v"})
		w.ok(err)
		_, err = w.s.TakenKept(w.Context(), "d1", []Kept{one})
		w.ok(err)
		w.ok(w.s.PutKept(w.Context(), []Kept{one}))
	}},
	{"Store.EachKept", func(w *walk) {
		for _, kind := range KeptOfDomains {
			w.ok(w.s.EachKept(w.Context(), kind, "d1", func(prototree.Object) error { return nil }))
		}
		for _, kind := range KeptOfInstallation {
			w.ok(w.s.EachKept(w.Context(), kind, "", func(prototree.Object) error { return nil }))
		}
	}},
	{"Store.PutKept", func(w *walk) {
		one, err := ReadKept(KeptMembership, prototree.Object{"_id": "?", "domain": "d7", "group": "g", "user": "u"})
		w.ok(err)
		w.ok(w.s.PutKept(w.Context(), []Kept{one}))
	}},
	{"Users.InsertAll", func(w *walk) {
		u := person("olga-of-an-archive")
		w.ok(w.s.Users().InsertAll(w.Context(), []*directoryv1.User{u}))
		w.is(w.s.Users().InsertAll(w.Context(), []*directoryv1.User{u}), ErrDuplicate)
	}},
	{"Store.Gone", func(w *walk) {
		_, err := w.s.Gone(w.Context(), catalog.Applications, "d", "a")
		w.ok(err)
	}},
	{"RegistrationTokens.GiveBack", func(w *walk) { w.ok(w.s.RegistrationTokens().GiveBack(w.Context(), "t", "a")) }},
	{"RegistrationTokens.Settle", func(w *walk) { w.ok(w.s.RegistrationTokens().Settle(w.Context(), "t", "a")) }},
	{"RegistrationTokens.Reconcile", func(w *walk) { w.ok(w.s.RegistrationTokens().Reconcile(w.Context(), "t", "a")) }},
	{"RegistrationTokens.Unsettled", func(w *walk) {
		_, err := w.s.RegistrationTokens().Unsettled(w.Context())
		w.ok(err)
	}},
	{"RegistrationTokens.Delete", func(w *walk) {
		_, err := w.s.RegistrationTokens().Delete(w.Context(), "d1", "t")
		w.ok(err)
	}},

	{"ClientUses.Record", func(w *walk) {
		w.ok(w.s.ClientUses().Record(w.Context(), []ClientUse{{Application: "a", Domain: "d1", At: time.Now()}}))
	}},
	{"ClientUses.OfDomain", func(w *walk) {
		_, err := w.s.ClientUses().OfDomain(w.Context(), "d1")
		w.ok(err)
	}},
	{"ClientUses.Of", func(w *walk) {
		_, err := w.s.ClientUses().Of(w.Context(), "d1", []string{"a", "b"})
		w.ok(err)
	}},
	{"ClientUses.RemoveApplication", func(w *walk) { w.ok(w.s.ClientUses().RemoveApplication(w.Context(), "a")) }},
	{"ClientUses.KeptSince", func(w *walk) {
		_, err := w.s.ClientUses().KeptSince(w.Context(), "d1", time.Now())
		w.ok(err)
	}},
	{"ClientUses.KeepingDomains", func(w *walk) {
		_, err := w.s.ClientUses().KeepingDomains(w.Context())
		w.ok(err)
	}},
	{"ClientUses.EndKeeping", func(w *walk) { w.ok(w.s.ClientUses().EndKeeping(w.Context(), "d1")) }},
	{"BindingTallies.Record", func(w *walk) {
		w.ok(w.s.BindingTallies().Record(w.Context(), []BindingTally{{ID: "t", Application: "a", Domain: "d1", Binding: "b", Hour: time.Now(), Evaluated: 1}}))
	}},
	{"BindingTallies.Of", func(w *walk) {
		w.ok(w.s.BindingTallies().Of(w.Context(), "a", "b", time.Now(), func(*BindingTally) {}))
	}},
	{"BindingTallies.RemoveApplication", func(w *walk) { w.ok(w.s.BindingTallies().RemoveApplication(w.Context(), "a")) }},
	{"GatewayStreams.Say", func(w *walk) {
		w.ok(w.s.GatewayStreams().Say(w.Context(), "r", [][]byte{[]byte("a"), []byte("b")}, time.Minute))
	}},
	{"GatewayStreams.Others", func(w *walk) {
		_, err := w.s.GatewayStreams().Others(w.Context(), "r")
		w.ok(err)
	}},
	{"GatewayStreams.Forget", func(w *walk) { w.ok(w.s.GatewayStreams().Forget(w.Context(), "r")) }},
	{"RegistrationSeats.Take", func(w *walk) {
		for _, application := range []string{"a", "b"} {
			got, err := w.s.RegistrationSeats().Take(w.Context(), "d1", 1, application, 10)
			if w.ok(err); !got {
				w.Error("no place")
			}
		}
		_, err := w.s.RegistrationSeats().Take(w.Context(), "d1", 2, "c", 1)
		w.ok(err)
	}},
	{"RegistrationSeats.Settle", func(w *walk) { w.ok(w.s.RegistrationSeats().Settle(w.Context(), "d1", "a", true)) }},

	{"Leases.Acquire", func(w *walk) {
		for range 2 {
			_, got, err := w.s.Leases().Acquire(w.Context(), "lease", "me", time.Minute)
			if w.ok(err); !got {
				w.Error("not acquired")
			}
		}
	}},
	{"Leases.Prolong", func(w *walk) {
		if _, got, err := w.s.Leases().Prolong(w.Context(), Lease{Name: "lease", Holder: "me", Revision: 2}, time.Minute); err != nil || !got {
			w.Errorf("not prolonged: %v", err)
		}
	}},
	{"Leases.Release", func(w *walk) {
		w.ok(w.s.Leases().Release(w.Context(), Lease{Name: "lease", Holder: "me", Revision: 3}))
	}},

	{"Store.Sweep", func(w *walk) {
		home := &configv1.Domain{Name: "home", Hrid: "home"}
		resource.Stamp(home, resource.Stamps{ID: "d9", Domain: "d9"})
		create(w.T, w.s, home)
		// What a dead writer left of a set, and what an absent domain left.
		_, err := w.s.db.Collection("scopes").InsertOne(w.Context(), bson.M{
			"_id": "left", "domain": "d9", "revision": int64(1), memberSet: true, memberUnique + "key": "left",
		})
		w.ok(err)
		// A change whose writer died, long ago, and its record; and a record that is too old to be kept.
		last, err := w.s.LastRevision(w.Context())
		w.ok(err)
		long := time.Now().Add(-2 * time.Hour)
		_, err = w.s.db.Collection(changesCollection).InsertOne(w.Context(), change{
			Revision: last + 1, Keys: []changeKey{{Kind: "scope", Domain: "d9", ID: "never"}}, State: dropped, At: long,
		})
		w.ok(err)
		for at, id := range map[time.Time]string{time.Now(): "never", long: "old"} {
			w.ok(w.s.Audits().Append(w.Context(), AuditRecord{
				Kind: "scope", Domain: "d9", ResourceID: id, Revision: last + 1, Result: ResultSuccess, At: at,
			}))
		}
		w.s.opts.KeepAudits = time.Hour
		for range 2 {
			w.ok(w.s.Sweep(w.Context()))
		}
	}},
}

func aTicket() *Ticket {
	return &Ticket{Hash: "h", Purpose: "reset", Domain: "d1", User: "u", ExpiresAt: time.Now().Add(time.Hour)}
}

func aToken() *RegistrationToken {
	return &RegistrationToken{ID: "t", Domain: "d1", Hash: "h", Quota: 1, ExpiresAt: time.Now().Add(time.Hour)}
}

func person(name string) *directoryv1.User {
	u := &directoryv1.User{Username: name, Source: "s", Subject: secret.NewID()}
	resource.Stamp(u, resource.Stamps{ID: secret.NewID(), Domain: "d1"})
	return u
}

package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// walk is what the steps work with.
type walk struct {
	*testing.T
	s *Store
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
	"Store.Run": true, // Sweep, again and again
	// Follow, with a word when there is nothing to follow.
	"Store.FollowIdle": true,
	"Operators.Insert": true, "Audits.Append": true, // they insert, and find out what is taken by failing
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
		_, _, err := w.s.ListAny(w.Context(), catalog.Domains, Query{})
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
		for _, search := range []string{"", "a*"} {
			_, _, err := w.s.Users().List(w.Context(), Query{Domain: "d1", Size: 1, Search: search})
			w.ok(err)
		}
	}},
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
	{"Consents.RemoveScope", func(w *walk) { w.ok(w.s.Consents().RemoveScope(w.Context(), "d1", "a")) }},
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
	{"RevokedTokens.Add", func(w *walk) { w.ok(w.s.RevokedTokens().Add(w.Context(), "t", time.Now())) }},
	{"RevokedTokens.Has", func(w *walk) {
		_, err := w.s.RevokedTokens().Has(w.Context(), "t")
		w.ok(err)
	}},

	{"Audits.List", func(w *walk) {
		for _, q := range []AuditQuery{{}, {Domain: "d1"}} {
			_, _, err := w.s.Audits().List(w.Context(), q)
			w.ok(err)
		}
	}},

	{"Leases.Acquire", func(w *walk) {
		for range 2 {
			_, got, err := w.s.Leases().Acquire(w.Context(), "lease", "me", time.Minute)
			if w.ok(err); !got {
				w.Error("not acquired")
			}
		}
	}},
	{"Leases.Release", func(w *walk) {
		w.ok(w.s.Leases().Release(w.Context(), Lease{Name: "lease", Holder: "me", Revision: 2}))
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
		for range 2 {
			w.ok(w.s.Sweep(w.Context()))
		}
	}},
}

func person(name string) *directoryv1.User {
	u := &directoryv1.User{Username: name, Source: "s", Subject: secret.NewID()}
	resource.Stamp(u, resource.Stamps{ID: secret.NewID(), Domain: "d1"})
	return u
}

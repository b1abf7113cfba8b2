package transfer

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// refused imports an archive, first for show, and holds that both are refused with a text and leave nothing of some domains.
func (r *rig) refused(name, want string, text []byte, domains ...string) {
	r.Helper()
	for _, dry := range []bool{true, false} {
		lines, last := r.bring(bytes.NewReader(text), func(w *wish) { w.dry = dry })
		said := last.String()
		for _, l := range lines {
			said += "\n" + l.String()
		}
		if last.GetStatus() != managementv1.ArchiveRecord_REFUSED || !strings.Contains(strings.Join(strings.Fields(said), " "), want) {
			r.Errorf("%s, dry %v: %s", name, dry, said)
		}
	}
	for _, d := range domains {
		if n := r.people(d); r.there(d) || n != 0 {
			r.Errorf("%s: the domain is there: %v, with %d people", name, r.there(d), n)
		}
	}
}

// TestTwoDomainsOfAnArchiveHaveNothingInCommon: what only one domain may have is compared before anything is made.
func TestTwoDomainsOfAnArchiveHaveNothingInCommon(t *testing.T) {
	from, to := newRig(t), newRig(t)
	one, two := from.domain("One"), from.domain("Two")
	from.application(one, "robot")
	from.application(two, "robot")
	to.domain("Three")
	for _, tt := range []struct{ name, kind, member, want string }{
		{"one path", "domain", "path", "Another domain of the archive has the path"},
		{"one identifier of an application", "application", "id", "is in another domain of the archive too"},
		{"one identifier of a person", "user", "id", "is t"},
	} {
		var first any
		text := from.archive("", func(kind string, data prototree.Object) []prototree.Object {
			if kind == tt.kind {
				if first == nil {
					first = data[tt.member]
				}
				data[tt.member] = first
			}
			return []prototree.Object{data}
		})
		to.refused(tt.name, tt.want, text, one, two)
	}
	hosts := prototree.Object{"vhostMode": true, "vhosts": []any{prototree.Object{"host": "id.example.com", "path": "/a", "overrideEntrypoint": true}}}
	text := from.archive("", func(kind string, data prototree.Object) []prototree.Object {
		if kind == "domain" {
			for name, v := range hosts {
				data[name] = v
			}
		}
		return []prototree.Object{data}
	})
	to.refused("one virtual host", "id.example.com", text, one, two)
}

// TestADryRunSeesWhatIsTakenElsewhere: identifiers of people that another domain has here.
func TestADryRunSeesWhatIsTakenElsewhere(t *testing.T) {
	from, to := newRig(t), newRig(t)
	one := from.domain("One")
	bob := to.person(to.domain("Another"), "bob")
	text := from.archive(one, func(kind string, data prototree.Object) []prototree.Object {
		if kind == "user" {
			data["id"] = bob.GetId()
		}
		return []prototree.Object{data}
	})
	to.refused("an identifier of somebody else", "taken in another domain", text, one)
}

// TestWhatWasMadeIsSaid: where somebody takes a path meanwhile, the answer says which domains stand, and the next import makes the rest.
func TestWhatWasMadeIsSaid(t *testing.T) {
	from, to := newRig(t), newRig(t)
	var domains []string
	for _, name := range []string{"One", "Two"} {
		domains = append(domains, from.domain(name))
	}
	text := from.archive("", nil)
	if bytes.Index(text, []byte(domains[0])) > bytes.Index(text, []byte(domains[1])) {
		domains[0], domains[1] = domains[1], domains[0]
	}
	second, err := store.Get(t.Context(), from.Store, catalog.Domains, domains[1])
	if err != nil {
		t.Fatal(err)
	}
	var rival *configv1.Domain
	lines, last := to.bring(&pausing{rest: text, before: `"kind":"end"`, do: func() {
		if rival, _, err = editor.Create(t.Context(), to.Editor, catalog.Domains, here, prototree.Object{"name": second.GetName()}); err != nil {
			t.Error(err)
		}
	}}, nil)
	if last.GetStatus() != managementv1.ArchiveRecord_PARTLY || !strings.Contains(last.GetMessage(), domains[0]) || strings.Contains(last.GetMessage(), "domains ["+domains[1]) ||
		last.GetCounts()["domain"] != 1 || last.GetCounts()["user"] != 1 {
		t.Fatalf("%v after %d lines", last, len(lines))
	}
	if !to.there(domains[0]) || to.there(domains[1]) || to.people(domains[0]) != 1 || to.people(domains[1]) != 0 {
		t.Error("the answer says something else than what there is")
	}
	at := here
	at.Domain = rival.GetId()
	if _, err := editor.Delete(t.Context(), to.Editor, catalog.Domains, at, rival.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	if _, last := to.bring(bytes.NewReader(text), nil); last.GetStatus() != managementv1.ArchiveRecord_DONE || last.GetCounts()["domain"] != 1 {
		t.Errorf("again: %v", last)
	}
	if !to.there(domains[1]) || to.people(domains[1]) != 1 {
		t.Error("the rest is not there")
	}
}

// TestRecordsOfOtherDomainsAreNotReplaced: initial access tokens and kept client secrets of another domain stay as they are.
func TestRecordsOfOtherDomainsAreNotReplaced(t *testing.T) {
	from, to := newRig(t), newRig(t)
	one := from.domain("One")
	app := from.application(one, "robot")
	token := &store.RegistrationToken{
		ID: secret.NewID(), Domain: one, Hash: secret.HashToken("evil"), Name: "evil", Quota: 9,
		CreatedAt: from.Now(), ExpiresAt: from.Now().AddDate(1, 0, 0),
	}
	if err := from.Store.RegistrationTokens().Insert(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	other := to.domain("Another")
	good := *token
	good.Domain, good.Hash, good.Name = other, secret.HashToken("good"), "good"
	if err := to.Store.RegistrationTokens().Insert(t.Context(), &good); err != nil {
		t.Fatal(err)
	}
	key := testKey(t)
	to.refused("an initial access token of another domain", "taken in another domain", keyed(from.archiveWith(key, one, nil)), one)
	if found, err := to.Store.RegistrationTokens().Get(t.Context(), other, good.ID); err != nil || found.Name != "good" || found.Hash != good.Hash {
		t.Errorf("the token is %v now: %v", found, err)
	}
	if _, err := from.Store.RegistrationTokens().Delete(t.Context(), one, token.ID); err != nil {
		t.Fatal(err)
	}

	// A client secret counts only where it is one of its application.
	victim := to.application(other, "victim")
	mine := app.GetSecrets()[0].GetId()
	if err := to.Store.SecretKeys().Put(context.Background(), other, victim.GetId(), mine, "the victim's", to.Now().AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := from.Store.SecretKeys().Put(context.Background(), one, app.GetId(), mine, "mine", from.Now().AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	to.refused("a client secret of another domain", "taken in another domain", keyed(from.archiveWith(key, one, nil)), one)
	if values, err := to.Store.SecretKeys().Get(t.Context(), victim.GetId(), to.Now()); err != nil || values[mine] != "the victim's" {
		t.Errorf("%v %v", values, err)
	}
	if err := from.Store.SecretKeys().Put(context.Background(), one, app.GetId(), secret.NewID(), "of nobody", from.Now().AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	fresh := newRig(t)
	_, last := fresh.bring(bytes.NewReader(keyed(from.archiveWith(key, one, nil))), nil)
	values, err := fresh.Store.SecretKeys().Get(t.Context(), app.GetId(), fresh.Now())
	if last.GetStatus() != managementv1.ArchiveRecord_DONE || err != nil || len(values) != 1 || values[mine] == "" {
		t.Errorf("%v %v %v", last, values, err)
	}
}

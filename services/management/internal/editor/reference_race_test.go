package editor

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// TestDeletionsAndReferencesFollowEachOther deletes something while an application, a group or the domain begins to name
// it: whoever comes second sees the other, so nothing names what is gone.
func TestDeletionsAndReferencesFollowEachOther(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	app, _ := r.application(at, webApplication)
	group, _, err := Create(r.ctx, r.Editor, catalog.Groups, at, prototree.Object{"name": "Staff"})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := func(remove, name func() error) {
		race(2, func(i int) {
			if i == 0 {
				_ = remove() // either may be refused
			} else {
				_ = name()
			}
		})
	}
	patch := func(body any) error {
		raw, _ := json.Marshal(body)
		_, err := r.patch(at, app.GetId(), string(raw))
		return err
	}
	for i := range 12 {
		label := fmt.Sprint("x", i)
		provider, _, err := Create(r.ctx, r.Editor, catalog.IdentityProviders, at,
			r.tree(`{"name": "`+label+`", "type": "inline-am-idp", "configuration": {"users": []}}`))
		must(err)
		scope, _, err := Create(r.ctx, r.Editor, catalog.Scopes, at, prototree.Object{"key": label, "name": label, "description": label})
		must(err)
		role, _, err := Create(r.ctx, r.Editor, catalog.Roles, at, prototree.Object{"name": label})
		must(err)
		certificate, _, err := Create(r.ctx, r.Editor, catalog.Certificates, at,
			r.tree(`{"name": "`+label+`", "type": "generated-am-certificate", "configuration": {"algorithm": "ES256"}}`))
		must(err)

		pair(func() error {
			_, err := Delete(r.ctx, r.Editor, catalog.IdentityProviders, at, provider.GetId(), 0)
			return err
		}, func() error {
			return patch(map[string]any{"identityProviders": []any{map[string]any{"identity": provider.GetId()}}})
		})
		pair(func() error {
			_, err := Delete(r.ctx, r.Editor, catalog.Scopes, at, scope.GetId(), 0)
			return err
		}, func() error {
			return patch(map[string]any{"settings": map[string]any{"oauth": map[string]any{
				"scopeSettings": []any{map[string]any{"scope": label}},
			}}})
		})
		pair(func() error {
			_, err := Delete(r.ctx, r.Editor, catalog.Roles, at, role.GetId(), 0)
			return err
		}, func() error {
			_, err := Patch(r.ctx, r.Editor, catalog.Groups, at, group.GetId(), prototree.Object{"roles": []any{role.GetId()}}, 0)
			return err
		})
		pair(func() error {
			_, err := Delete(r.ctx, r.Editor, catalog.Certificates, at, certificate.GetId(), 0)
			return err
		}, func() error {
			_, err := r.SetFallbackCertificate(r.ctx, at, certificate.GetId())
			return err
		})
		r.nothingDangles(at, app.GetId(), group.GetId())
	}
}

// nothingDangles checks what an application, a group and the domain name.
func (r *rig) nothingDangles(at Place, application, group string) {
	r.t.Helper()
	a, err := Read(r.ctx, r.Editor, catalog.Applications, at, application)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range a.GetIdentityProviders() {
		if _, err := Read(r.ctx, r.Editor, catalog.IdentityProviders, at, p.GetIdentity()); err != nil {
			r.t.Error(err)
		}
	}
	scopes, err := allOf(r.ctx, &source{store: r.store}, catalog.Scopes, &configv1.Domain{Id: at.Domain})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range a.GetSettings().GetOauth().GetScopeSettings() {
		if !slices.ContainsFunc(scopes, func(known *configv1.Scope) bool { return known.GetKey() == s.GetScope() }) {
			r.t.Errorf("the application names the scope %s, which is gone", s.GetScope())
		}
	}
	g, err := Read(r.ctx, r.Editor, catalog.Groups, at, group)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, id := range g.GetRoles() {
		if _, err := Read(r.ctx, r.Editor, catalog.Roles, at, id); err != nil {
			r.t.Error(err)
		}
	}
	d, err := Read(r.ctx, r.Editor, catalog.Domains, here, at.Domain)
	if err != nil {
		r.t.Fatal(err)
	}
	if id := d.GetCertificateSettings().GetFallbackCertificate(); id != "" {
		if _, err := Read(r.ctx, r.Editor, catalog.Certificates, at, id); err != nil {
			r.t.Error(err)
		}
	}
}

// TestGroupsThatBeginToContainEachOther lets one group begin to contain another while that one begins to contain the
// first: only one of them may.
func TestGroupsThatBeginToContainEachOther(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	for i := range 12 {
		var ids [2]string
		for n := range ids {
			g, _, err := Create(r.ctx, r.Editor, catalog.Groups, at, prototree.Object{"name": fmt.Sprint(i, "-", n)})
			if err != nil {
				t.Fatal(err)
			}
			ids[n] = g.GetId()
		}
		var errs [2]error
		race(2, func(n int) {
			_, errs[n] = Patch(r.ctx, r.Editor, catalog.Groups, at, ids[n], prototree.Object{"groups": []any{ids[1-n]}}, 0)
		})
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("one of two has to win: %v, %v", errs[0], errs[1])
		}
	}
}

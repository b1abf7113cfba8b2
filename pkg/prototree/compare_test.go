package prototree_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func staff(users ...*configv1.InlineUser) *configv1.IdentityProvider {
	return &configv1.IdentityProvider{
		Id: "p1", Domain: "d1", Name: "Staff",
		Config: &configv1.IdentityProvider_Inline{Inline: &configv1.InlineProvider{Users: users}},
	}
}

func person(name, password string) *configv1.InlineUser {
	return &configv1.InlineUser{Username: name, Password: password}
}

func TestCompareNamesWhatDiffers(t *testing.T) {
	app := func(edit func(a *configv1.Application)) *configv1.Application {
		a := application()
		edit(a)
		return a
	}
	tests := []struct {
		name          string
		before, after proto.Message
		want          string
	}{
		{"nothing", application(), application(), `null`},
		{"stamps are not changes", application(), app(func(a *configv1.Application) {
			a.Revision, a.UpdatedAt = 43, stamp(1700000200000)
		}), `null`},
		{"a member", application(), app(func(a *configv1.Application) { a.Description = "Shop" }),
			`[{"path":"description","before":"The web shop","after":"Shop"}]`},
		{"a member that comes", app(func(a *configv1.Application) { a.Description = "" }), application(),
			`[{"path":"description","after":"The web shop"}]`},
		{"a switch deep inside", application(), app(func(a *configv1.Application) { a.Settings.Advanced.SkipConsent = false }),
			`[{"path":"settings.advanced.skipConsent","before":true,"after":false}]`},
		{"a list of plain values is one value", application(), app(func(a *configv1.Application) {
			a.Settings.Oauth.GrantTypes = []string{"authorization_code"}
		}), `[{"path":"settings.oauth.grantTypes","before":["authorization_code","refresh_token"],"after":["authorization_code"]}]`},
		{"elements of a list without a key are named by position", application(), app(func(a *configv1.Application) {
			a.IdentityProviders[1].Priority = 7
			a.IdentityProviders = append(a.IdentityProviders, &configv1.ApplicationIdentityProvider{Identity: "x"})
		}), `[{"path":"identityProviders[1].priority","before":1,"after":7},` +
			`{"path":"identityProviders[2]","after":{"identity":"x","priority":0}}]`},
		{"entries of a map", application(), app(func(a *configv1.Application) {
			delete(a.Metadata, "region")
			a.Metadata["cost.center"] = "8"
		}), `[{"path":"metadata[\"cost.center\"]","before":"7","after":"8"},{"path":"metadata.region","before":"eu"}]`},
		{"a secret shows that it changed and nothing else", staff(person("ann", "one")), staff(person("ann", "two")),
			`[{"path":"configuration.users[\"ann\"].password","before":"********","after":"********","secret":true}]`},
		{"an element is recognised by its key", staff(person("ann", "one"), person("bob", "b")), staff(person("eve", "e"), person("ann", "one"), person("bob", "c")),
			`[{"path":"configuration.users[\"eve\"]","after":{"password":"********","username":"eve"}},` +
				`{"path":"configuration.users[\"bob\"].password","before":"********","after":"********","secret":true}]`},
		{"elements that change places", staff(person("ann", "one"), person("bob", "b")), staff(person("bob", "b"), person("ann", "one")),
			`[{"path":"configuration.users","before":["ann","bob"],"after":["bob","ann"]}]`},
		{"keys that are given twice fall back to the position", staff(person("ann", "1"), person("ann", "2")), staff(person("ann", "1"), person("ann", "3")),
			`[{"path":"configuration.users[1].password","before":"********","after":"********","secret":true}]`},
		{"another type of provider", staff(person("ann", "one")), &configv1.IdentityProvider{
			Name:   "Staff",
			Config: &configv1.IdentityProvider_Google{Google: &configv1.SocialProvider{ClientId: "c", ClientSecret: "s"}},
		}, `[{"path":"configuration.clientId","after":"c"},{"path":"configuration.clientSecret","after":"********","secret":true},` +
			`{"path":"configuration.storeOriginalTokens","after":false},{"path":"configuration.users","before":[{"password":"********","username":"ann"}]},` +
			`{"path":"type","before":"inline-am-idp","after":"google-am-idp"}]`},
		{"what came into being", (*configv1.Application)(nil), application(), `null`},
		{"what went", application(), nil, `null`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := prototree.Compare(tt.before, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(c.Changes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			for state, m := range map[string]proto.Message{"before": tt.before, "after": tt.after} {
				tree := map[string]prototree.Object{"before": c.Before, "after": c.After}[state]
				if m == nil || !m.ProtoReflect().IsValid() {
					if tree != nil {
						t.Errorf("%s: %v where there is nothing", state, tree)
					}
					continue
				}
				want, err := prototree.Audit.Encode(m)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, tree); diff != "" {
					t.Errorf("%s is not the audit dialect (-want +got):\n%s", state, diff)
				}
			}
		})
	}
}

func TestDifferencesOfTrees(t *testing.T) {
	before := prototree.Object{"name": "a", "password": prototree.Mask, "list": []any{prototree.Object{"x": "1"}}}
	after := prototree.Object{"name": "b", "password": prototree.Mask, "list": []any{prototree.Object{"x": "2"}}}
	got, err := json.Marshal(prototree.Differences(before, after))
	if err != nil || string(got) != `[{"path":"list[0].x","before":"1","after":"2"},{"path":"name","before":"a","after":"b"}]` {
		t.Errorf("%s, %v", got, err)
	}
	if c := prototree.Differences(nil, after); c != nil {
		t.Errorf("changes of what is new: %v", c)
	}
}

func TestCompareShowsNoSecret(t *testing.T) {
	const marker = "hidden-7f3a"
	secretive := []proto.Message{
		staff(person("ann", marker)),
		&configv1.IdentityProvider{Config: &configv1.IdentityProvider_Google{Google: &configv1.SocialProvider{ClientSecret: marker}}},
		&configv1.Certificate{PrivateKey: []byte(marker), Config: &configv1.Certificate_Pem{Pem: &configv1.PEMCertificate{PrivateKey: marker}}},
		&configv1.Domain{Secret: []byte(marker)},
	}
	for _, m := range secretive {
		empty := m.ProtoReflect().New().Interface()
		for _, pair := range [][2]proto.Message{{m, empty}, {empty, m}, {m, m}, {nil, m}, {m, nil}} {
			c, err := prototree.Compare(pair[0], pair[1])
			if err != nil {
				t.Fatal(err)
			}
			if text, err := json.Marshal(c); err != nil || strings.Contains(string(text), marker) {
				t.Errorf("%s, %v", text, err)
			}
		}
	}
}

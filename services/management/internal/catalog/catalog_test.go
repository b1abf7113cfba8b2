package catalog

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

func TestAllHasEveryKind(t *testing.T) {
	var arms []string
	for _, k := range All {
		arms = append(arms, k.Descriptor().Arm)
	}
	if want := resource.Kinds(); !slices.Equal(arms, want) {
		t.Errorf("kinds %q, want the arms of configv1.Resource: %q", arms, want)
	}
	paths := map[string]bool{}
	for _, k := range All {
		d := k.Descriptor()
		if d.Title == "" || d.Path == "" || paths[d.Path] {
			t.Errorf("%s has the title %q and the path %q", d.Arm, d.Title, d.Path)
		}
		paths[d.Path] = true
		if got := k.NewResource(); resource.KeyOf(got).Kind != d.Arm {
			t.Errorf("a new %s is a %s", d.Arm, resource.KeyOf(got).Kind)
		}
	}
}

func TestRoutes(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Domains.Collection(), "/domains"},
		{Domains.Item(), "/domains/{domain}"},
		{IdentityProviders.Collection(), "/domains/{domain}/identities"},
		{IdentityProviders.Item(), "/domains/{domain}/identities/{identity_provider}"},
	} {
		if tt.got != tt.want {
			t.Errorf("route %s, want %s", tt.got, tt.want)
		}
	}
}

// TestReferencesExist checks the fields by which references are found, because a wrong one would find nothing.
func TestReferencesExist(t *testing.T) {
	check := func(kind, field string) {
		t.Helper()
		k, ok := ByArm(kind)
		if !ok {
			t.Errorf("no kind %q", kind)
			return
		}
		if !hasField(k.NewResource(), field) {
			t.Errorf("%s has no %s", kind, field)
		}
	}
	for _, r := range Scopes.References {
		check(r.Kind, r.Field)
	}
	for _, r := range IdentityProviders.References {
		check(r.Kind, r.Field)
	}
	for _, r := range Certificates.References {
		check(r.Kind, r.Field)
	}
	for _, r := range Roles.References {
		check(r.Kind, r.Field)
	}
	for _, r := range Groups.References {
		check(r.Kind, r.Field)
	}
	for _, r := range Certificates.Shared {
		check(r.Kind, r.Field)
		check(Certificates.Arm, r.By)
	}
}

func hasField(m proto.Message, path string) bool {
	md := m.ProtoReflect().Descriptor()
	for path != "" {
		name, rest := path, ""
		if i := slices.Index([]byte(path), '.'); i >= 0 {
			name, rest = path[:i], path[i+1:]
		}
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			return false
		}
		if path = rest; path != "" {
			md = fd.Message()
		}
	}
	return true
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"My Domain":          "my-domain",
		"  --Été & Füße!-- ": "ete-fu-e",
		"a_b.c":              "a-b-c",
		"Ⅷ ２":                "viii-2",
		"日本":                 "",
	} {
		if got := slug(name); got != want {
			t.Errorf("slug of %q is %q, want %q", name, got, want)
		}
	}
	if got := slug(string(make([]byte, 10)) + "abc"); got != "abc" {
		t.Errorf("slug %q", got)
	}
}

package resource_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

const mask = prototree.Mask

func oauth(o *configv1.OAuthSettings) *configv1.ApplicationSettings {
	return &configv1.ApplicationSettings{Oauth: o}
}

func inline(users ...*configv1.InlineUser) *configv1.IdentityProvider {
	return &configv1.IdentityProvider{
		Config: &configv1.IdentityProvider_Inline{Inline: &configv1.InlineProvider{Users: users}},
	}
}

func pem(key string) *configv1.Certificate {
	return &configv1.Certificate{Config: &configv1.Certificate_Pem{Pem: &configv1.PEMCertificate{PrivateKey: key}}}
}

func TestEnforce(t *testing.T) {
	at := timestamppb.New(time.UnixMilli(1700000000000))
	tests := []struct {
		name             string
		old, fresh, want proto.Message
	}{
		{
			"on creation, members that only the server sets have no value",
			nil,
			&configv1.Application{
				Id: "mine", Domain: "d", Revision: 9, CreatedAt: at, Name: "shop", Type: configv1.Application_WEB,
				Secrets:  []*configv1.ClientSecret{{Hash: "x"}},
				Settings: oauth(&configv1.OAuthSettings{ClientId: "c", StandardScopes: true, RegistrationAccessTokenHash: "x"}),
			},
			&configv1.Application{Name: "shop", Type: configv1.Application_WEB, Settings: oauth(&configv1.OAuthSettings{ClientId: "c"})},
		},
		{
			"on a change, members that only the server sets keep theirs",
			&configv1.Application{Id: "a1", Domain: "d1", Revision: 7, CreatedAt: at, Name: "old", Secrets: []*configv1.ClientSecret{{Id: "s1", Hash: "x"}}},
			&configv1.Application{Id: "a2", Domain: "d2", Revision: 9, UpdatedAt: at, Name: "new", Secrets: []*configv1.ClientSecret{{Id: "s2"}, {Id: "s3"}}},
			&configv1.Application{Id: "a1", Domain: "d1", Revision: 7, CreatedAt: at, Name: "new", Secrets: []*configv1.ClientSecret{{Id: "s1", Hash: "x"}}},
		},
		{
			"internal members keep theirs inside messages",
			&configv1.Application{Settings: oauth(&configv1.OAuthSettings{StandardScopes: true, RegistrationAccessTokenHash: "x", ClientIdIssuedAt: at})},
			&configv1.Application{Settings: oauth(&configv1.OAuthSettings{ClientName: "shop", RegistrationAccessTokenHash: "y"})},
			&configv1.Application{Settings: oauth(&configv1.OAuthSettings{
				ClientName: "shop", StandardScopes: true, RegistrationAccessTokenHash: "x", ClientIdIssuedAt: at,
			})},
		},
		{
			"what a request may not touch stays, even if it drops everything around it",
			&configv1.Application{Settings: &configv1.ApplicationSettings{
				Oauth: &configv1.OAuthSettings{ClientId: "c", ClientName: "shop", RegistrationAccessTokenHash: "x"},
				Login: &configv1.LoginSettings{HideForm: true},
			}},
			&configv1.Application{Name: "shop"},
			&configv1.Application{Name: "shop", Settings: oauth(&configv1.OAuthSettings{ClientId: "c", RegistrationAccessTokenHash: "x"})},
		},
		{
			"a dropped message with nothing to keep stays dropped",
			&configv1.Domain{LoginSettings: &configv1.LoginSettings{HideForm: true}},
			&configv1.Domain{},
			&configv1.Domain{},
		},
		{
			"an immutable member may be sent back",
			&configv1.Scope{Key: "read"}, &configv1.Scope{Key: "read", Name: "Read"}, &configv1.Scope{Key: "read", Name: "Read"},
		},
		{
			"an immutable member that is left out keeps its value",
			&configv1.Scope{Key: "read"}, &configv1.Scope{Name: "Read"}, &configv1.Scope{Key: "read", Name: "Read"},
		},
		{
			"an immutable member inside a message that was not there is free",
			&configv1.Application{}, &configv1.Application{Settings: oauth(&configv1.OAuthSettings{ClientId: "c"})},
			&configv1.Application{Settings: oauth(&configv1.OAuthSettings{ClientId: "c"})},
		},
		{
			"a masked secret of a list element is that of the element with the same key",
			inline(&configv1.InlineUser{Username: "ann", Password: "1"}, &configv1.InlineUser{Username: "bob", Password: "2"}),
			inline(&configv1.InlineUser{Username: "bob", Password: mask}, &configv1.InlineUser{Username: "eve", Password: "3"}, &configv1.InlineUser{Username: "ann", Password: mask}),
			inline(&configv1.InlineUser{Username: "bob", Password: "2"}, &configv1.InlineUser{Username: "eve", Password: "3"}, &configv1.InlineUser{Username: "ann", Password: "1"}),
		},
		{
			"a secret that is left out is removed",
			inline(&configv1.InlineUser{Username: "ann", Password: "1"}), inline(&configv1.InlineUser{Username: "ann"}), inline(&configv1.InlineUser{Username: "ann"}),
		},
		{
			"a new secret replaces",
			pem("old"), pem("new"), pem("new"),
		},
		{
			"a masked secret of a variant keeps its value",
			pem("old"), pem(mask), pem("old"),
		},
		{
			"another variant takes nothing over",
			pem("old"),
			&configv1.Certificate{Config: &configv1.Certificate_Generated{Generated: &configv1.GeneratedCertificate{Alias: "x"}}},
			&configv1.Certificate{Config: &configv1.Certificate_Generated{Generated: &configv1.GeneratedCertificate{Alias: "x"}}},
		},
		{
			"free-form members and maps are the request's",
			&directoryv1.User{Username: "ann", PasswordHash: "x", Subject: "s", LoggedAt: at},
			&directoryv1.User{Username: "ann b"},
			&directoryv1.User{Username: "ann b", PasswordHash: "x", Subject: "s", LoggedAt: at},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before proto.Message
			if tt.old != nil {
				before = proto.Clone(tt.old)
			}
			if err := resource.Enforce(tt.old, tt.fresh); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.fresh, protocmp.Transform()); diff != "" {
				t.Errorf("enforced (-want +got):\n%s", diff)
			}
			if tt.old != nil && !proto.Equal(before, tt.old) {
				t.Errorf("the stored resource changed: %v", tt.old)
			}
		})
	}
}

func TestEnforceRefuses(t *testing.T) {
	const masked = "a masked value can only be sent back where a value is stored"
	tests := []struct {
		name       string
		old, fresh proto.Message
		path       string
		message    string
	}{
		{
			"another value of an immutable member",
			&configv1.Application{Type: configv1.Application_WEB}, &configv1.Application{Type: configv1.Application_SERVICE},
			"type", "[type: can not be changed]",
		},
		{
			"a first value of an immutable member after creation",
			&directoryv1.User{}, &directoryv1.User{Client: "a1"},
			"client", "[client: can not be changed]",
		},
		{
			"another value of an immutable member inside messages",
			&configv1.Application{Settings: oauth(&configv1.OAuthSettings{ClientId: "a"})},
			&configv1.Application{Settings: oauth(&configv1.OAuthSettings{ClientId: "b"})},
			"settings.oauth.clientId", "[clientId: can not be changed]",
		},
		{
			"a mask on creation",
			nil, pem(mask),
			"configuration.privateKey", "[privateKey: " + masked + "]",
		},
		{
			"a mask where no secret is stored",
			pem(""), pem(mask),
			"configuration.privateKey", "[privateKey: " + masked + "]",
		},
		{
			"a mask in another variant",
			&configv1.Certificate{Config: &configv1.Certificate_Generated{Generated: &configv1.GeneratedCertificate{}}}, pem(mask),
			"configuration.privateKey", "[privateKey: " + masked + "]",
		},
		{
			"a mask of a list element that is new",
			inline(&configv1.InlineUser{Username: "ann", Password: "1"}),
			inline(&configv1.InlineUser{Username: "ann", Password: mask}, &configv1.InlineUser{Username: "bob", Password: mask}),
			"configuration.users[1].password", "[password: " + masked + "]",
		},
		{
			"a mask of a list element without a key",
			inline(&configv1.InlineUser{Password: "1"}), inline(&configv1.InlineUser{Password: mask}),
			"configuration.users[0].password", "[password: " + masked + "]",
		},
		{
			"a mask of a list element that has no secret",
			inline(&configv1.InlineUser{Username: "ann"}), inline(&configv1.InlineUser{Username: "ann", Password: mask}),
			"configuration.users[0].password", "[password: " + masked + "]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := resource.Enforce(tt.old, tt.fresh)
			var e *fault.Error
			if !errors.As(err, &e) || e.Kind != fault.Invalid || e.Message != tt.message {
				t.Fatalf("error is %v, not %s", err, tt.message)
			}
			if len(e.Details) != 1 || e.Details[0].Path != tt.path {
				t.Errorf("the error is at %v, not %s", e.Details, tt.path)
			}
		})
	}
}

func TestEnforceSharesNothingWithTheStored(t *testing.T) {
	old := &configv1.Application{Secrets: []*configv1.ClientSecret{{Id: "s1"}}}
	fresh := &configv1.Application{}
	if err := resource.Enforce(old, fresh); err != nil {
		t.Fatal(err)
	}
	fresh.Secrets[0].Id = "changed"
	if old.Secrets[0].Id != "s1" {
		t.Error("a change of the new resource reaches the stored one")
	}
}

func TestEnforceOfTwoKinds(t *testing.T) {
	err := resource.Enforce(&configv1.Application{}, &configv1.Domain{})
	if err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("error is %v", err)
	}
	var none *configv1.Domain
	if err := resource.Enforce(none, &configv1.Domain{Id: "x"}); err != nil {
		t.Errorf("a stored resource that is nil: %v", err)
	}
}

// TestABodyThatWasReadCanBeSentBack is the promise that Management and Enforce keep together.
func TestABodyThatWasReadCanBeSentBack(t *testing.T) {
	at := timestamppb.New(time.UnixMilli(1700000000000))
	idp := inline(&configv1.InlineUser{Username: "ann", Password: "1"}, &configv1.InlineUser{Username: "bob"})
	idp.Id, idp.Domain, idp.Revision, idp.CreatedAt, idp.System = "i1", "d1", 7, at, true
	for _, stored := range []proto.Message{
		idp,
		&configv1.Domain{Id: "d1", Domain: "d1", Name: "d", Secret: []byte("x"), Hrid: "d", DataPlaneId: "default"},
		&configv1.Application{
			Id: "a1", Type: configv1.Application_WEB, Secrets: []*configv1.ClientSecret{{Id: "s", Hash: "x", CreatedAt: at}},
			Settings: oauth(&configv1.OAuthSettings{ClientId: "c", StandardScopes: true, ClientIdIssuedAt: at}),
		},
		&directoryv1.User{Id: "u1", Subject: "s", PasswordHash: "x", Client: "a1", LoginsCount: 3},
	} {
		t.Run(string(stored.ProtoReflect().Descriptor().Name()), func(t *testing.T) {
			tree, err := prototree.Management.Encode(stored)
			if err != nil {
				t.Fatal(err)
			}
			for name, body := range map[string]prototree.Object{
				"put": tree, "patch": mergepatch.Merge(tree, nil), "patch with everything": mergepatch.Merge(tree, tree),
			} {
				fresh := stored.ProtoReflect().New().Interface()
				if err := prototree.Management.Decode(body, fresh); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if err := resource.Enforce(stored, fresh); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if diff := cmp.Diff(stored, fresh, protocmp.Transform()); diff != "" {
					t.Errorf("%s changed the resource (-before +after):\n%s", name, diff)
				}
			}
		})
	}
}

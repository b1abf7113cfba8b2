package inline_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/inline"
)

func TestAuthenticate(t *testing.T) {
	hasher := secret.NewHasher()
	hash, err := hasher.Password(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	p, err := inline.New("staff", &configv1.InlineProvider{Users: []*configv1.InlineUser{
		{Username: "Ann", Password: hash, Email: "ann@acme.example", Firstname: "Ann", Lastname: "Doe"}, {Username: "bob", Password: hash},
	}}, hasher)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Ann", "ann", "ANN"} {
		got, err := p.Authenticate(t.Context(), idp.Credentials{Username: name, Password: "correct horse"})
		want := &idp.Identity{Source: "staff", ExternalId: "ann", Username: "Ann", Email: "ann@acme.example", FirstName: "Ann", LastName: "Doe"}
		if diff := cmp.Diff(want, got.Identity, protocmp.Transform()); diff != "" || err != nil {
			t.Errorf("%s: error %v, identity (-want +got):\n%s", name, err, diff)
		}
	}
	for name, password := range map[string]string{"ann": "wrong", "bob": "", "eve": "correct horse", "": "x", "Bob": strings.Repeat("x", 2000)} {
		if got, err := p.Authenticate(t.Context(), idp.Credentials{Username: name, Password: password}); !errors.Is(err, idp.ErrRefused) || got != nil {
			t.Errorf("%q with %q: %v, %v", name, password, got, err)
		}
	}
	t.Run("a machine that is busy does not refuse anybody", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		blocked := secret.NewHasher()
		p, err := inline.New("staff", &configv1.InlineProvider{Users: []*configv1.InlineUser{{Username: "ann", Password: hash}}}, blocked)
		if err != nil {
			t.Fatal(err)
		}
		// Enough at once to fill every slot and the queue's patience: some wait, see their context end, and are told so.
		results := make(chan error, 200)
		for range cap(results) {
			go func() {
				_, err := p.Authenticate(ctx, idp.Credentials{Username: "ann", Password: "correct horse"})
				results <- err
			}()
		}
		for range cap(results) {
			if err := <-results; err != nil && !errors.Is(err, idp.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
		}
	})
}

func TestNewRefuses(t *testing.T) {
	hash := secret.Generated("x")
	for name, users := range map[string][]*configv1.InlineUser{
		"a name that occurs twice":   {{Username: "ann", Password: hash}, {Username: "ANN", Password: hash}},
		"nobody's name":              {{Username: "", Password: hash}},
		"a password that is no hash": {{Username: "ann", Password: "plain"}},
		"no password":                {{Username: "ann"}},
	} {
		if _, err := inline.New("staff", &configv1.InlineProvider{Users: users}, secret.NewHasher()); err == nil || strings.Contains(err.Error(), "plain") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

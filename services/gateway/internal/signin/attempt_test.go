package signin_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
)

// door is a client with two providers whose passwords are first and second, and a way to try it from an address.
func door(t *testing.T, h *gatewaytest.Harness, c *gatewaytest.Config) (*domain.Client, func(from, name, password string) error) {
	t.Helper()
	provider := func(id, password string) domain.ClientProvider {
		return domain.ClientProvider{Provider: &idp.Provider{
			ID: id, Password: &account{password}, Rules: rules.NewIdentityProvider(rules.IdentityProviderFields{ID: id}),
		}}
	}
	client := &domain.Client{
		ID: "app-web", ClientID: "web", Rules: rules.NewClient(rules.ClientFields{}),
		Providers: []domain.ClientProvider{provider("p0", "first"), provider("p1", "second")},
	}
	s := signin.New(h.Directory, h.Store, slog.New(slog.DiscardHandler), nil)
	d := h.Domains.Domain(c.Domain.GetId())
	return client, func(from, name, password string) error {
		var addr netip.Addr
		if from != "" {
			addr = netip.MustParseAddr(from)
		}
		_, err := s.WithPasswordFrom(t.Context(), addr, d, client, rules.Input{}, name, password)
		return err
	}
}

func TestFailuresAreCountedByNetwork(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	first := gatewaytest.New(t, gatewaytest.Options{}, c)
	second := gatewaytest.New(t, gatewaytest.Options{}, c)
	_, one := door(t, first, c)
	_, other := door(t, second, c)
	gateways := []func(from, name, password string) error{one, other}

	network := fmt.Sprintf("2001:db8:%x:%x::", rand.IntN(1<<16), rand.IntN(1<<15)) // of this run alone
	for range 20 {
		if err := one(network+"1", "ann", "second"); err != nil {
			t.Fatalf("who signs in counts: %v", err)
		}
		if err := one(network+"1", "ann", ""); !errors.Is(err, idp.ErrUnavailable) {
			t.Fatalf("an outage: %v", err)
		}
	}
	var looked, refused atomic.Int32
	var group sync.WaitGroup
	for i := range 128 {
		group.Go(func() {
			err := gateways[i%2](network+"2", "ann", "wrong")
			switch {
			case errors.Is(err, signin.ErrCredentials):
				looked.Add(1)
			case errors.Is(err, signin.ErrTooMany):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if looked.Load() != 100 || refused.Load() != 28 {
		t.Errorf("%d guesses were looked at and %d refused, want 100 and 28", looked.Load(), refused.Load())
	}
	if err := other(network+"3", "bob", "first"); !errors.Is(err, signin.ErrTooMany) {
		t.Errorf("from the same 64 bits: %v", err)
	}
	for _, from := range []string{"2001:db8:7:ffff::1", "", "203.0.113.9"} {
		if err := one(from, "ann", "first"); err != nil {
			t.Errorf("from %q: %v", from, err)
		}
	}
	first.Clock.Forward(31 * time.Minute)
	if err := one(network+"1", "ann", "first"); err != nil {
		t.Errorf("half an hour later: %v", err)
	}
}

func TestOwnersOfLockedAccountsAreToldOnce(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	client, try := door(t, h, c)
	client.Lockout = &domain.Lockout{Max: 3, Reset: time.Hour, Block: time.Hour}
	client.Account = &configv1.AccountSettings{SendRecoverAccountEmail: true}
	sender := &directoryv1.Sender{BaseUrl: gatewaytest.PublicURL + "/acme", Application: "app-web"}
	want := func(when string, want ...*directoryv1.NotifyLockedRequest) {
		t.Helper()
		if diff := cmp.Diff(want, h.Directory.Locked(), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	for range 2 {
		_ = try("", "ann", "wrong")
	}
	want("before the last attempt")
	_ = try("", "ann", "second")
	want("after the last one at the first provider, and success at the second")
	for range 8 {
		_ = try("", "ann", "wrong")
	}
	want("after the last one",
		&directoryv1.NotifyLockedRequest{Domain: c.Domain.GetId(), Source: "p0", Username: "ann", Sender: sender})
	client.Account = &configv1.AccountSettings{}
	for range 4 {
		_ = try("", "bob", "wrong")
	}
	want("where owners are not told")
}

// TestUnknownNamesAreLikeWrongPasswords goes over a chain of providers, with and without a lockout.
func TestUnknownNamesAreLikeWrongPasswords(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	for _, lockout := range []*domain.Lockout{nil, {Max: 2, Reset: time.Hour, Block: time.Hour}} {
		var texts [2][]string
		var asked [2][]string
		for i, name := range []string{"ann", "nobody"} {
			known := func(id string) idp.PasswordAuthenticator { return gate{id, idp.ErrRefused, &asked[i]} }
			client := &domain.Client{ID: "app-web", ClientID: "web", Rules: rules.NewClient(rules.ClientFields{}), Lockout: lockout}
			for _, id := range []string{"p0", "p1", "p2"} {
				client.Providers = append(client.Providers, domain.ClientProvider{Provider: &idp.Provider{
					ID: id, Password: known(id), Rules: rules.NewIdentityProvider(rules.IdentityProviderFields{ID: id}),
				}})
			}
			s := signin.New(h.Directory, h.Store, slog.New(slog.DiscardHandler), nil)
			for range 4 {
				_, err := s.WithPasswordFrom(t.Context(), netip.Addr{}, d, client, rules.Input{}, name, "wrong")
				texts[i] = append(texts[i], err.Error())
			}
		}
		if diff := cmp.Diff(texts[0], texts[1]); diff != "" {
			t.Errorf("answers to a known and an unknown name (-known +unknown):\n%s", diff)
		}
		if diff := cmp.Diff(asked[0], asked[1]); diff != "" {
			t.Errorf("providers asked (-known +unknown):\n%s", diff)
		}
	}
}

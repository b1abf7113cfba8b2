package signin_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
)

// gate is a provider that always says the same and notes that it was asked.
type gate struct {
	id    string
	err   error
	asked *[]string
}

func (g gate) Authenticate(_ context.Context, by idp.Credentials) (*idp.Assertion, error) {
	*g.asked = append(*g.asked, g.id)
	if g.err != nil {
		return nil, g.err
	}
	return &idp.Assertion{AMR: []string{"pwd"}, Identity: &idp.Identity{Source: g.id, ExternalId: by.Username, Username: by.Username}}, nil
}

func TestWithPassword(t *testing.T) {
	refused, blocked, away := idp.ErrRefused, idp.ErrBlocked, idp.ErrUnavailable
	broken := errors.New("broken")
	type candidate struct {
		err  error
		rule string
	}
	const noProvider = "invalid_grant: No identity provider found for client : web: no identity provider takes part"
	tests := []struct {
		name       string
		candidates []candidate
		directory  error
		provider   string
		asked      []string
		is         error
		text       string
	}{
		{"the first that accepts", []candidate{{}, {}}, nil, "p0", []string{"p0"}, nil, ""},
		{"a wrong password at one falls through to the next", []candidate{{err: refused}, {}}, nil, "p1", []string{"p0", "p1"}, nil, ""},
		{"all refuse", []candidate{{err: refused}, {err: refused}}, nil, "", []string{"p0", "p1"}, signin.ErrCredentials, "invalid_grant: The credentials entered are invalid: wrong credentials"},
		{"a blocked account stops the search", []candidate{{err: blocked}, {}}, nil, "", []string{"p0"}, signin.ErrBlocked, "invalid_grant: The account is disabled: the account is disabled"},
		{"a provider that cannot be asked stops the search", []candidate{{err: away}, {}}, nil, "", []string{"p0"}, idp.ErrUnavailable, ""},
		{"so does one that is broken", []candidate{{err: broken}, {}}, nil, "", []string{"p0"}, broken, ""},
		{"there is none", nil, nil, "", nil, signin.ErrNoProvider, noProvider},
		{"no rule holds", []candidate{{rule: "false"}}, nil, "", nil, signin.ErrNoProvider, noProvider},
		{"a rule sees the name, the client and the domain", []candidate{{rule: `login == "bob"`}, {rule: `login == "ann" && client.clientId == "web" && context.domain.path == "/acme"`}}, nil, "p1", []string{"p1"}, nil, ""},
		{"the directory does not let them in", []candidate{{}}, fault.Deniedf("disabled"), "", []string{"p0"}, signin.ErrBlocked, "invalid_grant: The account is disabled: the account is disabled"},
		{"the directory is away", []candidate{{}}, fault.Unavailablef("away"), "", []string{"p0"}, nil, "sign in: away"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			c.App("web")
			h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
			d := h.Domains.Domain(c.Domain.GetId())
			client := &domain.Client{ID: "app-web", ClientID: "web", Rules: rules.NewClient(rules.ClientFields{ClientID: "web"})}
			var asked []string
			for i, p := range tt.candidates {
				rule, err := rules.CompileRule(rules.SelectionRule, p.rule)
				if err != nil {
					t.Fatal(err)
				}
				id := "p" + string(rune('0'+i))
				client.Providers = append(client.Providers, domain.ClientProvider{Rule: rule, Provider: &idp.Provider{
					ID: id, Password: gate{id, p.err, &asked}, Rules: rules.NewIdentityProvider(rules.IdentityProviderFields{ID: id}),
				}})
			}
			h.Directory.Away(tt.directory)
			got, err := signin.New(h.Directory, h.Store, slog.New(slog.DiscardHandler), nil).WithPasswordFrom(t.Context(), netip.Addr{}, d, client, rules.Input{}, "ann", "x")
			if diff := cmp.Diff(tt.asked, asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if tt.provider != "" {
				if err != nil || got.Provider != tt.provider || got.Person.Source != tt.provider || got.Person.Username != "ann" || got.Person.Subject == "" ||
					got.ACR != signin.ACRPassword || cmp.Diff([]string{"pwd"}, got.AMR) != "" {
					t.Errorf("result %+v, error %v", got, err)
				}
				return
			}
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || tt.text != "" && err.Error() != tt.text {
				t.Errorf("error %v", err)
			}
			if errors.Is(tt.is, signin.ErrNoProvider) || errors.Is(tt.is, signin.ErrCredentials) || errors.Is(tt.is, signin.ErrBlocked) {
				if oauth2.CodeOf(err) != oauth2.InvalidGrant {
					t.Errorf("code %s", oauth2.CodeOf(err))
				}
			}
		})
	}
}

func TestFailedRulesAreReported(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	rule, err := rules.CompileRule(rules.SelectionRule, `request.params["x"][0] == "1"`)
	if err != nil {
		t.Fatal(err)
	}
	client := &domain.Client{ID: "app", ClientID: "web", Revision: 7, Providers: []domain.ClientProvider{{Rule: rule, Provider: &idp.Provider{ID: "p"}}}}
	failures := ruleerrors.New(slog.New(slog.DiscardHandler), h.Clock.Now, nil)
	s := signin.New(h.Directory, h.Store, slog.New(slog.DiscardHandler), failures)
	if _, err := s.WithPasswordFrom(t.Context(), netip.Addr{}, d, client, rules.Input{}, "ann", "x"); !errors.Is(err, signin.ErrNoProvider) {
		t.Errorf("error %v", err)
	}
	var failed []ruleerrors.Expression
	for _, f := range failures.Of(d.ID) {
		failed = append(failed, f.Expression)
	}
	want := []ruleerrors.Expression{{Domain: d.ID, Kind: ruleerrors.Application, ID: "app", Revision: 7, Place: ruleerrors.Selection, Name: "p"}}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

// account is a provider with one password.
type account struct{ password string }

func (a *account) Authenticate(_ context.Context, by idp.Credentials) (*idp.Assertion, error) {
	switch {
	case by.Password == "":
		return nil, idp.ErrUnavailable
	case by.Password != a.password:
		return nil, idp.ErrRefused
	}
	return &idp.Assertion{Identity: &idp.Identity{Source: "p", ExternalId: by.Username, Username: by.Username}}, nil
}

func TestLockout(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	s := signin.New(h.Directory, h.Store, slog.New(slog.DiscardHandler), nil)
	provider := func(id, password string) domain.ClientProvider {
		return domain.ClientProvider{Provider: &idp.Provider{
			ID: id, Password: &account{password}, Rules: rules.NewIdentityProvider(rules.IdentityProviderFields{ID: id}),
		}}
	}
	client := &domain.Client{
		ID: "app-web", ClientID: "web", Rules: rules.NewClient(rules.ClientFields{}),
		Providers: []domain.ClientProvider{provider("p0", "first"), provider("p1", "second")},
		Lockout:   &domain.Lockout{Max: 3, Reset: time.Hour, Block: time.Hour},
	}
	try := func(name, password string) error {
		_, err := s.WithPasswordFrom(t.Context(), netip.Addr{}, d, client, rules.Input{}, name, password)
		return err
	}
	want := func(when string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}

	for range 4 {
		want("the second provider accepts what the first refuses", try("ann", "second"), nil)
	}
	want("a wrong password", try("ann", "wrong"), signin.ErrCredentials)
	want("a wrong password", try("ann", "wrong"), signin.ErrCredentials)
	for range 4 {
		want("an outage is not the person's fault", try("ann", ""), idp.ErrUnavailable)
	}
	want("the right one in time", try("ann", "first"), nil)
	want("a wrong one again", try("ann", "wrong"), signin.ErrCredentials)
	want("one provider's success does not reset the other's count", try("ann", "wrong"), signin.ErrLocked)
	for range 2 {
		want("wrong passwords", try("eve", "wrong"), signin.ErrCredentials)
	}
	want("blanks make no other account", try(" eve\u00a0", "wrong"), signin.ErrCredentials)
	want("blanks make no other account", try("eve ", "first"), signin.ErrLocked)
	for range 3 {
		_ = try("ann", "wrong")
	}
	err := try("ann", "first")
	want("the right one, too late", err, signin.ErrLocked)
	if got := err.Error(); got != "invalid_grant: The account is locked: too many attempts have failed" {
		t.Errorf("text %q", got)
	}
	want("in capitals", try("ANN", "second"), signin.ErrLocked)
	want("somebody else", try("bob", "first"), nil)

	for range 3 {
		want("nobody of that name", try("nobody", "wrong"), signin.ErrCredentials)
	}
	want("nobody is locked like anybody", try("nobody", "wrong"), signin.ErrLocked)

	client.Lockout = nil
	want("without a lockout", try("ann", "first"), nil)
}

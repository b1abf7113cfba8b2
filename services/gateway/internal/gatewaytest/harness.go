package gatewaytest

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/assembly"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/backchannel"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientkeys"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/geo"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/portal"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// Harness is a whole gateway, but for what is around its parts: management, its own ports, configuration by a stream.
type Harness struct {
	Domains   *domain.Set
	Store     *state.Store
	Directory *Directory
	Clock     *Clock
	Minter    *tokens.Minter
	Verifier  *tokens.Verifier
	Keys      *clientkeys.Keys
	// LogoutTokens delivers them, once it runs.
	LogoutTokens *backchannel.Sender
	// Handler is the public port, without and URL with a server around it.
	Handler http.Handler
	URL     string
	// Public is the public URL of the gateway.
	Public string

	t testing.TB
}

// Resolve makes a domain.Options.Resolve of what knows applications and tells nothing of what belongs to them, by domain id and client id.
func Resolve(known func(ctx context.Context, domain, clientID string) (*configv1.Application, error)) func(context.Context, *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	return func(ctx context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
		app, err := known(ctx, q.GetDomain(), q.GetClientId())
		if err != nil {
			return nil, err
		}
		return &registrationv1.ResolveResponse{Application: app}, nil
	}
}

// Options adjust a Harness.
type Options struct {
	// RedisURL is that of Redis; "" = the shared one.
	RedisURL string
	// Resolve is as in domain.Options.
	Resolve func(ctx context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error)
	// Places knows where addresses are; nil knows nothing.
	Places *geo.Database
	// Counts counts what report-only bindings come to; nil for tests in which nothing is counted.
	Counts *usage.Bindings
	// MostRegistered is as in domain.Options.
	MostRegistered int
	// Registrar writes registered clients; nil for tests in which nothing is registered.
	Registrar registration.Management
	// Icons hands out pictures; nil serves none.
	Icons portal.IconSource
	// Proxies are those whose headers count; Certificates are those of clients.
	Proxies      *observe.Proxies
	Certificates assembly.Certificates
	// Routes are served as well.
	Routes []endpoint.Route
	// Outbound are the options of outgoing requests; without any they reach servers on loopback addresses, by http too.
	Outbound *outbound.Options
	Log      *slog.Logger
	// Directory is the one of another gateway; nil makes one.
	Directory *Directory
	// Local makes the public URL that of the harness's own server, so that what the gateway says of itself can be asked.
	Local bool
}

// New serves domains through the router.
func New(t testing.TB, o Options, configs ...*Config) *Harness {
	t.Helper()
	if o.RedisURL == "" {
		o.RedisURL = Redis(t)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Harness{t: t, Clock: NewClock(), Directory: NewDirectory()}
	if o.Directory != nil {
		h.Directory = o.Directory
	} else {
		h.Directory.now = h.Clock.Now
	}
	store, err := state.Open(o.RedisURL, state.Options{Now: h.Clock.Now, Logger: o.Log, Timeout: browsertest.RedisPatience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h.Store = store
	if o.Outbound == nil {
		o.Outbound = &outbound.Options{Allow: []string{"http://127.0.0.0/8", "http://::1"}, Logger: o.Log}
	}
	fetch, err := outbound.New(*o.Outbound)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	h.Public = PublicURL
	if o.Local {
		h.Public = "http://" + server.Listener.Addr().String()
	}
	made := assembly.New(assembly.Parts{
		PublicURL: h.Public, Store: store, Directory: h.Directory, Registrar: o.Registrar, Resolve: o.Resolve, MostRegistered: o.MostRegistered,
		Icons: o.Icons, Counts: o.Counts, Places: o.Places, Proxies: o.Proxies, Certificates: o.Certificates,
		Fetch: fetch, Metrics: observe.NewMetrics("gateway", "v1"), Log: o.Log, Now: h.Clock.Now, Routes: o.Routes,
	})
	h.Domains, h.Minter, h.Verifier, h.Handler = made.Domains, made.Minter, made.Verifier, made.Handler
	h.Keys, h.LogoutTokens = made.Keys, made.LogoutTokens
	if len(configs) > 0 {
		all := configsync.Batch{Installation: "test", Revision: 1, Reset: true}
		for _, c := range configs {
			all.Upserts = append(all.Upserts, c.Batch(1).Upserts...)
		}
		h.Apply(all)
	}
	server.Config.Handler = h.Handler
	server.Start()
	t.Cleanup(server.Close)
	h.URL = server.URL
	return h
}

// Browser returns a browser without cookies, for the pages of a domain under a path such as /acme.
func (h *Harness) Browser(path string) *browsertest.Browser {
	b := browsertest.NewBrowser(h.t, h.Handler)
	b.Base = h.Public + path
	return b
}

// Apply brings configuration and fails the test if any of it is rejected.
func (h *Harness) Apply(b configsync.Batch) {
	h.t.Helper()
	if rejected := h.Domains.Apply(context.Background(), b); len(rejected) > 0 {
		h.t.Fatalf("configuration was rejected: %v", rejected)
	}
}

// Follow keeps the revocations of the harness current, and waits until they have been read.
func (h *Harness) Follow() {
	h.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Store.Run(ctx) }()
	h.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			h.t.Log(err)
		}
	})
	<-h.Store.Loaded()
}

// Answer is what the gateway answered.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// JSON returns the members of the body.
func (a Answer) JSON(t testing.TB) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(a.Body), &members); err != nil {
		t.Fatalf("status %d with a body that is no JSON object: %q", a.Status, a.Body)
	}
	return members
}

// Error returns status, error and error_description of a refusal as one text.
func (a Answer) Error(t testing.TB) string {
	t.Helper()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		t.Fatalf("status %d with a body that is no JSON object: %q", a.Status, a.Body)
	}
	return strings.TrimSpace(strings.Join([]string{http.StatusText(a.Status), body.Error, body.Description}, " | "))
}

// Change adjusts a request.
type Change func(*http.Request)

// Basic authenticates a client with Secret.
func Basic(clientID string) Change { return BasicWith(clientID, Secret) }

// BasicWith authenticates a client by Basic, form-encoded as RFC 6749 §2.3.1 has it.
func BasicWith(clientID, secret string) Change {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret)) }
}

// Header sets a header.
func Header(name, value string) Change {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// Post sends a form.
func (h *Harness) Post(path string, form url.Values, changes ...Change) Answer {
	h.t.Helper()
	r, err := http.NewRequest(http.MethodPost, h.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return h.Do(r, changes...)
}

// Get reads a path.
func (h *Harness) Get(path string, changes ...Change) Answer {
	h.t.Helper()
	r, err := http.NewRequest(http.MethodGet, h.URL+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.Do(r, changes...)
}

// Do sends a request and follows no redirect.
func (h *Harness) Do(r *http.Request, changes ...Change) Answer {
	h.t.Helper()
	return h.do(http.DefaultTransport, r, changes)
}

func (h *Harness) do(by http.RoundTripper, r *http.Request, changes []Change) Answer {
	h.t.Helper()
	apply(r, convert(changes))
	answer, err := by.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return Answer{answer.StatusCode, answer.Header, string(body)}
}

func convert(changes []Change) []func(*http.Request) {
	list := make([]func(*http.Request), len(changes))
	for i, c := range changes {
		list[i] = c
	}
	return list
}

// Form makes a form of names and values in turn.
func Form(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

// Code keeps an authorization of a person for a client and returns its code, as the authorization endpoint does.
func (h *Harness) Code(domainID, clientID, person string, change ...func(*state.Authorization)) string {
	h.t.Helper()
	user, err := h.Directory.SignIn(context.Background(), domainID, "", Identity(person))
	if err != nil {
		h.t.Fatal(err)
	}
	a := state.Authorization{
		Domain: domainID, ClientID: clientID, Scopes: []string{"openid", "profile", "read"}, Person: tokens.PersonOf(user),
		AuthTime: h.Clock.Now().Unix() - 5, ACR: signin.ACRPassword, AMR: []string{signin.AMRPassword}, SessionID: "sid-" + person,
		Nonce: "n-0S6_WzA2Mj", RedirectURI: "https://" + clientID + ".example/cb",
	}
	apply(&a, change)
	if a.ApplicationID == "" {
		a.ApplicationID = "app-" + a.ClientID
	}
	code, err := h.Store.NewCode(context.Background(), a, time.Minute)
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

package registration_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientkeys"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/router"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/upstream"
)

const (
	acme     = "d1"
	endpoint = "https://gate.example/acme/oidc/register"
)

// rig is a gateway with the registration endpoint, and a management behind a real connection that only keeps books.
type rig struct {
	testing.TB
	set        *domain.Set
	handler    http.Handler
	management *management
	revoked    *revoked
	now        time.Time
	key        *jose.Key
	revision   int64
	web        web
	people     people
	// fetches counts what was fetched.
	fetches *atomic.Int32
}

// Get fetches from the web of the rig.
func (rg *rig) Get(ctx context.Context, address string, l outbound.Limits) (*outbound.Answer, error) {
	rg.fetches.Add(1)
	return rg.web.Get(ctx, address, l)
}

// people is the directory, by subject.
type people map[string]*directoryv1.User

func (p people) User(_ context.Context, _, subject string) (*directoryv1.User, error) {
	if u := p[subject]; u != nil {
		return u, nil
	}
	return nil, fault.NotFoundf("nobody")
}

// web is what can be fetched, by address.
type web map[string]string

func (w web) Get(_ context.Context, address string, _ outbound.Limits) (*outbound.Answer, error) {
	body, there := w[address]
	if !there {
		return nil, &outbound.Error{Host: address, Reason: outbound.ReasonConnect, Err: errors.New("nobody listens")}
	}
	return &outbound.Answer{Status: http.StatusOK, Body: []byte(body)}, nil
}

// newRig serves the domain /acme with dynamic registration under the given settings.
func newRig(t testing.TB, settings *configv1.ClientRegistrationSettings, change ...func(*registration.Options)) *rig {
	t.Helper()
	rg := &rig{TB: t, now: time.Unix(1_800_000_000, 0), revoked: &revoked{jtis: map[string]bool{}}, web: web{}, people: people{}, fetches: &atomic.Int32{}}
	key, err := jose.GenerateKey(jose.ES256, "k1")
	if err != nil {
		t.Fatal(err)
	}
	rg.key = key
	clock := func() time.Time { return rg.now }
	rg.management = &management{key: key, clients: map[string]*configv1.Application{}, revision: 1000, now: clock}
	ours := upstream.NewRegistration(serve(t, rg.management), nil)
	rg.set = domain.NewSet(domain.Options{
		PublicURL: "https://gate.example",
		Open:      func(*configv1.IdentityProvider) (*idp.Provider, error) { return &idp.Provider{}, nil },
		Resolve: func(ctx context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
			found, err := ours.Find(ctx, q)
			if fault.Is(err, fault.NotFound) {
				return nil, domain.ErrNoClient
			}
			return found, err
		},
		Belongings: ours.Belongings,
		Logger:     slog.New(slog.DiscardHandler),
		Now:        clock,
	})
	der, err := key.MarshalPKCS8()
	if err != nil {
		t.Fatal(err)
	}
	rg.push(
		&configv1.Domain{
			Id: acme, Domain: acme, Name: "Acme", Path: "/acme", Enabled: true, Secret: secret.NewKey(),
			Oidc: &configv1.OpenIDSettings{ClientRegistrationSettings: settings},
		},
		&configv1.Certificate{Id: "cert", Domain: acme, Name: "Default", System: true, Kid: "k1", Algorithm: "ES256", PrivateKey: der},
	)
	local, err := outbound.New(outbound.Options{Allow: []string{"http://127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	o := registration.Options{
		Statements: clientkeys.New(local, clock), Counter: &counter{tb: t, now: clock}, People: tokens.NewPeople(rg.people, clock),
		Verifier: tokens.NewVerifier(clock, rg.revoked), Management: ours, Clients: rg.set, Fetch: rg, Secrets: secret.NewHasher(), Now: clock,
	}
	for _, f := range change {
		f(&o)
	}
	h := registration.New(o)
	rg.handler = router.New(router.Options{
		Domains: rg.set, Routes: h.Routes(), Root: http.NotFoundHandler(),
		Metrics: observe.NewMetrics("gateway", "v1"), Log: slog.New(slog.DiscardHandler),
	})
	return rg
}

// serve runs the service on a connection in memory.
func serve(t testing.TB, service registrationv1.RegistrationServiceServer) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	registrationv1.RegisterRegistrationServiceServer(server, service)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:management",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-done
	})
	return conn
}

// push brings resources by the stream.
func (rg *rig) push(resources ...resource.Resource) {
	rg.Helper()
	rg.revision++
	batch := configsync.Batch{Installation: "i", Revision: rg.revision}
	for _, r := range resources {
		resource.Stamp(r, resource.Stamps{Revision: rg.revision})
		batch.Upserts = append(batch.Upserts, resource.Wrap(r))
	}
	if rejected := rg.set.Apply(context.Background(), batch); len(rejected) > 0 {
		rg.Fatalf("rejected: %v", rejected)
	}
}

// client brings an application that administrators made, with the scopes it may ask for.
func (rg *rig) client(id string, scopes ...string) {
	rg.Helper()
	oauth := &configv1.OAuthSettings{ClientId: id, GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "client_secret_basic"}
	for _, s := range scopes {
		oauth.ScopeSettings = append(oauth.ScopeSettings, &configv1.ScopeSetting{Scope: s})
	}
	app := &configv1.Application{
		Id: "app-" + id, Domain: acme, Name: id, Type: configv1.Application_SERVICE,
		Settings: &configv1.ApplicationSettings{Oauth: oauth},
	}
	rg.push(app)
	rg.management.put(app)
}

// token mints an access token as the token endpoint does; person is empty where the client acts for itself.
func (rg *rig) token(clientID, person string, scopes ...string) string {
	rg.Helper()
	d := rg.set.Domain(acme)
	c, err := d.Client(context.Background(), clientID)
	if err != nil {
		rg.Fatal(err)
	}
	a := tokens.Authorization{Client: c, Scopes: scopes}
	if person != "" {
		a.Person = &state.Person{Subject: person}
	}
	made, err := tokens.NewMinter(nil, func() time.Time { return rg.now }, nil).Mint(context.Background(), d, a)
	if err != nil {
		rg.Fatal(err)
	}
	return made.AccessToken
}

// admin is the token of a client that may administer registrations.
func (rg *rig) admin() string {
	rg.Helper()
	rg.client("admin", "dcr_admin")
	return rg.token("admin", "", "dcr_admin")
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (a answer) code() string        { s, _ := a.body["error"].(string); return s }
func (a answer) description() string { s, _ := a.body["error_description"].(string); return s }
func (a answer) field(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// do sends a request; header is pairs of name and value.
func (rg *rig) do(method, path, body string, header ...string) answer {
	rg.Helper()
	r := httptest.NewRequest(method, "https://gate.example"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	rg.handler.ServeHTTP(w, r)
	got := w.Result()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		rg.Fatal(err)
	}
	a := answer{status: got.StatusCode, header: got.Header, text: string(text)}
	if len(text) > 0 && text[0] != '[' {
		decoder := json.NewDecoder(strings.NewReader(a.text))
		decoder.UseNumber()
		if err := decoder.Decode(&a.body); err != nil {
			rg.Fatalf("%s %s answers no JSON: %q", method, path, text)
		}
	}
	return a
}

func (rg *rig) register(body string, header ...string) answer {
	rg.Helper()
	return rg.do("POST", "/acme/oidc/register", body, header...)
}

// refused checks an error answer.
func (rg *rig) refused(got answer, status int, code oauth2.Code, description string) {
	rg.Helper()
	if got.status != status || got.code() != string(code) || got.description() != description {
		rg.Errorf("answered %d %s %q, want %d %s %q", got.status, got.code(), got.description(), status, code, description)
	}
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Pragma") != "no-cache" || got.header.Get("Content-Type") != "application/json" {
		rg.Errorf("headers of the refusal: %v", got.header)
	}
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// revoked is what was ended before its time.
type revoked struct{ jtis map[string]bool }

func (r *revoked) Revoked(t state.Token) bool { return r.jtis[t.JTI] }

// management keeps clients in a map, as the real one keeps them in its database.
type management struct {
	registrationv1.UnimplementedRegistrationServiceServer

	key *jose.Key
	now func() time.Time

	mu       sync.Mutex
	clients  map[string]*configv1.Application
	revision int64
	// asked is the last request to create, refusal what is answered instead.
	asked   *registrationv1.CreateRequest
	updated *registrationv1.UpdateRequest
	renewed *registrationv1.RenewSecretRequest
	deleted *registrationv1.DeleteRequest
	refusal error
	// approval lets clients wait, initial are initial access tokens by their hashes.
	approval bool
	initial  map[string]*registrationv1.FindInitialAccessTokenResponse
	// creating is called before a client is created, and may refuse it.
	creating func(*registrationv1.CreateRequest) error
	// found and resolved count questions.
	found, resolved atomic.Int32
}

// FindBelongings knows of none: no client of this management is a copy, and its domains have the keys they have.
func (m *management) FindBelongings(context.Context, *registrationv1.FindBelongingsRequest) (*registrationv1.FindBelongingsResponse, error) {
	return &registrationv1.FindBelongingsResponse{Belongings: &registrationv1.Belongings{}}, nil
}

func (m *management) FindInitialAccessToken(_ context.Context, r *registrationv1.FindInitialAccessTokenRequest) (*registrationv1.FindInitialAccessTokenResponse, error) {
	m.found.Add(1)
	if t := m.initial[r.GetHash()]; t != nil {
		return t, nil
	}
	return nil, fault.ToGRPC(fault.Unauthenticatedf("unknown"))
}

// counter counts in a Redis of its own, which is started when something is counted.
type counter struct {
	tb   testing.TB
	now  func() time.Time
	once sync.Once
	*state.Store
}

func (c *counter) store() *state.Store {
	c.once.Do(func() {
		var err error
		if c.Store, err = state.Open("redis://"+miniredis.RunT(c.tb).Addr()+"/0", state.Options{Now: c.now, Logger: slog.New(slog.DiscardHandler)}); err != nil {
			c.tb.Fatal(err)
		}
		c.tb.Cleanup(func() { _ = c.Close() })
	})
	return c.Store
}

func (c *counter) BeginRegistration(ctx context.Context, r state.Registration, most int, window time.Duration) (state.Counted, error) {
	return c.store().BeginRegistration(ctx, r, most, window)
}

func (c *counter) EndRegistration(ctx context.Context, r state.Registration) error {
	return c.store().EndRegistration(ctx, r)
}

func (m *management) put(app *configv1.Application) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clients[app.GetSettings().GetOauth().GetClientId()] = app
}

// sign makes a registration access token; change may alter its claims.
func (m *management) sign(issuer, domainID, clientID string, change func(map[string]any)) string {
	claims := map[string]any{
		"iss": issuer, "sub": clientID, "aud": clientID, "domain": domainID, "iat": m.now().Unix(),
		"exp": m.now().AddDate(2, 0, 0).Unix(), "scope": "dcr", "jti": secret.NewID(),
	}
	if change != nil {
		change(claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	token, err := m.key.Sign(jose.TypeJWT, payload)
	if err != nil {
		panic(err)
	}
	return token
}

func (m *management) Create(_ context.Context, r *registrationv1.CreateRequest) (*registrationv1.CreateResponse, error) {
	if m.creating != nil {
		if err := m.creating(r); err != nil {
			return nil, fault.ToGRPC(err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = proto.CloneOf(r)
	if m.refusal != nil {
		return nil, fault.ToGRPC(m.refusal)
	}
	app := r.GetApplication()
	oauth := app.GetSettings().GetOauth()
	m.revision++
	enabled := !m.approval
	app.Id, app.Domain, app.Revision, app.Enabled = secret.NewID(), r.GetDomain(), m.revision, &enabled
	app.CreatedAt, app.UpdatedAt = timestamppb.New(m.now()), timestamppb.New(m.now())
	oauth.ClientId = secret.NewID()
	oauth.ClientIdIssuedAt = timestamppb.New(m.now())
	oauth.RegistrationClientUri = r.GetRegistrationEndpoint() + "/" + oauth.ClientId
	app.Registration = &configv1.ClientRegistration{Status: configv1.ClientRegistration_ACTIVE}
	if m.approval {
		app.Registration.Status = configv1.ClientRegistration_PENDING
	}
	if t := m.initial[r.GetInitialAccessTokenHash()]; t.GetScopesLimited() {
		app.Registration.ScopeLimit = &configv1.Strings{Values: t.GetScopes()}
	}
	plain := secret.NewToken()
	app.Secrets = []*configv1.ClientSecret{{Id: "s", Name: "Default", Hash: secret.Generated(plain)}}
	token := m.sign(r.GetIssuer(), r.GetDomain(), oauth.ClientId, nil)
	oauth.RegistrationAccessTokenHash = secret.HashToken(token)
	m.clients[oauth.ClientId] = app
	return &registrationv1.CreateResponse{
		Application: proto.CloneOf(app), ClientSecret: plain, RegistrationAccessToken: token,
	}, nil
}

// current returns a client that the caller may change; its errors are management's.
func (m *management) current(domainID, clientID, hash string) (*configv1.Application, error) {
	app := m.clients[clientID]
	switch {
	case m.refusal != nil:
		return nil, m.refusal
	case app == nil || app.GetDomain() != domainID || app.Enabled != nil && !app.GetEnabled():
		return nil, fault.NotFoundf("client %q", clientID)
	case hash != "" && hash != app.GetSettings().GetOauth().GetRegistrationAccessTokenHash():
		return nil, fault.Deniedf("superseded")
	}
	return proto.CloneOf(app), nil
}

// store keeps a changed client and gives it a new registration access token.
func (m *management) store(app *configv1.Application, issuer string) string {
	m.revision++
	app.Revision, app.UpdatedAt = m.revision, timestamppb.New(m.now())
	token := m.sign(issuer, app.GetDomain(), app.GetSettings().GetOauth().GetClientId(), nil)
	app.Settings.Oauth.RegistrationAccessTokenHash = secret.HashToken(token)
	m.clients[app.GetSettings().GetOauth().GetClientId()] = app
	return token
}

func (m *management) Update(_ context.Context, r *registrationv1.UpdateRequest) (*registrationv1.UpdateResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.updated = proto.CloneOf(r)
	app, err := m.current(r.GetDomain(), r.GetClientId(), r.GetRegistrationAccessTokenHash())
	if err == nil && app.GetRevision() != r.GetRevision() {
		err = fault.Stalef("changed since")
	}
	if err != nil {
		return nil, fault.ToGRPC(err)
	}
	asked := r.GetApplication().GetSettings().GetOauth()
	clientmeta.Overlay(app.Settings.Oauth, asked, nil)
	app.Settings.Oauth.ScopeSettings, app.Settings.Oauth.StandardScopes = asked.GetScopeSettings(), asked.GetStandardScopes()
	app.Settings.Oauth.SoftwareStatementVerdict = asked.GetSoftwareStatementVerdict()
	token := m.store(app, r.GetIssuer())
	return &registrationv1.UpdateResponse{Application: proto.CloneOf(app), RegistrationAccessToken: token}, nil
}

func (m *management) RenewSecret(_ context.Context, r *registrationv1.RenewSecretRequest) (*registrationv1.RenewSecretResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.renewed = proto.CloneOf(r)
	app, err := m.current(r.GetDomain(), r.GetClientId(), r.GetRegistrationAccessTokenHash())
	if err != nil {
		return nil, fault.ToGRPC(err)
	}
	plain := secret.NewToken()
	app.Secrets = []*configv1.ClientSecret{{Id: "s", Name: "Default", Hash: secret.Generated(plain)}}
	token := m.store(app, r.GetIssuer())
	return &registrationv1.RenewSecretResponse{Application: proto.CloneOf(app), ClientSecret: plain, RegistrationAccessToken: token}, nil
}

func (m *management) Delete(_ context.Context, r *registrationv1.DeleteRequest) (*registrationv1.DeleteResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleted = proto.CloneOf(r)
	if m.refusal != nil {
		return nil, fault.ToGRPC(m.refusal)
	}
	app := m.clients[r.GetClientId()]
	if app == nil || app.GetDomain() != r.GetDomain() {
		return nil, fault.ToGRPC(fault.NotFoundf("client %q", r.GetClientId()))
	}
	if h := r.GetRegistrationAccessTokenHash(); h != "" && h != app.GetSettings().GetOauth().GetRegistrationAccessTokenHash() {
		return nil, fault.ToGRPC(fault.Deniedf("superseded"))
	}
	delete(m.clients, r.GetClientId())
	m.revision++
	return &registrationv1.DeleteResponse{Revision: m.revision}, nil
}

func (m *management) Resolve(_ context.Context, r *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	m.resolved.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	app := m.clients[r.GetClientId()]
	waits := r.GetPending() && app.GetRegistration().GetStatus() == configv1.ClientRegistration_PENDING
	if app == nil || app.GetDomain() != r.GetDomain() || app.Enabled != nil && !app.GetEnabled() && !waits && !r.GetDisabled() {
		return nil, fault.ToGRPC(fault.NotFoundf("client %q", r.GetClientId()))
	}
	return &registrationv1.ResolveResponse{Application: proto.CloneOf(app)}, nil
}

// refuse makes management refuse what comes.
func (m *management) refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusal = err
}

// last returns the application that the gateway last asked management to create.
func (m *management) last() *registrationv1.CreateRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

func open() *configv1.ClientRegistrationSettings {
	return &configv1.ClientRegistrationSettings{DynamicClientRegistrationEnabled: true, OpenDynamicClientRegistrationEnabled: true}
}

func closed() *configv1.ClientRegistrationSettings {
	return &configv1.ClientRegistrationSettings{DynamicClientRegistrationEnabled: true}
}

// minimal is the smallest body that registers a client.
const minimal = `{"redirect_uris":["https://client.example/callback"]}`

package registration

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Limits of a request, in bytes.
const (
	maxIdentifier  = 255
	maxURL         = 2048
	maxApplication = 1 << 20
)

// races is how often a deletion is begun again that lost a race against another change of the client.
const races = 8

// Options are what a Server works with. Editor is needed.
type Options struct {
	Editor *editor.Editor
	// Logger is told of faults of ours; nil means none.
	Logger *slog.Logger
	Now    func() time.Time
	// Attempts keeps what registrations were answered, so that they can be asked for again. Needed.
	Attempts *store.RegistrationAttempts
	// Tokens keeps initial access tokens, Uses when clients were used last. Needed.
	Tokens *store.RegistrationTokens
	Uses   *store.ClientUses
	// Recorder is told of initial access tokens that are made and ended; nil records nothing.
	Recorder Recorder
	// Hook is for tests: it is called between the steps of a registration that may be asked for again. An error stands for the
	// death of the process.
	Hook func(Step) error
}

// Server implements the registration service. It is safe for concurrent use.
type Server struct {
	registrationv1.UnimplementedRegistrationServiceServer

	editor   *editor.Editor
	attempts *store.RegistrationAttempts
	tokens   *store.RegistrationTokens
	uses     *store.ClientUses
	recorder Recorder
	log      *slog.Logger
	now      func() time.Time
	hook     func(Step) error
}

// New returns the service over an editor.
func New(o Options) *Server {
	s := &Server{editor: o.Editor, attempts: o.Attempts, tokens: o.Tokens, uses: o.Uses, recorder: o.Recorder, log: o.Logger, now: o.Now, hook: o.Hook}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.hook == nil {
		s.hook = func(Step) error { return nil }
	}
	return s
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	registrationv1.RegisterRegistrationServiceServer(r, s)
}

// Create implements registrationv1.RegistrationServiceServer. It is PERMISSION_DENIED where the domain has no dynamic
// registration, or none that is open to somebody who is no administrator.
func (s *Server) Create(ctx context.Context, r *registrationv1.CreateRequest) (*registrationv1.CreateResponse, error) {
	answer, err := s.create(ctx, r)
	if err != nil {
		return nil, s.fail(ctx, "Create", r.GetDomain(), err)
	}
	return s.withBelongings(ctx, answer), nil
}

func (s *Server) create(ctx context.Context, r *registrationv1.CreateRequest) (*registrationv1.CreateResponse, error) {
	if err := checkCreate(r); err != nil {
		return nil, err
	}
	domain, err := s.domain(ctx, r.GetDomain())
	if err != nil {
		return nil, err
	}
	settings := domain.GetOidc().GetClientRegistrationSettings()
	token, err := s.admit(ctx, r, settings)
	if err != nil {
		return nil, err
	}
	if r.GetTemplate() != "" && !settings.GetClientTemplateEnabled() && r.GetTemplate() != token.template() {
		return nil, errForbidden
	}
	asked := s.asked(r.GetDomain(), r.GetIssuer(), r.GetRegistrationEndpoint())
	asked.Application, asked.Administrator = r.GetApplication(), r.GetAdministrator()
	asked.TemplateID, asked.Given = r.GetTemplate(), r.GetGiven()
	asked.Pending = settings.GetApprovalRequired() && !r.GetAdministrator()
	asked.Most, asked.Configured = settings.GetMaxRegisteredClients(), domain.GetRevision()
	ctx = as(ctx, r.GetCaller(), "")
	if token != nil {
		asked.InitialAccessToken, asked.Bound = token.ID, token.Template != ""
		if token.ScopesLimited {
			asked.ScopeLimit = &configv1.Strings{Values: token.Scopes}
		}
		ctx = audit.WithActor(ctx, audit.Actor{Kind: audit.ActorClient, ID: token.ID, Name: token.Name})
	}
	if r.GetAttempt() != nil {
		return s.attempt(ctx, r.GetAttempt(), keptFor(settings), asked, token)
	}
	return s.make(ctx, asked, token)
}

// make makes a client, and counts it for the token that allows it. It is counted under the identifier that it gets, so that what is
// left of a process that dies in between can be found and settled.
func (s *Server) make(ctx context.Context, asked editor.Registration, token *initialToken) (*registrationv1.CreateResponse, error) {
	if asked.ID == "" {
		asked.ID = secret.NewID()
	}
	if err := s.take(ctx, token, asked.ID); err != nil {
		return nil, err
	}
	if err := s.hook(Counted); err != nil {
		return nil, died{err}
	}
	app, made, err := s.editor.Register(ctx, asked)
	s.settle(ctx, token, asked.ID, err)
	if err != nil {
		return nil, err
	}
	answer := &registrationv1.CreateResponse{
		Application: app, ClientSecret: made.ClientSecret, RegistrationAccessToken: made.Token,
	}
	if asked.TemplateID == "" && len(clientmeta.DomainKeys(app.GetSettings().GetOauth())) == 0 {
		answer.Belongings = &registrationv1.Belongings{} // nothing belongs to it yet: no gateway needs to ask
	}
	return answer, nil
}

// asked is a request to the editor, with the way to make the client's registration access token.
func (s *Server) asked(domain, issuer, endpoint string) editor.Registration {
	return editor.Registration{
		Domain:       domain,
		Registration: catalog.Registration{Endpoint: endpoint},
		Token: func(app *configv1.Application, cert *configv1.Certificate) (string, error) {
			return accessToken(issuer, app, cert, s.now())
		},
	}
}

// as says that a client acts, and for which person unless that is empty; it has no name where anybody may register.
func as(ctx context.Context, clientID, person string) context.Context {
	actor := audit.Actor{Kind: audit.ActorClient, ID: clientID, Name: clientID}
	if person != "" {
		actor.Name += " for " + person
	}
	return audit.WithActor(ctx, actor)
}

// Update implements registrationv1.RegistrationServiceServer. A token that is not the client's current one is
// PERMISSION_DENIED; a revision that is not, ABORTED.
func (s *Server) Update(ctx context.Context, r *registrationv1.UpdateRequest) (*registrationv1.UpdateResponse, error) {
	if err := checkUpdate(r); err != nil {
		return nil, s.fail(ctx, "Update", r.GetDomain(), err)
	}
	app, made, err := s.change(ctx, r, func(ctx context.Context, id string, asked editor.Registration) (*configv1.Application, editor.RegistrationSecrets, error) {
		asked.Application, asked.Seen = r.GetApplication(), r.GetRevision()
		return s.editor.Reregister(ctx, id, asked)
	})
	if err != nil {
		return nil, s.fail(ctx, "Update", r.GetDomain(), err)
	}
	return &registrationv1.UpdateResponse{Application: app, RegistrationAccessToken: made.Token}, nil
}

// RenewSecret implements registrationv1.RegistrationServiceServer. A token that is not the client's current one is
// PERMISSION_DENIED.
func (s *Server) RenewSecret(ctx context.Context, r *registrationv1.RenewSecretRequest) (*registrationv1.RenewSecretResponse, error) {
	app, made, err := s.change(ctx, r, s.editor.RenewRegistration)
	if err != nil {
		return nil, s.fail(ctx, "RenewSecret", r.GetDomain(), err)
	}
	return &registrationv1.RenewSecretResponse{
		Application: app, ClientSecret: made.ClientSecret, RegistrationAccessToken: made.Token,
	}, nil
}

// changing is what requests to change a client have in common.
type changing interface {
	GetDomain() string
	GetClientId() string
	GetRegistrationAccessTokenHash() string
	GetIssuer() string
	GetRegistrationEndpoint() string
	GetCaller() string
	GetPerson() string
}

// change changes a client on behalf of itself or of an administrator.
func (s *Server) change(ctx context.Context, r changing,
	do func(ctx context.Context, id string, asked editor.Registration) (*configv1.Application, editor.RegistrationSecrets, error),
) (*configv1.Application, editor.RegistrationSecrets, error) {
	var none editor.RegistrationSecrets
	if err := checkChange(r); err != nil {
		return nil, none, err
	}
	if _, err := s.domain(ctx, r.GetDomain()); err != nil {
		return nil, none, err
	}
	app, err := s.client(ctx, r.GetDomain(), r.GetClientId())
	if err != nil {
		return nil, none, err
	}
	if app.GetTemplate() || !app.GetEnabled() {
		return nil, none, catalog.Applications.NotFound(r.GetClientId()) // no client
	}
	asked := s.asked(r.GetDomain(), r.GetIssuer(), r.GetRegistrationEndpoint())
	asked.Presented = r.GetRegistrationAccessTokenHash()
	asked.Administrator = asked.Presented == ""
	return do(acting(ctx, r), app.GetId(), asked)
}

// acting says who makes a change: the client itself, where it has its registration access token, or the administrator.
func acting(ctx context.Context, r interface {
	GetClientId() string
	GetRegistrationAccessTokenHash() string
	GetCaller() string
	GetPerson() string
},
) context.Context {
	if r.GetRegistrationAccessTokenHash() != "" {
		return as(ctx, r.GetClientId(), "")
	}
	return as(ctx, r.GetCaller(), r.GetPerson())
}

var errForbidden = fault.Deniedf("Not allowed to access to this resource.")

// domain returns a domain that has dynamic registration, or fault.Denied if it has none.
func (s *Server) domain(ctx context.Context, id string) (*configv1.Domain, error) {
	d, err := editor.Read(ctx, s.editor, catalog.Domains, editor.Place{}, id)
	if err != nil {
		return nil, err
	}
	if !d.GetOidc().GetClientRegistrationSettings().GetDynamicClientRegistrationEnabled() {
		return nil, errForbidden
	}
	return d, nil
}

// Delete implements registrationv1.RegistrationServiceServer. A token that is not the client's current one is
// PERMISSION_DENIED.
func (s *Server) Delete(ctx context.Context, r *registrationv1.DeleteRequest) (*registrationv1.DeleteResponse, error) {
	revision, err := s.remove(ctx, r)
	if err != nil {
		return nil, s.fail(ctx, "Delete", r.GetDomain(), err)
	}
	return &registrationv1.DeleteResponse{Revision: revision}, nil
}

func (s *Server) remove(ctx context.Context, r *registrationv1.DeleteRequest) (int64, error) {
	if err := errors.Join(checkNames(r.GetDomain(), r.GetClientId()), bounded("caller", r.GetCaller()), bounded("person", r.GetPerson())); err != nil {
		return 0, err
	}
	if _, err := s.domain(ctx, r.GetDomain()); err != nil {
		return 0, err
	}
	presented := r.GetRegistrationAccessTokenHash()
	ctx = acting(ctx, r)
	for attempt := 1; ; attempt++ {
		app, err := s.client(ctx, r.GetDomain(), r.GetClientId())
		if err != nil {
			return 0, err
		}
		if presented != "" && !secret.Equal(presented, app.GetSettings().GetOauth().GetRegistrationAccessTokenHash()) {
			return 0, fault.Deniedf("Non matching registration_access_token")
		}
		seen := int64(0)
		if presented != "" {
			seen = app.GetRevision() // so that the token is the current one when the client goes
		}
		revision, err := editor.Delete(ctx, s.editor, catalog.Applications, editor.Place{Domain: r.GetDomain()}, app.GetId(), seen)
		if fault.Is(err, fault.Stale) && attempt < races {
			continue
		}
		return revision, err
	}
}

// Resolve implements registrationv1.RegistrationServiceServer. Only enabled applications that are no templates are found, and
// where it is asked for, registered clients that wait for approval or all that are disabled.
func (s *Server) Resolve(ctx context.Context, r *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	answer, err := s.resolve(ctx, r)
	if err != nil {
		return nil, s.fail(ctx, "Resolve", r.GetDomain(), err)
	}
	return answer, nil
}

func (s *Server) resolve(ctx context.Context, r *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	if err := checkNames(r.GetDomain(), r.GetClientId()); err != nil {
		return nil, err
	}
	answer, err := s.find(ctx, r)
	if err != nil {
		return nil, err
	}
	app := answer.GetApplication()
	switch {
	case app.GetDomain() != r.GetDomain() || catalog.ClientID(app) != r.GetClientId():
		return nil, catalog.Applications.NotFound(r.GetClientId())
	case r.GetPending() && catalog.IsPending(app), r.GetDisabled() && !app.GetTemplate():
		return answer, nil
	case app.GetTemplate() || app.Enabled != nil && !app.GetEnabled():
		return nil, catalog.Applications.NotFound(r.GetClientId())
	}
	return answer, nil
}

// find finds whatever has a client identifier.
func (s *Server) find(ctx context.Context, r *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	if !r.GetBelongings() {
		app, err := s.editor.FindClientSince(ctx, r.GetDomain(), r.GetClientId(), r.GetRevision())
		return &registrationv1.ResolveResponse{Application: app}, err
	}
	app, own, err := s.editor.FindClientWith(ctx, r.GetDomain(), r.GetClientId(), r.GetRevision())
	if err != nil {
		return nil, err
	}
	return &registrationv1.ResolveResponse{Application: app, Belongings: wrapped(own)}, nil
}

// client returns the application with a client identifier, as it is now. Applications without one are found by nothing.
func (s *Server) client(ctx context.Context, domain, clientID string) (*configv1.Application, error) {
	app, err := s.editor.FindClientSince(ctx, domain, clientID, 0)
	if err != nil {
		return nil, err
	}
	if app.GetDomain() != domain || catalog.ClientID(app) != clientID {
		return nil, catalog.Applications.NotFound(clientID)
	}
	return app, nil
}

// fail is the error of a call as gateways see it. A fault of ours is logged, because they are not told.
func (s *Server) fail(ctx context.Context, call, domain string, err error) error {
	if fault.Is(err, fault.Internal) && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "call of the registration failed", "call", call, "domain", domain, "err", err)
	}
	return fault.ToGRPC(err)
}

func checkCreate(r *registrationv1.CreateRequest) error {
	if r.GetDomain() == "" || r.GetApplication() == nil || r.GetIssuer() == "" || r.GetRegistrationEndpoint() == "" {
		return fault.Invalidf("a registration needs domain, application, issuer and endpoint")
	}
	return errors.Join(
		bounded("domain", r.GetDomain()),
		checkAttempt(r.GetAttempt()),
		bounded("initial_access_token_hash", r.GetInitialAccessTokenHash()),
		bounded("caller", r.GetCaller()),
		bounded("template", r.GetTemplate()),
		webURL("issuer", r.GetIssuer()),
		webURL("registration_endpoint", r.GetRegistrationEndpoint()),
		boundedSize(r.GetApplication()),
	)
}

func checkChange(r changing) error {
	if err := checkNames(r.GetDomain(), r.GetClientId()); err != nil {
		return err
	}
	return errors.Join(
		bounded("caller", r.GetCaller()),
		bounded("person", r.GetPerson()),
		webURL("issuer", r.GetIssuer()),
		webURL("registration_endpoint", r.GetRegistrationEndpoint()),
	)
}

func checkUpdate(r *registrationv1.UpdateRequest) error {
	if r.GetApplication() == nil || r.GetRevision() <= 0 {
		return fault.Invalidf("a change of a registration needs the application and the revision that it was made from")
	}
	return boundedSize(r.GetApplication())
}

func checkNames(domain, clientID string) error {
	if domain == "" || clientID == "" {
		return fault.Invalidf("a client is named by its domain and its client identifier")
	}
	return errors.Join(bounded("domain", domain), bounded("client_id", clientID))
}

func bounded(name, value string) error {
	if len(value) > maxIdentifier || strings.ContainsFunc(value, unicode.IsControl) {
		return fault.Invalidf("%s is no identifier", name)
	}
	return nil
}

func boundedSize(app *configv1.Application) error {
	if proto.Size(app) > maxApplication {
		return fault.Invalidf("the client metadata are larger than %d bytes", maxApplication)
	}
	return nil
}

func webURL(name, value string) error {
	u, err := url.Parse(value)
	if err != nil || len(value) > maxURL || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fault.Invalidf("%s is no http(s) URL", name)
	}
	return nil
}

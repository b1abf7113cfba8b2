package registration

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/possession"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// MaxBody is the largest registration body in bytes.
const MaxBody = 256 << 10

// path is where the endpoint lies below a domain.
const path = "/oidc/register"

// Management writes registered clients. Its errors are those of pkg/fault.
type Management interface {
	// Create stores a client. What is refused is Invalid with the place.
	Create(ctx context.Context, request *registrationv1.CreateRequest) (*registrationv1.CreateResponse, error)
	// Update gives a client other metadata. A client that has changed since the revision of the request is Stale, the rest is
	// as for Create and Delete.
	Update(ctx context.Context, request *registrationv1.UpdateRequest) (*registrationv1.UpdateResponse, error)
	// RenewSecret gives a client another secret. Errors are as for Delete.
	RenewSecret(ctx context.Context, request *registrationv1.RenewSecretRequest) (*registrationv1.RenewSecretResponse, error)
	// Delete removes a client and returns the revision of the deletion. An unknown client is NotFound, a superseded
	// registration access token Denied.
	Delete(ctx context.Context, request *registrationv1.DeleteRequest) (int64, error)
	// Resolve returns the present state of a client; NotFound if there is none.
	Resolve(ctx context.Context, domain, clientID string) (*configv1.Application, error)
	// ResolvePending is Resolve that also finds a registered client that waits for approval.
	ResolvePending(ctx context.Context, domain, clientID string) (*configv1.Application, error)
	// ResolveDisabled is Resolve that also finds a client that is disabled, for whatever reason.
	ResolveDisabled(ctx context.Context, domain, clientID string) (*configv1.Application, error)
	// FindInitialAccessToken finds an initial access token by its hash. One that is unknown or has ended is Unauthenticated.
	FindInitialAccessToken(ctx context.Context, domain, hash string) (*registrationv1.FindInitialAccessTokenResponse, error)
}

// Clients are told of what this gateway has changed, before the stream brings it; *domain.Set is one.
type Clients interface {
	// Learn takes a client, with what belongs to it; nil means that this is not known, and is asked for where it matters.
	Learn(ctx context.Context, app *configv1.Application, own *registrationv1.Belongings)
	Forget(domain, id string, revision int64)
	// Domain returns what is served now; nil if there is none with that identifier.
	Domain(id string) *domain.Domain
	// MayAsk reports whether management may be asked now about something that a caller may have made up, and Refused remembers for a
	// moment that there is no such thing, Found for longer that there is.
	MayAsk(domain, about string) (bool, error)
	Found(domain, about string)
	Refused(domain, about string)
}

// Fetcher fetches what metadata name; *outbound.Client is one.
type Fetcher interface {
	Get(ctx context.Context, address string, l outbound.Limits) (*outbound.Answer, error)
}

// Secrets checks client secrets; *secret.Hasher is one.
type Secrets interface {
	Verify(ctx context.Context, encoded, password string) (ok, rehash bool, err error)
}

// Options are what the endpoint works with. All are required, except where it says otherwise.
type Options struct {
	Verifier   *tokens.Verifier
	Holders    *possession.Verifier
	Management Management
	Clients    Clients
	Fetch      Fetcher
	Statements Statements
	Secrets    Secrets
	// People knows who may still act for themselves.
	People People
	// Lifetimes are those of the tokens of clients that register here and are no copies; the zero value leaves them to management.
	Lifetimes Lifetimes
	// Counter counts registrations by source address.
	Counter Counter
	// Proxies are those whose headers say where a request comes from; nil means none.
	Proxies *observe.Proxies
	Now     func() time.Time
}

// Handler serves the registration endpoint.
type Handler struct{ Options }

// New returns the endpoint.
func New(o Options) *Handler { return &Handler{o} }

// Routes returns the endpoint's routes.
func (h *Handler) Routes() []endpoint.Route {
	return []endpoint.Route{
		{Name: "register", Path: path, Post: h.create, Errors: endpoint.ErrorChallenge, CORS: true},
		{
			Name: "registration", Path: path + "/*", Get: h.read, Put: h.overwrite, Patch: h.patch, Delete: h.delete,
			Errors: endpoint.ErrorChallenge, CORS: true,
		},
		{Name: "renew_secret", Path: path + "/*/renew_secret", Post: h.renew, Errors: endpoint.ErrorChallenge, CORS: true},
		{Name: "register_templates", Path: path + "_templates", Get: h.templates, Errors: endpoint.ErrorJSON, CORS: true},
	}
}

func (h *Handler) create(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	caller, err := h.mayRegister(w, r, d)
	if err != nil {
		return err
	}
	body, err := h.body(w, r)
	if err != nil {
		return err
	}
	meta, _, err := h.metadata(r, d, body, nil, false)
	if err != nil {
		return err
	}
	asked := &registrationv1.CreateRequest{
		Domain: d.ID, Issuer: d.Issuer, RegistrationEndpoint: d.Base + path,
		Administrator: caller.administrator != "", Caller: caller.administrator, InitialAccessTokenHash: caller.initialHash,
	}
	if asked.Attempt, err = attemptOf(r, caller.who(h.source(r).String()), body); err != nil {
		return err
	}
	if forced := caller.initial.GetTemplate(); forced != "" {
		if sent := meta.OAuth.GetSoftwareId(); sent != "" && sent != forced {
			return oauth2.InvalidClientMetadata.Errorf("software_id is not the template of the initial access token")
		}
		asked.Template, asked.Given = forced, meta.Given.Names()
	} else if d.Registration.GetClientTemplateEnabled() && meta.Given["software_id"] == clientmeta.Value {
		asked.Template, asked.Given = meta.OAuth.GetSoftwareId(), meta.Given.Names()
		if asked.Template == "" {
			return oauth2.InvalidClientMetadata.Errorf("No template found for software_id ")
		}
	} else {
		meta.Complete(d.Profile.DefaultAuthMethod())
		h.Lifetimes.give(meta.OAuth)
	}
	q := &request{
		Context: r.Context(), domain: d.Core, profile: d.Profile, fetch: h.Fetch, administrator: caller.administrator != "",
		oauth: meta.OAuth, given: meta.Given, scope: meta.Scope, template: asked.Template != "", limit: limitOf(caller.initial),
	}
	end := func(bool) {}
	if caller.administrator == "" {
		// Counted before the rules, which fetch what strangers name.
		if end, err = h.count(w, r, d, asked.GetAttempt(), q.mayFetch()); err != nil {
			return err
		}
	}
	if err := check(q); err != nil {
		end(q.fetched)
		return err
	}
	asked.Application = &configv1.Application{
		Domain: d.ID, Name: q.oauth.GetClientName(), Settings: &configv1.ApplicationSettings{Oauth: q.oauth},
	}
	made, err := h.Management.Create(r.Context(), asked)
	if err != nil {
		if madeNothing(err) {
			end(q.fetched)
		}
		return notCreated(w, err)
	}
	app := made.GetApplication()
	h.Clients.Learn(r.Context(), app, made.GetBelongings())
	observe.Annotate(r.Context(), slog.String("client_id", app.GetSettings().GetOauth().GetClientId()))
	once := registered(app, made.GetRegistrationAccessToken())
	once["client_secret"] = made.GetClientSecret()
	return respond(w, http.StatusCreated, app, once)
}

// registered are the members by which a client manages its registration: both or none of them are told (RFC 7592 §3).
func registered(app *configv1.Application, token string) prototree.Object {
	return prototree.Object{
		"registration_access_token": token,
		"registration_client_uri":   app.GetSettings().GetOauth().GetRegistrationClientUri(),
	}
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	who, err := h.mayManage(w, r, d, r.PathValue("rest"))
	if err != nil {
		return err
	}
	var again prototree.Object
	if who.disabled == nil {
		if err := h.refresh(r, d, who); err != nil {
			return err
		}
	}
	if who.disabled != nil {
		return respond(w, http.StatusOK, who.disabled, nil)
	}
	if who.token != "" && who.target.Profile.ShowsRegistration {
		again = registered(who.target.Application, who.token)
	}
	return respond(w, http.StatusOK, who.target.Application, again)
}

// delete ends a client. Its tokens and grants die with it: whatever looks at them finds no client behind them.
func (h *Handler) delete(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	who, err := h.mayManage(w, r, d, r.PathValue("rest"))
	if err != nil {
		return err
	}
	revision, err := h.Management.Delete(r.Context(), &registrationv1.DeleteRequest{
		Domain: d.ID, ClientId: r.PathValue("rest"), RegistrationAccessTokenHash: who.tokenHash, Caller: who.administrator, Person: who.person,
	})
	if err != nil {
		return who.translate(err)
	}
	h.Clients.Forget(d.ID, who.applicationID(), revision)
	observe.Annotate(r.Context(), slog.String("client_id", r.PathValue("rest")))
	endpoint.NoStore(w.Header())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// respond answers a client in the form of RFC 7591 §3.2.1, with members that are shown this once.
func respond(w http.ResponseWriter, status int, app *configv1.Application, once prototree.Object) error {
	tree, err := clientmeta.Encode(app)
	if err != nil {
		return err
	}
	for name, v := range once {
		tree[name] = v
	}
	body, err := indented(tree)
	if err != nil {
		return err
	}
	endpoint.JSON(w, status, body)
	return nil
}

// indented writes a value for programs and for people.
func indented(v any) ([]byte, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

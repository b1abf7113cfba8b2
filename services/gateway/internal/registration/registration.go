package registration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
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
	// Delete removes a client and returns the revision of the deletion. An unknown client is NotFound, a superseded
	// registration access token Denied.
	Delete(ctx context.Context, request *registrationv1.DeleteRequest) (int64, error)
}

// Clients are told of what this gateway has changed, before the stream brings it; *domain.Set is one.
type Clients interface {
	Learn(app *configv1.Application)
	Forget(domain, id string, revision int64)
}

// Options are what the endpoint works with. All are required.
type Options struct {
	Verifier   *tokens.Verifier
	Holders    *possession.Verifier
	Management Management
	Clients    Clients
	Now        func() time.Time
}

// Handler serves the registration endpoint.
type Handler struct{ Options }

// New returns the endpoint.
func New(o Options) *Handler { return &Handler{o} }

// Routes returns the endpoint's routes.
func (h *Handler) Routes() []endpoint.Route {
	return []endpoint.Route{
		{Name: "register", Path: path, Post: h.create, Errors: endpoint.ErrorChallenge, CORS: true},
		{Name: "registration", Path: path + "/*", Get: h.read, Delete: h.delete, Errors: endpoint.ErrorChallenge, CORS: true},
	}
}

func (h *Handler) create(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	administrator, err := h.mayRegister(w, r, d)
	if err != nil {
		return err
	}
	meta, err := decode(w, r)
	if err != nil {
		return err
	}
	if err := check(&request{domain: d.Core, meta: meta, administrator: administrator}); err != nil {
		return err
	}
	meta.Complete()
	made, err := h.Management.Create(r.Context(), &registrationv1.CreateRequest{
		Domain: d.ID,
		Application: &configv1.Application{
			Domain:   d.ID,
			Name:     meta.OAuth.GetClientName(),
			Settings: &configv1.ApplicationSettings{Oauth: meta.OAuth},
		},
		Issuer:               d.Issuer,
		RegistrationEndpoint: d.Base + path,
		Administrator:        administrator,
	})
	if err != nil {
		return translate(err)
	}
	app := made.GetApplication()
	h.Clients.Learn(app)
	observe.Annotate(r.Context(), slog.String("client_id", app.GetSettings().GetOauth().GetClientId()))
	return respond(w, http.StatusCreated, app, prototree.Object{
		"client_secret":             made.GetClientSecret(),
		"registration_access_token": made.GetRegistrationAccessToken(),
		"registration_client_uri":   app.GetSettings().GetOauth().GetRegistrationClientUri(),
	})
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	who, err := h.mayManage(w, r, d, r.PathValue("rest"))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, who.target.Application, nil)
}

// delete ends a client. Its tokens and grants die with it: whatever looks at them finds no client behind them.
func (h *Handler) delete(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	who, err := h.mayManage(w, r, d, r.PathValue("rest"))
	if err != nil {
		return err
	}
	revision, err := h.Management.Delete(r.Context(), &registrationv1.DeleteRequest{
		Domain: d.ID, ClientId: who.target.ClientID, RegistrationAccessTokenHash: who.tokenHash,
	})
	if err != nil {
		return who.translate(err)
	}
	h.Clients.Forget(d.ID, who.target.ID, revision)
	observe.Annotate(r.Context(), slog.String("client_id", who.target.ClientID))
	endpoint.NoStore(w.Header())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// decode reads the body of a registration. A body without a Content-Type counts as JSON.
func decode(w http.ResponseWriter, r *http.Request) (clientmeta.Metadata, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return clientmeta.Metadata{}, oauth2.InvalidClientMetadata.Errorf("The request body is larger than %d bytes", tooLarge.Limit).WithCause(err)
	case err != nil:
		return clientmeta.Metadata{}, oauth2.InvalidClientMetadata.Errorf("The request body cannot be read").WithCause(err)
	}
	meta, err := clientmeta.Decode(body)
	if len(body) > 0 && !isJSON(r.Header.Get("Content-Type")) {
		return clientmeta.Metadata{}, oauth2.InvalidClientMetadata.Errorf("Unsupported Content-Type")
	}
	return meta, err
}

func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == "application/json"
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
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(tree); err != nil {
		return err
	}
	endpoint.JSON(w, status, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	return nil
}

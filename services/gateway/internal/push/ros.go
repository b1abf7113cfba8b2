package push

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// StoredLife is how long a stored request object waits for its browser.
const StoredLife = 10 * time.Minute

// objectTypes are the content types of a request object that is the whole body.
var objectTypes = []string{"application/jws", "application/jwe", "application/jwt", "application/jose", "application/oauth-authz-req+jwt", "text/plain"}

// store keeps the request object of a client and answers a request_uri for it, as PAR did before it was one: the body is the
// object, or a form with the parameter request. Who sends it must say who they are.
func (e *Endpoint) store(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, object, err := readObject(w, r)
	if err != nil {
		return err
	}
	c, err := e.clients.Authenticate(r, d, p)
	switch {
	case err != nil:
		return err
	case c.Public():
		return clientauth.ErrMissing
	case c.RequiresPushed:
		return oauth2.InvalidRequest.Errorf("The client must push its authorization requests")
	case object == "":
		return oauth2.InvalidRequest.Errorf("Missing parameter: request")
	}
	inside, err := e.objects.Verify(r.Context(), d, c, object, oauth2.RequestNotSupported)
	if err != nil {
		return err
	}
	resolved := authorization.Resolved{Params: inside, Signed: true}
	if err := validate(r.Context(), d, c, resolved); err != nil {
		return err
	}
	uri, err := e.requests.Push(r.Context(), d, c, resolved, StoredLife)
	if err != nil {
		return err
	}
	return created(w, map[string]any{
		"iss": d.Issuer, "aud": c.ClientID, "request_uri": uri, "exp": e.now().Add(StoredLife).Unix(),
	})
}

// readObject returns the parameters by which the client may authenticate, and the object.
func readObject(w http.ResponseWriter, r *http.Request) (oauth2.Params, string, error) {
	if endpoint.IsURLEncoded(r) {
		p, err := endpoint.Params(w, r)
		return p, p.Get("request"), err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if !slices.Contains(objectTypes, kind) {
		return oauth2.Params{}, "", oauth2.InvalidRequest.Errorf("Unsupported Content-Type")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, authorization.MaxObject))
	if limit := (*http.MaxBytesError)(nil); errors.As(err, &limit) {
		return oauth2.Params{}, "", oauth2.InvalidRequestObject.Errorf("The request object is larger than %d bytes", authorization.MaxObject)
	}
	if err != nil {
		return oauth2.Params{}, "", oauth2.InvalidRequest.Errorf("The request body cannot be read").WithCause(err)
	}
	p, err := oauth2.ParseParams(r.URL.RawQuery, "")
	return p, strings.TrimSpace(string(body)), err
}

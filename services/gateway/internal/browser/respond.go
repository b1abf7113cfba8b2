package browser

import (
	"log/slog"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
)

// Respond sends the browser back to the client: by redirect, or by a form that posts the answer.
func Respond(w http.ResponseWriter, r *http.Request, requests *authorization.Resolver, p *pages.Pages, d *domain.Domain, a authorization.Answer) error {
	a, err := requests.Sealed(r.Context(), a)
	if err != nil {
		return err
	}
	if a.Mode != oauth2.ModeFormPost {
		endpoint.RedirectAfter(w, r, seeOther(d, a.Client()), a.Location())
		return nil
	}
	fields := make([]pages.Field, len(a.Params))
	for i, param := range a.Params {
		fields[i] = pages.Field{Name: param.Name, Value: param.Value}
	}
	return p.FormPost(w, r, d, a.RedirectURI, fields)
}

// Go sends the browser on to another page, or to the endpoint that knows what comes next. The client may be nil where it is not
// known.
func Go(w http.ResponseWriter, r *http.Request, d *domain.Domain, c *domain.Client, location string) {
	endpoint.RedirectAfter(w, r, seeOther(d, c), location)
}

// seeOther reports whether a form that was posted is followed by a GET beyond doubt, by 303 (RFC 9700 §4.12).
func seeOther(d *domain.Domain, c *domain.Client) bool {
	return d.Profile.SeeOther || c != nil && c.Profile.SeeOther
}

// Refused notes in the request's record why an answer by redirect is an error.
func Refused(r *http.Request, e *oauth2.Error) {
	observe.RecordError(r.Context(), e)
	observe.Annotate(r.Context(), slog.String("error", string(e.Code)), slog.String("error_description", e.Description))
}

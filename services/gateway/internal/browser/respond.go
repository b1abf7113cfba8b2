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

// Respond sends the browser back to the client.
func Respond(w http.ResponseWriter, d *domain.Domain, p *pages.Pages, a authorization.Answer) error {
	if a.Mode != oauth2.ModeFormPost {
		endpoint.Redirect(w, a.Location())
		return nil
	}
	fields := make([]pages.Field, len(a.Params))
	for i, param := range a.Params {
		fields[i] = pages.Field{Name: param.Name, Value: param.Value}
	}
	return p.FormPost(w, d, a.RedirectURI, fields)
}

// Refused notes in the request's record why an answer by redirect is an error.
func Refused(r *http.Request, e *oauth2.Error) {
	observe.RecordError(r.Context(), e)
	observe.Annotate(r.Context(), slog.String("error", string(e.Code)), slog.String("error_description", e.Description))
}

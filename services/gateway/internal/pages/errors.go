package pages

import (
	"net/http"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// Status is the HTTP status of an error as a page: 403 for what is refused, 500 and 503 for what is our own fault, 404
// and 405 for what is not there, 400 for everything else.
func Status(c oauth2.Code) int {
	switch c {
	case oauth2.AccessDenied, oauth2.InsufficientScope:
		return http.StatusForbidden
	case oauth2.NotFound:
		return http.StatusNotFound
	case oauth2.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case oauth2.ServerError:
		return http.StatusInternalServerError
	case oauth2.TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// headlines are the keys of what a status means to a person: a title and an advice.
var headlines = map[int][2]string{
	http.StatusBadRequest:          {"error.400.title", "error.400.advice"},
	http.StatusForbidden:           {"error.403.title", "error.403.advice"},
	http.StatusNotFound:            {"error.404.title", "error.404.advice"},
	http.StatusMethodNotAllowed:    {"error.405.title", "error.405.advice"},
	http.StatusInternalServerError: {"error.500.title", "error.500.advice"},
	http.StatusServiceUnavailable:  {"error.503.title", "error.503.advice"},
}

// Error answers the error page. The domain and the client identifier may be absent.
func (p *Pages) Error(w http.ResponseWriter, r *http.Request, d *domain.Domain, clientID string, e *oauth2.Error) error {
	status := Status(e.Code)
	name := ""
	if d != nil {
		name = d.Name
	}
	text, shown, id := headlines[status], Message(oauth2.Describe(e.Description)), observe.RequestID(r.Context())
	return p.write(w, r, status, "error", p.policy+noForms, view{d: d, app: client(r, d, clientID), custom: &custom{"error", func(l *language) map[string]any {
		return map[string]any{
			"title": l.plain(text[0]), "advice": l.plain(text[1]), "code": known(e.Code), "description": l.message(shown), "requestId": id,
		}
	}}, Title: text[0], Domain: name, Page: struct {
		Advice, Code        string
		Description         Message
		ClientID, RequestID string
	}{text[1], known(e.Code), shown, clientID, id}})
}

// client looks the client of an error up, which must be one that we named. Errors are shown without it as well.
func client(r *http.Request, d *domain.Domain, clientID string) *domain.Client {
	if d == nil || clientID == "" {
		return nil
	}
	c, err := d.Client(r.Context(), clientID)
	if err != nil {
		return nil
	}
	return c
}

// Errors answers an error that a handler returned, as a page. It is the endpoint.ErrorWriter of pages.
func (p *Pages) Errors(w http.ResponseWriter, r *http.Request, d *domain.Domain, err error) {
	if p.Error(w, r, d, "", endpoint.Protocol(err)) != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// known lets through what looks like an error code, so that a made-up query writes no sentences onto the page.
func known(c oauth2.Code) string {
	if len(c) > 40 || strings.Trim(string(c), "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return string(c)
}

// Root serves what is outside of every domain: a plain page at `/` where people arrive after they have signed out, and
// 404 elsewhere, as a page for browsers and as JSON for everybody else.
func (p *Pages) Root() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/" && strings.Contains(r.Header.Get("Accept"), "text/html"):
			p.Errors(w, r, nil, oauth2.NotFound.Errorf(""))
		case r.URL.Path != "/":
			endpoint.ErrorJSON(w, r, nil, oauth2.NotFound.Errorf("There is no such domain or endpoint"))
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			endpoint.ErrorJSON(w, r, nil, oauth2.MethodNotAllowed.Errorf("The endpoint answers GET, HEAD"))
		default:
			if err := p.write(w, r, http.StatusOK, "signed-out", p.policy+noForms, view{Title: "signed-out.title"}); err != nil {
				p.Errors(w, r, nil, err)
			}
		}
	})
}

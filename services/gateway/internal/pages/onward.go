package pages

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// Onward makes routes send people on to other sites by a page of our own that leads there by itself, where the way began at
// one of our pages. Browsers hold what follows a form to the form-action of the page it stood on, through all redirects, those
// of other sites included (Content Security Policy Level 3 §6.4.1): with the page between, the form ends with us, and
// form-action can forbid all other targets. Scripts, frames and navigations that other sites began get the redirect itself.
func (p *Pages) Onward(routes []endpoint.Route) []endpoint.Route {
	out := make([]endpoint.Route, len(routes))
	for i, route := range routes {
		route.Get, route.Post = p.onward(route.Get), p.onward(route.Post)
		out[i] = route
	}
	return out
}

func (p *Pages) onward(serve endpoint.Handler) endpoint.Handler {
	if serve == nil {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
		if beganHere(r) {
			w = &onwardWriter{ResponseWriter: w, pages: p, r: r, d: d}
		}
		return serve(w, r, d)
	}
}

// beganHere reports that a browser shows the answer to somebody who came from one of our own pages, by way of our own pages
// (Fetch Metadata Request Headers §2).
func beganHere(r *http.Request) bool {
	return is(r, "Sec-Fetch-Site", "same-origin") && is(r, "Sec-Fetch-Mode", "navigate") && is(r, "Sec-Fetch-Dest", "document")
}

func is(r *http.Request, name, value string) bool {
	values := r.Header[name]
	return len(values) == 1 && values[0] == value
}

// onwardWriter answers the page in place of a redirect to another site.
type onwardWriter struct {
	http.ResponseWriter
	pages *Pages
	r     *http.Request
	d     *domain.Domain
	// shown is set once the page was written, in place of all that would follow.
	shown bool
}

// Straight is the writer of answers that redirect as they stand. It is for requests that began at a link of our own pages and at no
// form: browsers hold those to no form-action.
func Straight(w http.ResponseWriter) http.ResponseWriter {
	if onward, ok := w.(*onwardWriter); ok {
		return onward.ResponseWriter
	}
	return w
}

// Unwrap is for http.ResponseController.
func (w *onwardWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader answers the page where the answer is a redirect to another site.
func (w *onwardWriter) WriteHeader(status int) {
	h := w.Header()
	location := h.Get("Location")
	if status != http.StatusFound && status != http.StatusSeeOther || !elsewhere(location, w.d) {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	length := h["Content-Length"]
	delete(h, "Location")
	delete(h, "Content-Length")
	if err := w.pages.goOn(w.ResponseWriter, w.r, w.d, location); err != nil {
		h["Location"], h["Content-Length"] = []string{location}, length
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.shown = true
}

// Write drops the body of a redirect that became a page.
func (w *onwardWriter) Write(b []byte) (int, error) {
	if w.shown {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// elsewhere reports that a location is on the web and not of the domain's origin.
func elsewhere(location string, d *domain.Domain) bool {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return false
	}
	own, err := url.Parse(d.Base)
	return err != nil || u.Scheme != own.Scheme || !strings.EqualFold(u.Host, own.Host)
}

// goOn answers the page that leads to a target on the web by itself, at once.
func (p *Pages) goOn(w http.ResponseWriter, r *http.Request, d *domain.Domain, target string) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	next := template.URL(target) //nolint:gosec // where a handler redirects to
	return p.write(w, r, http.StatusOK, "onward", p.policy+noForms, view{
		d: d, Title: "onward.title", Domain: d.Name, Onward: &onward{"0", next},
		Page: struct {
			Host string
			Next template.URL
		}{u.Host, next},
	})
}

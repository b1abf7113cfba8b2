// Package router finds the domain and the endpoint of a request, and puts around every endpoint what all of them share:
// methods, CORS, security headers, metrics, and errors in the endpoint's own form.
package router

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// Options are what a router works with.
type Options struct {
	Domains *domain.Set
	Routes  []endpoint.Route
	// Root serves what is outside of every domain.
	Root    http.Handler
	Metrics *observe.Metrics
	Log     *slog.Logger
}

type router struct {
	Options
	exact map[string]*route
	// open are the routes whose paths have a /*, the longest first.
	open    []*route
	unknown *observe.Endpoint
}

type route struct {
	endpoint.Route
	// before and after are what stands around the * of the path, slashes included.
	before, after string
	methods       []string
	allow         string
	seen          *observe.Endpoint
}

// New returns the handler of the gateway's public port. Two routes with one path, or one that cannot answer errors, are
// a mistake of the wiring: New panics.
func New(o Options) http.Handler {
	rt := &router{Options: o, exact: map[string]*route{}, unknown: o.Metrics.Endpoint("unknown")}
	patterns := map[string]bool{}
	for _, r := range o.Routes {
		methods := r.Methods()
		made := &route{
			Route: r, methods: methods, allow: strings.Join(append(methods, "OPTIONS"), ", "), seen: o.Metrics.Endpoint(r.Name),
		}
		before, after, open := strings.Cut(r.Path, "*")
		switch {
		case r.Errors == nil || len(methods) == 0 || !strings.HasPrefix(r.Path, "/"):
			panic("router: the route " + r.Name + " is incomplete")
		case rt.exact[r.Path] != nil, patterns[r.Path]:
			panic("router: two routes for " + r.Path)
		case open:
			made.before, made.after, patterns[r.Path] = before, after, true
			rt.open = append(rt.open, made)
		default:
			rt.exact[r.Path] = made
		}
	}
	slices.SortStableFunc(rt.open, func(a, b *route) int { return cmp.Compare(len(b.Path), len(a.Path)) })
	return rt
}

// Header values shared by all answers, so that setting them allocates nothing. Nothing appends to them.
var (
	nosniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
)

func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"] = nosniff
	h["Referrer-Policy"] = noReferrer
	d, rest := rt.Domains.Lookup(r.URL.Path)
	if d == nil {
		rt.unknown.Mark(r.Context())
		rt.Root.ServeHTTP(w, r)
		return
	}
	found := rt.find(rest, r)
	if found == nil {
		rt.unknown.Mark(r.Context())
		endpoint.ErrorJSON(w, r, d, oauth2.NotFound.Errorf("There is no such endpoint"))
		return
	}
	found.seen.Mark(r.Context())
	if found.CORS && endpoint.CORS(w, r, d, found.methods) {
		return
	}
	err := found.serve(w, r, d)
	if err == nil {
		return
	}
	e := endpoint.Protocol(err)
	observe.RecordError(r.Context(), err)
	observe.Annotate(r.Context(), slog.String("domain", d.ID),
		slog.String("error", string(e.Code)), slog.String("error_description", oauth2.Describe(e.Description)))
	found.Errors(w, r, d, err)
}

// serve answers a method that the route knows, and OPTIONS.
func (rt *route) serve(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	if handler := rt.Handler(r.Method); handler != nil {
		return handler(w, r, d)
	}
	w.Header().Set("Allow", rt.allow)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return oauth2.MethodNotAllowed.Errorf("The endpoint answers %s", rt.allow)
}

// find returns the route of a path below a domain. A trailing slash is tolerated.
func (rt *router) find(path string, r *http.Request) *route {
	if found := rt.exact[path]; found != nil {
		return found
	}
	if trimmed := strings.TrimRight(path, "/"); trimmed != path {
		if found := rt.exact[trimmed]; found != nil {
			return found
		}
		path = trimmed
	}
	for _, p := range rt.open {
		rest, begins := strings.CutPrefix(path, p.before)
		rest, ends := strings.CutSuffix(rest, p.after)
		if begins && ends && rest != "" {
			r.SetPathValue("rest", rest)
			return p
		}
	}
	return nil
}

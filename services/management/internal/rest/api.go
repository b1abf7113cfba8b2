package rest

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// prefix is where the API lies.
	prefix = "/management"
	// defaultName is the organization and the environment where nothing else is configured.
	defaultName = "DEFAULT"
	// maxBody bounds the body of a request, in bytes.
	maxBody = 1 << 20
	// maxSegment bounds one segment of a path, in bytes.
	maxSegment = 512
)

// Options are what the API works with. Editor, Operators and Audits are needed.
type Options struct {
	Editor    *editor.Editor
	Operators *operator.Service
	Audits    *store.Audits
	// Members keeps who is in groups; nil refuses to.
	Members GroupMembers
	// Organization and Environment are the ones there are; empty means DEFAULT.
	Organization, Environment string
	// GatewayURL is where gateways are reached from outside, such as https://auth.example.com.
	GatewayURL string
	// Outbound fetches icons; nil refuses to.
	Outbound *outbound.Client
	// Proxies are believed about the client's address; nil trusts nobody.
	Proxies *observe.Proxies
	// Metrics count requests by kind of resource; nil means no counting.
	Metrics *observe.Metrics
	// Logger is told who signs in and out; requests are logged by who wraps the API.
	Logger *slog.Logger
	// Mount adds the routes of other packages.
	Mount []func(*Mux)
}

// API answers everything under /management. It is made by New and safe for concurrent use.
type API struct {
	Options
	router    router
	routes    []Route
	endpoints map[string]*observe.Endpoint
}

// Route is one method of one path, as it was registered: relative to the environment, or with the whole path.
type Route = operation.Route

// Permissions that are no rights of particular operators.
const (
	Public      = operation.Public
	AnyOperator = operation.Any
)

// New returns the API.
func New(o Options) *API {
	if o.Organization == "" {
		o.Organization = defaultName
	}
	if o.Environment == "" {
		o.Environment = defaultName
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.GatewayURL = strings.TrimRight(o.GatewayURL, "/")
	a := &API{Options: o, endpoints: make(map[string]*observe.Endpoint)}
	a.mountSignIn()
	a.mountEnvironments()
	m := &Mux{api: a}
	mountKinds(m)
	mountActions(m)
	a.Operators.Mount(&Mux{api: a, checkDomain: true})
	for _, mount := range o.Mount {
		mount(&Mux{api: a, checkDomain: true})
	}
	return a
}

// Routes returns every route once, in the order of registration. Those that begin with /domains are served below every
// environment and below the short /management.
func (a *API) Routes() []Route { return append([]Route(nil), a.routes...) }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	r = r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{
		Address:   address(a.Proxies, r),
		UserAgent: r.UserAgent(),
	}))
	if err := a.serve(w, r); err != nil {
		answerError(w, r, err)
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) error {
	segments, ok := pathSegments(r.URL)
	if !ok {
		return errNoRoute
	}
	place := a.router.find(segments)
	if place == nil {
		return errNoRoute
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	found := place.routes[method]
	if found == nil {
		w.Header().Set("Allow", place.methods())
		return errNoMethod
	}
	if e := a.endpoints[found.endpoint]; e != nil {
		e.Mark(r.Context())
	}
	for i, segment := range found.segments {
		if n := name(segment); n != "" {
			r.SetPathValue(n, segments[i])
		}
	}
	if found.Operation.Stream {
		return found.serve(w, r)
	}
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // the body is not read
		return errTooLarge
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	return found.serve(w, r)
}

// Failure answers a request whose handler panicked, in the form of the API.
func Failure() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		answerError(w, r, errPanicked)
	})
}

// register adds a route with its whole path.
func (a *API) register(rt Route, path string, serve handler) {
	endpoint := endpointOf(path)
	if a.Metrics != nil && a.endpoints[endpoint] == nil {
		a.endpoints[endpoint] = a.Metrics.Endpoint(endpoint)
	}
	a.router.add(&route{Route: rt, segments: split(path), serve: serve, endpoint: endpoint})
}

// endpointOf names the kind of thing that a path is about: what stands under the domain, else the last plain segment.
func endpointOf(path string) string {
	if _, below, ok := strings.Cut(path, "/{domain}/"); ok {
		first := split("/" + below)[0]
		if first == aliasOfApplications {
			return catalog.Applications.Path
		}
		return first
	}
	if strings.Contains(path, "/domains") {
		return "domains"
	}
	segments := split(path)
	for i := len(segments) - 1; i > 0; i-- {
		if name(segments[i]) == "" {
			return segments[i]
		}
	}
	return segments[0]
}

// pathSegments returns the decoded segments of a path. It refuses what can name nothing: empty and dot segments, text
// that is not UTF-8, control characters.
func pathSegments(u *url.URL) ([]string, bool) {
	path := u.EscapedPath()
	if !strings.HasPrefix(path, prefix+"/") {
		return nil, false
	}
	segments := split(path)
	for i, escaped := range segments {
		segment, err := url.PathUnescape(escaped)
		if err != nil || segment == "" || segment == "." || segment == ".." || len(segment) > maxSegment ||
			!utf8.ValidString(segment) || strings.ContainsFunc(segment, unicode.IsControl) {
			return nil, false
		}
		segments[i] = segment
	}
	return segments, true
}

func address(p *observe.Proxies, r *http.Request) string {
	ip := p.ClientIP(r)
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

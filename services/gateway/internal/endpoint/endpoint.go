// Package endpoint says what an endpoint of the gateway is, and writes the answers that all of them share: JSON,
// redirects, and errors in the form that the endpoint's audience expects.
package endpoint

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Handler serves one request to one domain. The domain is fixed for the whole request; a handler uses no other
// configuration. Returning an error answers it in the form of the route; a handler that has begun to write returns nil.
type Handler func(w http.ResponseWriter, r *http.Request, d *domain.Domain) error

// ErrorWriter answers an error in the form of an endpoint.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, d *domain.Domain, err error)

// Route is one path below a domain.
type Route struct {
	// Name is the endpoint's name in metrics and logs, such as `token`.
	Name string
	// Path begins with a slash. One `*` in it, as a segment of its own, matches one segment or several, which handlers read by
	// r.PathValue("rest"); of several routes that match the longest counts.
	Path string
	// Get serves GET, and HEAD unless NoHead is set. A nil handler makes its method 405.
	Get, Post, Put, Patch, Delete Handler
	// NoHead refuses HEAD, for routes whose Get changes something: a HEAD is expected to be safe (RFC 9110 §9.2.1).
	NoHead bool
	// Errors answers errors of all methods.
	Errors ErrorWriter
	// CORS lets the origins of the domain's settings call the endpoint from a browser.
	CORS bool
}

// Handler returns the handler for a method, nil if the route does not know it.
func (r *Route) Handler(method string) Handler {
	switch method {
	case http.MethodGet:
		return r.Get
	case http.MethodHead:
		if !r.NoHead {
			return r.Get
		}
	case http.MethodPost:
		return r.Post
	case http.MethodPut:
		return r.Put
	case http.MethodPatch:
		return r.Patch
	case http.MethodDelete:
		return r.Delete
	}
	return nil
}

// Methods lists the methods of the route, as the header Allow wants them.
func (r *Route) Methods() []string {
	var methods []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if r.Handler(m) != nil {
			methods = append(methods, m)
		}
	}
	return methods
}

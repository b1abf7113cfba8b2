package rest

import (
	"fmt"
	"slices"
	"strings"
)

// router finds routes by path. Unlike that of net/http it never redirects, lets a literal segment win over a name in
// the same place (`_hrid` over {domain}), and leaves the answers of 404 and 405 to its caller.
type router struct {
	literals map[string]*router
	named    *router
	routes   map[string]*route // by method
}

// route is one method of one path.
type route struct {
	Route
	segments []string // of the whole path
	serve    handler
	endpoint string
}

// add registers a route; two of the same method and shape are a mistake in the program.
func (n *router) add(r *route) {
	for _, segment := range r.segments {
		if name(segment) != "" {
			if n.named == nil {
				n.named = &router{}
			}
			n = n.named
			continue
		}
		if n.literals == nil {
			n.literals = make(map[string]*router)
		}
		if n.literals[segment] == nil {
			n.literals[segment] = &router{}
		}
		n = n.literals[segment]
	}
	if n.routes == nil {
		n.routes = make(map[string]*route)
	}
	if n.routes[r.Method] != nil {
		panic(fmt.Sprintf("rest: %s %s is registered twice", r.Method, r.Pattern))
	}
	n.routes[r.Method] = r
}

// find returns the place of a path, or nil. Literal segments are preferred.
func (n *router) find(segments []string) *router {
	if len(segments) == 0 {
		if n.routes == nil {
			return nil
		}
		return n
	}
	if next := n.literals[segments[0]]; next != nil {
		if found := next.find(segments[1:]); found != nil {
			return found
		}
	}
	if n.named != nil && segments[0] != "" {
		return n.named.find(segments[1:])
	}
	return nil
}

// methods returns the methods of a place, for the header Allow.
func (n *router) methods() string {
	var all []string
	for method := range n.routes {
		all = append(all, method)
		if method == "GET" {
			all = append(all, "HEAD")
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// name returns the name in a segment {name} of a pattern, or "".
func name(segment string) string {
	if len(segment) > 2 && segment[0] == '{' && segment[len(segment)-1] == '}' {
		return segment[1 : len(segment)-1]
	}
	return ""
}

// split returns the segments of a path that begins with a slash. One trailing slash is tolerated.
func split(path string) []string {
	return strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
}

package operation

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Route is one method of one path of the management API.
type Route struct {
	Method string
	// Pattern is the path, relative to the environment, or whole where it begins with /management.
	Pattern string
	// Permission is what the operator needs: kind:verb, Any or Public.
	Permission string
	// Operation describes the route.
	Operation Operation
}

// Permissions that are no rights of particular operators.
const (
	Public = "-" // nobody has to be signed in
	Any    = "*" // any valid token will do
)

// Check returns everything that is wrong or missing in the description of a route, or nil.
func (r Route) Check() error {
	var wrong []error
	check := func(ok bool, text string) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("%s %s: %s", r.Method, r.Pattern, text))
		}
	}
	o := r.Operation
	check(slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, r.Method), "has a method that is not described")
	check(strings.HasSuffix(o.Summary, "."), "has no summary that is a sentence")
	kind, verb, ok := strings.Cut(r.Permission, ":")
	check(r.Permission == Public || r.Permission == Any || ok && kind != "" && verb != "", "names no permission")

	hasBody := o.Body != nil || o.BodyType != ""
	switch r.Method {
	case http.MethodGet, http.MethodDelete:
		check(!hasBody, "has a body")
	case http.MethodPut, http.MethodPatch:
		check(hasBody, "has no body")
	}
	check(o.Body != nil || !o.BodyList && !o.Merge, "says how its body is read and has none")
	check(!o.Merge || o.StatusOf() != http.StatusCreated, "creates and merges")
	check(!o.Conditional || r.Method != http.MethodGet, "reads under a condition")

	status := o.StatusOf()
	answers := o.Answer != nil || o.AnswerType != ""
	check(status >= 200 && status < 300, "has a status that is no success")
	check(answers == (status != http.StatusNoContent), "has a status that does not fit its answer")
	check(o.Answer != nil || o.Shape == One, "answers several of nothing")
	check(status != http.StatusCreated || r.Method == http.MethodPost, "creates without POST")

	for i, p := range o.Query {
		check(p.Name != "" && strings.HasSuffix(p.Description, "."), "has a parameter without name or description: "+p.Name)
		check(slices.Contains([]string{"string", "integer", "boolean"}, p.Type), "has a parameter without type: "+p.Name)
		check(!slices.ContainsFunc(o.Query[:i], func(q Parameter) bool { return q.Name == p.Name }), "names a parameter twice: "+p.Name)
	}
	return errors.Join(wrong...)
}

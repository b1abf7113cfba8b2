package openapi

import (
	"net/http"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// aboutProblems says when a request is refused with a status; 0 stands for every other one.
var aboutProblems = map[int]string{
	http.StatusBadRequest:            "Something in the request breaks a rule; `errors` says where.",
	http.StatusUnauthorized:          "Nobody is signed in.",
	http.StatusForbidden:             "The operator lacks the permission.",
	http.StatusNotFound:              "Something in the path does not exist.",
	http.StatusConflict:              "The state of the resource does not allow it.",
	http.StatusPreconditionFailed:    "The resource has changed since the revision in `If-Match`.",
	http.StatusRequestEntityTooLarge: "The body is too large.",
	http.StatusUnsupportedMediaType:  "The body is not of the type that is read.",
	http.StatusTooManyRequests:       "Too many attempts; `Retry-After` says when the next one counts.",
	http.StatusServiceUnavailable:    "The database is away; the same request may succeed later.",
	0:                                "Anything else that went wrong.",
}

// refusals are the statuses with which an operation may be refused.
func refusals(o Operation) []int {
	all := []int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusServiceUnavailable,
	}
	if o.Permission != operation.Public && o.Permission != operation.Any {
		all = append(all, http.StatusForbidden)
	}
	if o.Permission == operation.Public {
		all = append(all, http.StatusTooManyRequests)
	}
	if o.Method != http.MethodGet {
		all = append(all, http.StatusConflict)
	}
	if o.Operation.Conditional {
		all = append(all, http.StatusPreconditionFailed)
	}
	if o.Method != http.MethodGet && o.Method != http.MethodDelete {
		all = append(all, http.StatusRequestEntityTooLarge)
	}
	if o.Operation.Body != nil || o.Operation.BodyType != "" {
		all = append(all, http.StatusUnsupportedMediaType)
	}
	return all
}

func problemName(status int) string {
	if status == 0 {
		return "Problem"
	}
	return strings.ReplaceAll(http.StatusText(status), " ", "")
}

// problems are the refusals that operations refer to.
func problems() object {
	all := object{}
	for status, about := range aboutProblems {
		response := object{
			"description": about,
			"content":     object{mediaJSON: object{"schema": object{"$ref": schemas + "Problem"}}},
		}
		switch status {
		case http.StatusUnauthorized, http.StatusForbidden:
			response["headers"] = object{"WWW-Authenticate": object{"$ref": "#/components/headers/WWW-Authenticate"}}
		case http.StatusTooManyRequests:
			response["headers"] = object{"Retry-After": object{"$ref": "#/components/headers/Retry-After"}}
		}
		all[problemName(status)] = response
	}
	return all
}

func headers() object {
	header := func(kind, about string) object {
		return object{"description": about, "schema": object{"type": kind}}
	}
	return object{
		"ETag":             header("string", "The revision of the resource, in quotation marks."),
		"Location":         header("string", "The path of what was made."),
		"WWW-Authenticate": header("string", "How to sign in (RFC 6750 §3)."),
		"Retry-After":      header("integer", "Seconds."),
	}
}

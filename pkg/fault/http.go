package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// InternalMessage is what a caller is told about an error without a kind.
const InternalMessage = "Internal error"

// statuses is the one place that knows which HTTP status a kind has.
var statuses = [...]int{
	Internal:        http.StatusInternalServerError,
	Invalid:         http.StatusBadRequest,
	NotFound:        http.StatusNotFound,
	Conflict:        http.StatusConflict,
	Stale:           http.StatusPreconditionFailed,
	Unauthenticated: http.StatusUnauthorized,
	Denied:          http.StatusForbidden,
	Unavailable:     http.StatusServiceUnavailable,
	Limited:         http.StatusTooManyRequests,
	Unmet:           http.StatusConflict,
}

// HTTPStatus returns the HTTP status of the kind.
func (k Kind) HTTPStatus() int {
	if int(k) < len(statuses) {
		return statuses[k]
	}
	return http.StatusInternalServerError
}

// Body is the JSON form of an error in the management API.
type Body struct {
	Message    string   `json:"message"`
	HTTPStatus int      `json:"http_status"`
	Errors     []Detail `json:"errors,omitempty"`
	// Confirm is what has to be confirmed for the request to be carried out.
	Confirm *Consequence `json:"confirm,omitempty"`
}

// BodyOf returns what a caller may see of err. An error without a kind gives InternalMessage and nothing else.
func BodyOf(err error) Body {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind == Internal {
		return Body{Message: InternalMessage, HTTPStatus: http.StatusInternalServerError}
	}
	return Body{Message: e.Message, HTTPStatus: e.Kind.HTTPStatus(), Errors: e.Details, Confirm: e.Confirm}
}

// encode returns the JSON form without a trailing line break. Angle brackets stay readable.
func (b Body) encode() []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	// Strings and integers always have a JSON form, and a buffer takes everything.
	_ = enc.Encode(b)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// WriteHTTP answers a request with err in its JSON form. The content type is exactly application/json. Headers that
// are already set, such as WWW-Authenticate, are kept. It does not log.
func WriteHTTP(w http.ResponseWriter, err error) {
	body := BodyOf(err)
	data := body.encode()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(body.HTTPStatus)
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(data)
}

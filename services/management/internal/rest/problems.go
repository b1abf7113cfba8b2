package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// httpError is a refusal by HTTP itself, for which there is no kind of fault.
type httpError struct {
	status  int
	message string
}

func (e *httpError) Error() string { return e.message }

var (
	errNoRoute   = &httpError{http.StatusNotFound, "Not found"}
	errNoMethod  = &httpError{http.StatusMethodNotAllowed, "Method not allowed"}
	errTooLarge  = &httpError{http.StatusRequestEntityTooLarge, "The body is larger than 1 MiB"}
	errMediaType = &httpError{http.StatusUnsupportedMediaType, "The content type must be application/json"}
	errNoToken   = fault.Unauthenticatedf("An access token is required")
	errPanicked  = errors.New("the handler panicked")
)

const (
	challengeBasic  = `Basic realm="gatehouse", charset="UTF-8"`
	challengeBearer = `Bearer realm="gatehouse"`
	// statusClientGone is what is noted where nobody waits for the answer.
	statusClientGone = 499
)

// answerError answers a request with an error and notes the reason for the log.
func answerError(w http.ResponseWriter, r *http.Request, err error) {
	observe.RecordError(r.Context(), err)
	if tree, ok := err.(*prototree.Error); ok { //nolint:errorlint // one that is wrapped is none of the request
		err = catalog.TreeError(tree)
	}
	if h, ok := errors.AsType[*httpError](err); ok {
		writeProblem(w, fault.Body{Message: h.message, HTTPStatus: h.status})
		return
	}
	kind := fault.KindOf(err)
	if kind == fault.Internal && errors.Is(r.Context().Err(), context.Canceled) {
		writeProblem(w, fault.Body{Message: "The request was abandoned", HTTPStatus: statusClientGone})
		return
	}
	switch kind {
	case fault.Unauthenticated:
		if w.Header().Get("WWW-Authenticate") == "" {
			challenge := challengeBearer
			if !errors.Is(err, errNoToken) {
				challenge += `, error="invalid_token"`
			}
			w.Header().Set("WWW-Authenticate", challenge)
		}
	case fault.Denied:
		w.Header().Set("WWW-Authenticate", challengeBearer+`, error="insufficient_scope"`)
	case fault.Limited:
		if soon, ok := errors.AsType[*operator.TooSoon](err); ok {
			w.Header().Set("Retry-After", strconv.Itoa(soon.Seconds()))
		}
	}
	fault.WriteHTTP(w, err)
}

func writeProblem(w http.ResponseWriter, body fault.Body) {
	// A body of texts and numbers always has a JSON form.
	_ = writeJSON(w, body.HTTPStatus, body)
}

func domainAttr(id string) slog.Attr { return slog.String("domain", printable(id)) }

func operatorAttr(name string) slog.Attr { return slog.String("user", name) }

// printable keeps what strangers send from filling the log.
func printable(text string) string {
	const most = 80
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

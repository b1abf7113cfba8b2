package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Realm is the realm of every challenge.
const Realm = "gatehouse"

// Header values that are set on most answers, shared so that setting them allocates nothing. Nothing appends to them.
var (
	typeJSON = []string{"application/json"}
	noStore  = []string{"no-store"}
	noCache  = []string{"no-cache"}
	zero     = []string{"0"}

	noStorePrivate = []string{"no-store, private"}
)

// NoStore forbids every cache to keep the answer (RFC 6749 §5.1). A stricter word that is there already stays.
func NoStore(h http.Header) {
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = noStore
	}
	h["Pragma"] = noCache
}

// JSON answers a body that is JSON already, never to be stored.
func JSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = typeJSON
	NoStore(h)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Redirect sends a browser on with 302 and an empty body.
func Redirect(w http.ResponseWriter, location string) { redirect(w, http.StatusFound, location) }

// RedirectAfter sends a browser on after a request: with 303 after a POST where seeOther is set, so that the form is never
// posted again (RFC 9700 §4.12), with 302 otherwise. There is no redirect with 307 or 308.
func RedirectAfter(w http.ResponseWriter, r *http.Request, seeOther bool, location string) {
	if seeOther && r.Method == http.MethodPost {
		redirect(w, http.StatusSeeOther, location)
		return
	}
	redirect(w, http.StatusFound, location)
}

func redirect(w http.ResponseWriter, status int, location string) {
	h := w.Header()
	h["Location"] = []string{location}
	h["Content-Length"] = zero
	NoStore(h)
	w.WriteHeader(status)
}

// Protocol returns an error in the words of OAuth 2.0: the *oauth2.Error in err's chain; temporarily_unavailable if a
// part that is needed is away; server_error without a description otherwise.
func Protocol(err error) *oauth2.Error {
	if e, ok := errors.AsType[*oauth2.Error](err); ok {
		return e
	}
	made := &oauth2.Error{Code: oauth2.ServerError}
	switch {
	case errors.Is(err, context.Canceled):
		// Nobody reads the answer. It is not our failure either, so it must not look like one in logs and metrics.
		made = oauth2.InvalidRequest.Errorf("the request was given up")
	case errors.Is(err, state.ErrUnavailable), errors.Is(err, idp.ErrUnavailable),
		fault.Is(err, fault.Unavailable), fault.Is(err, fault.Limited):
		made = oauth2.TemporarilyUnavailable.Errorf("a part that is needed to answer is not available, try again shortly")
	}
	return made.WithCause(err)
}

// ErrorJSON answers in the form of RFC 6749 §5.2. A failed attempt at Basic authentication is challenged.
func ErrorJSON(w http.ResponseWriter, r *http.Request, _ *domain.Domain, err error) {
	e := Protocol(err)
	if e.Code == oauth2.InvalidClient && hasScheme(r.Header.Get("Authorization"), "basic") {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+Realm+`"`)
	}
	writeError(w, e)
}

// ErrorChallenge answers in the form of RFC 6750 §3: the JSON of ErrorJSON, with a Bearer challenge for what concerns
// the token. A request without a token, in the header or among the parameters that AccessToken reads, gets a challenge
// without an error. One that sent its token with the scheme DPoP, or should have, gets a challenge of DPoP (RFC 9449 §7.1).
func ErrorChallenge(w http.ResponseWriter, r *http.Request, d *domain.Domain, err error) {
	e := Protocol(err)
	status := e.Status()
	switch e.Code {
	case oauth2.InvalidDPoPProof, oauth2.UseDPoPNonce:
		status = http.StatusUnauthorized
		fallthrough
	case oauth2.InvalidToken, oauth2.InsufficientScope, oauth2.InvalidRequest:
		challenge := `Bearer realm="` + Realm + `"`
		if wantsProof(r, err) {
			challenge = `DPoP realm="` + Realm + `", algs="` + algorithms(d) + `"`
		}
		if e.Code != oauth2.InvalidToken || r.Header.Get("Authorization") != "" || r.Form.Has("access_token") {
			challenge += `, error="` + string(e.Code) + `"`
			if e.Description != "" {
				challenge += `, error_description="` + oauth2.Describe(e.Description) + `"`
			}
			if scope, ok := errors.AsType[neededScope](err); ok {
				challenge += `, scope="` + string(scope) + `"`
			}
		}
		w.Header().Set("WWW-Authenticate", challenge)
		if r.Header.Get("Authorization") == "" && d != nil && d.DPoP.Enabled {
			w.Header().Add("WWW-Authenticate", `DPoP realm="`+Realm+`", algs="`+algorithms(d)+`"`)
		}
	}
	writeErrorAs(w, status, e)
}

// wantsProof reports whether an error concerns a token of DPoP.
func wantsProof(r *http.Request, err error) bool {
	if hasScheme(r.Header.Get("Authorization"), "dpop") {
		return true
	}
	var marked interface{ WantsProof() }
	return errors.As(err, &marked)
}

// algorithms are those that sign proofs in a domain.
func algorithms(d *domain.Domain) string {
	var names []string
	if d != nil {
		for _, a := range d.DPoP.Algorithms {
			names = append(names, string(a))
		}
	}
	return strings.Join(names, " ")
}

// Failed answers a request whose handler panicked.
func Failed(w http.ResponseWriter, _ *http.Request) {
	writeError(w, &oauth2.Error{Code: oauth2.ServerError})
}

func writeError(w http.ResponseWriter, e *oauth2.Error) { writeErrorAs(w, e.Status(), e) }

func writeErrorAs(w http.ResponseWriter, status int, e *oauth2.Error) {
	body, _ := json.Marshal(struct {
		Error       oauth2.Code `json:"error"`
		Description string      `json:"error_description,omitempty"`
	}{e.Code, oauth2.Describe(e.Description)})
	JSON(w, status, body)
}

// hasScheme reports whether an Authorization header uses a scheme, in any case (RFC 9110 §11.1).
func hasScheme(header, scheme string) bool {
	got, _, _ := strings.Cut(header, " ")
	return strings.EqualFold(got, scheme)
}

package browser

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// Params reads the parameters of an authorization request, and the query that carries them through the pages. With an
// error it returns those parameters that stand once, so that the error finds its way to the client.
func Params(w http.ResponseWriter, r *http.Request) (p oauth2.Params, query string, err error) {
	if r.Method != http.MethodPost {
		p, err = oauth2.ParseParams(r.URL.RawQuery, "")
		if err != nil {
			return authorization.Single(r.URL.Query()), r.URL.RawQuery, err
		}
		return p, Without(r.URL.RawQuery, errorFields...), nil
	}
	var body bytes.Buffer
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, &body), r.Body}
	p, err = endpoint.Params(w, r)
	if err != nil {
		all := r.URL.Query()
		posted := r.PostForm
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
			posted, _ = url.ParseQuery(body.String())
		}
		for name, v := range posted {
			all[name] = append(all[name], v...)
		}
		p = authorization.Single(all)
	}
	return p, p.Values().Encode(), err
}

// Without returns a query without the parameters of these names. The rest stays as it was sent.
func Without(query string, names ...string) string {
	kept := make([]string, 0, 16)
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		decoded, err := url.QueryUnescape(name)
		if pair == "" || (err == nil && slices.Contains(names, decoded)) {
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&")
}

// With returns a query with parameters added at its end, in the given order: name, value, name, value, …
func With(query string, pairs ...string) string {
	var b strings.Builder
	b.WriteString(query)
	for i := 0; i+1 < len(pairs); i += 2 {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pairs[i])
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(pairs[i+1]))
	}
	return b.String()
}

// DevicePage is where people answer devices (RFC 8628 §3.3).
const DevicePage = "/device"

// Where people make accounts, and ask for another password.
const (
	RegisterPage = "/register"
	ForgotPage   = "/forgotPassword"
)

// Return is the path of the endpoint that a sign-in with these parameters belongs to, and goes back to: the page of devices where
// they carry the code of one, what somebody opened where that is Direct, the authorization endpoint otherwise.
func Return(p oauth2.Params) string {
	switch {
	case p.Has("user_code") && !p.Sent("response_type"):
		return DevicePage
	case Direct(p):
		return returnDirect(p)
	}
	return AuthorizePage
}

// URL is one of the domain's own pages, absolute, with a query that may be empty.
func URL(d *domain.Domain, path, query string) string {
	if query == "" {
		return d.Base + path
	}
	return d.Base + path + "?" + query
}

// errorFields are the parameters by which a page's query carries an error.
var errorFields = []string{"error", "error_code", "error_description", "error_hash"}

// Error is what a page shows above its form.
type Error struct {
	// Code is the kind of failure, Detail a finer one that may be empty.
	Code, Detail, Description string
}

// Expired tells somebody who sent a form too late, or without the cookie it was made for.
var Expired = Error{Code: "session_expired", Description: ExpiredText}

// ExpiredText is what Expired says.
const ExpiredText = "Your session expired, please try again."

// WithError returns the query of a page that shows an error in this browser and in no other.
func (v *Visit) WithError(query string, e Error) string {
	query = With(Without(query, errorFields...), "error", e.Code)
	if e.Detail != "" {
		query = With(query, "error_code", e.Detail)
	}
	if e.Description != "" {
		query = With(query, "error_description", e.Description)
	}
	return With(query, "error_hash", v.errorHash(v.cookie, e))
}

// Error returns the error that a page's query carries. It is the zero value if there is none, or if it was not put there
// for this browser: nobody can make our pages say something by a link.
func (v *Visit) Error(p oauth2.Params) Error {
	e := Error{p.Get("error"), p.Get("error_code"), p.Get("error_description")}
	for _, cookie := range v.sent {
		if e.Code != "" && secret.Equal(p.Get("error_hash"), v.errorHash(cookie, e)) {
			return e
		}
	}
	return Error{}
}

func (v *Visit) errorHash(cookie string, e Error) string {
	return seal(v.d, "page error", cookie, e.Code, e.Detail, e.Description)
}

// RememberParam is the name of the parameter by which the page that asks for the name tells the next one what Wish returns.
const RememberParam = "rememberMe"

// Wish is what a page passes on in its query for somebody who wants to be remembered by this browser.
func (v *Visit) Wish() string { return seal(v.d, "remember me", v.cookie) }

// Wished reports whether a page's query carries a Wish of this browser: nobody can have somebody remembered by a link.
func (v *Visit) Wished(p oauth2.Params) bool {
	wish := p.Get(RememberParam)
	return wish != "" && slices.ContainsFunc(v.sent, func(cookie string) bool {
		return secret.Equal(wish, seal(v.d, "remember me", cookie))
	})
}

// ErrorPage is the URL of the error page for an error that cannot go to a client.
func ErrorPage(d *domain.Domain, clientID, state string, e *oauth2.Error) string {
	query := ""
	if clientID != "" {
		query = With(query, "client_id", clientID)
	}
	description := oauth2.Describe(e.Description)
	query = With(query, "error", string(e.Code))
	if description != "" {
		query = With(query, "error_description", description)
	}
	if state != "" {
		query = With(query, "state", state)
	}
	return URL(d, "/oauth/error", With(query, "error_hash", seal(d, "error page", clientID, string(e.Code), description)))
}

// ErrorOnPage returns the error in the query of the error page. Of a query that we did not make only the code is kept.
// The seal is not bound to a browser: clients without cookies are told what is wrong as well, and whoever wants to show
// somebody this text can as well send them the request that leads to it.
func ErrorOnPage(d *domain.Domain, query url.Values) (clientID string, e *oauth2.Error) {
	clientID = query.Get("client_id")
	e = &oauth2.Error{Code: oauth2.Code(query.Get("error")), Description: query.Get("error_description")}
	if !secret.Equal(query.Get("error_hash"), seal(d, "error page", clientID, string(e.Code), e.Description)) {
		return "", &oauth2.Error{Code: e.Code}
	}
	return clientID, e
}

// Request is the authorization request in a page's query: everything but the error that the page shows.
func Request(query string) string { return Without(query, errorFields...) }

package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func form(fields ...string) (body, kind string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = w.WriteField(fields[i], fields[i+1])
	}
	file, _ := w.CreateFormFile("upload", "file.txt")
	_, _ = file.Write([]byte("content"))
	_ = w.Close()
	return b.String(), w.FormDataContentType()
}

func TestParams(t *testing.T) {
	const urlencoded = "application/x-www-form-urlencoded"
	multi, multiKind := form("a", "1", "b", "x y&=é")
	twice, twiceKind := form("a", "1", "a", "2")
	large := strings.Repeat("a", endpoint.MaxForm+1)
	largeMulti, largeMultiKind := form("a", large)
	tests := []struct {
		name, method, query, kind, body string
		chunked                         bool
		want                            url.Values
		refusal                         string
	}{
		{name: "query and body are merged", query: "a=1", kind: urlencoded, body: "b=2", want: url.Values{"a": {"1"}, "b": {"2"}}},
		{name: "an empty body needs no Content-Type", query: "a=1", want: url.Values{"a": {"1"}}},
		{name: "an empty body may have any Content-Type", query: "a=1", kind: "application/json", want: url.Values{"a": {"1"}}},
		{name: "the Content-Type may have parameters and any case", kind: "Application/X-WWW-Form-URLEncoded; charset=UTF-8", body: "a=1", want: url.Values{"a": {"1"}}},
		{name: "a body of unknown length is read", kind: urlencoded, body: "a=1", chunked: true, want: url.Values{"a": {"1"}}},
		{name: "multipart forms are read, without files", query: "c=3", kind: multiKind, body: multi, want: url.Values{"a": {"1"}, "b": {"x y&=é"}, "c": {"3"}}},
		{name: "a repeated parameter is refused", query: "a=1", kind: urlencoded, body: "a=1", refusal: "Parameter [a] is included more than once"},
		{name: "a repeated field of a multipart form is refused", kind: twiceKind, body: twice, refusal: "Parameter [a] is included more than once"},
		{name: "a field that is in the query too is refused", query: "b=1", kind: multiKind, body: multi, refusal: "Parameter [b] is included more than once"},
		{name: "JSON is refused", kind: "application/json", body: `{"a":1}`, refusal: "Unsupported Content-Type"},
		{name: "a body without a type is refused", body: "a=1", refusal: "Unsupported Content-Type"},
		{name: "a bad encoding is refused", kind: urlencoded, body: "a=%zz", refusal: "The parameters are not form-encoded"},
		{name: "a large body is refused", kind: urlencoded, body: large, refusal: "The request body is larger than 262144 bytes"},
		{name: "a large body of unknown length is refused", kind: urlencoded, body: large, chunked: true, refusal: "The request body is larger than 262144 bytes"},
		{name: "a large multipart form is refused", kind: largeMultiKind, body: largeMulti, chunked: true, refusal: "The request body is larger than 262144 bytes"},
		{name: "a broken multipart form is refused", kind: "multipart/form-data; boundary=x", body: "--x\r\nbroken", refusal: "The request body cannot be read"},
		{name: "a multipart form without a boundary is refused", kind: "multipart/form-data", body: "x", refusal: "The request body cannot be read"},
		{name: "GET has its query alone", method: "GET", query: "a=1", kind: urlencoded, body: "b=2", want: url.Values{"a": {"1"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.method == "" {
				tt.method = http.MethodPost
			}
			var body io.Reader = strings.NewReader(tt.body)
			if tt.chunked {
				body = io.MultiReader(body)
			}
			r := httptest.NewRequest(tt.method, "/x?"+tt.query, body)
			if tt.kind != "" {
				r.Header.Set("Content-Type", tt.kind)
			}
			p, err := endpoint.Params(httptest.NewRecorder(), r)
			if tt.refusal != "" {
				if e := oauth2.AsError(err); e == nil || e.Code != oauth2.InvalidRequest || e.Description != tt.refusal {
					t.Errorf("error %v, want %s", err, tt.refusal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, p.Values()); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParams(f *testing.F) {
	multi, kind := form("a", "1", "b", "x")
	f.Add("a=1", "application/x-www-form-urlencoded", "b=2")
	f.Add("", kind, multi)
	f.Fuzz(func(t *testing.T, query, kind, body string) {
		r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", kind)
		p, err := endpoint.Params(httptest.NewRecorder(), r)
		if err != nil {
			if oauth2.CodeOf(err) != oauth2.InvalidRequest {
				t.Errorf("error %v", err)
			}
			return
		}
		for _, name := range p.Names() {
			if name != "resource" && len(p.Values()[name]) != 1 {
				t.Errorf("parameter %q stands %d times", name, len(p.Values()[name]))
			}
		}
	})
}

func TestAnswers(t *testing.T) {
	t.Run("JSON has exactly this type, its length, and is never stored", func(t *testing.T) {
		w := httptest.NewRecorder()
		endpoint.JSON(w, http.StatusCreated, []byte(`{"a":1}`))
		want := http.Header{
			"Content-Type": {"application/json"}, "Content-Length": {"7"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"},
		}
		if diff := cmp.Diff(want, w.Header()); diff != "" || w.Code != 201 || w.Body.String() != `{"a":1}` {
			t.Errorf("status %d, body %q, header (-want +got):\n%s", w.Code, w.Body, diff)
		}
	})
	t.Run("a redirect is 302 with an empty body", func(t *testing.T) {
		w := httptest.NewRecorder()
		endpoint.Redirect(w, "https://app.example/cb?code=x")
		want := http.Header{
			"Location": {"https://app.example/cb?code=x"}, "Content-Length": {"0"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"},
		}
		if diff := cmp.Diff(want, w.Header()); diff != "" || w.Code != 302 || w.Body.Len() != 0 {
			t.Errorf("status %d, body %q, header (-want +got):\n%s", w.Code, w.Body, diff)
		}
	})
}

func TestProtocol(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code oauth2.Code
		// described tells whether there is a description.
		described bool
	}{
		{"a protocol error is itself", fmt.Errorf("x: %w", oauth2.InvalidScope.Errorf("no")), oauth2.InvalidScope, true},
		{"Redis is away", fmt.Errorf("x: %w", state.ErrUnavailable), oauth2.TemporarilyUnavailable, true},
		{"a provider is away", fmt.Errorf("x: %w", idp.ErrUnavailable), oauth2.TemporarilyUnavailable, true},
		{"management is away", fault.Unavailablef("secret-host refused"), oauth2.TemporarilyUnavailable, true},
		{"management is busy", fault.Limitedf("busy"), oauth2.TemporarilyUnavailable, true},
		{"the caller is gone", fmt.Errorf("x: %w", context.Canceled), oauth2.InvalidRequest, true},
		{"anything else is ours", errors.New("secret"), oauth2.ServerError, false},
		{"another fault is ours", fault.Conflictf("secret"), oauth2.ServerError, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := endpoint.Protocol(tt.err)
			if e.Code != tt.code || (e.Description != "") != tt.described || strings.Contains(e.Description, "secret") {
				t.Errorf("%s %q", e.Code, e.Description)
			}
			if !errors.Is(e, tt.err) && tt.code != oauth2.InvalidScope {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestErrors(t *testing.T) {
	const (
		basic  = `Basic realm="gatehouse"`
		bearer = `Bearer realm="gatehouse"`
	)
	tests := []struct {
		name          string
		write         endpoint.ErrorWriter
		authorization string
		parameter     bool
		err           error
		status        int
		challenge     string
		body          string
	}{
		{"an error is JSON", endpoint.ErrorJSON, "", false, oauth2.InvalidGrant.Errorf("no"), 400, "", `{"error":"invalid_grant","error_description":"no"}`},
		{"without a description the member is left out", endpoint.ErrorJSON, "", false, errors.New("x"), 500, "", `{"error":"server_error"}`},
		{"a description keeps to its characters", endpoint.ErrorJSON, "", false, oauth2.InvalidScope.Errorf("a\"b\\c\nd\u00e9"), 400, "", `{"error":"invalid_scope","error_description":"a'b/c d?"}`},
		{"a failed client is 401", endpoint.ErrorJSON, "", false, oauth2.InvalidClient.Errorf("no"), 401, "", `{"error":"invalid_client","error_description":"no"}`},
		{"failed Basic is challenged", endpoint.ErrorJSON, "bAsIc eA==", false, oauth2.InvalidClient.Errorf("no"), 401, basic, `{"error":"invalid_client","error_description":"no"}`},
		{"another failure after Basic is not", endpoint.ErrorJSON, "Basic eA==", false, oauth2.InvalidGrant.Errorf("no"), 400, "", `{"error":"invalid_grant","error_description":"no"}`},
		{"another scheme is not challenged for Basic", endpoint.ErrorJSON, "Bearer x", false, oauth2.InvalidClient.Errorf("no"), 401, "", `{"error":"invalid_client","error_description":"no"}`},
		{"no token is challenged without an error", endpoint.ErrorChallenge, "", false, oauth2.InvalidToken.Errorf("none"), 401, bearer, `{"error":"invalid_token","error_description":"none"}`},
		{"a bad token is challenged with one", endpoint.ErrorChallenge, "Bearer x", false, oauth2.InvalidToken.Errorf("bad"), 401, bearer + `, error="invalid_token", error_description="bad"`, `{"error":"invalid_token","error_description":"bad"}`},
		{"so is a bad token in a parameter", endpoint.ErrorChallenge, "", true, oauth2.InvalidToken.Errorf("bad"), 401, bearer + `, error="invalid_token", error_description="bad"`, `{"error":"invalid_token","error_description":"bad"}`},
		{"a missing scope is named", endpoint.ErrorChallenge, "Bearer x", false, endpoint.Needs("openid"), 403,
			bearer + `, error="insufficient_scope", error_description="Invalid access token scopes. The access token should have at least 'openid' scope", scope="openid"`,
			`{"error":"insufficient_scope","error_description":"Invalid access token scopes. The access token should have at least 'openid' scope"}`},
		{"a challenge cannot be broken out of", endpoint.ErrorChallenge, "Bearer x", false, oauth2.InvalidRequest.Errorf("a\", b=\"\r\nc"), 400,
			bearer + `, error="invalid_request", error_description="a', b='  c"`, `{"error":"invalid_request","error_description":"a', b='  c"}`},
		{"what does not concern the token is not challenged", endpoint.ErrorChallenge, "Bearer x", false, state.ErrUnavailable, 503, "",
			`{"error":"temporarily_unavailable","error_description":"a part that is needed to answer is not available, try again shortly"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			if tt.parameter {
				r.Form = url.Values{"access_token": {"x"}}
			}
			w := httptest.NewRecorder()
			tt.write(w, r, (*domain.Domain)(nil), tt.err)
			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || w.Body.String() != tt.body {
				t.Errorf("status %d, challenge %q, body %s", w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("header %v", w.Header())
			}
		})
	}
}

func TestAccessToken(t *testing.T) {
	const formType = "application/x-www-form-urlencoded"
	tests := []struct {
		name, method, query, header, kind, body string
		want                                    string
		refusal                                 oauth2.Code
		private                                 bool
	}{
		{name: "in the header", method: "GET", header: "Bearer abc", want: "abc"},
		{name: "in the header, the scheme in any case", method: "GET", header: "bEARER  abc", want: "abc"},
		{name: "in a form", method: "POST", kind: formType, body: "access_token=abc", want: "abc"},
		{name: "in the query, which makes the answer private", method: "GET", query: "access_token=abc", want: "abc", private: true},
		{name: "in the header of a post whose body is something else", method: "POST", header: "Bearer abc", kind: "application/json", body: "{}", want: "abc"},
		{name: "nowhere", method: "GET", refusal: oauth2.InvalidToken},
		{name: "nowhere in a form", method: "POST", kind: formType, body: "a=1", refusal: oauth2.InvalidToken},
		{name: "as an empty parameter", method: "GET", query: "access_token=", refusal: oauth2.InvalidToken},
		{name: "twice, in header and form", method: "POST", header: "Bearer abc", kind: formType, body: "access_token=abc", refusal: oauth2.InvalidRequest},
		{name: "twice, in header and query", method: "GET", header: "Bearer abc", query: "access_token=abc", refusal: oauth2.InvalidRequest},
		{name: "twice in the query", method: "GET", query: "access_token=abc&access_token=abc", refusal: oauth2.InvalidRequest},
		{name: "under another scheme", method: "GET", header: "Basic abc", refusal: oauth2.InvalidToken},
		{name: "in a header without a space", method: "GET", header: "abc", refusal: oauth2.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/x?"+tt.query, strings.NewReader(tt.body))
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			if tt.kind != "" {
				r.Header.Set("Content-Type", tt.kind)
			}
			w := httptest.NewRecorder()
			got, err := endpoint.AccessToken(w, r)
			if tt.refusal != "" {
				if oauth2.CodeOf(err) != tt.refusal || err == nil {
					t.Errorf("error %v, want %s", err, tt.refusal)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("token %q, error %v", got, err)
			}
			endpoint.JSON(w, 200, []byte("{}"))
			want := "no-store"
			if tt.private {
				want = "no-store, private"
			}
			if got := w.Header().Get("Cache-Control"); got != want {
				t.Errorf("Cache-Control is %q, want %q", got, want)
			}
		})
	}
}

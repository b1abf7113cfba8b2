package fault

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteHTTP(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		body   string
	}{
		{"an error without a kind says nothing", errors.New("dial mongodb://admin:pw@db"), 500,
			`{"message":"Internal error","http_status":500}`},
		{"an internal fault says nothing either", Newf(Internal, "password is %q", "x").At("p", "d"), 500,
			`{"message":"Internal error","http_status":500}`},
		{"invalid is 400 and names its places",
			Invalidf("Property [<x>] is not recognized as a valid property").
				At("settings.oauth.x", "unknown").With(Detail{Path: "rule", Detail: "syntax", Line: 2, Column: 7}), 400,
			`{"message":"Property [<x>] is not recognized as a valid property","http_status":400,"errors":[` +
				`{"path":"settings.oauth.x","detail":"unknown"},{"path":"rule","detail":"syntax","line":2,"column":7}]}`},
		{"not found is 404", NotFoundf("Domain [d] can not be found."), 404,
			`{"message":"Domain [d] can not be found.","http_status":404}`},
		{"a conflict is 409", Conflictf("c"), 409, `{"message":"c","http_status":409}`},
		{"stale is 412", Stalef("s"), 412, `{"message":"s","http_status":412}`},
		{"unauthenticated is 401", Unauthenticatedf("u"), 401, `{"message":"u","http_status":401}`},
		{"denied is 403", Deniedf("d"), 403, `{"message":"d","http_status":403}`},
		{"limited is 429", Limitedf("l"), 429, `{"message":"l","http_status":429}`},
		{"unmet is 409", Unmetf("u"), 409, `{"message":"u","http_status":409}`},
		{"a private cause stays private", fmt.Errorf("save: %w", Unavailablef("try later").Because(errors.New("secret"))), 503,
			`{"message":"try later","http_status":503}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("WWW-Authenticate", "Bearer")
			WriteHTTP(w, tt.err)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if diff := cmp.Diff(tt.body, w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if w.Header().Get("WWW-Authenticate") == "" {
				t.Error("a header that was set before is gone")
			}
		})
	}
}

func TestEveryKindHasAStatusAndAName(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range Kinds() {
		if http.StatusText(kind.HTTPStatus()) == "" {
			t.Errorf("%v has no HTTP status", kind)
		}
		if kind != Internal && kind.HTTPStatus() == http.StatusInternalServerError {
			t.Errorf("%v has the status of Internal", kind)
		}
		if seen[kind.String()] || strings.TrimSpace(kind.String()) == "" {
			t.Errorf("the name %q of kind %d is empty or taken", kind, uint8(kind))
		}
		seen[kind.String()] = true
	}
	if unknown := Kind(200); unknown.HTTPStatus() != 500 || unknown.String() != "internal" {
		t.Error("an unknown kind is not treated as internal")
	}
}

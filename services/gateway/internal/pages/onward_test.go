package pages

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// ours is what a browser says of a navigation that began at one of our pages.
var ours = map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

func TestWhatBeganAtOurPagesEndsThere(t *testing.T) {
	d := &domain.Domain{Core: &domain.Core{Name: "Acme", Base: "https://gw.example/acme"}}
	const client = "https://client.example/cb?code=a&state=b;c'd#x=%22y"
	tests := []struct {
		name, location string
		headers        map[string]string
		page           bool
	}{
		{"from our page to the client", client, ours, true},
		{"from our page to a client over http", "http://127.0.0.1:9/cb", ours, true},
		{"from our page to our page", "https://gw.example/acme/login?x=y", ours, false},
		{"from our page to our page, in capitals", "https://GW.example/acme/login", ours, false},
		{"from our page to a path", "/acme/login", ours, false},
		{"from our page to another port", "https://gw.example:8443/cb", ours, true},
		{"from our page to an app", "com.example.app:/cb?code=a", ours, false},
		{"from the client", client, changedBy("Sec-Fetch-Site", "cross-site"), false},
		{"from a sibling of the client", client, changedBy("Sec-Fetch-Site", "same-site"), false},
		{"typed", client, changedBy("Sec-Fetch-Site", "none"), false},
		{"by a script", client, changedBy("Sec-Fetch-Mode", "cors"), false},
		{"in a frame", client, changedBy("Sec-Fetch-Dest", "iframe"), false},
		{"by something that is no browser", client, nil, false},
	}
	for _, tt := range tests {
		for _, status := range []int{http.StatusFound, http.StatusSeeOther} {
			t.Run(tt.name, func(t *testing.T) {
				routes := New().Onward([]endpoint.Route{{Post: func(w http.ResponseWriter, r *http.Request, _ *domain.Domain) error {
					w.Header().Set("Set-Cookie", "a=b")
					endpoint.RedirectAfter(w, r, status == http.StatusSeeOther, tt.location)
					_, err := w.Write([]byte(""))
					return err
				}}})
				if routes[0].Get != nil {
					t.Fatal("a method that the route does not know has a handler")
				}
				r, w := httptest.NewRequest(http.MethodPost, "/acme/login", nil), httptest.NewRecorder()
				for name, value := range tt.headers {
					r.Header.Set(name, value)
				}
				if err := routes[0].Post(w, r, d); err != nil {
					t.Fatal(err)
				}
				h := w.Result().Header
				if h.Get("Cache-Control") != "no-store" || h.Get("Set-Cookie") != "a=b" {
					t.Errorf("headers %v", h)
				}
				if !tt.page {
					if w.Code != status || h.Get("Location") != tt.location || h.Get("Content-Length") != "0" {
						t.Errorf("status %d, headers %v", w.Code, h)
					}
					return
				}
				escaped := strings.NewReplacer("&", "&amp;", "'", "&#39;").Replace(tt.location)
				if w.Code != http.StatusOK || h.Get("Location") != "" || !strings.Contains(w.Body.String(), `<meta http-equiv="refresh" content="0;url=`+escaped+`">`) ||
					!strings.Contains(w.Body.String(), `id="onward-continue"`) || !strings.HasSuffix(h.Get("Content-Security-Policy"), "; form-action 'none'") {
					t.Errorf("status %d, headers %v\n%s", w.Code, h, w.Body.String())
				}
			})
		}
	}
}

func changedBy(name, value string) map[string]string {
	out := map[string]string{}
	for k, v := range ours {
		out[k] = v
	}
	out[name] = value
	return out
}

func TestFormsGoWhereThePolicySays(t *testing.T) {
	client := func(uris ...string) *domain.Client {
		return &domain.Client{Application: &configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{RedirectUris: uris}}}}
	}
	d := &domain.Domain{Core: &domain.Core{Base: "https://gw.example/acme"}}
	tests := []struct {
		name, host string
		says       bool
		client     *domain.Client
		want       string
	}{
		{"a browser that does not say what its requests are for", "gw.example", false, client("https://a.example/cb"), ""},
		{"a client on the web", "gw.example", true, client("https://a.example/cb", "http://127.0.0.1/cb"), "; form-action 'self'"},
		{"no client", "gw.example", true, nil, "; form-action 'self'"},
		{"an app", "gw.example", true, client("com.example.app:/cb", "COM.example.app:/other", "https://a.example/cb"), "; form-action 'self' com.example.app:"},
		{"a scheme that would end the directive", "gw.example", true, client("x;script-src *:/cb", ":/cb", "x y:/"), "; form-action 'self'"},
		{"opened by another name than the domain's", "localhost", true, nil, "; form-action 'self' https://gw.example"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "https://"+tt.host+"/acme/login", nil)
		if tt.says {
			r.Header.Set("Sec-Fetch-Mode", "navigate")
		}
		if got := formsOf(r, d, tt.client); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for target, want := range map[string]string{
		"https://a.example/cb": "https:", "http://127.0.0.1:9/cb": "http: https:", "com.example.app:/cb": "com.example.app:", "/cb": "'none'",
	} {
		if got := answerAction(target); got != want {
			t.Errorf("answer to %s: %s, want %s", target, got, want)
		}
	}
}

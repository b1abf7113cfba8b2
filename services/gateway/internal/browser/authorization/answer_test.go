package authorization

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

func TestLocation(t *testing.T) {
	tests := []struct {
		name string
		req  Request
		fail *oauth2.Error
		want string
	}{
		{"success", Request{RedirectURI: "https://a.example/cb", State: "s"}, nil,
			"https://a.example/cb?code=c&state=s&iss=https%3A%2F%2Fi"},
		{"no state is invented", Request{RedirectURI: "https://a.example/cb"}, nil,
			"https://a.example/cb?code=c&iss=https%3A%2F%2Fi"},
		{"the registered query stays", Request{RedirectURI: "https://a.example/cb?x=1&y=%20", State: "s"}, nil,
			"https://a.example/cb?x=1&y=%20&code=c&state=s&iss=https%3A%2F%2Fi"},
		{"an empty query is no reason for an ampersand", Request{RedirectURI: "https://a.example/cb?", State: "s"}, nil,
			"https://a.example/cb?code=c&state=s&iss=https%3A%2F%2Fi"},
		{"a state keeps every character", Request{RedirectURI: "https://a.example/cb", State: `a b&c=d#"é`}, nil,
			"https://a.example/cb?code=c&state=a+b%26c%3Dd%23%22%C3%A9&iss=https%3A%2F%2Fi"},
		{"fragment", Request{RedirectURI: "https://a.example/cb?x=1", State: "s", Mode: oauth2.ModeFragment}, nil,
			"https://a.example/cb?x=1#code=c&state=s&iss=https%3A%2F%2Fi"},
		{"an error is form-encoded", Request{RedirectURI: "https://a.example/cb", State: "s"}, oauth2.InvalidRequest.Errorf("Missing parameter: code_challenge"),
			"https://a.example/cb?error=invalid_request&error_description=Missing+parameter%3A+code_challenge&state=s&iss=https%3A%2F%2Fi"},
		{"an error without text has none", Request{RedirectURI: "com.app:/cb"}, oauth2.ServerError.Errorf(""),
			"com.app:/cb?error=server_error&iss=https%3A%2F%2Fi"},
		{"an echoed value is described in the allowed characters", Request{RedirectURI: "https://a.example/cb"}, oauth2.InvalidScope.Errorf("Invalid scope(s): \"\r\né"),
			"https://a.example/cb?error=invalid_scope&error_description=Invalid+scope%28s%29%3A+%27++%3F&iss=https%3A%2F%2Fi"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.req.Success("https://i", Granted{Code: "c"})
			if tt.fail != nil {
				a = tt.req.Failure("https://i", "", tt.fail)
			}
			if got := a.Location(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	digest := func(query string) string {
		p, err := oauth2.ParseParams(query, "")
		if err != nil {
			t.Fatal(err)
		}
		return Digest(p)
	}
	same := digest("client_id=a&state=x+y&prompt=login")
	for _, query := range []string{
		"prompt=login&state=x%20y&client_id=a",
		"client_id=a&state=x+y&prompt=login&login_hint=ann&error=login_failed&error_code=x&error_description=y&error_hash=z",
	} {
		if digest(query) != same {
			t.Errorf("%s is another request", query)
		}
	}
	for _, query := range []string{"client_id=a&state=x&prompt=login", "client_id=a&state=x+y", "client_id=b&state=x+y&prompt=login"} {
		if digest(query) == same {
			t.Errorf("%s is the same request", query)
		}
	}
}

package oauth2

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestStatus(t *testing.T) {
	tests := map[Code]int{
		InvalidRequest:         400,
		InvalidGrant:           400,
		UnauthorizedClient:     400,
		UnsupportedGrantType:   400,
		AccessDenied:           400,
		InvalidRedirectURI:     400,
		InvalidClientMetadata:  400,
		RedirectURIMismatch:    400,
		UseDPoPNonce:           400,
		InvalidClient:          401,
		InvalidToken:           401,
		InsufficientScope:      403,
		RegistrationForbidden:  403,
		NotFound:               404,
		MethodNotAllowed:       405,
		ServerError:            500,
		TemporarilyUnavailable: 503,
	}
	for code, want := range tests {
		if got := code.Errorf("x").Status(); got != want {
			t.Errorf("%s has status %d, want %d", code, got, want)
		}
	}
}

func TestErrorKeepsItsCausePrivate(t *testing.T) {
	plain := InvalidGrant.Errorf("the code %s is spent", "c1")
	e := plain.WithCause(io.EOF)
	if e.Description != "the code c1 is spent" || e.Code != InvalidGrant {
		t.Errorf("error %+v", e)
	}
	if !errors.Is(e, io.EOF) || errors.Is(plain, io.EOF) {
		t.Error("WithCause does not make a copy that wraps the cause")
	}
	if got := e.Error(); got != "invalid_grant: the code c1 is spent: EOF" {
		t.Errorf("text for logs: %q", got)
	}
	if got := ServerError.Errorf("").Error(); got != "server_error" {
		t.Errorf("text without description: %q", got)
	}
}

func TestAsError(t *testing.T) {
	wrapped := fmt.Errorf("token: %w", InvalidScope.Errorf("Invalid scope(s): x"))
	if got := AsError(wrapped); got.Code != InvalidScope || got.Description != "Invalid scope(s): x" {
		t.Errorf("wrapped error became %v", got)
	}
	got := AsError(errors.New("redis: secret-host refused"))
	if got.Code != ServerError || got.Description != "" || got.Unwrap() == nil {
		t.Errorf("unknown error became %#v", got)
	}
	if AsError(nil) != nil {
		t.Error("nil became an error")
	}
	if CodeOf(wrapped) != InvalidScope || CodeOf(io.EOF) != ServerError {
		t.Error("CodeOf disagrees")
	}
}

func TestE7DescriptionsKeepToTheirCharacters(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain text stays", "The redirect_uri [ <x> ] MUST match!", "The redirect_uri [ <x> ] MUST match!"},
		{"quotes and backslashes are outside the set", `say "hi" \o/`, `say 'hi' /o/`},
		{"line breaks and tabs become spaces", "a\r\nSet-Cookie: x\ty", "a  Set-Cookie: x y"},
		{"control characters and letters beyond ASCII become question marks", "a\x00b\x7fé", "a?b??"},
		{"bytes that are no text become question marks", "a\xff", "a?"},
		{"a section sign becomes the word", "RFC 9700 §2.1.2", "RFC 9700 section 2.1.2"},
		{"nothing stays nothing", "", ""},
		{"what is too long for a header is cut", strings.Repeat("a", 1001), strings.Repeat("a", 997) + "..."},
		{"also where words take the place of signs", strings.Repeat("§", 300), strings.Repeat("section ", 124) + "secti..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Describe(tt.in); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add("a\"\\\n\x7f\u00e9")
	f.Fuzz(func(t *testing.T, s string) {
		got := Describe(s)
		bad := strings.IndexFunc(got, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' })
		if bad >= 0 {
			t.Errorf("%q has a character outside RFC 6749 §5.2", got)
		}
		if Describe(got) != got {
			t.Error("describing twice changes the text")
		}
	})
}

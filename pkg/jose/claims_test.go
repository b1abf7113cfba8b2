package jose

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseClaims(t *testing.T) {
	c, err := ParseClaims([]byte(`{"iss":"https://am/oidc","sub":"ann","aud":["web","api"],"exp":1767232800,"iat":1767225600.5,
		"nbf":1.7672256e9,"auth_time":1767225000,"jti":"j","scope":"openid email","client_id":"web","nonce":"n","sid":"s",
		"domain":"d","roles":["a"],"SUB":"eve"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Claims{
		Issuer: "https://am/oidc", Subject: "ann", Audience: []string{"web", "api"},
		ExpiresAt: time.Unix(1767232800, 0), IssuedAt: time.Unix(1767225600, 5e8), NotBefore: time.Unix(1767225600, 0),
		AuthTime: time.Unix(1767225000, 0), ID: "j", Scope: "openid email", ClientID: "web", Nonce: "n", SessionID: "s", Domain: "d",
	}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreUnexported(Claims{})); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if !c.HasAudience("api") || c.HasAudience("ap") {
		t.Error("HasAudience is wrong")
	}
	var roles []string
	if found, err := c.Decode("roles", &roles); !found || err != nil || len(roles) != 1 {
		t.Errorf("roles %v, %v, %v", roles, found, err)
	}
	if found, err := c.Decode("roles", new(int)); !found || !errors.Is(err, ErrMalformed) {
		t.Errorf("a list read as a number: %v, %v", found, err)
	}
	if found, err := c.Decode("missing", &roles); found || err != nil {
		t.Errorf("a missing claim: %v, %v", found, err)
	}
	if !c.Has("roles") || c.Has("missing") || len(c.Raw()) != 15 {
		t.Error("Has or Raw is wrong")
	}
	if diff := cmp.Diff(any(json.Number("1767232800")), c.Map()["exp"]); diff != "" {
		t.Errorf("exp as a plain value (-want +got):\n%s", diff)
	}
}

func TestAudienceMayBeOneText(t *testing.T) {
	c, err := ParseClaims([]byte(`{"aud":"web"}`))
	if err != nil || !c.HasAudience("web") || len(c.Audience) != 1 {
		t.Errorf("%v, %v", c, err)
	}
	if c, err = ParseClaims([]byte(`{}`)); err != nil || c.HasAudience("") {
		t.Errorf("%v, %v", c, err)
	}
}

func TestParseClaimsRefuses(t *testing.T) {
	for _, payload := range []string{
		``, `null`, `[]`, `"x"`, `{`, `{} {}`, `{"sub":1}`, `{"sub":{"a":1}}`, `{"aud":1}`, `{"aud":["a",1]}`, `{"aud":{"a":"b"}}`,
		`{"exp":"1767232800"}`, `{"exp":-1}`, `{"exp":1e300}`, `{"exp":253402300800}`, `{"exp":true}`, `{"iat":[]}`, `{"nbf":null}`,
		`{"scope":["openid"]}`, `{"jti":7}`, `{"aud":null}`, `{"aud":["a",null]}`, `{"sub":null}`,
	} {
		if c, err := ParseClaims([]byte(payload)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", payload, c, err)
		}
	}
}

func TestValidate(t *testing.T) {
	now := time.Unix(1767225600, 0)
	const skew = 30 * time.Second
	at := now.Add
	tests := []struct {
		name   string
		claims Claims
		want   error
	}{
		{"a token that ends later is valid", Claims{ExpiresAt: at(time.Second)}, nil},
		{"a token that ended within the tolerance is valid", Claims{ExpiresAt: at(-29 * time.Second)}, nil},
		{"a token that ended before the tolerance is expired", Claims{ExpiresAt: at(-30 * time.Second)}, ErrExpired},
		{"a token without end is refused", Claims{IssuedAt: now}, ErrNoExpiry},
		{"a token from the near future is valid", Claims{ExpiresAt: at(time.Hour), IssuedAt: at(skew), NotBefore: at(skew)}, nil},
		{"a token issued in the future is refused", Claims{ExpiresAt: at(time.Hour), IssuedAt: at(31 * time.Second)}, ErrNotYetValid},
		{"a token that begins in the future is refused", Claims{ExpiresAt: at(time.Hour), NotBefore: at(31 * time.Second)}, ErrNotYetValid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.claims.Validate(now, skew); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func FuzzParseClaims(f *testing.F) {
	f.Add([]byte(`{"aud":["a"],"exp":1e9,"iat":1.5}`))
	f.Add([]byte(`{"exp":1e400}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := ParseClaims(payload)
		if (err == nil) != (c != nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err == nil {
			_ = c.Validate(time.Now(), time.Minute)
			_ = c.Map()
		}
	})
}

package grants_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// partner signs assertions and tokens as somebody whom a domain trusts.
type partner struct {
	t    *testing.T
	name string
	key  *jose.Key
	jwks *structpb.Struct
}

func newPartner(t *testing.T, name string) *partner {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256, "partner")
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	p := &partner{t, name, key, &structpb.Struct{}}
	if err := p.jwks.UnmarshalJSON(set.JWKS()); err != nil {
		t.Fatal(err)
	}
	return p
}

// trusted is the partner in the configuration of a domain.
func (p *partner) trusted(change ...func(*configv1.TrustedIssuer)) *configv1.TrustedIssuer {
	m := &configv1.TrustedIssuer{Issuer: p.name, Jwks: p.jwks}
	for _, f := range change {
		f(m)
	}
	return m
}

// sign makes a JWT about ann for the gateway, a minute long, with changed claims; nil takes one away.
func (p *partner) sign(at time.Time, change map[string]any) string {
	return p.signAs("JWT", at, change)
}

func (p *partner) signAs(typ string, at time.Time, change map[string]any) string {
	p.t.Helper()
	claims := map[string]any{
		"iss": p.name, "sub": "ann", "aud": "https://gw.example/acme/oidc", "exp": at.Add(time.Minute).Unix(), "iat": at.Unix(),
		"jti": secret.NewID(),
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	body, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	token, err := p.key.Sign(typ, body)
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// meets makes ann known to the directory of a rig.
func (r *rig) meets(names ...string) {
	r.t.Helper()
	for _, name := range names {
		if _, err := r.Directory.SignIn(r.t.Context(), r.domain, "", gatewaytest.Identity(name)); err != nil {
			r.t.Fatal(err)
		}
	}
}

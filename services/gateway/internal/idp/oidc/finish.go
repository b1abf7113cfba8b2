package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// maxCode bounds a code in bytes.
const maxCode = 8 << 10

// Finish implements idp.Federator.
func (p *Provider) Finish(ctx context.Context, leg idp.Leg, answer url.Values, kept []byte) (*idp.Assertion, error) {
	var m memo
	if err := json.Unmarshal(kept, &m); err != nil || m.Verifier == "" {
		return nil, errors.New("the journey's memo is not one of this provider")
	}
	e, err := p.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	e.issuer = m.Issuer
	code, err := p.code(e, leg, answer)
	if err != nil {
		return nil, err
	}
	tokens, err := p.redeem(ctx, e, leg, code, m)
	if err != nil {
		return nil, err
	}
	var told *told
	if p.openID {
		if told, err = p.verify(ctx, e, tokens, code, m); err != nil {
			return nil, err
		}
		// Of a site whose tenants are issuers of their own, or that writes its name in two ways, either name will do.
		if iss := answer.Get("iss"); iss != "" && iss != told.claims.Issuer && (!p.varies() || iss != e.issuer) {
			return nil, refused("the answer is of another issuer than its ID token")
		}
	}
	return p.assertion(ctx, e, tokens.AccessToken, told)
}

// varies reports whether issuers are judged, because each tenant of the site has its own.
func (p *Provider) varies() bool { return p.site.CheckIssuer != nil }

// code reads the answer of the authorization endpoint. Who sent it is looked at before what it says (RFC 9207 §2.4).
func (p *Provider) code(e endpoints, leg idp.Leg, answer url.Values) (string, error) {
	for name, values := range answer {
		if len(values) > 1 {
			return "", refused("the parameter %.32q of the answer is included more than once", name)
		}
	}
	iss := answer.Get("iss")
	switch {
	case !secret.Equal(answer.Get("state"), leg.State):
		return "", refused("the answer has another state than the request")
	case iss == "" && e.issInAnswer:
		return "", refused("the answer does not name its issuer")
	case iss != "" && e.issuer != "" && !p.varies() && iss != e.issuer:
		return "", refused("the answer is of another issuer")
	}
	if code := answer.Get("error"); code != "" {
		switch oauth2.Code(code) {
		case oauth2.ServerError, oauth2.TemporarilyUnavailable:
			return "", unavailable("the site", fmt.Errorf("it answers with the error %.64q", code))
		}
		return "", refused("the site answers with the error %.64q", code)
	}
	code := answer.Get("code")
	if code == "" || len(code) > maxCode {
		return "", refused("the answer has no code")
	}
	return code, nil
}

// tokenAnswer is the answer of a token endpoint (RFC 6749 §5).
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	IDToken     string `json:"id_token"`
	Error       string `json:"error"`
}

// redeem exchanges a code (RFC 6749 §4.1.3, RFC 7636 §4.5).
func (p *Provider) redeem(ctx context.Context, e endpoints, leg idp.Leg, code string, m memo) (*tokenAnswer, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {leg.Callback}, "code_verifier": {m.Verifier},
	}
	authenticate := func(*http.Request) {}
	switch strings.ToLower(e.clientAuth) {
	case authPost:
		form.Set("client_id", p.site.ClientID)
		form.Set("client_secret", p.site.ClientSecret)
	case authNone:
		form.Set("client_id", p.site.ClientID)
	default: // RFC 6749 §2.3.1
		authenticate = func(r *http.Request) {
			r.SetBasicAuth(url.QueryEscape(p.site.ClientID), url.QueryEscape(p.site.ClientSecret))
		}
	}
	got, err := p.calls.postForm(ctx, e.token, form, authenticate)
	if err != nil {
		return nil, unavailable("token endpoint", err)
	}
	var t tokenAnswer
	parseErr := json.Unmarshal(got.body, &t)
	switch {
	case parseErr == nil && t.Error != "" && got.status < 500: // some answer errors with 200
		if t.Error == string(oauth2.InvalidGrant) || t.Error == "bad_verification_code" {
			return nil, refused("the token endpoint answers with the error %.64q", t.Error)
		}
		return nil, fmt.Errorf("the token endpoint answers with the error %.64q", t.Error)
	case got.status != http.StatusOK:
		return nil, statusError("token endpoint", got.status)
	case parseErr != nil:
		return nil, unavailable("token endpoint", errors.New("the answer is not JSON"))
	case t.AccessToken == "":
		return nil, errors.New("the token endpoint's answer has no access token")
	case t.TokenType != "" && !strings.EqualFold(t.TokenType, "bearer"):
		return nil, fmt.Errorf("the token endpoint's access token is of the type %.32q, which is not supported", t.TokenType)
	}
	return &t, nil
}

package authorization

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Keys verify what clients signed, and encrypt what is for them alone; *clientkeys.Keys does.
type Keys interface {
	tokens.Encrypter
	// Verify checks a token with the keys of a client. Errors are those of jose, or say that the keys cannot be had.
	Verify(ctx context.Context, c *domain.Client, token string, check jose.Check) (*jose.Token, error)
}

// Objects reads request objects (RFC 9101, OpenID Connect Core §6).
type Objects struct {
	// Keys verify signatures; nil refuses all objects.
	Keys Keys
	// Fetch reads objects by reference; nil refuses all references.
	Fetch Fetcher
	Now   func() time.Time

	cache objectCache
}

// MaxObject is the largest request object in bytes.
const MaxObject = 64 << 10

// objectSkew is how far the clock of a client may differ from ours.
const objectSkew = 30 * time.Second

// maxObjectAge bounds, under profiles that require signed requests, the time between nbf and exp and the age of nbf
// (FAPI 2.0 Message Signing §5.3.1).
const maxObjectAge = 60 * time.Minute

// objectTypes are the media types that say what a token is: explicitly a request object (RFC 9101 §10.8), or nothing.
var objectTypes = []string{jose.TypeNone, jose.TypeJWT, "oauth-authz-req+jwt"}

// read returns the parameters inside of the object that a request carries or refers to.
func (o *Objects) read(ctx context.Context, d *domain.Domain, c *domain.Client, p oauth2.Params) (oauth2.Params, error) {
	if token := p.Get("request"); token != "" {
		return o.Verify(ctx, d, c, token, oauth2.RequestNotSupported)
	}
	token, err := o.fetch(ctx, d, c, p.Get("request_uri"))
	if err != nil {
		return oauth2.Params{}, err
	}
	return o.Verify(ctx, d, c, token, oauth2.RequestURINotSupported)
}

// Verify returns the parameters of a request object of a client, with its client_id. An object that is not signed is
// answered with the given code: the kind is not accepted at all (OpenID Connect Core §3.1.2.6). Whatever else is wrong with
// it is invalid_request_object.
func (o *Objects) Verify(ctx context.Context, d *domain.Domain, c *domain.Client, token string, unsigned oauth2.Code) (oauth2.Params, error) {
	if o.Keys == nil {
		return oauth2.Params{}, unsigned.Errorf("The parameter request is not supported")
	}
	if len(token) > MaxObject {
		return oauth2.Params{}, oauth2.InvalidRequestObject.Errorf("The request object is larger than %d bytes", MaxObject)
	}
	token, err := o.decrypt(d, c, token)
	if err != nil {
		return oauth2.Params{}, badObject(err)
	}
	if h, _ := jose.ReadHeader(token, MaxObject); strings.EqualFold(string(h.Algorithm), "none") {
		if c.Profile.RequiresSignedRequest {
			unsigned = oauth2.InvalidRequestObject
		}
		return oauth2.Params{}, unsigned.Errorf("The request object must be signed")
	}
	algorithms := c.Profile.SigningAlgs
	if a := c.RequestAlg; a != "" {
		if !c.Profile.Signs(a) {
			return oauth2.Params{}, oauth2.InvalidRequestObject.Errorf("The registered request_object_signing_alg %s is not allowed in this domain", a)
		}
		algorithms = []jose.Algorithm{a}
	}
	verified, err := o.Keys.Verify(ctx, c, token, jose.Check{Algorithms: algorithms, Types: objectTypes, MaxSize: MaxObject})
	if err != nil {
		return oauth2.Params{}, badObject(err)
	}
	claims, err := verified.Claims()
	if err != nil {
		return oauth2.Params{}, badObject(err)
	}
	if err := o.check(d, c, claims); err != nil {
		return oauth2.Params{}, err
	}
	return inside(c, claims)
}

// decrypt returns the JWS inside of an encrypted object (RFC 9101 §6.1); a JWS is returned as it is. The keys are the domain's
// own. The client's secret is one where the client registered an algorithm for it, so that strangers cannot make us derive
// keys.
func (o *Objects) decrypt(d *domain.Domain, c *domain.Client, token string) (string, error) {
	if !jose.IsEncrypted(token) {
		return token, nil
	}
	keys := d.Decrypter()
	allow := jose.Decryption{Algorithms: keys.Algorithms(), MaxSize: MaxObject}
	registered := c.Application.GetSettings().GetOauth().GetRequestObjectEncryptionAlg()
	if alg, ok := jose.ParseKeyManagement(registered); ok && alg.Symmetric() && c.Profile.EncryptsBySecret {
		allow.Algorithms = append(allow.Algorithms, alg)
		keys = keys.WithSecrets(c.SecretValues(o.Now())...)
	}
	inner, err := keys.Decrypt(token, allow)
	if err != nil {
		return "", err
	}
	return string(inner.Payload), nil
}

// badObject words why a token is not a request object of the client. That the keys cannot be had for the moment stays what
// it is.
func badObject(err error) error {
	text := "The request object cannot be verified with the keys of the client"
	switch {
	case errors.Is(err, jose.ErrMalformed):
		text = "The request object is not a JWT"
	case errors.Is(err, jose.ErrTooLarge):
		text = "The request object is too large"
	case errors.Is(err, jose.ErrAlgorithm):
		text = "The request object is signed with an algorithm that the client may not use"
	case errors.Is(err, jose.ErrDecrypt):
		text = "The request object cannot be decrypted with the keys of this domain"
	case errors.Is(err, jose.ErrType):
		text = "The typ of the request object is not oauth-authz-req+jwt"
	case errors.Is(err, state.ErrUnavailable), errors.Is(err, context.Canceled):
		return err
	}
	return oauth2.InvalidRequestObject.Errorf("%s", text).WithCause(err)
}

// check is what must hold of the claims beside the parameters (RFC 9101 §4, §6.3; OpenID Connect Core §6.1).
func (o *Objects) check(d *domain.Domain, c *domain.Client, claims *jose.Claims) error {
	bad := func(text string) error { return oauth2.InvalidRequestObject.Errorf("%s", text) }
	now := o.Now()
	switch {
	case claims.Issuer != c.ClientID:
		return bad("The iss of the request object is not the client_id")
	case !claims.HasAudience(d.Issuer):
		return bad("The aud of the request object is not the issuer of this domain")
	case claims.Subject == c.ClientID:
		// A client assertion has such a subject: what is signed to authenticate is no request (RFC 9101 §10.8).
		return bad("The sub of the request object is the client")
	case claims.ClientID != "" && claims.ClientID != c.ClientID:
		return bad("The client_id of the request object is another one")
	case claims.Has("request") || claims.Has("request_uri"):
		return bad("The request object contains request or request_uri")
	}
	// RFC 9101 leaves it to the client whether its objects end at all.
	switch soon := now.Add(objectSkew); {
	case !claims.ExpiresAt.IsZero() && !now.Before(claims.ExpiresAt.Add(objectSkew)):
		return bad("The request object is expired")
	case claims.NotBefore.After(soon), claims.IssuedAt.After(soon):
		return bad("The request object is not valid yet")
	}
	if !c.Profile.RequiresSignedRequest {
		return nil
	}
	switch {
	case claims.ExpiresAt.IsZero() || claims.NotBefore.IsZero():
		return bad("The request object has no exp or no nbf")
	case claims.ExpiresAt.Sub(claims.NotBefore) > maxObjectAge:
		return bad("The request object is valid for more than an hour")
	case now.Sub(claims.NotBefore) > maxObjectAge:
		return bad("The nbf of the request object is more than an hour ago")
	}
	return nil
}

// about are the claims that speak of the object itself (RFC 7519 §4.1); all others are parameters.
var about = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// inside returns the claims of a request object as parameters. A JSON value that no parameter can be written as is
// invalid_request_object.
func inside(c *domain.Client, claims *jose.Claims) (oauth2.Params, error) {
	values := make(url.Values, len(claims.Raw()))
	for name, raw := range claims.Raw() {
		if slices.Contains(about, name) {
			continue
		}
		list, ok := texts(name, raw)
		if !ok {
			return oauth2.Params{}, oauth2.InvalidRequestObject.Errorf("The member %s of the request object has a value of the wrong type", name)
		}
		if len(list) > 0 {
			values[name] = list
		}
	}
	values.Set("client_id", c.ClientID)
	p, err := oauth2.ParamsOf(values)
	if err != nil {
		return oauth2.Params{}, oauth2.InvalidRequestObject.Errorf("%s", oauth2.AsError(err).Description)
	}
	return p, nil
}

// texts returns a member as the values of a parameter: texts and numbers are written as they are, objects as JSON
// (RFC 9101 §4); a list of texts gives as many values as it has elements. Null is no value.
func texts(name string, raw json.RawMessage) ([]string, bool) {
	switch raw[0] {
	case 'n':
		return nil, true
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return []string{s}, err == nil
	case '[':
		var list []string
		err := json.Unmarshal(raw, &list)
		return list, err == nil && name == "resource" // the one parameter that may be repeated
	}
	return []string{string(raw)}, true
}

// merge returns the parameters of a request and the object that it came with. Those inside win; where the object is all
// there is, those outside do not count (RFC 9101 §5). The client and the response type must be the same in both
// (OpenID Connect Core §6.1).
func merge(c *domain.Client, outside, inside oauth2.Params) (oauth2.Params, error) {
	if alone(c) {
		return inside, nil
	}
	if sent, own := outside.Get("response_type"), inside.Get("response_type"); sent != "" && own != "" {
		a, known := oauth2.ParseResponseType(sent)
		b, _ := oauth2.ParseResponseType(own)
		if known && a != b {
			return oauth2.Params{}, oauth2.InvalidRequestObject.Errorf("The response_type of the request object is another one")
		}
	}
	values := outside.Values()
	delete(values, "request")
	delete(values, "request_uri")
	for name, v := range inside.Values() {
		if inside.Has(name) {
			values[name] = v
		}
	}
	return oauth2.ParamsOf(values)
}

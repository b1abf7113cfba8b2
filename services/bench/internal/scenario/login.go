package scenario

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// login has the goal of a machine on which four forms, two signatures and five round trips to Redis take 290 µs: 700 µs.
func login() Scenario {
	return Comparison{
		Floor: floor.Login,
		Goals: []report.Goal{report.AtMostFloor(2.41)},
		Unit:  "flow",
		Prepare: func(ctx context.Context, b *Bench, _ int) (*Target, error) {
			w, err := b.sharedWorld(ctx)
			if err != nil {
				return nil, err
			}
			return prepareLogin(ctx, b, w, w.quick, quickName, quickPeople)
		},
	}.Scenario("login", "authorization code with PKCE from the login page to token and ID token (ES256), without the cost of the password's hash")
}

// loginPassword is bound by the hash: with two cores, six of eight connections wait for one. More would wait in the queue
// for longer than it allows on a slow day, and be refused, which is right and measures nothing.
func loginPassword() Scenario {
	return Comparison{
		Floor:       floor.Argon2id,
		Goals:       []report.Goal{report.FloorShare(0.95)},
		Unit:        "flow",
		Connections: []int{8},
		Prepare: func(ctx context.Context, b *Bench, _ int) (*Target, error) {
			w, err := b.sharedWorld(ctx)
			if err != nil {
				return nil, err
			}
			return prepareLogin(ctx, b, w, w.slow, slowName, slowPeople)
		},
	}.Scenario("login-argon2id", "the same with a password hashed by argon2id; the floor is the hash alone")
}

func prepareLogin(ctx context.Context, b *Bench, w *world, provider, prefix string, people int) (*Target, error) {
	f, err := newFlow(ctx, b, w, provider, prefix)
	if err != nil {
		return nil, err
	}
	return &Target{
		Operation: func(worker int) load.Operation {
			v := &visitor{flow: f, user: person(prefix, worker%people)}
			return v.signIn
		},
		After: f.reuse,
	}, nil
}

// flow is what all visitors have in common.
type flow struct {
	world           *world
	app             *harness.Application
	host, publicURL string
	basic           string
	somebody        string // who can sign in
}

// newFlow creates the application that a scenario's people sign in to.
func newFlow(ctx context.Context, b *Bench, w *world, provider, prefix string) (*flow, error) {
	app, err := w.newWebApp(ctx, b.current, provider, "authorization_code", "refresh_token")
	if err != nil {
		return nil, err
	}
	return &flow{
		world: w, app: app, host: b.Platform.Gateway().Address, publicURL: b.Platform.PublicURL(),
		basic: load.Basic(app.ClientID, app.Secret), somebody: person(prefix, 0),
	}, nil
}

// visitor is one person with a browser. Each time they begin without cookies.
type visitor struct {
	*flow
	user    string
	browser browser
	request []byte
}

// signIn goes the whole way: authorization request, login page, form, authorization, code, token.
func (v *visitor) signIn(ctx context.Context, c *load.Conn, check bool) error {
	verifier := secret.NewToken()
	code, err := v.code(ctx, c, verifier)
	if err != nil {
		return err
	}
	return v.exchange(ctx, c, code, verifier, check)
}

// exchange redeems a code and looks at the tokens.
func (v *visitor) exchange(ctx context.Context, c *load.Conn, code, verifier string, check bool) error {
	got, err := v.redeem(ctx, c, code, verifier, 200)
	if err != nil {
		return fmt.Errorf("redeem the code: %w", err)
	}
	if _, err := member(got.Body, "id_token"); err != nil {
		return err
	}
	if !check {
		return nil
	}
	answer, err := decodeToken(got.Body)
	if err != nil {
		return err
	}
	if err := v.world.check(ctx, answer.AccessToken, expected{
		alg: jose.ES256, issuer: v.world.domain.Issuer, audience: v.app.ClientID, scope: "openid profile",
	}); err != nil {
		return err
	}
	return v.world.check(ctx, answer.IDToken, expected{alg: jose.ES256, issuer: v.world.domain.Issuer, audience: v.app.ClientID})
}

// code signs in and returns the authorization code.
func (v *visitor) code(ctx context.Context, c *load.Conn, verifier string) (string, error) {
	v.browser.forget()
	request, state := v.authorization(verifier)
	page, err := v.follow(ctx, c, request)
	if err != nil {
		return "", fmt.Errorf("authorization request: %w", err)
	}
	got, err := v.get(ctx, c, page, 200)
	if err != nil {
		return "", fmt.Errorf("login page: %w", err)
	}
	action, xsrf, err := formOf(got.Body, "X-XSRF-TOKEN")
	if err != nil {
		return "", err
	}
	target, err := localPart(action, v.publicURL)
	if err != nil {
		return "", err
	}
	form := url.Values{"X-XSRF-TOKEN": {xsrf}, "client_id": {v.app.ClientID}, "username": {v.user}, "password": {password}}
	v.request = load.AppendForm(v.request[:0], v.host, target, form.Encode(), v.browser.header()...)
	if got, err = ask(ctx, c, v.request, 302); err != nil {
		return "", fmt.Errorf("login form: %w", err)
	}
	v.browser.take(got)
	back, err := localPart(got.Header("Location"), v.publicURL)
	if err != nil {
		return "", err
	}
	if strings.Contains(back, "error=") {
		return "", fmt.Errorf("%s cannot sign in: %s", v.user, back)
	}
	if got, err = v.get(ctx, c, back, 302); err != nil {
		return "", fmt.Errorf("authorization: %w", err)
	}
	return codeOf(got.Header("Location"), state)
}

// authorization returns path and query of an authorization request with PKCE (RFC 7636 §4.3), and its state.
func (v *visitor) authorization(verifier string) (target, state string) {
	challenge := sha256.Sum256([]byte(verifier))
	state = verifier[:16]
	query := url.Values{
		"response_type": {"code"}, "client_id": {v.app.ClientID}, "redirect_uri": {redirectURI}, "scope": {"openid profile"},
		"state": {state}, "nonce": {state}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	return v.world.domain.Path + "/oauth/authorize?" + query.Encode(), state
}

// codeOf reads the answer that is sent to the client.
func codeOf(location, state string) (string, error) {
	query, ok := strings.CutPrefix(location, redirectURI+"?")
	if !ok {
		return "", fmt.Errorf("the client is not answered but %.300q", location)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", err
	}
	if values.Get("code") == "" || values.Get("state") != state {
		return "", fmt.Errorf("the client is answered %.300q", location)
	}
	return values.Get("code"), nil
}

// get asks for a page of the gateway.
func (v *visitor) get(ctx context.Context, c *load.Conn, target string, status int) (*load.Response, error) {
	v.request = load.AppendGet(v.request[:0], v.host, target, append(v.browser.header(), "Accept: text/html")...)
	got, err := ask(ctx, c, v.request, status)
	if err == nil {
		v.browser.take(got)
	}
	return got, err
}

// follow asks for a page and returns where it redirects to.
func (v *visitor) follow(ctx context.Context, c *load.Conn, target string) (string, error) {
	got, err := v.get(ctx, c, target, 302)
	if err != nil {
		return "", err
	}
	return localPart(got.Header("Location"), v.publicURL)
}

func (v *visitor) redeem(ctx context.Context, c *load.Conn, code, verifier string, status int) (*load.Response, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	v.request = load.AppendForm(v.request[:0], v.host, v.world.domain.Path+"/oauth/token", form.Encode(), v.basic)
	return ask(ctx, c, v.request, status)
}

// reuse proves that a code works once, and that a second use takes back what came of the first.
func (f *flow) reuse(ctx context.Context) error {
	c := load.NewConn(f.host)
	defer c.Close()
	v := &visitor{flow: f, user: f.somebody}
	verifier := secret.NewToken()
	code, err := v.code(ctx, c, verifier)
	if err != nil {
		return err
	}
	got, err := v.redeem(ctx, c, code, verifier, 200)
	if err != nil {
		return err
	}
	first, err := decodeToken(got.Body)
	if err != nil {
		return err
	}
	if got, err = v.redeem(ctx, c, code, verifier, 400); err != nil {
		return fmt.Errorf("a code was presented again: %w", err)
	}
	if problem, _ := member(got.Body, "error"); problem != "invalid_grant" {
		return fmt.Errorf("a code was presented again: %.200s", got.Body)
	}
	return harness.Await(ctx, firstPatience, "the end of what a stolen code gave", func(ctx context.Context) error {
		return f.ended(ctx, c, first)
	})
}

// ended returns nil once neither the access token nor the refresh token is worth anything.
func (f *flow) ended(ctx context.Context, c *load.Conn, t tokenAnswer) error {
	for _, token := range []string{t.AccessToken, t.RefreshToken} {
		form := url.Values{"token": {token}}
		got, err := ask(ctx, c, load.AppendForm(nil, f.host, f.world.domain.Path+"/oauth/introspect", form.Encode(), f.basic), 200)
		if err != nil {
			return err
		}
		if strings.Contains(string(got.Body), `"active":true`) {
			return errors.New("a token is still active")
		}
	}
	return nil
}

package flows_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// rig is a gateway with one application, web, whose tokens tell what flows have set by the claims partner, seen and all.
type rig struct {
	*gatewaytest.Harness
	t        *testing.T
	config   *gatewaytest.Config
	revision int64
}

// claim shows an attribute that flows have set, "-" where there is none.
func claim(name string) *configv1.CustomClaim {
	return &configv1.CustomClaim{
		TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: name,
		ClaimValue: fmt.Sprintf(`{#'%[1]s' in context.attributes['authFlow'] ? context.attributes['authFlow']['%[1]s'] : "-"}`, name),
	}
}

func web(a *configv1.Application) {
	o := a.Settings.Oauth
	o.TokenCustomClaims = []*configv1.CustomClaim{claim("partner"), claim("seen")}
	a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
}

func asks(a *configv1.Application) { a.Settings.Advanced.SkipConsent = false }

func nameFirst(a *configv1.Application) {
	a.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), IdentifierFirstEnabled: true}
}

// start serves web, changed, with flows of its own.
func start(t *testing.T, list []*configv1.Flow, change ...func(*configv1.Application)) *rig {
	return startWith(t, gatewaytest.Options{}, list, change...)
}

func startWith(t *testing.T, o gatewaytest.Options, list []*configv1.Flow, change ...func(*configv1.Application)) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.App("web", append([]func(*configv1.Application){web}, change...)...)
	for i, f := range list {
		c.Add(place(c, f, i))
	}
	return &rig{Harness: gatewaytest.New(t, o, c), t: t, config: c, revision: 1}
}

// place gives a flow its domain, and the application web unless it says that it is the domain's.
func place(c *gatewaytest.Config, f *configv1.Flow, order int) *configv1.Flow {
	f.Domain, f.Order = c.Domain.GetId(), int32(order)
	if f.Id == "" {
		f.Id = fmt.Sprintf("flow-%d", order)
	}
	if f.Application == "domain" {
		f.Application, f.Level = "", c.Domain.GetId()
	} else {
		f.Application, f.Level = "app-web", "app-web"
	}
	return f
}

// apply brings a change.
func (r *rig) apply(list ...resource.Resource) {
	r.t.Helper()
	r.revision++
	r.Apply(gatewaytest.Upserts(r.revision, list...))
}

func pre(at flows.Point, steps ...*configv1.FlowStep) *configv1.Flow {
	return &configv1.Flow{Type: at, Pre: steps}
}

func post(at flows.Point, steps ...*configv1.FlowStep) *configv1.Flow {
	return &configv1.Flow{Type: at, Post: steps}
}

// set sets one attribute by an expression.
func set(name, expression string) *configv1.FlowStep {
	return &configv1.FlowStep{Name: "set " + name, Config: &configv1.FlowStep_SetAttributes{
		SetAttributes: &configv1.SetAttributesStep{Attributes: map[string]string{name: expression}},
	}}
}

func deny(condition, code, message string) *configv1.FlowStep {
	return &configv1.FlowStep{Name: "deny", Condition: condition, Config: &configv1.FlowStep_Deny{
		Deny: &configv1.DenyStep{Error: code, Message: message},
	}}
}

func callout(c *configv1.HTTPCalloutStep) *configv1.FlowStep {
	return &configv1.FlowStep{Name: "ask", Config: &configv1.FlowStep_HttpCallout{HttpCallout: c}}
}

const redirectURI = "https://web.example/cb"

// authorize is an authorization request, with more parameters.
func authorize(more string) string {
	return "/oauth/authorize?client_id=web&response_type=code&scope=openid&state=s&redirect_uri=" + url.QueryEscape(redirectURI) + more
}

// login goes through a login from the beginning as ann, and returns where it ends.
func (r *rig) login(b *browsertest.Browser) *browsertest.Response {
	r.t.Helper()
	return r.goOn(b, b.Get(authorize("")))
}

// goOn answers pages until something else comes.
func (r *rig) goOn(b *browsertest.Browser, res *browsertest.Response) *browsertest.Response {
	r.t.Helper()
	for range 6 {
		res = b.Follow(res)
		if res.StatusCode != 200 || strings.Contains(res.Text, "role=\"alert\"") {
			return res
		}
		f := b.Form(res)
		switch {
		case f.Values.Has("password"):
			f.Values.Set("username", "ann")
			f.Values.Set("password", gatewaytest.Password)
		case f.Values.Has("username"):
			f.Values.Set("username", "ann")
		default:
			f.Values.Set("user_oauth_approval", "true")
			f.Values.Set("scope.openid", "true")
		}
		res = b.Post(f.Action, f.Values)
	}
	return res
}

// claims redeems the code of an answer and returns the claims of the access token.
func (r *rig) claims(res *browsertest.Response) map[string]any {
	r.t.Helper()
	code := res.Query().Get("code")
	if code == "" {
		r.t.Fatalf("status %d, answer %s\n%s", res.StatusCode, res.Location(), res.Text)
	}
	answer := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI), gatewaytest.Basic("web"))
	return r.read(answer)
}

// read returns the claims of the access token of an answer.
func (r *rig) read(answer gatewaytest.Answer) map[string]any {
	r.t.Helper()
	token, _ := answer.JSON(r.t)["access_token"].(string)
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		r.t.Fatalf("status %d, no token: %s", answer.Status, answer.Body)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		r.t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		r.t.Fatal(err)
	}
	return claims
}

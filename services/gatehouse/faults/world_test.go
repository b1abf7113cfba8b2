package faults

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// object is an object of JSON, with the methods that read it.
type object = proc.Object

const (
	// publicURL is what all gateways appear as. Nobody resolves the name: browsers are told which gateway is behind it.
	publicURL = "http://sso.example.test"
	// callback is where the applications want people to be sent. Nobody is there.
	callback = "https://app.example.test/callback"

	alice, alicesPassword = "alice", "white-Rabbit-1865" // of the inline provider
	bob, bobsPassword     = "bob", "Looking-glass-1871"  // of the domain's directory
)

// soon bounds what ought to take milliseconds on a machine that is busy with other things.
const soon = 20 * time.Second

// world is an installation with a domain in it.
type world struct {
	t          *testing.T
	mongo      *proc.MongoDB
	redis      *proc.Redis
	inst       *proc.Installation
	management *proc.Management
	gateways   []*proc.Gateway
	api        *proc.API

	domain, path string // identifier; where gateways serve it, such as /faults

	// web signs alice in, staff signs bob in; both by code and by password, and both refresh. service acts for itself.
	web, staff, service app
}

// app is a registered application.
type app struct{ ID, ClientID, Secret string }

// newWorld starts everything, all services with the same further arguments, and makes the domain, known to every gateway when it returns.
func newWorld(t *testing.T, gateways int, args ...string) *world {
	t.Helper()
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	return w.begin(gateways, args...)
}

// newWorldWithProxy is newWorld with a proxy between management and the database.
func newWorldWithProxy(t *testing.T, gateways int) (*world, *proxy) {
	t.Helper()
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	p := newProxy(t, w.mongo.Address, messages)
	w.inst = proc.NewInstallation(t, "mongodb://"+p.Address, w.redis.URL)
	return w.begin(gateways), p
}

func (w *world) begin(gateways int, args ...string) *world {
	w.t.Helper()
	w.t.Cleanup(w.nothingPanicked)
	w.management = w.inst.StartManagement(args...)
	for range gateways {
		w.gateways = append(w.gateways, w.inst.LaunchGateway(w.management, publicURL, args...))
	}
	w.furnish()
	for _, g := range w.gateways {
		g.Ready()
	}
	w.settle()
	return w
}

// nothingPanicked demands that no program, whatever was done to it, has panicked.
func (w *world) nothingPanicked() {
	if w.management == nil {
		return // it did not even start
	}
	programs := []*proc.Process{w.management.Process}
	for _, g := range w.gateways {
		programs = append(programs, g.Process)
	}
	for _, p := range programs {
		for line := range strings.Lines(p.Stderr()) {
			if strings.Contains(line, "panic") {
				w.t.Errorf("%s: %s", p.Name, line)
			}
		}
	}
}

// during is the same world in a subtest, whose faults are then the subtest's.
func (w *world) during(t *testing.T) *world {
	during := *w
	during.t = t
	if w.api != nil {
		during.api = w.api.During(t)
	}
	return &during
}

// furnish makes the domain and what is in it.
func (w *world) furnish() {
	w.t.Helper()
	w.api = w.management.Operator()
	made := w.api.CreateDomain("faults")
	w.domain, w.path = made.Text("id"), made.Text("path")
	people := w.api.Do("POST", w.in("/identities"), object{
		"name": "People", "type": "inline-am-idp", "external": false,
		"configuration": object{"users": []object{{
			"firstname": "Alice", "lastname": "Liddell", "email": "alice@example.test", "username": alice, "password": alicesPassword,
		}}},
	})
	w.api.Do("POST", w.in("/users"), object{
		"firstName": "Bob", "lastName": "Dodgson", "username": bob, "email": "bob@example.test", "password": bobsPassword,
		"preRegistration": false,
	})
	w.web = w.personal("Web", people.Text("id"))
	w.staff = w.personal("Staff", "default-idp-"+w.domain)
	w.service = w.create("Service", "SERVICE", nil)
}

// personal makes an application that people use.
func (w *world) personal(name, provider string) app {
	w.t.Helper()
	a := w.create(name, "WEB", []string{callback})
	w.api.Do("PATCH", w.in("/applications/"+a.ID), object{
		"identityProviders": []object{{"identity": provider}},
		"settings": object{
			"oauth": object{
				"grantTypes":    []string{"authorization_code", "password", "refresh_token"},
				"scopeSettings": []object{{"scope": "openid"}, {"scope": "profile"}, {"scope": "email"}},
			},
			"advanced": object{"skipConsent": true},
		},
	})
	return a
}

func (w *world) create(name, kind string, redirectURIs []string) app {
	w.t.Helper()
	body := object{"name": name, "type": kind}
	if redirectURIs != nil {
		body["redirectUris"] = redirectURIs
	}
	return appOf(w.api.Do("POST", w.in("/applications"), body))
}

func appOf(o object) app {
	return app{o.Text("id"), o.Text("settings", "oauth", "clientId"), o.Text("settings", "oauth", "clientSecret")}
}

// in is a path of the management API below the domain.
func (w *world) in(path string) string { return "/domains/" + w.domain + path }

// settle waits until every gateway has applied what management has answered.
func (w *world) settle() {
	w.t.Helper()
	technical := make([]string, len(w.gateways))
	for i, g := range w.gateways {
		technical[i] = g.TechnicalURL
	}
	w.api.Settle(w.domain, technical...)
}

// at is a URL of the domain at one gateway.
func (w *world) at(g *proc.Gateway, path string) string { return g.URL + w.path + path }

// post sends a form to the domain at a gateway, authenticated as an application.
func (w *world) post(ctx context.Context, g *proc.Gateway, a app, path string, form url.Values) (proc.Answer, error) {
	return proc.PostForm(ctx, w.at(g, path), a.ClientID, a.Secret, form)
}

// must is post for what a gateway has to answer, whatever the answer.
func (w *world) must(g *proc.Gateway, a app, path string, form url.Values) proc.Answer {
	w.t.Helper()
	answer, err := w.post(w.t.Context(), g, a, path, form)
	if err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	return answer
}

func passwordOf(name, password string) url.Values {
	return url.Values{"grant_type": {"password"}, "username": {name}, "password": {password}, "scope": {"openid profile"}}
}

func refreshOf(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

var ofService = url.Values{"grant_type": {"client_credentials"}}

// tokens is what a token request brought.
type tokens struct{ Access, Refresh string }

// granted makes a token request that has to succeed.
func (w *world) granted(g *proc.Gateway, a app, form url.Values) tokens {
	w.t.Helper()
	answer := w.must(g, a, "/oauth/token", form)
	if answer.Status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", form.Get("grant_type"), answer.Status, answer.Text)
	}
	return tokensOf(answer)
}

func tokensOf(answer proc.Answer) tokens {
	o := answer.JSON()
	return tokens{o.Text("access_token"), o.Text("refresh_token")}
}

// aliceAt signs alice in by her password, at one gateway, which from then on knows her when management is away.
func (w *world) aliceAt(g *proc.Gateway) tokens {
	w.t.Helper()
	made := w.granted(g, w.web, passwordOf(alice, alicesPassword))
	w.works("userinfo", w.at(g, "/oidc/userinfo"), made.Access)
	return made
}

// active asks a gateway whether a token is.
func (w *world) active(ctx context.Context, g *proc.Gateway, token string) (bool, error) {
	answer, err := w.post(ctx, g, w.service, "/oauth/introspect", url.Values{"token": {token}})
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("introspection: %d %s", answer.Status, answer.Text)
	}
	active, _ := answer.JSON().At("active").(bool)
	return active, err
}

// userinfo asks a gateway who an access token is about.
func (w *world) userinfo(ctx context.Context, g *proc.Gateway, token string) (proc.Answer, error) {
	return fetch(ctx, w.at(g, "/oidc/userinfo"), token)
}

// fetch gets a URL, with a bearer token if there is one.
func fetch(ctx context.Context, target, bearer string) (proc.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return proc.Answer{}, err
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return proc.Send(r)
}

// gone describes what is left of a grant at a gateway; nil if it is gone: the access token is inactive and refused, and
// so is the refresh token.
func (w *world) gone(ctx context.Context, g *proc.Gateway, t tokens) error {
	active, err := w.active(ctx, g, t.Access)
	if err != nil || active {
		return fmt.Errorf("introspection at %s: active %v, %v", g.Name, active, err) //nolint:errorlint // err may be nil
	}
	answer, err := w.userinfo(ctx, g, t.Access)
	if err != nil || answer.Status != http.StatusUnauthorized {
		return fmt.Errorf("userinfo at %s: %d %s, %v", g.Name, answer.Status, answer.Text, err) //nolint:errorlint // err may be nil
	}
	if t.Refresh == "" {
		return nil
	}
	answer, err = w.post(ctx, g, w.web, "/oauth/token", refreshOf(t.Refresh))
	if err != nil || answer.Status != http.StatusBadRequest || answer.JSON().Text("error") != "invalid_grant" {
		return fmt.Errorf("refresh at %s: %d %s, %v", g.Name, answer.Status, answer.Text, err) //nolint:errorlint // err may be nil
	}
	return nil
}

// goneWithinASecond demands that a grant that was just ended is gone at every gateway a second later.
func (w *world) goneWithinASecond(t tokens) {
	w.t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	for _, g := range w.gateways {
		all.Go(func() {
			for {
				late := time.Since(began) > faultproxy.Allowed(time.Second)
				err := w.gone(w.t.Context(), g, t)
				if err == nil {
					return
				}
				if late {
					w.t.Errorf("after a second: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}

// unavailable demands the answer of an endpoint that cannot do without what is away: 503 in the protocol's form, within
// a second.
func (w *world) unavailable(what string, g *proc.Gateway, a app, path string, form url.Values) {
	w.t.Helper()
	w.withinASecond(what, func() {
		answer := w.must(g, a, path, form)
		if answer.Status != http.StatusServiceUnavailable || answer.JSON().Text("error") != "temporarily_unavailable" ||
			answer.Header.Get("Content-Type") != "application/json" || answer.Header.Get("Cache-Control") != "no-store" {
			w.t.Errorf("%s: %d %v %s", what, answer.Status, answer.Header, answer.Text)
		}
	})
}

// withinASecond does something that has to take less. The machine may be busy with other tests, so the fastest of a few
// times counts.
func (w *world) withinASecond(what string, do func()) {
	w.t.Helper()
	fastest := time.Hour
	for range 3 {
		began := time.Now()
		do()
		if fastest = min(fastest, time.Since(began)); fastest < faultproxy.Allowed(time.Second) {
			return
		}
	}
	w.t.Errorf("%s took %s", what, fastest)
}

// works demands a status of a URL.
func (w *world) works(what, target, bearer string) proc.Answer {
	w.t.Helper()
	answer, err := fetch(w.t.Context(), target, bearer)
	if err != nil || answer.Status != http.StatusOK {
		w.t.Errorf("%s: %d %s %v", what, answer.Status, answer.Text, err)
	}
	return answer
}

// keepsServing demands what a gateway does out of its own memory, whatever is away: tokens of clients, introspection and
// userinfo of access tokens, discovery and keys. It stays ready.
func (w *world) keepsServing(g *proc.Gateway, token string) {
	w.t.Helper()
	w.granted(g, w.service, ofService)
	if active, err := w.active(w.t.Context(), g, token); err != nil || !active {
		w.t.Errorf("introspection of an access token: %v, %v", active, err)
	}
	w.works("userinfo", w.at(g, "/oidc/userinfo"), token)
	w.works("discovery", w.at(g, "/oidc/.well-known/openid-configuration"), "")
	w.works("keys", w.at(g, "/oidc/.well-known/jwks.json"), "")
	w.works("readiness", g.TechnicalURL+"/readyz", "")
}

// logged waits until a process has written a record with a message and returns the last one.
func logged(t *testing.T, p *proc.Process, message string, attributes ...string) string {
	t.Helper()
	var found string
	p.Await("the log says "+message, soon, func(context.Context) error {
		for line := range strings.Lines(p.Stderr()) {
			if matches(line, message, attributes) {
				found = line
			}
		}
		if found == "" {
			return fmt.Errorf("%s has not said it", p.Name)
		}
		return nil
	})
	return found
}

func matches(line, message string, attributes []string) bool {
	if !strings.Contains(line, message) {
		return false
	}
	for _, a := range attributes {
		if !strings.Contains(line, a) {
			return false
		}
	}
	return true
}

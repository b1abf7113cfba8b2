package faults

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// How long gateways wait for a site: 2 s until they are connected, 5 s for everything together.
const (
	siteRefuses = 3 * time.Second
	siteSilent  = 7 * time.Second
	// siteReplaced is when a connection on which nothing is heard was given up and replaced: it is asked after 5 s, for 2 s.
	siteReplaced = 9 * time.Second
	// askedAgain is when a document is asked for again that could not be read: 10 s later, and the time of an answer.
	askedAgain = 13 * time.Second
)

const replacedMeanwhile = "The connection is replaced while the fault lasts"

// connected are the rows of what is asked of a site that is connected.
func connected(good, bad string) []faultproxy.Row {
	return []faultproxy.Row{
		{Fault: slow, Seen: good, By: 5 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Cut, Seen: bad, By: siteRefuses, Back: 2 * time.Second},
		{Fault: faultproxy.Refused, Seen: bad, By: siteRefuses, Back: 2 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: bad, By: siteSilent, Back: siteReplaced},
		{Fault: faultproxy.Deaf, Seen: bad, By: siteSilent, Back: siteReplaced, Note: replacedMeanwhile},
		{Fault: faultproxy.Stalled, Seen: bad, By: siteSilent, Back: siteReplaced},
		{Fault: faultproxy.AnswersLost, Seen: bad, By: siteSilent, Back: siteReplaced},
		{Fault: faultproxy.SlowClose, Seen: good, By: 5 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Truncated(10), Seen: bad, By: siteRefuses, Back: 2 * time.Second},
	}
}

// unread are the rows of a document that was not read before.
func unread(good, bad string) []faultproxy.Row {
	return []faultproxy.Row{
		{Fault: slow, Seen: good, By: 5 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Cut, Seen: bad, By: siteRefuses, Back: askedAgain},
		{Fault: faultproxy.HalfOpen, Seen: bad, By: siteSilent, Back: askedAgain},
		{Fault: faultproxy.Stalled, Seen: bad, By: siteSilent, Back: askedAgain},
		{Fault: faultproxy.SlowClose, Seen: good, By: 5 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Truncated(10), Seen: bad, By: siteRefuses, Back: askedAgain},
	}
}

const (
	backAtLogin = "the login page again, with social_authentication_failed"
	others      = "logins by other providers and at other applications, and all that needs no login"
	fromThen    = ". What could not be read is asked for again 10 s later at the earliest"
)

var (
	toTokenEndpoint = faultproxy.Pair{
		Name: "gateway → OIDC provider, its token endpoint", Meanwhile: others + ". People are sent to the provider, and are told when they come back.",
		Rows: connected(signedIn, backAtLogin),
	}
	toMetadata = faultproxy.Pair{
		Name: "gateway → OIDC provider, its metadata, not read yet", Meanwhile: others + fromThen + ". Metadata that were read are used on, for their time.",
		Rows: unread(signedIn, backAtLogin),
	}
	toProviderKeys = faultproxy.Pair{
		Name: "gateway → OIDC provider, its keys, not read yet", Meanwhile: others + fromThen + ". Keys that were read are used on, for an hour beyond their time.",
		Rows: unread(signedIn, backAtLogin),
	}
	toPeople = faultproxy.Pair{
		Name: "gateway → HTTP provider", Meanwhile: others + ".",
		Rows: connected("200", unavailable),
	}
	toClientKeys = faultproxy.Pair{
		Name:      "gateway → jwks_uri of a client, not read yet",
		Meanwhile: "all other clients, and this one where its keys were read: they are used on, for an hour beyond their time" + fromThen + ".",
		Rows:      unread("200", unavailable),
	}
	toRequestURI = faultproxy.Pair{
		Name: "gateway → request_uri of a client", Meanwhile: "all other requests, of this client as well.",
		Rows: connected(loginPage, "a page with 400 invalid_request_uri"),
	}
	toSector = faultproxy.Pair{
		Name:      "gateway → sector_identifier_uri, at registration",
		Meanwhile: "all other registrations; registered clients, whose sector is known.",
		Rows:      connected("201", "400 invalid_client_metadata"),
	}
	toLogout = faultproxy.Pair{
		Name: "gateway → back-channel logout of a client",
		Meanwhile: "whoever signs out does not wait, and is signed out. All other applications are told at once. What is not delivered is tried again after 2 s, 10 s, " +
			"30 s and so on for 40 minutes: in these rows it arrives within 45 s after the fault.",
		Rows: []faultproxy.Row{
			{Fault: slow, Seen: toldAtOnce, Back: 2 * time.Second},
			{Fault: faultproxy.Cut, Seen: toldLater, Back: 2 * time.Second},
			{Fault: faultproxy.HalfOpen, Seen: toldLater, Back: siteReplaced},
			{Fault: faultproxy.AnswersLost, Seen: toldAtOnce, Back: siteReplaced, Note: "It is told once more"},
			{Fault: faultproxy.Truncated(10), Seen: toldAtOnce, Back: 2 * time.Second, Note: "It is told once more"},
		},
	}
)

const (
	toldAtOnce = "the application is told"
	toldLater  = "the application is told later"
)

// sites are the pairs that are tried here.
func sites() []faultproxy.Pair {
	return []faultproxy.Pair{toTokenEndpoint, toMetadata, toProviderKeys, toPeople, toClientKeys, toRequestURI, toSector, toLogout}
}

// abroad is a world with sites outside, and one gateway that asks them.
type abroad struct {
	*world
	*outside
	gateway *proc.Gateway
	made    tokens
	several atomic.Int64
}

// TestNetworksToSites tries what is stated of networks to sites outside, each with one real gateway, which serves all others meanwhile.
func TestNetworksToSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.openRegistration()
	x := &abroad{world: w, outside: newOutside(t)}
	x.gateway = w.gateway(w.inst, w.management.PlaneAddress, "--outbound-allow", "127.0.0.1", "--outbound-ca-file", x.caFile)
	x.made = w.aliceAt(x.gateway)
	began := sizeOf(t, x.gateway.TechnicalURL)
	var all sync.WaitGroup
	for _, try := range []func(*abroad, *testing.T) func(){
		(*abroad).tokenEndpoint, (*abroad).metadataOfProviders, (*abroad).keysOfProviders, (*abroad).people, (*abroad).keysOfClients, (*abroad).requestURIs,
		(*abroad).sectors, (*abroad).logouts,
	} {
		started := make(chan struct{}) // one after the other
		all.Go(func() {
			ready := sync.OnceFunc(func() { close(started) })
			defer ready()
			at := &abroad{world: x.world, outside: x.outside, gateway: x.gateway, made: x.made}
			run := try(at, t)
			ready()
			run()
		})
		<-started
	}
	all.Wait()
	proc.Await(t, "connections and goroutines come back down", 2*soon, func(context.Context) error {
		if now := sizeOf(t, x.gateway.TechnicalURL); now.goroutines > began.goroutines+4*slack || now.files > began.files+4*slack {
			return fmt.Errorf("%+v, before the faults %+v", now, began)
		}
		return nil
	})
}

// trying runs the rows of a pair in a test of its own. During each, what needs no site works.
func (x *abroad) trying(t *testing.T, n *trial) func() {
	return func() {
		t.Run(n.pair.Name, func(t *testing.T) {
			during := n.during
			n.during = func(t *testing.T, row faultproxy.Row) {
				w := x.world.during(t)
				w.keepsServing(x.gateway, x.made.Access)
				w.granted(x.gateway, w.web, passwordOf(alice, alicesPassword))
				if during != nil {
					during(t, row)
				}
			}
			n.run(t)
		})
	}
}

// provider makes an OpenID Provider and lets an application use it alone.
func (x *abroad) provider(t *testing.T, a app, site, keys string) {
	t.Helper()
	w := x.world.during(t)
	name := fmt.Sprintf("p%d@%s", x.several.Add(1), strings.TrimPrefix(keys, "https://"))
	made := w.api.Do("POST", w.in("/identities"), object{
		"name": "Site " + name, "type": "oauth2-generic-am-idp", "configuration": object{
			"clientId": "gatehouse", "clientSecret": "of the site", "scopes": []string{"openid", "profile"},
			"wellKnownUri": site + "/op/" + name + "/.well-known/openid-configuration",
		},
	})
	w.api.Do("PATCH", w.in("/applications/"+a.ID), object{"identityProviders": []object{{"identity": made.Text("id")}}})
	w.settle()
}

func (x *abroad) tokenEndpoint(t *testing.T) func() {
	a := x.personal("Tokens", "default-idp-"+x.domain)
	network, site := x.through(t)
	x.provider(t, a, site, x.server.URL)
	return x.trying(t, &trial{
		pair: toTokenEndpoint, network: network, good: signedIn, crowd: 2,
		ask: func(ctx context.Context) string { return x.comesBack(ctx, x.gateway, a) },
	})
}

func (x *abroad) metadataOfProviders(t *testing.T) func() {
	a := x.personal("Metadata", "default-idp-"+x.domain)
	network, site := x.through(t)
	x.provider(t, a, site, x.server.URL)
	return x.trying(t, &trial{
		pair: toMetadata, network: network, good: signedIn,
		ask:    func(ctx context.Context) string { return x.comesBack(ctx, x.gateway, a) },
		before: func(t *testing.T, _ faultproxy.Row) { x.provider(t, a, site, x.server.URL) },
	})
}

func (x *abroad) keysOfProviders(t *testing.T) func() {
	a := x.personal("Keys", "default-idp-"+x.domain)
	network, keys := x.through(t)
	x.provider(t, a, x.server.URL, keys)
	return x.trying(t, &trial{
		pair: toProviderKeys, network: network, good: signedIn,
		ask:    func(ctx context.Context) string { return x.comesBack(ctx, x.gateway, a) },
		before: func(t *testing.T, _ faultproxy.Row) { x.provider(t, a, x.server.URL, keys) },
	})
}

func (x *abroad) people(t *testing.T) func() {
	network, site := x.through(t)
	made := x.api.Do("POST", x.in("/identities"), object{
		"name": "People elsewhere", "type": "http-am-idp", "configuration": object{"authenticationResource": object{
			"baseURL": site + "/people", "httpMethod": "POST", "httpHeaders": []object{{"name": "Content-Type", "value": "application/json"}},
			"httpBody":                    `{"name":"{#login}","password":"{#password}"}`,
			"httpResponseErrorConditions": []object{{"value": "response.status == 401", "exception": "BadCredentials"}},
		}},
	})
	a := x.personal("Elsewhere", made.Text("id"))
	x.settle()
	return x.trying(t, &trial{
		pair: toPeople, network: network, good: "200", crowd: 4,
		ask: func(ctx context.Context) string {
			return outcome(x.post(ctx, x.gateway, a, "/oauth/token", passwordOf(dinah, dinahsPassword)))
		},
		after: func(t *testing.T, _ faultproxy.Row) {
			if got := outcome(x.post(t.Context(), x.gateway, a, "/oauth/token", passwordOf(dinah, "wrong"))); got != "400 invalid_grant" {
				t.Errorf("a wrong password: %s", got)
			}
		},
	})
}

// client registers a client that signs what it says of itself. More says where its keys are.
func (x *abroad) client(t *testing.T, more object) string {
	t.Helper()
	body := object{
		"client_name": "Signs", "redirect_uris": []string{callback}, "grant_types": []string{"client_credentials", "authorization_code"},
		"response_types": []string{"code"}, "token_endpoint_auth_method": "private_key_jwt",
	}
	for name, value := range more {
		body[name] = value
	}
	answer, err := x.registersAs(t.Context(), body)
	if err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("registration: %d %s %v", answer.Status, answer.Text, err)
	}
	x.world.during(t).settle()
	return answer.JSON().Text("client_id")
}

func (x *abroad) registersAs(ctx context.Context, body object) (proc.Answer, error) {
	text, err := jsonOf(body)
	if err != nil {
		return proc.Answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.at(x.gateway, "/oidc/register"), strings.NewReader(text))
	if err != nil {
		return proc.Answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	return proc.Send(r)
}

// asserts asks for a token of a client that signs an assertion.
func (x *abroad) asserts(ctx context.Context, clientID string) string {
	assertion, err := signed(x.ofClient, jose.TypeJWT, object{
		"iss": clientID, "sub": clientID, "aud": publicURL + x.path + "/oauth/token", "exp": time.Now().Unix() + 60, "iat": time.Now().Unix(),
		"jti": fmt.Sprintf("%s-%d", clientID, x.several.Add(1)),
	})
	if err != nil {
		return err.Error()
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.at(x.gateway, "/oauth/token"), strings.NewReader(form.Encode()))
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return outcome(proc.Send(r))
}

func (x *abroad) keysOfClients(t *testing.T) func() {
	network, site := x.through(t)
	where := object{"jwks_uri": site + "/client/jwks"}
	known := x.client(t, where)
	current := known
	return x.trying(t, &trial{
		pair: toClientKeys, network: network, good: "200",
		ask:    func(ctx context.Context) string { return x.asserts(ctx, current) },
		before: func(t *testing.T, _ faultproxy.Row) { current = x.client(t, where) },
		during: func(t *testing.T, _ faultproxy.Row) {
			if got := x.asserts(t.Context(), known); got != "200" {
				t.Errorf("a client whose keys were read: %s", got)
			}
		},
	})
}

// parametersOf are those of an authorization request of a client.
func parametersOf(clientID string) url.Values {
	return url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid"}, "state": {"of the test"},
		"nonce": {"of the test"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
}

func (x *abroad) requestURIs(t *testing.T) func() {
	network, site := x.through(t)
	clientID := x.client(t, object{"jwks": object{"keys": []any{x.ofClient.PublicJWK()}}})
	return x.trying(t, &trial{
		pair: toRequestURI, network: network, good: loginPage, crowd: 2,
		ask: func(ctx context.Context) string {
			reference := site + "/object/" + clientID + "?" + url.Values{"issuer": {publicURL + x.path + "/oidc"}}.Encode()
			b := newBrowser(t, x.gateway)
			return whatIsSeen(b.open(ctx, publicURL+x.path+"/oauth/authorize?"+url.Values{"client_id": {clientID}, "request_uri": {reference}}.Encode()))
		},
	})
}

func (x *abroad) sectors(t *testing.T) func() {
	network, site := x.through(t)
	return x.trying(t, &trial{
		pair: toSector, network: network, good: "201", crowd: 2,
		ask: func(ctx context.Context) string {
			return outcome(x.registersAs(ctx, object{
				"client_name": "Sector", "redirect_uris": []string{callback}, "subject_type": "pairwise", "sector_identifier_uri": site + "/sector",
			}))
		},
	})
}

func (x *abroad) logouts(t *testing.T) func() {
	network, site := x.through(t)
	told := x.web
	other := x.personal("Other", "default-idp-"+x.domain)
	list := x.api.Do("GET", x.in("/applications/"+x.web.ID), nil)
	for _, one := range []struct {
		a   app
		uri string
	}{{told, site + "/logout/told"}, {other, x.server.URL + "/logout/other"}} {
		x.api.Do("PATCH", x.in("/applications/"+one.a.ID), object{
			"settings": object{"oauth": object{"backchannelLogoutUri": one.uri}}, "identityProviders": list["identityProviders"],
		})
	}
	x.settle()
	logouts := 0
	ask := func(ctx context.Context) string {
		before, beside := x.heard("told"), x.heard("other")
		b, _ := x.signedIn(x.gateway)
		if seen := whatIsSeen(b.open(ctx, x.authorization(other, nil))); seen != signedIn {
			return seen
		}
		began := time.Now()
		if _, err := b.open(ctx, publicURL+x.path+"/logout"); err != nil {
			return err.Error()
		}
		if took := time.Since(began); took > 2*time.Second {
			return fmt.Sprintf("the person waits for %s", took)
		}
		logouts++
		arrives := func(name string, than int) bool {
			limited, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for x.heard(name) <= than {
				select {
				case <-tick.C:
				case <-limited.Done():
					return false
				}
			}
			return true
		}
		switch {
		case !arrives("other", beside):
			return "another application is not told"
		case !arrives("told", before):
			return toldLater
		}
		return toldAtOnce
	}
	return x.trying(t, &trial{
		pair: toLogout, network: network, good: toldAtOnce, ask: ask,
		after: func(t *testing.T, _ faultproxy.Row) {
			proc.Await(t, "whoever was not told is told", 45*time.Second, func(context.Context) error {
				if heard := x.heard("told"); heard < logouts {
					return fmt.Errorf("%d of %d", heard, logouts)
				}
				return nil
			})
		},
	})
}

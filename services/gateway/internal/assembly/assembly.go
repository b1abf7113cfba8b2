// Package assembly puts the parts of a gateway together: the one place where its endpoints, and what they work with, meet.
// Tests that need a whole gateway assemble it here as well, with a directory of their own.
package assembly

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/accounts"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/authflow"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/authorize"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/backchannel"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/admission"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientkeys"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/consents"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/device"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/discovery"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/geo"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/grants"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/builtin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/directory"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/introspection"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/logo"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/logout"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/portal"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/possession"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/push"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/revocation"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/router"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/userinfo"
)

// Directory is everything a gateway asks of the record of people; *upstream.Directory answers it.
type Directory interface {
	directory.Client
	signin.Directory
	tokens.Directory
	authflow.Consents
	consents.Directory
	accounts.Directory
}

// Parts are what a gateway is made of. All are required, except where it says otherwise.
type Parts struct {
	// PublicURL is without a slash at its end.
	PublicURL string
	Store     *state.Store
	Directory Directory
	Registrar registration.Management
	// Resolve is as in domain.Options; nil resolves nothing.
	Resolve func(ctx context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error)
	// Belongings is as in domain.Options.
	Belongings func(ctx context.Context, domain, application string) (*registrationv1.Belongings, error)
	// MostRegistered is as in domain.Options.
	MostRegistered int
	// Lifetimes is as in registration.Options.
	Lifetimes registration.Lifetimes
	// Icons hands out the pictures of applications; nil serves none.
	Icons portal.IconSource
	// Used is told of the use of secrets; nil tells nobody.
	Used *usage.Reporter
	// Counts counts what report-only bindings come to; nil counts nothing.
	Counts *usage.Bindings
	// Proxies are those whose headers count; nil means none.
	Proxies *observe.Proxies
	// Certificates are those that clients show; the zero value means that they show none.
	Certificates Certificates
	// Places tells where addresses are; nil where no database is configured.
	Places *geo.Database
	// Fetch makes every request to an address that somebody else chose.
	Fetch   *outbound.Client
	Metrics *observe.Metrics
	// Tracing makes spans of requests; nil makes none.
	Tracing *observe.Tracing
	Log     *slog.Logger
	Now     func() time.Time
	// Routes are served as well; nil means none.
	Routes []endpoint.Route
}

// Certificates says how the certificates of clients come to the gateway.
type Certificates struct {
	// Shown says that they come at all: by the gateway's own TLS, or in a header.
	Shown bool
	// Header is the one in which trusted proxies forward them; empty if none does.
	Header string
	// MTLSURL is where clients are asked for them, if that is not the public URL; without a slash at its end.
	MTLSURL string
	// Authorities returns those that sign certificates for tls_client_auth; nil means none.
	Authorities func() *x509.CertPool
}

// Gateway is what was made of them.
type Gateway struct {
	// Domains takes the configuration, Handler is the public port.
	Domains  *domain.Set
	Handler  http.Handler
	Minter   *tokens.Minter
	Verifier *tokens.Verifier
	// Keys are those of clients.
	Keys *clientkeys.Keys
	// LogoutTokens delivers them, once it runs.
	LogoutTokens *backchannel.Sender
}

// New assembles a gateway. Nothing runs yet.
func New(p Parts) *Gateway {
	failures := reporter(p)
	hasher := secret.NewHasher()
	// What operators wrote into the configuration is asked by p.Fetch. Clients and strangers name sites that may be slow on purpose.
	ofClients, ofStrangers, notices := p.Fetch.Apart(), p.Fetch.Apart(), p.Fetch.Apart()
	keys := clientkeys.New(ofClients, p.Now)
	people := tokens.NewPeople(p.Directory, p.Now)
	minter := tokens.NewMinter(keys, p.Now, failures).Knowing(people).Placing(p.Places)
	judge := access.New(people, p.Log, failures, p.Now).Knowing(p.Places).Counting(p.Counts)
	verifier := tokens.NewVerifier(p.Now, p.Store)
	clients := clientauth.New(clientauth.Options{
		Hasher: hasher, Used: p.Used, Keys: keys, Memory: p.Store, Proxies: p.Proxies, Now: p.Now,
		Certificates: p.Certificates.Shown, Authorities: p.Certificates.Authorities,
	})
	holders := possession.New(p.Store, p.Now)
	signIn := signin.New(p.Directory, p.Store, p.Log, failures)
	served := grants.Builtin(grants.Parts{
		Store: p.Store, SignIn: signIn, People: people, Access: judge, Verifier: verifier, Issuers: keys, Proxies: p.Proxies, Now: p.Now,
	})

	set := domain.NewSet(domain.Options{
		PublicURL: p.PublicURL, MTLSURL: p.Certificates.MTLSURL,
		Open: builtin.Tools{Hasher: hasher, Directory: p.Directory, Fetch: p.Fetch, Now: p.Now, Failures: failures, Asked: func(q builtin.Question) {
			p.Metrics.ProviderAsked(q.Type, q.Outcome, q.Took)
		}}.Open,
		Metadata: discovery.Metadata(capabilities(served, clients, p.Certificates.Shown)),
		Resolve:  p.Resolve, Belongings: p.Belongings, MostRegistered: p.MostRegistered, Used: p.Used, Failures: failures, Logger: p.Log, Now: p.Now,
	})
	look := pages.New()
	look.Failures = failures
	objects := &authorization.Objects{Keys: keys, Fetch: ofClients, Now: p.Now}
	requests := authorization.NewResolver(p.Store, objects)
	runner := flows.New(p.Fetch, failures, p.Log)
	logins := underway.New(p.Store, runner)
	door := admission.New(p.Store, p.Now).Behind(p.Proxies).Running(logins, failures)
	routes := concat(
		authorize.New(p.Store, requests, p.Directory, people, minter, judge, authorize.Flows{Logins: logins, Tokens: runner, Proxies: p.Proxies}, look, p.Now).Routes(),
		push.New(clients, holders, requests, objects, p.Now).Routes(),
		authflow.New(p.Store, requests, signIn, door, logins, people, judge, p.Directory, p.Proxies, look, p.Now).Routes(),
		accounts.New(accounts.Parts{
			Store: p.Store, Requests: requests, Directory: p.Directory, Door: door, Book: logins, People: people, Proxies: p.Proxies, Pages: look, Now: p.Now,
		}).Routes(),
		logout.New(p.Store, look, p.Now).Routes(),
		grants.New(clients, holders, minter, grants.Flows{Engine: runner, Proxies: p.Proxies}, served...).Routes(),
		consents.New(p.Store, p.Directory, people, look, p.Now).Routes(),
		device.New(clients, p.Store, people, judge, p.Directory, logins, p.Proxies, look, p.Now).Routes(),
		introspection.New(clients, verifier, p.Store, people, p.Now).Routes(),
		revocation.New(clients, verifier, p.Store, p.Now).Routes(),
		userinfo.New(verifier, people, holders, minter).Routes(),
		registration.New(registration.Options{Counter: p.Store, Verifier: verifier, Holders: holders, Management: p.Registrar, Clients: set, Fetch: ofStrangers, Statements: keys, Secrets: hasher, People: people, Lifetimes: p.Lifetimes, Proxies: p.Proxies, Now: p.Now}).Routes(),
		discovery.Routes(),
		portal.New(portal.Parts{Store: p.Store, Judge: judge, People: people, Proxies: p.Proxies, Pages: look, Log: p.Log, Now: p.Now}).Routes(),
		logo.New(ofClients, p.Now).Routes(),
		p.Routes,
	)
	if p.Icons != nil {
		routes = append(routes, portal.NewIcons(p.Icons).Routes()...)
	}
	handler := observe.Requests(router.New(router.Options{
		Domains: set, Routes: look.Onward(routes), Root: discovery.Root(set, look.Root()), Metrics: p.Metrics, Log: p.Log,
	}), observe.RequestsOptions{Log: p.Log, Metrics: p.Metrics, Tracing: p.Tracing, Proxies: p.Proxies, Panicked: http.HandlerFunc(endpoint.Failed)})
	handler = possession.Front(handler, p.Certificates.Header, p.Proxies, p.Log)
	for _, o := range backchannel.Outcomes() {
		p.Metrics.LogoutNotices(string(o)) // from 0 on: the first of a kind is noticed
	}
	return &Gateway{Domains: set, Handler: handler, Minter: minter, Verifier: verifier, Keys: keys, LogoutTokens: backchannel.New(backchannel.Options{
		Queue: p.Store, Domains: set, Minter: minter, Out: notices, Log: p.Log,
		Counted: func(o backchannel.Outcome) { p.Metrics.LogoutNotices(string(o)).Inc() },
	})}
}

// reporter gathers the expressions that fail, and counts them by place.
func reporter(p Parts) *ruleerrors.Reporter {
	counters := map[string]func(){}
	for _, place := range ruleerrors.Places() {
		counters[place] = p.Metrics.RuleFailures(place).Inc
	}
	return ruleerrors.New(p.Log, p.Now, func(place string) { counters[place]() })
}

// capabilities are what discovery says of this gateway, taken from what was wired.
func capabilities(served []grants.Grant, clients *clientauth.Authenticator, certificates bool) discovery.Capabilities {
	can := discovery.Capabilities{
		ResponseTypes: oauth2.ResponseTypes(),
		ResponseModes: oauth2.ResponseModes(),
		AuthMethods:   clients.Methods(),
		Certificates:  certificates,
		Prompts:       []string{"none", "login", "consent", "select_account"},
		ACRValues:     []string{signin.ACRPassword, signin.ACRFederated},
		Claims:        tokens.SupportedClaims(),
	}
	can.GrantTypes = append(can.GrantTypes, oauth2.GrantImplicit)
	for _, g := range served {
		can.GrantTypes = append(can.GrantTypes, g.Type())
	}
	return can
}

func concat(lists ...[]endpoint.Route) []endpoint.Route {
	var all []endpoint.Route
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

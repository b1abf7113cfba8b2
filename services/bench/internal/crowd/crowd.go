// Package crowd stands in for a management whose only domain has very many clients that registered themselves: it holds them in
// memory, brings them to gateways by the real stream, answers questions about them and registers more. What it leaves out is the
// database and the editor. It is for measurements only.
package crowd

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

const (
	// Announcement begins the line that says where it listens, once everything is held.
	Announcement = "crowd on "
	// Domain is the domain's id.
	Domain = "crowd"
	// Path is where gateways serve it.
	Path = "/crowd"
	// Secret is the secret of every client.
	Secret = "a-secret-of-a-client-of-the-crowd"

	// batch is how many clients are made at one revision.
	batch = 1000
)

// ClientID is the client identifier of client number i, counted from 0.
func ClientID(i int) string { return "crowd-client-" + strconv.Itoa(i) }

func idOf(clientID string) string { return "app-" + clientID }

// management is the stand-in.
type management struct {
	registrationv1.UnimplementedRegistrationServiceServer
	publisher *configsync.Publisher
	options   Options

	mu       sync.Mutex
	revision int64
}

// Options are what the crowd is like.
type Options struct {
	// Clients is how many registered clients there are.
	Clients int
	// Copies has each of them be the copy of a template, with a form and a flow of its own.
	Copies bool
	// Brings has management bring forms and flows whatever becomes of their clients, as it did before they were on demand.
	Brings bool
}

// Main is Serve with a command line.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("bench crowd", flag.ContinueOnError)
	f.SetOutput(stderr)
	var o Options
	f.IntVar(&o.Clients, "clients", 0, "how many registered clients there are")
	f.BoolVar(&o.Copies, "copies", false, "each is the copy of a template, with a form and a flow of its own")
	f.BoolVar(&o.Brings, "brings", false, "forms and flows are brought whatever becomes of their clients")
	var files serve.TLSFiles
	f.StringVar(&files.CertFile, "tls-cert-file", "", "`certificate` of management")
	f.StringVar(&files.KeyFile, "tls-key-file", "", "its `key`")
	f.StringVar(&files.CAFile, "tls-ca-file", "", "`authorities` of gateways")
	if err := f.Parse(args); err != nil {
		return err
	}
	return Serve(ctx, files, o, stdout)
}

// Serve makes the clients, says where it listens, and serves until ctx ends.
func Serve(ctx context.Context, files serve.TLSFiles, o Options, out io.Writer) error {
	certificates, err := serve.NewReloader(files, serve.ReloaderOptions{})
	if err != nil {
		return err
	}
	m := &management{publisher: configsync.NewPublisher(configsync.PublisherOptions{}), options: o, revision: 1}
	parts, err := parts()
	if err != nil {
		return err
	}
	if err := m.publisher.Load("crowd", m.revision, parts); err != nil {
		return err
	}
	for first := 0; first < o.Clients; first += batch {
		var some []*configv1.Resource
		for i := first; i < min(first+batch, o.Clients); i++ {
			some = append(some, m.client(ClientID(i))...)
		}
		if err := m.apply(some...); err != nil {
			return err
		}
	}
	server, err := serve.NewGRPC("crowd", "127.0.0.1:0", certificates.ServerTLS(serve.RoleGateway), serve.GRPCOptions{})
	if err != nil {
		return err
	}
	configsyncv1.RegisterConfigSyncServiceServer(server, m.stream())
	registrationv1.RegisterRegistrationServiceServer(server, m)
	if err := server.Listen(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s%s\n", Announcement, server.Addr()); err != nil {
		return err
	}
	return server.Run(ctx)
}

// apply publishes clients under the next revision, which it stamps.
func (m *management) apply(clients ...*configv1.Resource) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revision++
	for _, c := range clients {
		resource.Stamp(resource.Unwrap(c), resource.Stamps{Revision: m.revision})
	}
	return m.publisher.Apply(configsync.Batch{Revision: m.revision, Upserts: clients})
}

// parts are the domain and what it signs with.
func parts() ([]*configv1.Resource, error) {
	key, err := jose.GenerateKey(jose.ES256, "es256")
	if err != nil {
		return nil, err
	}
	private, err := key.MarshalPKCS8()
	if err != nil {
		return nil, err
	}
	now := timestamppb.Now()
	return []*configv1.Resource{
		resource.Wrap(&configv1.Domain{
			Id: Domain, Domain: Domain, Name: Domain, Path: Path, Enabled: true, Secret: secret.NewKey(), CreatedAt: now, Revision: 1,
			Oidc: &configv1.OpenIDSettings{ClientRegistrationSettings: &configv1.ClientRegistrationSettings{
				DynamicClientRegistrationEnabled: true, OpenDynamicClientRegistrationEnabled: true,
			}},
		}),
		resource.Wrap(&configv1.Certificate{
			Id: "es256", Domain: Domain, Name: "es256", System: true, Kid: "es256", Algorithm: string(jose.ES256), PrivateKey: private,
			CreatedAt: now, Revision: 1,
		}),
	}, nil
}

// client is a registered client, about as large as most of them.
func client(clientID string) *configv1.Application {
	now, enabled := timestamppb.New(time.Now()), true
	return &configv1.Application{
		Id: idOf(clientID), Domain: Domain, Name: "Mail on the telephone of somebody", Type: configv1.Application_NATIVE, Enabled: &enabled,
		CreatedAt: now, UpdatedAt: now, TokensValidFrom: now, Certificate: "es256",
		Secrets:           []*configv1.ClientSecret{{Id: secret.NewID(), Hash: secret.Generated(Secret), CreatedAt: now}},
		IdentityProviders: []*configv1.ApplicationIdentityProvider{{Identity: "default-idp-" + Domain, Priority: -1}},
		Registration:      &configv1.ClientRegistration{Status: configv1.ClientRegistration_ACTIVE},
		Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
			ClientId: clientID, ClientName: "Mail on the telephone of somebody", ClientIdIssuedAt: now,
			TokenEndpointAuthMethod: "client_secret_basic", GrantTypes: []string{"authorization_code", "client_credentials", "refresh_token"},
			ResponseTypes: []string{"code"}, RedirectUris: []string{"https://mail.example/callback/" + clientID},
			ApplicationType: "web", Contacts: []string{"postmaster@mail.example"},
			RegistrationClientUri:       "https://gateway.example" + Path + "/oidc/register/" + clientID,
			RegistrationAccessTokenHash: secret.HashToken(clientID),
		}},
	}
}

// Create registers a client.
func (m *management) Create(_ context.Context, r *registrationv1.CreateRequest) (*registrationv1.CreateResponse, error) {
	made := client(secret.NewID())
	if name := r.GetApplication().GetSettings().GetOauth().GetClientName(); name != "" {
		made.Name, made.Settings.Oauth.ClientName = name, name
	}
	own := m.belongings(made)
	if err := m.apply(append(own, resource.Wrap(made))...); err != nil {
		return nil, fault.ToGRPC(err)
	}
	return &registrationv1.CreateResponse{Application: proto.CloneOf(made), ClientSecret: Secret, RegistrationAccessToken: secret.NewToken(), Belongings: &registrationv1.Belongings{Resources: own}}, nil
}

// Resolve finds a client in memory.
func (m *management) Resolve(_ context.Context, r *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	found, ok := m.publisher.Get(resource.Key{Kind: "application", Domain: r.GetDomain(), ID: idOf(r.GetClientId())})
	if !ok {
		return nil, fault.ToGRPC(fault.NotFoundf("client %q", r.GetClientId()))
	}
	answer := &registrationv1.ResolveResponse{Application: found.GetApplication()}
	if r.GetBelongings() {
		answer.Belongings = m.of(found.GetApplication())
	}
	return answer, nil
}

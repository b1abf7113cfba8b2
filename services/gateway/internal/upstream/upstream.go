// Package upstream asks management on behalf of people and clients: who they are, what they consented to, and to write
// dynamic registrations.
//
// Every call has its own deadline. Errors are those of pkg/fault; a management that cannot be reached is
// fault.Unavailable.
package upstream

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

// Deadlines of one call. Checking a password waits for a hash and perhaps for its turn.
const (
	timeout         = 3 * time.Second
	passwordTimeout = 10 * time.Second
)

// Directory is the record of people.
type Directory struct {
	client directoryv1.DirectoryServiceClient
	failed func()
}

// NewDirectory returns the directory behind a connection. failed is called once per call that got no answer; may be nil.
func NewDirectory(conn grpc.ClientConnInterface, failed func()) *Directory {
	return &Directory{client: directoryv1.NewDirectoryServiceClient(conn), failed: orNothing(failed)}
}

// Authenticate checks a name and password against the directory. Wrong credentials and unknown names are
// fault.Unauthenticated, a disabled account is fault.Denied. There is no identity where the password is right and its time is over.
func (d *Directory) Authenticate(ctx context.Context, domain, source, username, password string) (*directoryv1.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	answer, err := d.client.Authenticate(ctx, &directoryv1.AuthenticateRequest{
		Domain: domain, Source: source, Username: username, Password: password,
	})
	return answer.GetIdentity(), translate(err, d.failed)
}

// SignIn links an identity to a user, who is made on first sight. A disabled user is fault.Denied.
func (d *Directory) SignIn(ctx context.Context, domain, application string, identity *directoryv1.Identity) (*directoryv1.User, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := d.client.SignIn(ctx, &directoryv1.SignInRequest{Domain: domain, Identity: identity, Application: application})
	return answer.GetUser(), translate(err, d.failed)
}

// User returns the person whose tokens carry a subject; fault.NotFound if there is none.
func (d *Directory) User(ctx context.Context, domain, subject string) (*directoryv1.User, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := d.client.GetUser(ctx, &directoryv1.GetUserRequest{Domain: domain, Subject: subject})
	return answer.GetUser(), translate(err, d.failed)
}

// Consents returns what a user has decided for a client and what has not expired.
func (d *Directory) Consents(ctx context.Context, domain, user, clientID string) ([]*directoryv1.Consent, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := d.client.GetConsents(ctx, &directoryv1.GetConsentsRequest{Domain: domain, User: user, ClientId: clientID})
	return answer.GetConsents(), translate(err, d.failed)
}

// SaveConsents records what a user decided for a client.
func (d *Directory) SaveConsents(ctx context.Context, domain, user, clientID string, consents []*directoryv1.Consent) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := d.client.SaveConsents(ctx, &directoryv1.SaveConsentsRequest{
		Domain: domain, User: user, ClientId: clientID, Consents: consents,
	})
	return translate(err, d.failed)
}

// ListConsents returns what a user has decided for all clients, by client, and what has not expired.
func (d *Directory) ListConsents(ctx context.Context, domain, user string) ([]*directoryv1.ListConsentsResponse_Client, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := d.client.ListConsents(ctx, &directoryv1.ListConsentsRequest{Domain: domain, User: user})
	return answer.GetClients(), translate(err, d.failed)
}

// WithdrawConsent forgets what a user decided for a client, and ends what the client was given by it.
func (d *Directory) WithdrawConsent(ctx context.Context, domain, user, clientID string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := d.client.WithdrawConsent(ctx, &directoryv1.WithdrawConsentRequest{Domain: domain, User: user, ClientId: clientID})
	return translate(err, d.failed)
}

// Registration writes dynamically registered clients.
type Registration struct {
	client registrationv1.RegistrationServiceClient
	failed func()
}

// NewRegistration returns the registration service behind a connection. failed is as for NewDirectory.
func NewRegistration(conn grpc.ClientConnInterface, failed func()) *Registration {
	return &Registration{client: registrationv1.NewRegistrationServiceClient(conn), failed: orNothing(failed)}
}

// Create stores a new client. What management refuses is fault.Invalid with the place.
func (r *Registration) Create(ctx context.Context, request *registrationv1.CreateRequest) (*registrationv1.CreateResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	answer, err := r.client.Create(ctx, request)
	return answer, translate(err, r.failed)
}

// Update gives a client other metadata. A client that has changed since is fault.Stale, otherwise as for Create and Delete.
func (r *Registration) Update(ctx context.Context, request *registrationv1.UpdateRequest) (*registrationv1.UpdateResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	answer, err := r.client.Update(ctx, request)
	return answer, translate(err, r.failed)
}

// RenewSecret gives a client another secret. Errors are as for Delete.
func (r *Registration) RenewSecret(ctx context.Context, request *registrationv1.RenewSecretRequest) (*registrationv1.RenewSecretResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := r.client.RenewSecret(ctx, request)
	return answer, translate(err, r.failed)
}

// Delete removes a client and returns the revision of the deletion. An unknown client is fault.NotFound, a superseded
// registration access token fault.Denied.
func (r *Registration) Delete(ctx context.Context, request *registrationv1.DeleteRequest) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := r.client.Delete(ctx, request)
	return answer.GetRevision(), translate(err, r.failed)
}

// Resolve finds an application by its client identifier, as it is now; fault.NotFound if there is none.
func (r *Registration) Resolve(ctx context.Context, domain, clientID string) (*configv1.Application, error) {
	answer, err := r.Find(ctx, &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID})
	return answer.GetApplication(), err
}

// Find is Resolve with an answer that need not be newer than a revision, which management may give from memory, and with what belongs to
// the application where that is asked for.
func (r *Registration) Find(ctx context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := r.client.Resolve(ctx, q)
	return answer, translate(err, r.failed)
}

// ResolveDisabled is Resolve that also finds a client that is disabled.
func (r *Registration) ResolveDisabled(ctx context.Context, domain, clientID string) (*configv1.Application, error) {
	answer, err := r.Find(ctx, &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID, Disabled: true})
	return answer.GetApplication(), err
}

// ResolvePending is Resolve that also finds a registered client that waits for approval.
func (r *Registration) ResolvePending(ctx context.Context, domain, clientID string) (*configv1.Application, error) {
	answer, err := r.Find(ctx, &registrationv1.ResolveRequest{Domain: domain, ClientId: clientID, Pending: true})
	return answer.GetApplication(), err
}

// Belongings finds the forms and flows of an application.
func (r *Registration) Belongings(ctx context.Context, domain, application string) (*registrationv1.Belongings, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := r.client.FindBelongings(ctx, &registrationv1.FindBelongingsRequest{Domain: domain, Application: application})
	return answer.GetBelongings(), translate(err, r.failed)
}

// FindInitialAccessToken finds an initial access token by its hash. One that is unknown or has ended is fault.Unauthenticated.
func (r *Registration) FindInitialAccessToken(ctx context.Context, domain, hash string) (*registrationv1.FindInitialAccessTokenResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := r.client.FindInitialAccessToken(ctx, &registrationv1.FindInitialAccessTokenRequest{Domain: domain, Hash: hash})
	return answer, translate(err, r.failed)
}

func translate(err error, failed func()) error {
	if err == nil {
		return nil
	}
	err = fault.FromGRPC(err)
	if fault.Is(err, fault.Unavailable) {
		failed()
	}
	return err
}

func orNothing(f func()) func() {
	if f == nil {
		return func() {}
	}
	return f
}

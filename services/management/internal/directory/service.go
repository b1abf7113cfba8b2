package directory

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// races is how often a change of one user is begun again that lost a race against another process.
const races = 8

// Options are what a Service works with. Store and Hasher are needed.
type Options struct {
	Store  *store.Store
	Hasher *secret.Hasher
	// Recorder is told of everybody who is made, changed or deleted; nil records nothing.
	Recorder Recorder
	// Image is where groups and roles are looked up; nil, and one that is not loaded yet, means the database.
	Image *image.Image
	// Post sends e-mails; nil means that none can be sent.
	Post Post
	// GatewayURL is where gateways are reached from outside, for the links of e-mails that administrators cause.
	GatewayURL string
	// Bindings are those of applications that name people; nil means that there are none.
	Bindings Bindings
	// Logger is told of faults of ours; nil means none.
	Logger *slog.Logger
	Now    func() time.Time
}

// Service is the directory. It is safe for concurrent use.
type Service struct {
	store    *store.Store
	hasher   *secret.Hasher
	recorder Recorder
	image    *image.Image
	log      *slog.Logger
	clock    func() time.Time
	logins   turns

	post       Post
	gatewayURL string
	bindings   Bindings
}

// Bindings are the bindings of applications that name people; *editor.Editor keeps them.
type Bindings interface {
	// GuardUser refuses the deletion of somebody whose consequences have to be confirmed first, and otherwise marks those of
	// their bindings whose mark lets nobody in.
	GuardUser(ctx context.Context, domain, user, name string) error
	// OrphanUser marks all bindings of somebody who is gone.
	OrphanUser(ctx context.Context, domain, user string) error
}

// New returns the directory over a store.
func New(o Options) *Service {
	s := &Service{
		store: o.Store, hasher: o.Hasher, recorder: o.Recorder, image: o.Image, log: o.Logger, clock: o.Now, post: o.Post,
		gatewayURL: o.GatewayURL, bindings: o.Bindings,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	return s
}

// now is the present to the millisecond, which is what is kept.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

func (s *Service) stamp() *timestamppb.Timestamp { return timestamppb.New(s.now()) }

// User returns a person by subject, disabled ones too.
func (s *Service) User(ctx context.Context, domain, subject string) (*directoryv1.User, error) {
	if err := required("domain", domain, "subject", subject); err != nil {
		return nil, err
	}
	user, err := s.store.Users().FindBySubject(ctx, domain, subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil, userNotFound(subject)
	}
	return user, err
}

// provider returns a domain's identity provider, nil if the domain has none with this identifier, and fault.NotFound if
// there is no such domain.
func (s *Service) provider(ctx context.Context, domain, id string) (*configv1.IdentityProvider, error) {
	p, err := store.Get(ctx, s.store, catalog.IdentityProviders, id)
	switch {
	case err == nil && p.GetDomain() == domain:
		return p, nil
	case err == nil, errors.Is(err, store.ErrNotFound):
		return nil, s.domainExists(ctx, domain)
	}
	return nil, err
}

// domainExists returns fault.NotFound if there is no such domain.
func (s *Service) domainExists(ctx context.Context, id string) error {
	_, err := store.Get(ctx, s.store, catalog.Domains, id)
	if errors.Is(err, store.ErrNotFound) {
		return catalog.Domains.NotFound(id)
	}
	return err
}

// isDirectory reports whether the people of a provider are kept here.
func isDirectory(p *configv1.IdentityProvider) bool { return p.GetDirectory() != nil }

func enabled(u *directoryv1.User) bool { return u.Enabled == nil || u.GetEnabled() }

func (s *Service) maySignIn(u *directoryv1.User) bool {
	return enabled(u) && !locked(u, s.now()) && !pending(u)
}

func userNotFound(name string) error { return fault.NotFoundf("User [%s] can not be found.", name) }

// busy says that a password could not be checked or hashed now.
func busy(err error) error {
	if errors.Is(err, secret.ErrBusy) {
		return fault.Unavailablef("The server is busy. Try again later").Because(err)
	}
	return err
}

package directory

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Get returns a person of a domain.
func (s *Service) Get(ctx context.Context, domain, id string) (*directoryv1.User, error) {
	user, err := s.store.Users().Get(ctx, domain, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, userNotFound(id)
	}
	return user, err
}

// Create adds a person to the domain's own directory, or to the directory provider that is named: with a password, or
// without one where they are to choose it themselves.
func (s *Service) Create(ctx context.Context, domain string, n *directoryv1.NewUser) (*directoryv1.User, error) {
	if n.GetPasswordHash() != "" {
		return nil, broken("passwordHash", "is taken by an import only")
	}
	return s.create(ctx, domain, n)
}

// create is Create for drafts that may bring the hash of a password along.
func (s *Service) create(ctx context.Context, domain string, n *directoryv1.NewUser) (*directoryv1.User, error) {
	now, id := s.stamp(), secret.NewID()
	user := &directoryv1.User{}
	copyMembers(n, user)
	user.Id, user.Domain, user.CreatedAt, user.UpdatedAt, user.ExternalId = id, domain, now, now, id
	user.Username, user.Email = strings.TrimSpace(n.GetUsername()), strings.TrimSpace(n.GetEmail())
	user.Enabled = proto.Bool(n.Enabled == nil || n.GetEnabled())
	if user.Source == "" {
		user.Source = catalog.DefaultProviderID(domain)
	}
	user.Subject = Subject(user.Source, id)
	if err := checkUser(nil, user); err != nil {
		return nil, err
	}
	provider, err := s.provider(ctx, domain, user.GetSource())
	switch {
	case err != nil:
		return nil, err
	case provider == nil:
		return nil, fault.Invalidf("Identity Provider [%s] can not be found.", user.GetSource()).At("source", "no such identity provider")
	case !isDirectory(provider):
		return nil, broken("source", "must be an identity provider of the domain's own directory")
	}
	if user.Client, err = s.application(ctx, domain, n.GetClient()); err != nil {
		return nil, err
	}
	if err := s.firstPassword(ctx, user, n); err != nil {
		return nil, err
	}
	if err := s.store.Users().Insert(ctx, user); err != nil {
		return nil, explain(user, err)
	}
	s.record(ctx, actionCreate, nil, user)
	if n.GetPreRegistration() && user.GetEmail() != "" && enabled(user) && s.post != nil {
		// The user is there; the invitation can be sent again.
		if err := s.invitation(ctx, user); err != nil {
			s.log.WarnContext(ctx, "a user was made and not invited", "domain", domain, "user", user.GetId(), "err", err)
		}
	}
	return user, nil
}

// firstPassword gives a new person the password or the hash that their draft has. Who is to choose one has none, whatever
// the draft says, as documented.
func (s *Service) firstPassword(ctx context.Context, user *directoryv1.User, n *directoryv1.NewUser) error {
	switch {
	case n.GetPreRegistration():
		user.RegistrationCompleted = proto.Bool(false)
		return nil
	case n.GetPasswordHash() != "":
		return setHash(user, n)
	}
	err := s.setPassword(ctx, user, n.GetPassword())
	user.LastPasswordReset = nil
	return err
}

// setHash takes over a hash from elsewhere. Whether the password behind it obeys the rules cannot be known.
func setHash(user *directoryv1.User, n *directoryv1.NewUser) error {
	switch hash := n.GetPasswordHash(); {
	case n.GetPassword() != "":
		return broken("passwordHash", "can not stand beside a password")
	case !secret.Known(hash) || secret.IsGenerated(hash):
		return broken("passwordHash", "must be an argon2id hash as a PHC string, or a bcrypt hash")
	default:
		user.PasswordHash = hash
		return nil
	}
}

// copyMembers copies what two messages both have under one name, but for secrets.
func copyMembers(from, to proto.Message) {
	source, target := from.ProtoReflect(), to.ProtoReflect()
	source.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		same := target.Descriptor().Fields().ByName(fd.Name())
		if same != nil && same.Kind() == fd.Kind() && same.Cardinality() == fd.Cardinality() && !prototree.MarksOf(fd).Secret {
			target.Set(same, v)
		}
		return true
	})
}

// application returns the identifier of the application that an identifier or, failing that, a client identifier names.
func (s *Service) application(ctx context.Context, domain, named string) (string, error) {
	if named == "" {
		return "", nil
	}
	app, err := store.Get(ctx, s.store, catalog.Applications, named)
	if errors.Is(err, store.ErrNotFound) || err == nil && app.GetDomain() != domain {
		app, err = store.FindByUnique(ctx, s.store, catalog.Applications, "clientId", catalog.DomainKey(domain, named))
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && app.GetId() != named && catalog.ClientID(app) != named {
		return "", fault.Invalidf("Application [%s] can not be found.", named).At("client", "no such application")
	}
	return app.GetId(), err
}

// Update puts fresh in the place of a person. Identity, source, password and the count of logins stay; without a user name
// or the switch `enabled` so do they. IfMatch is the revision the caller has seen; 0 means any.
func (s *Service) Update(ctx context.Context, domain, id string, fresh *directoryv1.User, ifMatch int64) (*directoryv1.User, error) {
	return s.change(ctx, domain, id, ifMatch, actionUpdate, func(old *directoryv1.User) (*directoryv1.User, error) {
		return updated(old, proto.CloneOf(fresh))
	})
}

// updated makes next what may stand in the place of old, or refuses it.
func updated(old, next *directoryv1.User) (*directoryv1.User, error) {
	if err := resource.Enforce(old, next); err != nil {
		return nil, err
	}
	if next.Username = strings.TrimSpace(next.GetUsername()); next.Username == "" {
		next.Username = old.GetUsername()
	}
	if next.Enabled == nil {
		next.Enabled = old.Enabled
	}
	next.Email = strings.TrimSpace(next.GetEmail())
	return next, checkUser(old, next)
}

// SetPassword replaces a person's password. Only people of the directory itself have one.
func (s *Service) SetPassword(ctx context.Context, domain, id, password string) (*directoryv1.User, error) {
	user, err := s.Get(ctx, domain, id)
	if err != nil {
		return nil, err
	}
	if user.GetPasswordHash() == "" {
		provider, err := s.provider(ctx, domain, user.GetSource())
		if err != nil {
			return nil, err
		}
		if !isDirectory(provider) {
			return nil, fault.Invalidf("The password of user [%s] is kept by another identity provider.", user.GetUsername())
		}
	}
	// What somebody else changes meanwhile begins again, and is then looked at with the new password: a change of names
	// may forbid it.
	return s.change(ctx, domain, id, 0, actionResetPassword, func(old *directoryv1.User) (*directoryv1.User, error) {
		next := proto.CloneOf(old)
		return next, s.setPassword(ctx, next, password)
	})
}

// change reads a person, changes them and stores the result. Without ifMatch a lost race begins again from the read.
func (s *Service) change(ctx context.Context, domain, id string, ifMatch int64, action string,
	edit func(old *directoryv1.User) (*directoryv1.User, error),
) (*directoryv1.User, error) {
	for range races {
		old, err := s.Get(ctx, domain, id)
		if err != nil {
			return nil, err
		}
		if ifMatch != 0 && ifMatch != old.GetRevision() {
			return nil, errStale
		}
		next, err := edit(old)
		if err != nil {
			return nil, err
		}
		next.UpdatedAt = s.stamp()
		err = s.store.Users().Replace(ctx, old, next)
		switch {
		case err == nil:
			if ended(old, next) {
				// Where this fails, the tickets are found to be over when they are used.
				if err := s.store.Tickets().RemoveUser(context.WithoutCancel(ctx), domain, id); err != nil {
					s.log.WarnContext(ctx, "tickets that have ended were left", "domain", domain, "user", id, "err", err)
				}
			}
			s.record(ctx, action, old, next)
			return next, nil
		case !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotFound):
			return nil, explain(next, err)
		}
	}
	return nil, errContended
}

var errStale = fault.Stalef("The user has changed since the revision you named")

// Delete removes a person and what they decided.
func (s *Service) Delete(ctx context.Context, domain, id string, ifMatch int64) error {
	user, err := s.Get(ctx, domain, id)
	if err != nil {
		return err
	}
	if ifMatch != 0 && ifMatch != user.GetRevision() {
		return errStale
	}
	// Bindings before anything: without the mark, one that is negated would let everybody in.
	if s.bindings != nil {
		if err := s.bindings.GuardUser(ctx, domain, id, user.GetUsername()); err != nil {
			return err
		}
	}
	// What has begun does not end because the caller hangs up.
	ctx = context.WithoutCancel(ctx)
	// Decisions first: where the second step fails, the whole can be repeated. The store removes those of the meantime.
	if err := s.store.Consents().DeleteUser(ctx, domain, id); err != nil {
		return err
	}
	if err := s.store.Users().Delete(ctx, domain, id); errors.Is(err, store.ErrNotFound) {
		return userNotFound(id)
	} else if err != nil {
		return err
	}
	s.record(ctx, actionDelete, user, nil)
	if s.bindings != nil {
		// Somebody may have bound them meanwhile. Nobody does from now on.
		if err := s.bindings.OrphanUser(ctx, domain, id); err != nil {
			s.log.ErrorContext(ctx, "bindings of a deleted user left unmarked", "domain", domain, "user", id, "err", err)
		}
	}
	return nil
}

// explain gives a taken name its documented text.
func explain(user *directoryv1.User, err error) error {
	if nameTaken(err) {
		return fault.Invalidf("A user [%s] already exists.", user.GetUsername()).At("username", "already exists").Because(err)
	}
	return err
}

func (s *Service) hash(ctx context.Context, password string) (string, error) {
	hash, err := s.hasher.Password(ctx, password)
	if errors.Is(err, secret.ErrTooLong) {
		return "", fault.Invalidf("[password: size must be at most %d]", secret.MaxPassword).At("password", "is too long")
	}
	return hash, busy(err)
}

package operator

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func userNotFound(id string) error { return fault.NotFoundf("User [%s] can not be found.", id) }

func stale() error { return fault.Stalef("The user has changed since the revision you named") }

// operator returns the operator with an identifier.
func (s *Service) operator(ctx context.Context, id string) (*store.Operator, error) {
	found, err := s.Store.Operators().Find(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, userNotFound(id)
	}
	return found, err
}

// List returns a page of the operators whose name, e-mail address or names q selects, and how many there are of them.
func (s *Service) List(ctx context.Context, q string, number, size int) ([]*store.Operator, int64, error) {
	all, err := s.Store.Operators().List(ctx)
	if err != nil {
		return nil, 0, err
	}
	found := []*store.Operator{}
	for _, o := range all {
		if matches(q, o.Name, o.Email, o.FirstName, o.LastName, o.ID) {
			found = append(found, o)
		}
	}
	return page(found, number, size), int64(len(found)), nil
}

// Create makes an operator, who is member of nothing yet.
func (s *Service) Create(ctx context.Context, organization string, n *managementv1.NewOrganizationUser) (*store.Operator, error) {
	now := s.now()
	made := &store.Operator{
		ID: secret.NewID(), Organization: organization, Name: strings.TrimSpace(n.GetUsername()), Email: strings.TrimSpace(n.GetEmail()),
		FirstName: n.GetFirstName(), LastName: n.GetLastName(), ServiceAccount: n.GetServiceAccount(),
		Disabled: n.Enabled != nil && !n.GetEnabled(), Memberships: []store.OperatorMembership{}, CreatedAt: now, UpdatedAt: now,
	}
	if err := firstOf(CheckName("username", made.Name), checkProfile(made)); err != nil {
		return nil, err
	}
	if made.ServiceAccount {
		if n.GetPassword() != "" {
			return nil, broken("password", "a service account has none: make a token for it")
		}
	} else {
		var err error
		if made.PasswordHash, err = s.hash(ctx, n.GetPassword()); err != nil {
			return nil, err
		}
	}
	err := s.Store.Operators().Insert(ctx, made)
	if errors.Is(err, store.ErrDuplicate) {
		return nil, fault.Invalidf("A user [%s] already exists.", made.Name).At("username", "already exists")
	}
	if err != nil {
		return nil, err
	}
	s.recordOperator(ctx, actionCreate, nil, made)
	return made, nil
}

func checkProfile(o *store.Operator) error {
	return firstOf(checkEmail("email", o.Email), bounded("firstName", o.FirstName, maxText), bounded("lastName", o.LastName, maxText))
}

// minPassword is how long a password is at least, in bytes (NIST SP 800-63B §3.1.1.2 asks for eight characters).
const minPassword = 8

func (s *Service) hash(ctx context.Context, password string) (string, error) {
	if err := required("password", password); err != nil {
		return "", err
	}
	if len(password) < minPassword {
		return "", fault.Invalidf("[password: size must be at least %d]", minPassword).At("password", "is too short")
	}
	hash, err := s.Hasher.Password(ctx, password)
	switch {
	case errors.Is(err, secret.ErrTooLong):
		return "", fault.Invalidf("[password: size must be at most %d]", secret.MaxPassword).At("password", "is too long")
	case err != nil:
		return "", busy(err)
	}
	return hash, nil
}

// Update gives an operator the profile that edit makes of the present one. IfMatch is the revision that the caller has
// seen; 0 means any.
func (s *Service) Update(ctx context.Context, id string, ifMatch int64,
	edit func(old *managementv1.OrganizationUser) (*managementv1.OrganizationUser, error),
) (*store.Operator, error) {
	return s.change(ctx, id, ifMatch, actionUpdate, func(o *store.Operator) error {
		old := Message(o)
		fresh, err := edit(proto.CloneOf(old))
		if err != nil {
			return err
		}
		if err := resource.Enforce(old, fresh); err != nil {
			return err
		}
		o.Email, o.FirstName, o.LastName = strings.TrimSpace(fresh.GetEmail()), fresh.GetFirstName(), fresh.GetLastName()
		if fresh.Enabled != nil {
			enable(o, fresh.GetEnabled())
		}
		return checkProfile(o)
	})
}

// SetEnabled lets an operator in, or keeps them out from the next request on.
func (s *Service) SetEnabled(ctx context.Context, id string, enabled bool) (*store.Operator, error) {
	return s.change(ctx, id, 0, actionUpdate, func(o *store.Operator) error {
		enable(o, enabled)
		return nil
	})
}

func enable(o *store.Operator, enabled bool) {
	if o.Disabled != enabled {
		return
	}
	if o.Disabled = !enabled; o.Disabled {
		o.Epoch++
	}
}

// SetLocked keeps an operator out from the next request on, or no longer.
func (s *Service) SetLocked(ctx context.Context, id string, locked bool) error {
	action := actionUnlock
	if locked {
		action = actionLock
	}
	_, err := s.change(ctx, id, 0, action, func(o *store.Operator) error {
		if locked && !o.Locked {
			o.Epoch++
		}
		o.Locked = locked
		return nil
	})
	return err
}

// SetPassword gives an operator another password, and ends what was signed in with the one before. Whoever changes their
// own has to know the old one. If somebody else does it, the operator's personal tokens end too: the reason may be that the
// account is in wrong hands.
func (s *Service) SetPassword(ctx context.Context, id, password, old, address string) error {
	target, err := s.operator(ctx, id)
	if err != nil {
		return err
	}
	if target.ServiceAccount {
		return fault.Invalidf("User [%s] is a service account and has no password.", target.Name)
	}
	caller, ok := From(ctx)
	own := ok && caller.ID == target.ID
	if own {
		if err := s.checkOld(ctx, target, old, address); err != nil {
			return err
		}
	}
	if err := s.mayManage(ctx, target); err != nil {
		return err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, id, 0, actionResetPassword, func(o *store.Operator) error {
		o.PasswordHash = hash
		o.Epoch++
		if !own {
			o.TokenEpoch++
		}
		return nil
	})
	if err != nil || own {
		return err
	}
	// They have ended with their epoch already.
	if err := s.Store.PersonalTokens().RemoveOperator(ctx, id); err != nil {
		s.Logger.ErrorContext(ctx, "ended tokens of an operator not removed", "user", target.Name, "err", err)
	}
	return nil
}

// checkOld refuses a wrong old password. Guessing it is slowed down as signing in is.
func (s *Service) checkOld(ctx context.Context, target *store.Operator, old, address string) error {
	if err := required("oldPassword", old); err != nil {
		return err
	}
	err := s.guess(ctx, target.Name, address, func() (string, error) {
		right, _, err := s.Hasher.Verify(ctx, target.PasswordHash, old)
		switch {
		case err != nil:
			return target.Name, busy(err)
		case !right:
			return target.Name, refused()
		}
		return target.Name, nil
	})
	if fault.Is(err, fault.Unauthenticated) {
		return broken("oldPassword", "is wrong")
	}
	return err
}

// Delete removes an operator, their tokens and their memberships.
func (s *Service) Delete(ctx context.Context, id string, ifMatch int64) error {
	return s.keepingOwners(ctx, id, "deleted", s.mayManage, func(o *store.Operator) error {
		if ifMatch != 0 && ifMatch != o.Revision {
			return stale()
		}
		if err := s.Store.Operators().Delete(ctx, o); err != nil {
			return err
		}
		s.recordOperator(ctx, actionDelete, o, nil)
		// Nobody has the identifier any more, so what cannot be removed now does nothing.
		if err := errors.Join(s.Store.PersonalTokens().RemoveOperator(ctx, id), s.Store.OperatorMembers().RemoveOperator(ctx, id)); err != nil {
			s.Logger.ErrorContext(ctx, "tokens and memberships of a deleted operator not removed", "user", o.Name, "err", err)
		}
		return nil
	}, func(*store.Operator) bool { return true })
}

// change reads an operator, changes them and stores the result.
func (s *Service) change(ctx context.Context, id string, ifMatch int64, action string, edit func(*store.Operator) error) (*store.Operator, error) {
	var made *store.Operator
	err := s.keepingOwners(ctx, id, "disabled or locked", s.mayManage, func(old *store.Operator) error {
		if ifMatch != 0 && ifMatch != old.Revision {
			return stale()
		}
		next := *old
		if err := edit(&next); err != nil {
			return err
		}
		next.UpdatedAt = s.now()
		if err := s.Store.Operators().Replace(ctx, &next); err != nil {
			return err
		}
		made = &next
		s.recordOperator(ctx, action, old, made)
		return nil
	}, func(old *store.Operator) bool {
		next := *old
		return edit(&next) == nil && (next.Disabled || next.Locked)
	})
	if errors.Is(err, store.ErrStale) && ifMatch != 0 {
		return nil, stale()
	}
	return made, err
}

// Message is an operator as the API shows them.
func Message(o *store.Operator) *managementv1.OrganizationUser {
	m := &managementv1.OrganizationUser{
		Id: o.ID, Organization: o.Organization, Revision: o.Revision, Username: o.Name, Email: o.Email, FirstName: o.FirstName, LastName: o.LastName,
		ServiceAccount: o.ServiceAccount, Enabled: proto.Bool(!o.Disabled), Locked: o.Locked, LoginsCount: o.Logins,
		CreatedAt: stamp(o.CreatedAt), UpdatedAt: stamp(o.UpdatedAt), LoggedAt: stamp(o.LoggedAt),
		DisplayName: strings.TrimSpace(o.FirstName + " " + o.LastName),
	}
	if m.DisplayName == "" {
		m.DisplayName = o.Name
	}
	return m
}

// patience bounds how long a change waits for others that may take away owners.
const patience = 10 * time.Second

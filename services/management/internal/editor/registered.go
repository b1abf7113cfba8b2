package editor

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
)

// errNotPending refuses a decision about a client that waits for none.
func errNotPending(id string) error {
	return fault.Conflictf("Application [%s] does not wait for approval", id)
}

// Accept lets a registered client be used that waits for it. One that was accepted already stays as it is; any other one is
// fault.Conflict.
func (e *Editor) Accept(ctx context.Context, at Place, id string) (*configv1.Application, error) {
	a, err := Read(ctx, e, catalog.Applications, at, id)
	switch {
	case err != nil:
		return nil, err
	case a.GetRegistration().GetAcceptedAt() != nil && a.GetEnabled():
		return a, nil
	case !catalog.IsPending(a):
		return nil, errNotPending(id)
	}
	return e.changeApplication(ctx, at, id, 0, Accepted, func(s *catalog.Scene, a *configv1.Application) error {
		s.Registering = true // what the client asked for stays as it is, what is nothing as well
		if r := a.GetRegistration(); r.GetStatus() != configv1.ClientRegistration_PENDING && r.GetAcceptedAt() == nil {
			return errNotPending(id)
		}
		enabled := true
		a.Enabled = &enabled
		return nil
	})
}

// Reject deletes a registered client that waits for approval; any other one is fault.Conflict.
func (e *Editor) Reject(ctx context.Context, at Place, id string) error {
	return again(0, func(bool) error {
		a, err := Read(ctx, e, catalog.Applications, at, id)
		if err != nil {
			return err
		}
		if !catalog.IsPending(a) {
			return errNotPending(id)
		}
		// Under its revision: who accepts it at the same time wins, or comes too late.
		_, err = Delete(ctx, e, catalog.Applications, at, id, a.GetRevision())
		return err
	})
}

// WasApplication reports whether a domain had an application that was deleted.
func (e *Editor) WasApplication(ctx context.Context, at Place, id string) (bool, error) {
	if _, err := e.parent(ctx, catalog.Applications, at); err != nil {
		return false, err
	}
	return e.store.Gone(ctx, catalog.Applications, at.Domain, id)
}

// DisableUnused disables a registered client that nobody used, as long as it is at a revision (fault.Stale).
func (e *Editor) DisableUnused(ctx context.Context, a *configv1.Application) error {
	at := Place{Domain: a.GetDomain()}
	_, err := e.changeApplication(ctx, at, a.GetId(), a.GetRevision(), Unused, func(s *catalog.Scene, a *configv1.Application) error {
		// A client that nobody uses may well break a rule by now, with a secret that has ended or a redirect URI that the domain no longer allows.
		s.Unjudged = true
		disabled := false
		a.Enabled = &disabled
		if a.Registration == nil { // it registered before that was noted
			a.Registration = &configv1.ClientRegistration{}
		}
		a.Registration.Status, a.Registration.DisabledAt = configv1.ClientRegistration_UNUSED, timestamppb.New(s.Now)
		return nil
	})
	return err
}

// Registered returns the registered clients of a domain that a function selects, and how many there are on all pages.
func (e *Editor) Registered(ctx context.Context, at Place, q image.Query, where func(*configv1.Application) bool) ([]*configv1.Application, int64, error) {
	q.And(func(r resource.Resource) bool {
		a, ok := r.(*configv1.Application)
		return ok && catalog.IsRegistered(a) && (where == nil || where(a))
	})
	return ReadAll(ctx, e, catalog.Applications, at, q)
}

// DisablesUnused returns the domains that let unused clients be disabled.
func (e *Editor) DisablesUnused(ctx context.Context) ([]*configv1.Domain, error) {
	found, _, err := ReadAll(ctx, e, catalog.Domains, Place{}, image.Query{Where: func(r resource.Resource) bool {
		d, ok := r.(*configv1.Domain)
		return ok && d.GetOidc().GetClientRegistrationSettings().GetUnusedDisableDays() > 0
	}})
	return found, err
}

package editor

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Times of a composition that may be asked for again.
const (
	attemptKept = 24 * time.Hour
	secretsKept = 15 * time.Minute
	// attemptAbandoned is when somebody who began and gave no answer counts as gone.
	attemptAbandoned = 30 * time.Second
	twinWait         = 5 * time.Second
	twinEvery        = 25 * time.Millisecond
)

// Attempt is a composition that may be asked for again with the same key (Idempotency-Key). It is kept where registrations are.
type Attempt struct {
	e    *Editor
	kept *store.RegistrationAttempt
}

// ErrTwin says that the same request is under way.
var ErrTwin = fault.Conflictf("The same request is under way. Try again shortly")

// BeginAttempt takes up an attempt, or returns the answer that it was given before, with secrets while they are kept. Who identifies
// the caller, fingerprint what is asked for.
func (e *Editor) BeginAttempt(ctx context.Context, domain, who, key, fingerprint string) (*Attempt, []byte, error) {
	id := secret.HashToken("compose\x00" + domain + "\x00" + who + "\x00" + key)
	attempts := e.store.RegistrationAttempts()
	for until := time.Now().Add(twinWait); ; {
		now := e.opts.Now()
		there, err := attempts.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			there = &store.RegistrationAttempt{ID: id}
		case err != nil:
			return nil, nil, err
		}
		known := there.Revision > 0 && now.Before(there.ExpiresAt)
		switch {
		case known && there.Fingerprint != fingerprint:
			return nil, nil, fault.Conflictf("The Idempotency-Key was used for another request. Choose a new key")
		case known && there.Answer != "":
			answer, err := e.keptAnswer(ctx, there, now)
			return nil, answer, err
		case !known || now.Sub(there.BegunAt) >= attemptAbandoned:
			if !known {
				there = &store.RegistrationAttempt{
					ID: id, Domain: domain, Fingerprint: fingerprint, Application: secret.NewID(), Revision: there.Revision,
				}
			}
			there.BegunAt, there.ExpiresAt = now, now.Add(attemptKept)
			if err := attempts.Put(ctx, there); !errors.Is(err, store.ErrStale) {
				return &Attempt{e, there}, nil, err
			}
		}
		if time.Now().After(until) {
			return nil, nil, ErrTwin
		}
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-time.After(twinEvery):
		}
	}
}

func secretsID(id string) string { return id + "/secrets" }

func (e *Editor) keptAnswer(ctx context.Context, there *store.RegistrationAttempt, now time.Time) ([]byte, error) {
	attempts := e.store.RegistrationAttempts()
	whole, err := attempts.Get(ctx, secretsID(there.ID))
	if err == nil && now.Before(whole.ExpiresAt) {
		return attempts.Open(whole)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return attempts.Open(there)
}

// Application is the identifier that the application of the attempt gets.
func (a *Attempt) Application() string { return a.kept.Application }

// Made returns the application that an earlier process made for the attempt before it died; nil if there is none. Where the
// composition made the client too, nobody has seen its secret, and another one comes along. That of a provider that it took in
// is in use, and stays.
func (a *Attempt) Made(ctx context.Context, at Place, asked Composition) (*configv1.Application, string, error) {
	there, err := Read(ctx, a.e, catalog.Applications, at, a.kept.Application)
	if fault.Is(err, fault.NotFound) {
		return nil, "", nil
	}
	if err != nil || asked.Provider.GetId() != "" || len(there.GetSecrets()) == 0 {
		return there, "", err
	}
	_, plain, err := a.e.RenewSecret(ctx, at, there.GetId(), there.GetSecrets()[0].GetId())
	if err != nil {
		return nil, "", err
	}
	there, err = Read(ctx, a.e, catalog.Applications, at, there.GetId())
	return there, plain, err
}

// Answer keeps what was answered: whole for a while, and masked for a day.
func (a *Attempt) Answer(ctx context.Context, whole, masked []byte) error {
	attempts := a.e.store.RegistrationAttempts()
	now := a.e.opts.Now()
	with := &store.RegistrationAttempt{
		ID: secretsID(a.kept.ID), Domain: a.kept.Domain, BegunAt: now, ExpiresAt: now.Add(secretsKept),
		Answer: attempts.Seal(secretsID(a.kept.ID), whole),
	}
	if old, err := attempts.Get(ctx, with.ID); err == nil {
		with.Revision = old.Revision
	}
	if err := attempts.Put(ctx, with); err != nil {
		return err
	}
	a.kept.Answer = attempts.Seal(a.kept.ID, masked)
	return attempts.Put(ctx, a.kept)
}

// Fail says that the attempt came to nothing: the key is free again. Where it may have made something, the next one looks for that.
func (a *Attempt) Fail(ctx context.Context, why error) {
	ctx = context.WithoutCancel(ctx)
	attempts := a.e.store.RegistrationAttempts()
	var err error
	if kind := fault.KindOf(why); kind == fault.Internal || kind == fault.Unavailable {
		a.kept.BegunAt = time.Time{}
		err = attempts.Put(ctx, a.kept)
	} else {
		err = attempts.Forget(ctx, a.kept)
	}
	if err != nil && !errors.Is(err, store.ErrStale) {
		a.e.opts.Logger.WarnContext(ctx, "a request that failed occupies its key for a while", "domain", a.kept.Domain, "err", err)
	}
}

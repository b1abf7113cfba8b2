// Package underway is the login under way: one authorization request in one browser, what flows have set for it, and the running of flows
// at the points that it passes.
//
//	Book.Open ──▶ Login ── Pre, Made, Post at each point ──▶ Save, or Forget once the client is answered
//
// What is known of a login lies in Redis under the browser's cookie until somebody is signed in, and under the session afterwards, so that
// a login goes on at any gateway, and a cookie of before the sign-in is worth nothing after it. A client without flows costs nothing: its
// Login is nil, and a nil Login does nothing.
package underway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Store keeps sessions, and logins under way; *state.Store does.
type Store interface {
	browser.Sessions
	// Login returns an empty login where nothing is kept under a key of state.LoginKey.
	Login(ctx context.Context, key string) (state.Login, error)
	KeepLogin(ctx context.Context, key string, v state.Login) error
	ForgetLogin(ctx context.Context, key string) error
}

// Runner runs flows; *flows.Engine does.
type Runner interface {
	Run(ctx context.Context, s *flows.Set, at flows.Point, phase flows.Phase, scope flows.Scope, in *rules.Input) (flows.Outcome, error)
}

// Book has the logins under way. It is safe for concurrent use. A nil Book has none, and runs nothing.
type Book struct {
	store  Store
	runner Runner
}

// New returns a Book.
func New(store Store, runner Runner) *Book {
	return &Book{store: store, runner: runner}
}

// Login is one login under way, at one request. It is used by one goroutine.
type Login struct {
	// Reevaluate tells that a flow wants selection rules to be looked at where that is not done anyway.
	Reevaluate bool

	book       *Book
	visit      *browser.Visit
	domain     *domain.Domain
	client     *domain.Client
	digest     string
	attributes map[string]any
	passed     map[string]string
	// kept tells that there is a record, changed that it is not up to date.
	kept, changed bool
}

// Open returns the login that a request with these parameters belongs to; nil where the client has no flows at logins. It looks for the
// session if nobody has.
func (b *Book) Open(ctx context.Context, v *browser.Visit, d *domain.Domain, c *domain.Client, params oauth2.Params) (*Login, error) {
	if b == nil || c == nil || !c.Flows.InLogins() {
		return nil, nil
	}
	if err := v.Look(ctx, b.store); err != nil {
		return nil, err
	}
	l := &Login{book: b, visit: v, domain: d, client: c, digest: authorization.Digest(params)}
	kept, err := b.store.Login(ctx, l.key())
	if err != nil {
		return nil, fmt.Errorf("login under way: %w", err)
	}
	if l.attributes, err = flows.Decode(kept.Attributes); err != nil {
		return nil, err
	}
	l.passed = kept.Passed
	l.kept = len(l.attributes) > 0 || len(l.passed) > 0
	return l, nil
}

func (l *Login) key() string {
	if s := l.visit.Session; s != nil {
		return state.LoginKey(l.domain.ID, "session "+s.ID, l.digest)
	}
	return state.LoginKey(l.domain.ID, "browser "+l.visit.Key(), l.digest)
}

// Attributes are what flows have set. They must not be changed.
func (l *Login) Attributes() map[string]any {
	if l == nil {
		return nil
	}
	return l.attributes
}

// Begin runs the pre of ROOT, unless the login has passed it.
func (l *Login) Begin(ctx context.Context, in *rules.Input) error {
	return l.Made(ctx, flows.Root, in)
}

// Pre runs what comes before the page of a point that is about to be shown, and what comes before all points if that is due. Refusals are
// *flows.Denied; every other error is one of the protocol's, or means that something is not available.
func (l *Login) Pre(ctx context.Context, at flows.Point, in *rules.Input) error {
	if l == nil {
		return nil
	}
	if err := l.Begin(ctx, in); err != nil {
		return err
	}
	return l.pass(ctx, at, in)
}

// Made makes up for the pre of a point that this login has not passed: its page was not shown, or was before its flows changed.
func (l *Login) Made(ctx context.Context, at flows.Point, in *rules.Input) error {
	if l == nil || l.passed[at.String()] == l.client.Flows.Stamp(at) {
		return nil
	}
	return l.pass(ctx, at, in)
}

// Post runs what comes after the answer to a page, once everything that must come before was passed.
func (l *Login) Post(ctx context.Context, at flows.Point, in *rules.Input) error {
	if l == nil {
		return nil
	}
	if err := l.Begin(ctx, in); err != nil {
		return err
	}
	if err := l.Made(ctx, at, in); err != nil {
		return err
	}
	return l.run(ctx, at, flows.Post, in)
}

// End runs the post of ROOT.
func (l *Login) End(ctx context.Context, in *rules.Input) error {
	if l == nil {
		return nil
	}
	return l.run(ctx, flows.Root, flows.Post, in)
}

func (l *Login) pass(ctx context.Context, at flows.Point, in *rules.Input) error {
	if !l.client.Flows.Has(at, flows.Pre) {
		return nil
	}
	if err := l.run(ctx, at, flows.Pre, in); err != nil {
		return err
	}
	if stamp := l.client.Flows.Stamp(at); l.passed[at.String()] != stamp {
		passed := maps.Clone(l.passed)
		if passed == nil {
			passed = map[string]string{}
		}
		passed[at.String()] = stamp
		l.passed, l.changed = passed, true
	}
	return nil
}

func (l *Login) run(ctx context.Context, at flows.Point, phase flows.Phase, in *rules.Input) error {
	if !l.client.Flows.Has(at, phase) {
		return nil
	}
	out, err := l.book.runner.Run(ctx, l.client.Flows, at, phase, flows.Scope{Domain: l.domain.ID, ClientID: l.client.ClientID, Attributes: l.attributes}, in)
	l.attributes = out.Attributes
	l.changed = l.changed || out.Changed
	l.Reevaluate = l.Reevaluate || out.Reevaluate
	return Problem(err)
}

// Problem turns what ended flows into an answer. A refusal stays what it is.
func Problem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, flows.ErrUnusable):
		return oauth2.ServerError.Errorf("A flow of this application cannot be used as configured").WithCause(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, flows.ErrSlow):
		return oauth2.TemporarilyUnavailable.Errorf("A check that is required took too long").WithCause(err)
	}
	return err
}

// Save keeps what has changed, for the next step of the login.
func (l *Login) Save(ctx context.Context) error {
	if l == nil || !l.changed {
		return nil
	}
	if err := l.keep(ctx, l.key()); err != nil {
		return err
	}
	l.kept, l.changed = true, false
	return nil
}

func (l *Login) keep(ctx context.Context, key string) error {
	encoded, err := flows.Encode(l.attributes)
	if err != nil {
		return err
	}
	if err := l.book.store.KeepLogin(ctx, key, state.Login{Attributes: encoded, Passed: l.passed}); err != nil {
		return fmt.Errorf("login under way: %w", err)
	}
	return nil
}

// HandOver keeps the login for a session that is about to be made, before it is: if that fails nobody is signed in, and the login of the
// browser is what it was.
func (l *Login) HandOver(ctx context.Context, session string) error {
	if l == nil || len(l.attributes) == 0 && len(l.passed) == 0 {
		return nil
	}
	return l.keep(ctx, state.LoginKey(l.domain.ID, "session "+session, l.digest))
}

// Forget ends the login. The client is about to be answered.
func (l *Login) Forget(ctx context.Context) error {
	if l == nil || !l.kept {
		return nil
	}
	if err := l.book.store.ForgetLogin(ctx, l.key()); err != nil {
		return fmt.Errorf("login under way: %w", err)
	}
	l.kept = false
	return nil
}

// Moved keeps the login under another cookie, where the browser has just been signed out while its login goes on.
func (l *Login) Moved(ctx context.Context) error {
	if l == nil || len(l.attributes) == 0 && len(l.passed) == 0 {
		return nil
	}
	l.changed = true
	return l.Save(ctx)
}

// Encoded is what flows have set, a JSON object; nil if nothing.
func (l *Login) Encoded() (json.RawMessage, error) {
	if l == nil {
		return nil, nil
	}
	return flows.Encode(l.attributes)
}

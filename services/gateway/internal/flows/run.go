package flows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

// pointTimeout bounds one phase of one point, whatever its steps call.
const pointTimeout = 15 * time.Second

// Sender calls other sites; *outbound.Client does.
type Sender interface {
	Send(r *http.Request, l outbound.Limits) (*outbound.Answer, error)
}

// Engine runs flows. It is safe for concurrent use.
type Engine struct {
	out      Sender
	failures *ruleerrors.Reporter
	log      *slog.Logger
}

// New returns an Engine. It reports expressions that fail; nil reports nothing.
func New(out Sender, failures *ruleerrors.Reporter, log *slog.Logger) *Engine {
	return &Engine{out: out, failures: failures, log: log}
}

// Scope is for whom flows run.
type Scope struct {
	// Domain is the id of the domain, ClientID that of the client.
	Domain, ClientID string
	// Attributes are what flows have set before for this login. They are not changed.
	Attributes map[string]any
}

// Denied is the refusal of a step.
type Denied struct {
	// Code is the error code for the application, Message what the person is told; neither is empty.
	Code, Message string
}

// Error implements error.
func (d *Denied) Error() string { return "refused by a flow: " + d.Code }

// Outcome is what flows have done.
type Outcome struct {
	// Attributes are all that flows have set for this login, now and before. Changed tells that they are others than before.
	Attributes map[string]any
	Changed    bool
	// Reevaluate tells that the selection rules of identity providers are to be looked at with what has been set.
	Reevaluate bool
}

// Run runs what there is to run in a phase of a point, in order. The input needs everything but the attributes that flows have set, which
// Run adds: expressions evaluated with it afterwards see them. The error is a *Denied where a step refuses, and ErrUnusable (wrapped)
// where a flow cannot be used; the outcome counts up to there. ErrSlow (wrapped) means that time is up,
// another error that the request was given up.
func (e *Engine) Run(ctx context.Context, s *Set, at Point, phase Phase, scope Scope, in *rules.Input) (Outcome, error) {
	r := &run{engine: e, scope: scope, in: in, out: Outcome{Attributes: scope.Attributes}}
	r.show()
	if !s.Has(at, phase) {
		return r.out, nil
	}
	if err := s.points[at].err; err != nil {
		return r.out, err
	}
	inTime, cancel := context.WithTimeout(ctx, pointTimeout)
	defer cancel()
	for _, f := range s.points[at].flows[phase] {
		if err := r.flow(inTime, f, phase); err != nil {
			return r.out, err
		}
	}
	return r.out, nil
}

// run is one phase of one point under way.
type run struct {
	engine *Engine
	scope  Scope
	in     *rules.Input
	out    Outcome
	// base are the attributes that no flow has set; nil until they were looked at.
	base map[string]any
	// at is the flow, step the name of the step; phase is that of both.
	at    *Flow
	phase Phase
	step  string
}

// ErrSlow means that the flows of a point took longer than fifteen seconds.
var ErrSlow = errors.New("the flows took too long")

func (r *run) flow(ctx context.Context, f *Flow, phase Phase) error {
	r.at, r.phase, r.step = f, phase, ""
	if !r.holds(ctx, f.condition) {
		return nil
	}
	for i := range f.steps[phase] {
		s := &f.steps[phase][i]
		if err := ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s of %s: %w", phase, f.point, ErrSlow)
		} else if err != nil {
			return err
		}
		if r.step = s.name; !r.holds(ctx, s.condition) {
			continue
		}
		if denied := s.action.do(ctx, r); denied != nil {
			r.engine.log.InfoContext(ctx, "refused by a flow", "domain", r.scope.Domain, "client_id", r.scope.ClientID, "flow", f.id,
				"step", s.name, "error", denied.Code)
			return denied
		}
	}
	return nil
}

// holds evaluates a condition; none holds.
func (r *run) holds(ctx context.Context, condition *rules.Rule) bool {
	if condition == nil {
		return true
	}
	ok, err := condition.Holds(ctx, r.in)
	if err != nil {
		r.failed(ctx, "condition", err)
	}
	return ok
}

// set sets an attribute.
func (r *run) set(name string, value any) error {
	next, err := with(r.out.Attributes, name, value)
	if err != nil {
		return err
	}
	r.out.Attributes, r.out.Changed = next, true
	r.show()
	return nil
}

// show puts what flows have set into the input, beside what was there. The map that was there does not change.
func (r *run) show() {
	if r.base == nil {
		r.base = r.in.Attributes
	}
	if len(r.out.Attributes) == 0 && !r.out.Changed {
		return
	}
	r.in.Attributes = Beside(r.base, r.out.Attributes)
}

// Beside returns attributes of the login with those that flows have set beside them, in a map of its own.
func Beside(base, set map[string]any) map[string]any {
	all := make(map[string]any, len(base)+len(set))
	maps.Copy(all, set)
	maps.Copy(all, base)
	return all
}

// failed reports an expression of the present step, or of the flow itself.
func (r *run) failed(ctx context.Context, what string, err error) {
	name := r.phase.String() + " " + what
	if r.step != "" {
		name = r.phase.String() + " " + r.step + ": " + what
	}
	r.engine.failures.Report(ctx, ruleerrors.Expression{
		Domain: r.scope.Domain, Kind: ruleerrors.Flow, ID: r.at.id, Revision: r.at.revision, Place: ruleerrors.Flows, Name: name,
	}, err, slog.String("client_id", r.scope.ClientID))
}

package access

import (
	"context"
	"errors"
	"log/slog"
	"time"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/geo"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// fresh is how old what the directory said of somebody may be.
const fresh = time.Second

// People knows who is in which groups; *tokens.People does.
type People interface {
	// Lately returns what the directory said at most maxAge ago, or within grace while it does not answer. Somebody unknown is
	// fault.NotFound.
	Lately(ctx context.Context, domain, subject string, maxAge, grace time.Duration) (*tokens.Known, error)
}

// Judge decides who may use an application. It is safe for concurrent use.
type Judge struct {
	people   People
	log      *slog.Logger
	failures *ruleerrors.Reporter
	places   *geo.Database
	counts   *usage.Bindings
	now      func() time.Time
}

// Knowing returns the judge as it knows where addresses are; nil knows nothing, and policies that need to know fail.
func (j *Judge) Knowing(places *geo.Database) *Judge {
	made := *j
	made.places = places
	return &made
}

// Counting returns the judge as it counts what report-only bindings come to; nil counts nothing.
func (j *Judge) Counting(counts *usage.Bindings) *Judge {
	made := *j
	made.counts = counts
	return &made
}

// New returns a Judge. It reports each policy that could not be evaluated; nil reports nothing.
func New(people People, log *slog.Logger, failures *ruleerrors.Reporter, now func() time.Time) *Judge {
	return &Judge{people: people, log: log, failures: failures, now: now}
}

// Outcome is a decision about somebody.
type Outcome struct {
	rule.Decision
	// Person is who it is about, as the directory knows them; nil for somebody without an account, and for applications where
	// nothing had to be asked.
	Person *rule.Person
}

// Allowed reports whether the person may use the application now.
func (o *Outcome) Allowed() bool { return o.Verdict == rule.Allowed }

// Decide returns the verdict on a person who is signed in, or for whom tokens are asked. The verdict, the bindings that decided and
// the revision of the application go into the log, under the identity of the request. The error is fault.Unavailable where the directory cannot be
// asked and has not been for too long.
func (j *Judge) Decide(ctx context.Context, d *domain.Domain, c *domain.Client, person *state.Person, s Situation) (Outcome, error) {
	if !c.Restricted {
		return Outcome{Decision: rule.Decision{Verdict: rule.Allowed}}, nil
	}
	out, err := j.decide(ctx, d, c, person, s)
	if err == nil {
		j.log.LogAttrs(ctx, slog.LevelInfo, "access was decided", slog.String("domain", d.ID), slog.String("client_id", c.ClientID), slog.String("user", person.UserID),
			slog.String("verdict", out.Verdict.String()), slog.Any("bindings", out.Deciding), slog.Int64("revision", c.Access.Revision()))
		j.failed(ctx, d, c, out.Failures)
		if len(out.Reports) > 0 && s.Protocol != Portal { // a page that shows what would happen lets nobody in
			j.counts.Note(d.ID, c.ID, person.UserID, out.Person.ID, &out.Decision, j.now())
		}
	}
	return out, err
}

// failed reports the policies that could not be evaluated.
func (j *Judge) failed(ctx context.Context, d *domain.Domain, c *domain.Client, list []rule.Failure) {
	for _, f := range list {
		e := c.Expression(d.ID, ruleerrors.Access, f.Binding)
		j.failures.Report(ctx, e, errors.New(f.Reason), slog.String("client_id", c.ClientID), slog.String("policy", f.Policy))
	}
}

func (j *Judge) decide(ctx context.Context, d *domain.Domain, c *domain.Client, person *state.Person, s Situation) (Outcome, error) {
	denied := Outcome{Decision: rule.Decision{Verdict: rule.Denied}}
	known, err := j.people.Lately(ctx, d.ID, person.Subject, fresh, d.MembershipGrace)
	switch {
	case fault.Is(err, fault.NotFound) && person.UserID == "" && c.Access.Open():
		// A trusted issuer speaks of somebody without an account. They are in no group, and no user is called so.
		return j.judge(ctx, d, c, &rule.Person{ID: "guest " + person.Subject}, s), nil
	case fault.Is(err, fault.NotFound):
		return denied, nil
	case err != nil:
		return denied, err
	case !known.Enabled:
		return denied, nil
	}
	return j.judge(ctx, d, c, known.Access(), s), nil
}

// judge asks the rule. A sign-in has one class, and meets others that the domain describes: where it is too weak by its class and meets
// one that is wanted, it is asked about once more as that.
func (j *Judge) judge(ctx context.Context, d *domain.Domain, c *domain.Client, p *rule.Person, s Situation) Outcome {
	moment := s.Moment(j.now())
	j.places.Place(&moment)
	out := Outcome{Decision: c.Access.Decide(ctx, p, &moment), Person: p}
	if out.Verdict != rule.StepUp || out.Step == nil {
		return out
	}
	for _, class := range out.Step.ACRValues {
		if class != moment.ACR && Meets(d, s.Provider, s.ACR, s.AMR, class) {
			moment.ACR = class
			out.Decision = c.Access.Decide(ctx, p, &moment)
			break
		}
	}
	return out
}

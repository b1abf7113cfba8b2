package access

import (
	"context"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Among returns Decide for whoever looks at many applications at once: the directory is asked once for all of them, by the first that is
// not open to everybody, and no single verdict goes into the record of the request. It is used by one goroutine.
func (j *Judge) Among(ctx context.Context, d *domain.Domain, person *state.Person, s Situation) func(*domain.Client) (Outcome, error) {
	var known *tokens.Known
	var err error
	asked := false
	return func(c *domain.Client) (Outcome, error) {
		if !c.Restricted {
			return Outcome{Decision: rule.Decision{Verdict: rule.Allowed}}, nil
		}
		if !asked {
			asked = true
			known, err = j.people.Lately(ctx, d.ID, person.Subject, fresh, d.MembershipGrace)
		}
		switch {
		case err != nil && !fault.Is(err, fault.NotFound):
			return Outcome{Decision: rule.Decision{Verdict: rule.Denied}}, err
		case err != nil, !known.Enabled:
			return Outcome{Decision: rule.Decision{Verdict: rule.Denied}}, nil
		}
		out := j.judge(ctx, d, c, known.Access(), s)
		j.failed(ctx, d, c, out.Failures)
		return out, nil
	}
}

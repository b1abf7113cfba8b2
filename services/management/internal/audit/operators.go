package audit

import (
	"context"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// Changed implements operator.Journal.
func (r *Recorder) Changed(ctx context.Context, c operator.Change) {
	r.Record(ctx, Event{
		Action: c.Action, Key: resource.Key{Kind: c.Kind, Domain: c.Domain, ID: c.ID}, Name: c.Name, Revision: c.Revision,
		At: c.At, Before: c.Before, After: c.After,
	})
}

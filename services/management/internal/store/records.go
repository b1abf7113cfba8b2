package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Author is who makes a change, and from where. The zero value is the service itself.
type Author struct {
	Kind, ID, Name           string
	IP, UserAgent, RequestID string
}

// The kind of an author who is nobody else.
const authorSystem = "system"

// What is done to a resource where a change does not say it with a word of its own. Whatever ends a resource is a
// deletion.
const (
	ActionCreate = "create"
	ActionUpdate = "update"
	ActionDelete = "delete"
)

// Records of a configuration change are written before the resources and removed if these cannot be written, so there
// is no change without its record. A writer that dies in between leaves a record of something that may not have
// happened; whose fate that is, judge finds out.

// recordChunk is how many records are written at once, so that the writer of a large set gives signs of life.
const recordChunk = 100

// record writes the records of all operations under a revision, which it stamps on the new resources.
func (w *writer) record(ctx context.Context, revision int64, beat func(context.Context) error) error {
	w.recorded = nil
	records := make([]AuditRecord, len(w.ops))
	for i, op := range w.ops {
		var err error
		if records[i], err = w.recordOf(i, op, revision); err != nil {
			return err
		}
		w.recorded = append(w.recorded, records[i].ID)
	}
	for part := range slices.Chunk(records, recordChunk) {
		if err := beat(ctx); err != nil {
			return err
		}
		if _, err := w.s.db.Collection(auditsCollection).InsertMany(ctx, part); err != nil {
			return w.s.fail(ctx, err)
		}
	}
	return w.step(Recorded, revision)
}

func (w *writer) recordOf(i int, op Op, revision int64) (AuditRecord, error) {
	key := w.keys[i]
	if op.New != nil {
		resource.Stamp(op.New, resource.Stamps{Revision: revision})
	}
	r := w.change.By.record()
	r.ID, r.At, r.Result, r.Revision = secret.NewSortableID(), w.s.now().UTC(), ResultSuccess, revision
	r.Kind, r.Domain, r.ResourceID = key.Kind, key.Domain, key.ID
	meant := w.change.Meant == key || w.change.Meant == resource.Key{}
	if !meant {
		r.CauseKind, r.CauseID = w.change.Meant.Kind, w.change.Meant.ID
	}
	switch {
	case op.New == nil:
		r.Action = ActionDelete
	case meant && w.change.Action != "":
		r.Action = w.change.Action
	case op.Old == nil:
		r.Action = ActionCreate
	default:
		r.Action = ActionUpdate
	}
	named := op.New
	if named == nil {
		named = op.Old
	}
	r.Name = w.traits[i].name(named)
	if op.Old != nil {
		r.Previous = op.Old.GetRevision()
	}
	compared, err := prototree.Compare(op.Old, op.New)
	if err != nil {
		return r, fmt.Errorf("record of %s: %w", key, err)
	}
	return r, r.Describe(compared)
}

// record returns a record that says who and from where.
func (a Author) record() AuditRecord {
	if a.Kind == "" {
		a.Kind = authorSystem
	}
	return AuditRecord{
		ActorKind: a.Kind, ActorID: a.ID, ActorName: a.Name, IP: a.IP, UserAgent: a.UserAgent, RequestID: a.RequestID,
	}
}

// Describe says in a record what changed.
func (r *AuditRecord) Describe(c prototree.Comparison) error {
	var err error
	text := func(v any, there bool) string {
		if !there || err != nil {
			return ""
		}
		var data []byte
		data, err = json.Marshal(v)
		return string(data)
	}
	r.Before, r.After = text(c.Before, c.Before != nil), text(c.After, c.After != nil)
	r.Changes, r.Changed = text(c.Changes, len(c.Changes) > 0), int32(len(c.Changes)) //nolint:gosec // members of a document
	if err != nil {
		return fmt.Errorf("record of %s %s: %w", r.Kind, r.ResourceID, err)
	}
	return nil
}

// forget removes records of what did not happen. If it cannot, the sweep marks them.
func (w *writer) forget(ctx context.Context, ids []string) {
	if len(ids) == 0 {
		return
	}
	if _, err := w.s.db.Collection(auditsCollection).DeleteMany(ctx, bson.M{"_id": bson.M{"$in": ids}}); err != nil {
		w.s.log.WarnContext(ctx, "records of a change that failed left to the sweep", "resource", w.keys[0].String(), "err", err)
	}
}

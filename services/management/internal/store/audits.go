package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

const auditsCollection = "audits"

// The results that a record may have. Attempted and pending are found out by judge: a record of a change of
// configuration is written before the change itself.
const (
	ResultSuccess   = "success"
	ResultFailure   = "failure"
	ResultAttempted = "attempted" // the writer died before the change took place
	ResultPending   = "pending"   // the change is being made
)

// AuditRecord says who changed what, when and from where. Before, After and Changes are JSON texts without secrets.
type AuditRecord struct {
	// ID sorts by time; Append sets it if it is empty.
	ID     string    `bson:"_id"`
	At     time.Time `bson:"at"`
	Action string    `bson:"action"`
	Result string    `bson:"result"`

	// Domain is empty for what happened outside of any domain.
	Domain     string `bson:"domain"`
	Kind       string `bson:"kind"`
	ResourceID string `bson:"resourceId"`
	Name       string `bson:"name"`
	Revision   int64  `bson:"revision"`
	// Previous is the revision of the resource that the change was based on; 0 where there was none.
	Previous int64 `bson:"previous,omitempty"`
	// CauseKind and CauseID name the resource whose change brought this one along; empty where it was meant itself.
	CauseKind string `bson:"causeKind,omitempty"`
	CauseID   string `bson:"causeId,omitempty"`

	ActorKind string `bson:"actorKind"`
	ActorID   string `bson:"actorId"`
	ActorName string `bson:"actorName"`
	IP        string `bson:"ip"`
	UserAgent string `bson:"userAgent"`
	RequestID string `bson:"requestId"`

	Before string `bson:"before,omitempty"`
	After  string `bson:"after,omitempty"`
	// Changes is a list of prototree.Change, Changed its length.
	Changes string `bson:"changes,omitempty"`
	Changed int32  `bson:"changed,omitempty"`
}

// AuditQuery selects records. Empty members select everything; a size of 0 means 50.
type AuditQuery struct {
	Domain     string
	Kind       string
	ResourceID string
	// Configuration leaves out what is no change of configuration.
	Configuration bool
	// Actions are alternatives.
	Actions []string
	Result  string
	// User is the identifier or the name of who acted.
	User string
	// From and To bound the time, both inclusive.
	From, To time.Time
	// FromRevision and ToRevision bound the revision, both inclusive.
	FromRevision, ToRevision int64
	// Meant leaves out what only came along.
	Meant bool
	// Whole brings the states before and after along.
	Whole      bool
	Page, Size int
}

// Audits keeps audit records. They are added; what changes later is only the result of one whose writer died.
type Audits struct{ docs documents[AuditRecord] }

// Audits returns the audit records.
func (s *Store) Audits() *Audits { return &Audits{documents[AuditRecord]{s, auditsCollection}} }

// Append adds a record of something that is no change of configuration: those are recorded by Write.
func (a *Audits) Append(ctx context.Context, r AuditRecord) error {
	if r.ID == "" {
		r.ID = secret.NewSortableID()
	}
	r.At = r.At.UTC()
	return a.docs.insert(ctx, r.ID, &r)
}

// Get returns a record, or ErrNotFound.
func (a *Audits) Get(ctx context.Context, id string) (*AuditRecord, error) {
	r, err := a.docs.get(ctx, id)
	if err != nil {
		return nil, err
	}
	return r, a.docs.s.judge(ctx, []*AuditRecord{r})
}

// whole are the members that lists leave out.
var withoutStates = bson.M{"before": 0, "after": 0}

// List returns records, the newest first, and how many there are on all pages.
func (a *Audits) List(ctx context.Context, q AuditQuery) ([]*AuditRecord, int64, error) {
	if q.Size <= 0 {
		q.Size = 50
	}
	order := bson.D{{Key: "at", Value: -1}, {Key: "_id", Value: -1}}
	switch {
	case q.ResourceID != "", q.FromRevision != 0, q.ToRevision != 0:
		order = bson.D{{Key: "revision", Value: -1}, {Key: "_id", Value: -1}}
	}
	found, err := a.find(ctx, q, order)
	if err != nil {
		return nil, 0, err
	}
	total, err := a.docs.collection().CountDocuments(ctx, q.filter())
	if err != nil {
		return nil, 0, a.docs.s.fail(ctx, err)
	}
	return found, total, a.docs.s.judge(ctx, found)
}

func (a *Audits) find(ctx context.Context, q AuditQuery, order bson.D) ([]*AuditRecord, error) {
	o := options.Find().SetSort(order).SetLimit(int64(q.Size)).SetSkip(int64(max(q.Page, 0)) * int64(q.Size))
	if !q.Whole {
		o.SetProjection(withoutStates)
	}
	cursor, err := a.docs.collection().Find(ctx, q.filter(), o)
	if err != nil {
		return nil, a.docs.s.fail(ctx, err)
	}
	found := []*AuditRecord{}
	return found, a.docs.s.fail(ctx, cursor.All(ctx, &found))
}

func (q AuditQuery) filter() bson.M {
	filter := bson.M{}
	for name, value := range map[string]string{"domain": q.Domain, "kind": q.Kind, "resourceId": q.ResourceID, "result": q.Result} {
		if value != "" {
			filter[name] = value
		}
	}
	switch len(q.Actions) {
	case 0:
	case 1:
		filter["action"] = q.Actions[0]
	default:
		filter["action"] = bson.M{"$in": q.Actions}
	}
	if q.User != "" {
		filter["$or"] = bson.A{bson.M{"actorId": q.User}, bson.M{"actorName": q.User}}
	}
	if q.Configuration && q.Kind == "" {
		kinds := bson.A{}
		for _, k := range catalog.All {
			kinds = append(kinds, k.Descriptor().Arm)
		}
		filter["kind"] = bson.M{"$in": kinds}
	}
	if q.Meant {
		filter["causeKind"] = bson.M{"$exists": false}
	}
	within := func(name string, from, to any, hasFrom, hasTo bool) {
		bounds := bson.M{}
		if hasFrom {
			bounds["$gte"] = from
		}
		if hasTo {
			bounds["$lte"] = to
		}
		if len(bounds) > 0 {
			filter[name] = bounds
		}
	}
	within("at", q.From.UTC(), q.To.UTC(), !q.From.IsZero(), !q.To.IsZero())
	within("revision", q.FromRevision, q.ToRevision, q.FromRevision != 0, q.ToRevision != 0)
	return filter
}

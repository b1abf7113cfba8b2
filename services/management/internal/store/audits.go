package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

const auditsCollection = "audits"

// AuditRecord says who changed what, when and from where. Before and After are JSON texts without secrets.
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

	ActorKind string `bson:"actorKind"`
	ActorID   string `bson:"actorId"`
	ActorName string `bson:"actorName"`
	IP        string `bson:"ip"`
	UserAgent string `bson:"userAgent"`
	RequestID string `bson:"requestId"`

	Before string `bson:"before,omitempty"`
	After  string `bson:"after,omitempty"`
}

// AuditQuery selects records. Empty members select everything; a size of 0 means 50.
type AuditQuery struct {
	Domain     string
	Kind       string
	ResourceID string
	Page, Size int
}

// Audits keeps audit records. They are only ever added.
type Audits struct{ docs documents[AuditRecord] }

// Audits returns the audit records.
func (s *Store) Audits() *Audits { return &Audits{documents[AuditRecord]{s, auditsCollection}} }

// Append adds a record.
func (a *Audits) Append(ctx context.Context, r AuditRecord) error {
	if r.ID == "" {
		r.ID = secret.NewSortableID()
	}
	r.At = r.At.UTC()
	return a.docs.insert(ctx, r.ID, &r)
}

// List returns records, the newest first, and how many there are on all pages.
func (a *Audits) List(ctx context.Context, q AuditQuery) ([]*AuditRecord, int64, error) {
	filter := bson.M{}
	for name, value := range map[string]string{"domain": q.Domain, "kind": q.Kind, "resourceId": q.ResourceID} {
		if value != "" {
			filter[name] = value
		}
	}
	if q.Size <= 0 {
		q.Size = 50
	}
	return a.docs.find(ctx, filter, bson.D{{Key: "_id", Value: -1}}, q.Page, q.Size)
}

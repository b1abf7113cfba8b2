package operator

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// What is done, and to what.
const (
	actionCreate        = "create"
	actionUpdate        = "update"
	actionDelete        = "delete"
	actionLock          = "lock"
	actionUnlock        = "unlock"
	actionResetPassword = "reset_password"

	kindOperator   = "operator"
	kindRole       = "operator_role"
	kindMembership = "membership"
	kindToken      = "operator_token"
)

// Change is a change that has been made. Before is nil for what is new, After for what is gone; they hold no secrets.
type Change struct {
	Action, Kind, ID, Name string
	// Domain is where it happened; empty above domains.
	Domain        string
	Revision      int64
	At            time.Time
	Before, After prototree.Object
}

func (s *Service) record(ctx context.Context, c Change) {
	if s.Journal == nil {
		return
	}
	c.At = s.now()
	s.Journal.Changed(context.WithoutCancel(ctx), c)
}

func (s *Service) recordOperator(ctx context.Context, action string, before, after *store.Operator) {
	c := Change{Action: action, Kind: kindOperator, Before: operatorTree(before), After: operatorTree(after)}
	named := after
	if named == nil {
		named = before
	}
	c.ID, c.Name, c.Revision = named.ID, named.Name, named.Revision
	s.record(ctx, c)
}

func operatorTree(o *store.Operator) prototree.Object {
	if o == nil {
		return nil
	}
	tree, err := prototree.Audit.Encode(Message(o))
	if err != nil {
		return prototree.Object{"id": o.ID}
	}
	return tree
}

func tokenTree(t *store.PersonalToken) prototree.Object {
	tree := prototree.Object{"id": t.ID, "name": t.Name, "userId": t.Operator}
	if !t.ExpiresAt.IsZero() {
		tree["expiresAt"] = t.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return tree
}

func membershipTree(m *store.OperatorMembership) prototree.Object {
	if m == nil {
		return nil
	}
	return prototree.Object{"reference": m.Reference, "memberId": m.Operator, "role": m.Role}
}

func roleTree(r *store.OperatorRole) prototree.Object {
	if r == nil {
		return nil
	}
	permissions := make([]any, len(r.Permissions))
	for i, p := range r.Permissions {
		permissions[i] = p
	}
	return prototree.Object{
		"id": r.ID, "name": r.Name, "description": r.Description, "assignableType": r.Assignable, "permissions": permissions,
	}
}

// stamp is nil for the zero time.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

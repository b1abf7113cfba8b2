package directory

import (
	"context"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
)

// Recorder keeps audit records; *audit.Recorder is one. Who acted is in ctx. It deals with its own failures.
type Recorder interface {
	Record(ctx context.Context, e audit.Event)
}

// What is done to people, beside the configuration's own words for it.
const (
	actionCreate        = "create"
	actionUpdate        = "update"
	actionDelete        = "delete"
	actionResetPassword = "reset_password"
	actionRename        = "rename"
	actionLock          = "lock"
	actionUnlock        = "unlock"
	actionGiveRoles     = "assign_roles"
	actionTakeRole      = "revoke_role"
	actionForgetConsent = "revoke_consents"
	actionLink          = "link_identity"
	actionUnlink        = "unlink_identity"
)

// record notes a change that has been made. Before is nil for who is new, after for who is gone.
func (s *Service) record(ctx context.Context, action string, before, after *directoryv1.User) {
	if s.recorder == nil {
		return
	}
	named := after
	if named == nil {
		named = before
	}
	s.recorder.Record(context.WithoutCancel(ctx), audit.Event{
		Action: action, Key: resource.KeyOf(named), Name: named.GetUsername(), Revision: named.GetRevision(), At: s.now(),
		Before: s.tree(ctx, before), After: s.tree(ctx, after),
	})
}

func (s *Service) tree(ctx context.Context, u *directoryv1.User) prototree.Object {
	if u == nil {
		return nil
	}
	tree, err := prototree.Audit.Encode(u)
	if err != nil {
		s.log.ErrorContext(ctx, "audit record incomplete", "user", u.GetId(), "err", err)
		return nil
	}
	return tree
}

// asUser says that the person themselves acts, by signing in.
func asUser(ctx context.Context, u *directoryv1.User) context.Context {
	return audit.WithActor(ctx, audit.Actor{Kind: audit.ActorUser, ID: u.GetId(), Name: u.GetUsername()})
}

package editor

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Action is what was done to a resource.
type Action string

// The actions.
const (
	Created       Action = "create"
	Updated       Action = "update"
	Deleted       Action = "delete"
	TypeChanged   Action = "change_type"
	SecretAdded   Action = "create_secret"
	SecretRenewed Action = "renew_secret"
	SecretDeleted Action = "delete_secret"
	Registered    Action = "register"
	Rotated       Action = "rotate"
)

// Event is a change that was made. Before and After are in the audit dialect, without secrets; one of them is nil where
// there was or is nothing.
type Event struct {
	Action        Action
	Key           resource.Key
	Name          string
	Revision      int64
	At            time.Time
	Before, After prototree.Object
}

// Recorder keeps audit records. Who acted, and from where, is in the context. It is called after the change, one call
// for every resource that the caller meant; what came along with it is not reported.
type Recorder interface {
	Record(ctx context.Context, event Event) error
}

// record reports a change. The change is made already, so a failure is ours to notice and not the caller's.
func (e *Editor) record(ctx context.Context, k catalog.Any, action Action, before, after resource.Resource, revision int64) {
	if e.opts.Recorder == nil {
		return
	}
	named := after
	if !present(after) {
		named = before
	}
	event := Event{
		Action:   action,
		Key:      resource.KeyOf(named),
		Name:     k.NameOf(named),
		Revision: revision,
		At:       e.opts.Now(),
		Before:   e.tree(ctx, before),
		After:    e.tree(ctx, after),
	}
	if err := e.opts.Recorder.Record(context.WithoutCancel(ctx), event); err != nil {
		e.opts.Logger.ErrorContext(ctx, "audit record lost", "resource", event.Key.String(), "revision", revision, "err", err)
	}
}

// present reports whether there is a message; a typed nil is none.
func present(m proto.Message) bool { return m != nil && m.ProtoReflect().IsValid() }

func (e *Editor) tree(ctx context.Context, r resource.Resource) prototree.Object {
	if !present(r) {
		return nil
	}
	tree, err := prototree.Audit.Encode(r)
	if err != nil {
		e.opts.Logger.ErrorContext(ctx, "audit record incomplete", "resource", resource.KeyOf(r).String(), "err", err)
		return nil
	}
	return tree
}

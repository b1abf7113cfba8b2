package rest

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

// Whoever may change an application may bind people and groups to it, and learns nothing of them by that: neither their names
// nor, by counts, who is in which group.

// named returns the name of what a binding is about, as far as the caller may read it.
func named(ctx context.Context, b *configv1.Binding) string {
	if b.GetUser() != "" && !editor.ReadsPeople(ctx) || b.GetGroup() != "" && !editor.ReadsGroups(ctx) {
		return ""
	}
	return b.GetName()
}

// veiled returns a binding with the name that the caller may read.
func veiled(ctx context.Context, b *configv1.Binding) *configv1.Binding {
	if named(ctx, b) == b.GetName() {
		return b
	}
	b = proto.CloneOf(b)
	b.Name = ""
	return b
}

func veiledAll(ctx context.Context, list []*configv1.Binding) []*configv1.Binding {
	shown := make([]*configv1.Binding, len(list))
	for i, b := range list {
		shown[i] = veiled(ctx, b)
	}
	return shown
}

// uncounted takes the number of people out of an answer, and says what is certain without it.
func uncounted(tree prototree.Object, a *configv1.Application, e *editor.Editor) {
	delete(tree, "people")
	switch {
	case catalog.Open(a) && !denies(a):
		tree["sentence"] = "Everyone in this domain can open this"
	case catalog.Open(a):
		tree["sentence"] = "Everyone in this domain but those whom a binding denies can open this"
	case catalog.Closed(a, e.Now()):
		tree["sentence"] = "Nobody can open this"
	default:
		tree["sentence"] = "Those whom the bindings let in can open this"
	}
}

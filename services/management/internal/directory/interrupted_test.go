package directory_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

// watchedBindings are bindings that somebody watches: after is called as soon as the guard is done.
type watchedBindings struct {
	*editor.Editor
	after func() error
}

func (w watchedBindings) GuardUser(ctx context.Context, domain, user, name string) error {
	return errors.Join(w.Editor.GuardUser(ctx, domain, user, name), w.after())
}

// banned makes an application that denies somebody, and returns what its rule makes of them and whether that binding is marked.
func (h *house) banned(user string) func() (rule.Verdict, bool) {
	h.Helper()
	app := h.newApplication(h.domain, "pay")
	at := h.place(h.domain)
	for _, body := range []prototree.Object{{"user": user, "effect": "deny"}, {"user": user, "negate": true, "reportOnly": true}} {
		if _, _, err := h.editor.AddBinding(h.Context(), at, app.GetId(), "", body); err != nil {
			h.Fatal(err)
		}
	}
	return func() (rule.Verdict, bool) {
		h.Helper()
		a, err := editor.Read(h.Context(), h.editor, catalog.Applications, at, app.GetId())
		if err != nil {
			h.Fatal(err)
		}
		d := rule.Compile(a, nil).Decide(h.Context(), &rule.Person{ID: user}, &rule.Situation{Known: rule.KnowsTime, Time: time.Now()})
		return d.Verdict, a.GetBindings()[0].GetOrphaned()
	}
}

func TestADeletionThatIsInterruptedDoesNotLetTheDeniedIn(t *testing.T) {
	h := newHouse(t)
	bad := h.newUser("mallory")
	verdict := h.banned(bad.GetId())
	dies := errors.New("the process dies")
	people := directory.New(directory.Options{
		Store: h.store, Hasher: h.hasher, Logger: slog.New(slog.DiscardHandler), Bindings: watchedBindings{h.editor, func() error { return dies }},
	})
	if err := people.Delete(t.Context(), h.domain, bad.GetId(), 0); !errors.Is(err, dies) {
		t.Fatalf("DELETE: %v", err)
	}
	h.stored(bad.GetId())
	if got, orphaned := verdict(); got != rule.Denied || orphaned {
		t.Errorf("still there, and %v, orphaned %t", got, orphaned)
	}
}

func TestADeletionGoesOnWhenItsCallerHangsUp(t *testing.T) {
	h := newHouse(t)
	bad := h.newUser("mallory")
	verdict := h.banned(bad.GetId())
	ctx, cancel := context.WithCancel(t.Context())
	people := directory.New(directory.Options{
		Store: h.store, Hasher: h.hasher, Logger: slog.New(slog.DiscardHandler),
		Bindings: watchedBindings{h.editor, func() error { cancel(); return nil }},
	})
	if err := people.Delete(ctx, h.domain, bad.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := people.Get(t.Context(), h.domain, bad.GetId()); !fault.Is(err, fault.NotFound) {
		t.Errorf("still there: %v", err)
	}
	if _, orphaned := verdict(); !orphaned {
		t.Error("the binding of somebody who is gone is not marked")
	}
}

package ruleerrors_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

func rule(revision int64) ruleerrors.Expression {
	return ruleerrors.Expression{Domain: "d", Kind: ruleerrors.Application, ID: "web", Revision: revision, Place: ruleerrors.Selection, Name: "staff"}
}

func TestAFailureIsLoggedOncePerRevisionAndCountedEachTime(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1000, 0)
	counted := map[string]int{}
	r := ruleerrors.New(slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now }, func(place string) { counted[place]++ })
	lines := func() int { return strings.Count(log.String(), "expression cannot be evaluated") }

	r.Report(t.Context(), rule(3), errors.New("first"), slog.String("client_id", "web"))
	for _, fact := range []string{"level=WARN", "domain=d", "id=web", "name=staff", "client_id=web", "revision=3", "err=first"} {
		if !strings.Contains(log.String(), fact) {
			t.Errorf("the log does not say %s: %s", fact, log.String())
		}
	}
	now = now.Add(time.Minute)
	r.Report(t.Context(), rule(3), errors.New("second"))
	r.Report(t.Context(), rule(2), errors.New("of a request that began before the change"))
	if lines() != 1 || counted[ruleerrors.Selection] != 3 {
		t.Errorf("%d lines, counted %v", lines(), counted)
	}
	want := []ruleerrors.Failure{{Expression: rule(3), Count: 2, First: time.Unix(1000, 0), Last: now, Message: "second"}}
	if diff := cmp.Diff(want, r.Of("d")); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}

	r.Report(t.Context(), rule(4), errors.New("again"))
	want = []ruleerrors.Failure{{Expression: rule(4), Count: 1, First: now, Last: now, Message: "again"}}
	if diff := cmp.Diff(want, r.Of("d")); diff != "" {
		t.Errorf("after a change (-want +got):\n%s", diff)
	}
	if lines() != 2 {
		t.Errorf("%d lines after a change that did not help", lines())
	}
	r.Forget("d")
	if left := r.Of("d"); len(left) != 0 {
		t.Errorf("of a domain that is gone: %v", left)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	at := time.Unix(0, 0)
	r := ruleerrors.New(slog.New(slog.DiscardHandler), func() time.Time { at = at.Add(time.Second); return at }, nil)
	for i := range 1000 {
		e := rule(1)
		e.Name = fmt.Sprintf("%04d", i)
		r.Report(t.Context(), e, errors.New(strings.Repeat("é", 1000)))
	}
	got := r.Of("d")
	if len(got) != 500 || got[0].Name != "0500" || got[499].Name != "0999" {
		t.Errorf("%d failures, from %s", len(got), got[0].Name)
	}
	if n := len(got[0].Message); n > 510 {
		t.Errorf("a message of %d bytes", n)
	}
}

func TestNobodyNeedsAReporter(t *testing.T) {
	var r *ruleerrors.Reporter
	r.Report(t.Context(), rule(1), errors.New("x"))
	r.Forget("d")
	if r.Of("d") != nil {
		t.Error("something is remembered by nobody")
	}
}

func TestManyFailAtOnce(t *testing.T) {
	var log bytes.Buffer
	r := ruleerrors.New(slog.New(slog.NewTextHandler(&log, nil)), time.Now, nil)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() { r.Report(t.Context(), rule(1), errors.New("x")) })
	}
	all.Wait()
	if got := r.Of("d"); len(got) != 1 || got[0].Count != 32 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("failures %+v, log %s", got, log.String())
	}
}

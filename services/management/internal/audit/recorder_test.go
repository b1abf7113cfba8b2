package audit

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

func newRecorder(t *testing.T) (*Recorder, *store.Store, *bytes.Buffer, *prometheus.Registry) {
	t.Helper()
	db := storetest.Open(t, storetest.Options(t))
	log, registry := &bytes.Buffer{}, prometheus.NewRegistry()
	return New(Options{Audits: db.Audits(), Metrics: registry, Logger: slog.New(slog.NewJSONHandler(log, nil))}), db, log, registry
}

var event = Event{
	Action:   "update",
	Key:      resource.Key{Kind: "application", Domain: "d1", ID: "a1"},
	Name:     "An application",
	Revision: 7,
	At:       time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	Before:   prototree.Object{"name": "Old", "metadata": prototree.Object{"a.b": "$x"}},
	After:    prototree.Object{"name": "An application"},
}

func records(t *testing.T, db *store.Store) []*store.AuditRecord {
	t.Helper()
	all, _, err := db.Audits().List(t.Context(), store.AuditQuery{Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestARecordSaysWhoWhatWhenAndFromWhere(t *testing.T) {
	r, db, _, _ := newRecorder(t)
	ctx := observe.WithRequestID(t.Context(), "request-1")
	ctx = WithOrigin(ctx, Origin{Address: "192.0.2.1", UserAgent: "curl/8 " + strings.Repeat("é", 1000)})
	r.Record(operator.WithOperator(ctx, operator.Operator{ID: "o1", Name: "ann"}), event)
	r.Record(WithActor(ctx, Actor{Kind: ActorClient, ID: "c1", Name: "a client"}), event)
	r.Record(context.Background(), event)

	all := records(t, db)
	if len(all) != 3 {
		t.Fatalf("%d records", len(all))
	}
	want := &store.AuditRecord{
		At: event.At, Action: "update", Result: Success, Domain: "d1", Kind: "application", ResourceID: "a1", Name: "An application",
		Revision: 7, ActorKind: "operator", ActorID: "o1", ActorName: "ann", IP: "192.0.2.1", RequestID: "request-1",
		Before: `{"metadata":{"a.b":"$x"},"name":"Old"}`, After: `{"name":"An application"}`,
		Changes: `[{"path":"metadata","before":{"a.b":"$x"}},{"path":"name","before":"Old","after":"An application"}]`, Changed: 2,
	}
	if diff := cmp.Diff(want, all[2], cmpopts.IgnoreFields(store.AuditRecord{}, "ID", "UserAgent")); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if agent := all[2].UserAgent; !strings.HasPrefix(agent, "curl/8 é") || len(agent) > maxText || strings.ContainsRune(agent, '\uFFFD') {
		t.Errorf("user agent of %d bytes", len(agent))
	}
	if all[1].ActorKind != ActorClient || all[1].ActorName != "a client" || all[0].ActorKind != ActorSystem {
		t.Errorf("actors %v %v", all[1], all[0])
	}
}

func TestSignInsAreRecorded(t *testing.T) {
	r, db, _, _ := newRecorder(t)
	ctx := WithOrigin(t.Context(), Origin{Address: "192.0.2.1"})
	r.SignedIn(ctx, operator.Operator{ID: "o1", Name: "ann"})
	r.Refused(ctx, "ann")
	all := records(t, db)
	if all[1].Action != ActionSignIn || all[1].Result != Success || all[1].ActorID != "o1" || all[1].IP != "192.0.2.1" {
		t.Errorf("success %v", all[1])
	}
	if all[0].Result != Failure || all[0].ActorName != "ann" || all[0].ActorID != "" {
		t.Errorf("failure %v", all[0])
	}
}

func TestARecordDoesNotDependOnTheClientStillBeingThere(t *testing.T) {
	r, db, log, _ := newRecorder(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Record(ctx, event)
	if len(records(t, db)) != 1 || log.Len() > 0 {
		t.Errorf("records %v, log %s", records(t, db), log)
	}
}

func TestARecordThatCannotBeWrittenIsInTheLogAndCounted(t *testing.T) {
	r, db, log, registry := newRecorder(t)
	if err := db.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Record(operator.WithOperator(t.Context(), operator.Operator{ID: "o1", Name: "ann"}), event)
	for _, part := range []string{
		`"level":"ERROR"`, `"msg":"audit record not written"`, `"action":"update"`, `"domain":"d1"`, `"resource":"a1"`, `"revision":7`,
		`"user":"ann"`, `"at":"2026-01-02T03:04:05Z"`, `An application`, `"err":`,
	} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not say %s: %s", part, log)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 1 || families[0].GetName() != "gatehouse_audit_failures_total" || families[0].GetMetric()[0].GetCounter().GetValue() != 1 {
		t.Errorf("metrics %v", families)
	}
}

package audit

import (
	"context"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Actions and results that are the same everywhere. Changes of resources have their own actions.
const (
	ActionSignIn = "sign-in"

	Success = store.ResultSuccess
	Failure = store.ResultFailure
)

const (
	// patience bounds the writing of a record. It does not depend on the client still being there.
	patience = 10 * time.Second
	// maxText bounds what a client may add to a record by its header fields, in bytes.
	maxText = 512
)

// Event is a change of something that is no configuration, such as a user. Before and After are trees of the audit dialect, in which secrets are masked; Before
// is nil for what was created and After for what was deleted.
type Event struct {
	Action string
	// Result is Success or Failure; "" means Success.
	Result        string
	Key           resource.Key
	Name          string
	Revision      int64
	At            time.Time
	Before, After prototree.Object
}

// Options are what a Recorder works with. Audits is needed.
type Options struct {
	Audits *store.Audits
	// Metrics counts the records that could not be written; nil means no counting.
	Metrics prometheus.Registerer
	Logger  *slog.Logger
	Now     func() time.Time
}

// Recorder writes audit records. It is safe for concurrent use.
type Recorder struct {
	Options
	lost prometheus.Counter
}

// New returns a Recorder.
func New(o Options) *Recorder {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Recorder{Options: o, lost: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatehouse_audit_failures_total", Help: "Audit records that could not be written; they are in the log.",
	})}
	if o.Metrics != nil {
		o.Metrics.MustRegister(r.lost)
	}
	return r
}

// Record notes a change that has happened. Who acted and from where is in ctx. A record that cannot be written is in the
// log, at level Error, and counted: there is nothing left for the caller to do.
func (r *Recorder) Record(ctx context.Context, e Event) {
	result := e.Result
	if result == "" {
		result = Success
	}
	record := r.record(ctx, e.Action, result)
	record.At = e.At
	if record.At.IsZero() {
		record.At = r.Now()
	}
	record.Kind, record.Domain, record.ResourceID = e.Key.Kind, e.Key.Domain, e.Key.ID
	record.Name, record.Revision = e.Name, e.Revision
	if err := record.Describe(prototree.Comparison{
		Before: e.Before, After: e.After, Changes: prototree.Differences(e.Before, e.After),
	}); err != nil {
		r.missed(ctx, record, err)
		return
	}
	r.write(ctx, record)
}

// SignedIn implements operator.Journal.
func (r *Recorder) SignedIn(ctx context.Context, o operator.Operator) {
	record := r.record(operator.WithOperator(ctx, o), ActionSignIn, Success)
	r.write(ctx, record)
}

// Refused implements operator.Journal.
func (r *Recorder) Refused(ctx context.Context, name string) {
	record := r.record(ctx, ActionSignIn, Failure)
	record.ActorKind, record.ActorID, record.ActorName = ActorOperator, "", name
	r.write(ctx, record)
}

func (r *Recorder) record(ctx context.Context, action, result string) store.AuditRecord {
	a := AuthorOf(ctx)
	return store.AuditRecord{
		At:        r.Now(),
		Action:    action,
		Result:    result,
		ActorKind: a.Kind,
		ActorID:   a.ID,
		ActorName: a.Name,
		IP:        a.IP,
		UserAgent: a.UserAgent,
		RequestID: a.RequestID,
	}
}

func (r *Recorder) write(ctx context.Context, record store.AuditRecord) {
	// What is noted has happened, whether or not somebody still waits for the answer.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := r.Audits.Append(limited, record); err != nil {
		r.missed(ctx, record, err)
	}
}

// missed says in the log what should have been in the record.
func (r *Recorder) missed(ctx context.Context, record store.AuditRecord, err error) {
	r.lost.Inc()
	r.Logger.ErrorContext(ctx, "audit record not written",
		"action", record.Action, "result", record.Result, "at", record.At.UTC().Format(time.RFC3339Nano),
		"kind", record.Kind, "domain", record.Domain, "resource", record.ResourceID, "revision", record.Revision,
		"actor_kind", record.ActorKind, "actor_id", record.ActorID, "user", record.ActorName,
		"address", record.IP, "user_agent", record.UserAgent, "before", record.Before, "after", record.After, "err", err)
}

// short keeps a text readable and of a bearable length.
func short(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
		for !utf8.ValidString(s) && len(s) > maxText-utf8.UTFMax {
			s = s[:len(s)-1]
		}
	}
	if !utf8.ValidString(s) {
		return ""
	}
	return s
}

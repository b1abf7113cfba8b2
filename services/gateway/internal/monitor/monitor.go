// Package monitor serves the technical port: liveness, readiness, metrics, and which domain this gateway serves at which
// revision.
package monitor

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Options are what the technical port shows.
type Options struct {
	Domains   *domain.Set
	Readiness *serve.Readiness
	Metrics   http.Handler
	// Connected reports whether the configuration stream is up, so that everything announced has arrived.
	Connected func() bool
	// User and Password open /_node; an empty password closes it for everybody.
	User, Password string
}

// New returns the handler of the technical port. /livez, /readyz and /metrics need no sign-in; /_node does (Basic).
func New(o Options) http.Handler {
	mux := serve.Technical(o.Readiness, o.Metrics)
	mux.Handle("GET /_node/domains", o.protect(http.HandlerFunc(o.domains)))
	return mux
}

// protect asks for the configured user. Hashes are compared, so that the time shows nothing, not even a length.
func (o Options) protect(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(o.User + "\x00" + o.Password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		got := sha256.Sum256([]byte(user + "\x00" + password))
		if !ok || o.Password == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="gatehouse"`)
			http.Error(w, "sign in with the technical user", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// The words of the status member.
const (
	deployed = "DEPLOYED"
	failed   = "ERROR"
)

type part struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Success  bool   `json:"success"`
	Message  string `json:"message,omitempty"`
	LastSync int64  `json:"lastSync"`
}

type report struct {
	LastSync      int64           `json:"lastSync"`
	Revision      int64           `json:"revision"`
	Stable        bool            `json:"stable"`
	Synchronized  bool            `json:"synchronized"`
	Status        string          `json:"status"`
	SyncState     map[string]bool `json:"syncState"`
	CreationState map[string]part `json:"creationState"`
	// RuleFailures are expressions that failed at this gateway since the resource they stand in was last changed.
	RuleFailures []failure `json:"ruleFailures"`
}

type failure struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Place    string    `json:"place"`
	Name     string    `json:"name"`
	Revision int64     `json:"revision"`
	Count    int64     `json:"count"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Message  string    `json:"message"`
}

// domains answers how far one domain is, or all of them: 200 if ready, 503 if not, 404 for a domain that this gateway
// does not serve. The body of a ready answer is empty unless output=json asks for it.
func (o Options) domains(w http.ResponseWriter, r *http.Request) {
	all := map[string]report{}
	ready := true
	wanted := r.URL.Query().Get("domainId")
	for _, s := range o.Domains.Statuses() {
		if !s.Enabled || (wanted != "" && s.ID != wanted) {
			continue
		}
		made := o.report(s)
		all[s.ID] = made
		ready = ready && made.Stable && made.Synchronized
	}
	var body any = all
	if wanted != "" {
		one, ok := all[wanted]
		if !ok {
			http.Error(w, "the gateway does not serve a domain with this id", http.StatusNotFound)
			return
		}
		body = one
	}
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	if ready && r.URL.Query().Get("output") != "json" {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (o Options) report(s domain.Status) report {
	made := report{
		LastSync: s.LastSync, Revision: s.Revision, Stable: s.Stable(), Synchronized: o.Connected(), Status: deployed,
		SyncState: map[string]bool{}, CreationState: map[string]part{}, RuleFailures: []failure{},
	}
	if !made.Stable {
		made.Status = failed
	}
	for _, p := range s.Parts {
		made.SyncState[p.ID] = p.Success
		made.CreationState[p.ID] = part{ID: p.ID, Type: p.Type, Success: p.Success, Message: p.Message, LastSync: s.LastSync}
	}
	for _, f := range s.Failures {
		made.RuleFailures = append(made.RuleFailures, failure{
			ID: f.ID, Type: f.Kind, Place: f.Place, Name: f.Name, Revision: f.Revision,
			Count: f.Count, First: f.First.UTC(), Last: f.Last.UTC(), Message: f.Message,
		})
	}
	return made
}

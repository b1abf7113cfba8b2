package gateways_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/gateways"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mux keeps the handler that is given to it, and what it answers.
type mux struct {
	permission string
	handler    func(http.ResponseWriter, *http.Request) error
	answered   any
}

func (m *mux) Handle(_, permission string, handler func(http.ResponseWriter, *http.Request) error, _ operation.Operation) {
	m.permission, m.handler = permission, handler
}

func (m *mux) JSON(_ http.ResponseWriter, _ int, v any) error {
	m.answered = v
	return nil
}

type nodes []configsync.NodeStatus

func (n nodes) Nodes() []configsync.NodeStatus { return n }

func TestGateways(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	for name, tt := range map[string]struct {
		nodes nodes
		want  string
	}{
		"nobody is connected": {nil, `[]`},
		"one has not reported yet": {
			nodes{{Node: "a", ConnectedSince: at}},
			`[{"connectedAt":1700000000000,"node":"a"}]`,
		},
		"one is behind and cannot use a provider": {
			nodes{{
				Node: "b", Domains: []string{"acme"}, Revision: 7, Lag: 1500 * time.Millisecond, ConnectedSince: at, ReportedAt: at.Add(time.Second),
				Rejections: []*configsyncv1.Rejection{{Key: &configv1.Key{Kind: "identity_provider", Domain: "acme", Id: "x"}, Reason: "its certificate is none"}},
			}},
			`[{"connectedAt":1700000000000,"domains":["acme"],"lagMillis":1500,"node":"b",` +
				`"rejections":[{"domain":"acme","id":"x","kind":"identity_provider","reason":"its certificate is none"}],` +
				`"reportedAt":1700000001000,"revision":7}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var m mux
			gateways.Mount(&m, tt.nodes)
			if err := m.handler(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/gateways", http.NoBody)); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(m.answered)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" || m.permission != "gateway:list" {
				t.Errorf("%s needs %s", diff, m.permission)
			}
		})
	}
}

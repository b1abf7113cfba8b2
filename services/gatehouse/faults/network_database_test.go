package faults

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// noticed is how long the driver may take to know that its connections are dead: it asks every 10 s, for 2 s.
const noticed = 15 * time.Second

// greeting is less than what a server says of itself when it is connected to: with more, a question or two over each new connection would
// be answered, and whether the replica is ready would be chance.
var greeting = faultproxy.Truncated(100)

const notReady = "The replica stops being ready, so that a load balancer asks others"

var managementToDatabase = faultproxy.Pair{
	Name: "management → MongoDB",
	Meanwhile: "other replicas of management do everything; gateways serve what they know. Calls of theirs that go to this replica fail, and those " +
		"whose stream ends here hear of no changes until the network is back. What was answered by 503 has happened whole or not at all.",
	Rows: []faultproxy.Row{
		{Fault: faultproxy.Latency(20*time.Millisecond, 20*time.Millisecond), Seen: "200", By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.Cut, Seen: "503", By: patience, Back: 10 * time.Second, Note: notReady},
		{Fault: faultproxy.Refused, Seen: "503", By: patience, Back: 10 * time.Second, Note: notReady},
		{Fault: faultproxy.HalfOpen, Seen: "503", By: patience, Back: noticed, Note: notReady},
		{Fault: faultproxy.Deaf, Seen: "503", By: patience, Back: noticed, Note: "Connections are replaced while the fault lasts"},
		{Fault: faultproxy.Stalled, Seen: "503", By: patience, Back: noticed, Note: notReady},
		{Fault: faultproxy.AnswersLost, Seen: "503", By: patience, Back: noticed, Note: notReady},
		{Fault: faultproxy.SlowClose, Seen: "200", By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: greeting, Seen: "503", By: patience, Back: 10 * time.Second, Note: notReady},
	},
}

func (w *world) networkToDatabase() func() {
	network := behind(w.t, w.mongo.Address)
	there := *w.inst
	there.MongoDBURI = "mongodb://" + network.Address()
	m := there.StartManagement()
	w.t.Cleanup(func() { (&world{t: w.t, management: m}).nothingPanicked() })
	api := *w.api
	api.URL = m.URL
	g := w.gateway(w.inst, m.PlaneAddress)
	made := w.aliceAt(g)
	target, spare := w.create("Database", "SERVICE", nil), w.create("Replica", "SERVICE", nil)
	var mu sync.Mutex // guards answered and asked
	asked, answered := map[string]bool{}, ""
	var changes atomic.Int64
	describe := func(ctx context.Context) string {
		text := "change " + strconv.FormatInt(changes.Add(1), 10)
		mu.Lock()
		asked[text] = true
		mu.Unlock()
		answer, err := api.Try(ctx, "PATCH", w.in("/applications/"+target.ID), object{"description": text})
		if err == nil && answer.Status == http.StatusOK {
			mu.Lock()
			answered = answer.JSON().Text("description")
			mu.Unlock()
		}
		return outcome(answer, err)
	}
	readiness := func(t *testing.T, want int) {
		t.Helper()
		proc.Await(t, fmt.Sprintf("readiness is %d", want), noticed+soon, func(ctx context.Context) error {
			answer, err := fetch(ctx, m.TechnicalURL+"/readyz", "")
			if err == nil && answer.Status != want {
				err = fmt.Errorf("%d %s", answer.Status, answer.Text)
			}
			return err
		})
	}
	n := &trial{
		pair: managementToDatabase, network: network, good: "200", programs: []string{m.TechnicalURL}, ask: describe,
		during: func(t *testing.T, row faultproxy.Row) {
			w := w.during(t)
			w.keepsServing(g, made.Access)
			w.api.Do("PATCH", w.in("/applications/"+spare.ID), object{"description": "at another replica"})
			switch {
			case row.Note == notReady:
				readiness(t, http.StatusServiceUnavailable)
			case row.Fault == faultproxy.Deaf:
				proc.Await(t, "connections are replaced", noticed+soon, func(ctx context.Context) error {
					if got := describe(ctx); got != "200" {
						return fmt.Errorf("%s", got)
					}
					return nil
				})
			default:
				readiness(t, http.StatusOK)
			}
		},
		after: func(t *testing.T, _ faultproxy.Row) {
			readiness(t, http.StatusOK)
			w := w.during(t)
			w.decided()
			// What is there now is what was answered last: what had no answer came before it, or not at all.
			got := w.api.Do("GET", w.in("/applications/"+target.ID), nil).Text("description")
			mu.Lock()
			defer mu.Unlock()
			if got != answered || !asked[got] {
				t.Errorf("%q, answered was %q", got, answered)
			}
			// The replica is told what happened at the other one, and so is its gateway.
			w.settle()
		},
	}
	return func() {
		n.run(w.t)
		log := w.decided()
		for i, e := range log {
			if e.Revision != int64(i+1) {
				w.t.Fatalf("revision %d where %d was due", e.Revision, i+1)
			}
		}
	}
}

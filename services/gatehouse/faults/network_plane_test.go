package faults

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// truncatedTLS is less than what a handshake brings.
var truncatedTLS = faultproxy.Truncated(100)

// keepalive is how long a connection to management may be silent before it is given up: 20 s until it is asked, 5 s for the answer,
// and a little.
const keepalive = 27 * time.Second

var gatewayToDirectory = faultproxy.Pair{
	Name:      "gateway → directory of management",
	Meanwhile: "tokens for clients, refreshes, introspection, userinfo, discovery; logins that need no directory. The gateway stays ready.",
	Rows: []faultproxy.Row{
		{Fault: slow, Seen: "200", By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.Cut, Seen: unavailable, By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.Refused, Seen: unavailable, By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: unavailable, By: 12 * time.Second, Back: keepalive, Note: "A password waits 10 s, everything else 3 s"},
		{Fault: faultproxy.Deaf, Seen: unavailable, By: 12 * time.Second, Back: keepalive, Note: "The connection is replaced while the fault lasts"},
		{Fault: faultproxy.Stalled, Seen: unavailable, By: 12 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.AnswersLost, Seen: unavailable, By: 12 * time.Second, Back: keepalive},
		{Fault: faultproxy.SlowClose, Seen: "200", By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: truncatedTLS, Seen: unavailable, By: 5 * time.Second, Back: 5 * time.Second},
	},
}

func (w *world) networkToDirectory() func() {
	network := behind(w.t, w.management.PlaneAddress)
	g := w.gateway(w.inst, w.management.PlaneAddress, "--directory-grpc-address", network.Address())
	made := w.aliceAt(g)
	n := &trial{
		pair: gatewayToDirectory, network: network, good: "200", crowd: 4, programs: []string{g.TechnicalURL},
		ask: func(ctx context.Context) string {
			return outcome(w.post(ctx, g, w.staff, "/oauth/token", passwordOf(bob, bobsPassword)))
		},
		during: func(t *testing.T, row faultproxy.Row) {
			w := w.during(t)
			w.keepsServing(g, made.Access)
			made = w.granted(g, w.web, refreshOf(made.Refresh))
			if row.Fault == faultproxy.Deaf {
				proc.Await(t, "the connection is replaced", keepalive, func(ctx context.Context) error {
					if got := outcome(w.post(ctx, g, w.staff, "/oauth/token", passwordOf(bob, bobsPassword))); got != "200" {
						return fmt.Errorf("%s", got)
					}
					return nil
				})
			}
		},
	}
	return func() { n.run(w.t) }
}

var gatewayToRegistration = faultproxy.Pair{
	Name:      "gateway → registration at management",
	Meanwhile: "everything else of the gateway; clients that it knows are served.",
	Rows: []faultproxy.Row{
		{Fault: slow, Seen: "201", By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.Cut, Seen: unavailable, By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.Refused, Seen: unavailable, By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: unavailable, By: 12 * time.Second, Back: keepalive},
		{Fault: faultproxy.Stalled, Seen: unavailable, By: 12 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.AnswersLost, Seen: unavailable, By: 12 * time.Second, Back: keepalive, Note: "The client was made; with the same Idempotency-Key the answer is repeated, and there is one client"},
		{Fault: faultproxy.SlowClose, Seen: "201", By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: truncatedTLS, Seen: unavailable, By: 5 * time.Second, Back: 5 * time.Second},
	},
}

func (w *world) networkToRegistration() func() {
	network := behind(w.t, w.management.PlaneAddress)
	g := w.gateway(w.inst, network.Address())
	made := w.aliceAt(g)
	key, count := "", 0
	clients := func(t *testing.T) int {
		t.Helper()
		n, _ := w.during(t).api.Do("GET", w.in("/registrations"), nil)["totalCount"].(float64)
		return int(n)
	}
	rows := 0
	n := &trial{
		pair: gatewayToRegistration, network: network, good: "201", programs: []string{g.TechnicalURL},
		ask: func(ctx context.Context) string { return outcome(w.registers(ctx, g, key)) },
		before: func(t *testing.T, _ faultproxy.Row) {
			rows++
			key, count = fmt.Sprintf("2f1b6f1e-8a37-4be4-9d3a-%012d", rows), clients(t)
		},
		during: func(t *testing.T, _ faultproxy.Row) {
			w.during(t).keepsServing(g, made.Access)
		},
		after: func(t *testing.T, _ faultproxy.Row) {
			if now := clients(t); now != count+1 {
				t.Errorf("%d clients by one key", now-count)
			}
		},
	}
	return func() { n.run(w.t) }
}

var managementToGateway = faultproxy.Pair{
	Name: "management → gateway, the configuration",
	Meanwhile: "everything that the gateway serves, as it knows it. It stays ready. Once it knows that nothing arrives, " +
		"`gatehouse_config_lag_seconds` grows, and the alert GatehouseBehind tells.",
	Rows: []faultproxy.Row{
		{Fault: slow, Seen: "the change", By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.Narrow(4000), Seen: "the change", By: 10 * time.Second, Back: 10 * time.Second},
		{Fault: faultproxy.Cut, Seen: "no change", Back: 5 * time.Second, Note: "Known at once"},
		{Fault: faultproxy.Refused, Seen: "no change", Back: 5 * time.Second, Note: "Known at once"},
		{Fault: faultproxy.HalfOpen, Seen: "no change", Back: keepalive, Note: "Known within 27 s, at both ends"},
		{Fault: faultproxy.Deaf, Seen: "no change", Back: keepalive, Note: "Known within 27 s; then the stream is begun anew, and the change arrives while the fault lasts"},
		{Fault: faultproxy.AnswersLost, Seen: "no change", Back: keepalive, Note: "Known within 27 s"},
		{Fault: faultproxy.SlowClose, Seen: "the change", By: 5 * time.Second, Back: 5 * time.Second},
		{Fault: truncatedTLS, Seen: "no change", Back: 5 * time.Second, Note: "Known at once"},
	},
}

func (w *world) networkToGateway() func() {
	network := behind(w.t, w.management.PlaneAddress)
	g := w.gateway(w.inst, network.Address(), "--directory-grpc-address", w.management.PlaneAddress)
	made := w.aliceAt(g)
	target := w.create("Stream", "SERVICE", nil)
	changes := 0
	// change makes one and waits until the gateway has it.
	change := func(ctx context.Context) string {
		changes++
		answer, err := w.api.Try(ctx, "PATCH", w.in("/applications/"+target.ID), object{"description": "change " + strconv.Itoa(changes)})
		if err != nil || answer.Status != http.StatusOK {
			return outcome(answer, err)
		}
		const patience = 3 * time.Second
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if got, err := proc.Revision(limited, g.TechnicalURL); err == nil && got >= revisionOf(answer) {
				return "the change"
			}
			select {
			case <-tick.C:
			case <-limited.Done():
				return "no change"
			}
		}
	}
	n := &trial{
		pair: managementToGateway, network: network, good: "the change", programs: []string{g.TechnicalURL, w.management.TechnicalURL},
		ask: change,
		during: func(t *testing.T, row faultproxy.Row) {
			w := w.during(t)
			w.keepsServing(g, made.Access)
			w.granted(g, w.staff, passwordOf(bob, bobsPassword))
			if row.Seen == "the change" {
				return
			}
			if row.Fault == faultproxy.Deaf {
				proc.Await(t, "the stream is begun anew", keepalive+soon, func(ctx context.Context) error {
					if got := change(ctx); got != "the change" {
						return fmt.Errorf("%s", got)
					}
					return nil
				})
				return
			}
			proc.Await(t, "the gateway knows that it is not connected", keepalive+soon, func(context.Context) error {
				if metric(t, g.TechnicalURL, "gatehouse_config_lag_seconds") == 0 {
					return fmt.Errorf("it does not")
				}
				return nil
			})
			if here, there := metric(t, g.TechnicalURL, "gatehouse_config_revision"), metric(t, w.management.TechnicalURL, "gatehouse_config_revision"); here >= there {
				t.Errorf("revision %g here, %g at management", here, there)
			}
			if row.Fault == faultproxy.HalfOpen {
				proc.Await(t, "management knows that the gateway is not connected", keepalive+soon, func(context.Context) error {
					if text := fmt.Sprint(w.api.List("/gateways")); strings.Contains(text, strings.TrimPrefix(g.URL, "http://")) {
						return fmt.Errorf("it has %s", text)
					}
					return nil
				})
			}
			w.keepsServing(g, made.Access)
		},
		after: func(t *testing.T, _ faultproxy.Row) {
			proc.Await(t, "the gateway knows that it is connected", soon, func(context.Context) error {
				if metric(t, g.TechnicalURL, "gatehouse_config_lag_seconds") != 0 {
					return fmt.Errorf("it does not")
				}
				return nil
			})
		},
	}
	return func() { n.run(w.t) }
}

package faults

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
)

var (
	// unhurried is a network on which a new connection and a question over it take a third of the half second that Redis has to answer.
	unhurried = faultproxy.Latency(20*time.Millisecond, 20*time.Millisecond)
	// late is more than a question to Redis may take.
	late = faultproxy.Latency(time.Second, 0)
)

const unavailable = "503 temporarily_unavailable"

// spent is said where a code may have been used up by a request that was answered by 503.
const spent = "A code may have been used up: people sign in again. A refresh can be repeated"

var gatewayToRedis = faultproxy.Pair{
	Name: "gateway → Redis",
	Meanwhile: "tokens for clients by their secret, introspection and userinfo of access tokens, discovery and keys; the gateway stays ready. " +
		"Revocations made at other gateways are not heard until the network is back.",
	Rows: []faultproxy.Row{
		{Fault: unhurried, Seen: "200", By: 3 * time.Second, Back: 2 * time.Second},
		{Fault: late, Seen: unavailable, By: time.Second, Back: 5 * time.Second, Note: spent},
		{Fault: faultproxy.Cut, Seen: unavailable, By: time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.Refused, Seen: unavailable, By: time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: unavailable, By: time.Second, Back: 5 * time.Second},
		{Fault: faultproxy.Deaf, Seen: unavailable, By: time.Second, Back: 5 * time.Second, Note: "After the first such answer new connections are made, and everything works"},
		{Fault: faultproxy.Stalled, Seen: unavailable, By: time.Second, Back: 5 * time.Second, Note: spent},
		{Fault: faultproxy.AnswersLost, Seen: unavailable, By: time.Second, Back: 5 * time.Second, Note: spent},
		{Fault: faultproxy.SlowClose, Seen: "200", By: time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Truncated(2), Seen: unavailable, By: time.Second, Back: 5 * time.Second, Note: spent},
	},
}

func (w *world) networkToRedis() func() {
	network := behind(w.t, w.redis.Address)
	there := *w.inst
	there.RedisURL = "redis://" + network.Address() + "/0"
	g := w.gateway(&there, w.management.PlaneAddress)
	var made tokens
	var code string
	n := &trial{
		pair: gatewayToRedis, network: network, good: "200", crowd: 8, programs: []string{g.TechnicalURL},
		ask: func(ctx context.Context) string {
			return outcome(w.post(ctx, g, w.web, "/oauth/token", passwordOf(alice, alicesPassword)))
		},
		before: func(t *testing.T, _ faultproxy.Row) {
			w := w.during(t)
			made = w.aliceAt(g)
			_, code = w.signedIn(g)
		},
		during: func(t *testing.T, row faultproxy.Row) {
			w := w.during(t)
			if row.Fault == faultproxy.Deaf {
				for range 5 {
					w.granted(g, w.web, passwordOf(alice, alicesPassword))
				}
				return
			}
			want := row.Seen
			if got := outcome(w.post(t.Context(), g, w.web, "/oauth/token", codeOf(code))); got != want {
				t.Errorf("a code: %s", got)
			}
			if got := outcome(w.post(t.Context(), g, w.web, "/oauth/token", refreshOf(made.Refresh))); got != want {
				t.Errorf("a refresh: %s", got)
			}
			if got := outcome(w.post(t.Context(), g, w.web, "/oauth/introspect", url.Values{"token": {made.Refresh}})); got != want {
				t.Errorf("introspection of a refresh token: %s", got)
			}
			w.keepsServing(g, made.Access)
		},
		after: func(t *testing.T, row faultproxy.Row) {
			w := w.during(t)
			w.granted(g, w.web, refreshOf(made.Refresh))
			const used = "400 invalid_grant"
			want := "200"
			if row.Fault == unhurried || row.Fault == faultproxy.SlowClose {
				want = used
			}
			if got := outcome(w.post(t.Context(), g, w.web, "/oauth/token", codeOf(code))); got != want && (row.Note != spent || got != used) {
				t.Errorf("the code afterwards: %s", got)
			}
		},
	}
	return func() { n.run(w.t) }
}

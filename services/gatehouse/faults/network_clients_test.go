package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// patient is how long the clients here wait for an answer.
const patient = 3 * time.Second

// headerTime is how long a server waits for the rest of a request's header.
const headerTime = 15 * time.Second

// ofClients are the rows of clients of either server.
func ofClients(name, meanwhile string) faultproxy.Pair {
	return faultproxy.Pair{Name: name, Meanwhile: meanwhile, Rows: []faultproxy.Row{
		{Fault: slow, Seen: "200", By: patient, Back: 2 * time.Second},
		{Fault: faultproxy.Narrow(4000), Seen: "200", By: patient, Back: 2 * time.Second},
		{Fault: faultproxy.Cut, Seen: "connection lost", By: patient, Back: 2 * time.Second},
		{Fault: faultproxy.Refused, Seen: "connection refused", By: patient, Back: 2 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: "no answer", Back: 2 * time.Second, Note: "The server gives up a request whose header does not end after 10 s, and one whose body does not after 30 s"},
		{Fault: faultproxy.Stalled, Seen: "no answer", Back: 2 * time.Second},
		{Fault: faultproxy.AnswersLost, Seen: "no answer", Back: 2 * time.Second, Note: "The request was carried out"},
		{Fault: faultproxy.SlowClose, Seen: "200", By: patient, Back: 2 * time.Second},
		{Fault: faultproxy.Truncated(40), Seen: "an answer that is cut off", By: patient, Back: 2 * time.Second, Note: "The request was carried out"},
	}}
}

var (
	clientToGateway = ofClients("client or browser → gateway", "all other clients, by other connections.")
	operatorToREST  = ofClients("operator → management API", "all other operators and gateways, by other connections.")
)

// over is a client whose connections go through a network.
func over(network *faultproxy.Proxy) *http.Client {
	return &http.Client{Timeout: patient, Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, kind, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, kind, network.Address())
		},
	}}
}

// sent is the outcome of a request over a client's connections.
func sent(c *http.Client, r *http.Request, err error) string {
	if err != nil {
		return err.Error()
	}
	answer, err := c.Do(r)
	if err != nil {
		return outcome(proc.Answer{}, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return outcome(proc.Answer{Status: answer.StatusCode, Header: answer.Header, Text: string(text)}, err)
}

func (w *world) networkOfClients() func() {
	g := w.gateway(w.inst, w.management.PlaneAddress)
	network := behind(w.t, strings.TrimPrefix(g.URL, "http://"))
	client := over(network)
	w.t.Cleanup(client.CloseIdleConnections)
	made := w.aliceAt(g)
	n := &trial{
		pair: clientToGateway, network: network, good: "200", crowd: 8, programs: []string{g.TechnicalURL},
		ask: func(ctx context.Context) string {
			r, err := w.tokenRequest(g, w.service, ofService.Encode())()
			return sent(client, r.WithContext(ctx), err)
		},
		during: func(t *testing.T, row faultproxy.Row) {
			w.during(t).keepsServing(g, made.Access)
			if row.Fault == faultproxy.HalfOpen {
				halfAHeader(t, strings.TrimPrefix(g.URL, "http://"))
			}
			client.CloseIdleConnections()
		},
	}
	return func() { n.run(w.t) }
}

// halfAHeader demands that a server gives up a request that does not end.
func halfAHeader(t *testing.T, server string) {
	t.Helper()
	c, err := net.Dial("tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: half\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(headerTime))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("a request whose header does not end: %v", err)
	}
}

func (w *world) networkOfOperators() func() {
	m := w.inst.StartManagement() // its own, because what is measured is its size
	w.t.Cleanup(func() { (&world{t: w.t, management: m}).nothingPanicked() })
	api := *w.api
	api.URL = m.URL
	server := strings.TrimSuffix(strings.TrimPrefix(m.URL, "http://"), "/management")
	network := behind(w.t, server)
	client := over(network)
	w.t.Cleanup(client.CloseIdleConnections)
	target := w.create("Operator", "SERVICE", nil)
	changes := 0
	n := &trial{
		pair: operatorToREST, network: network, good: "200", programs: []string{m.TechnicalURL},
		ask: func(ctx context.Context) string {
			changes++
			r, err := http.NewRequestWithContext(ctx, http.MethodPatch, api.URL+w.in("/applications/"+target.ID), strings.NewReader(fmt.Sprintf(`{"description": "change %d"}`, changes)))
			if err == nil {
				r.Header.Set("Authorization", "Bearer "+api.Token)
				r.Header.Set("Content-Type", "application/json")
			}
			return sent(client, r, err)
		},
		during: func(t *testing.T, row faultproxy.Row) {
			w := w.during(t)
			w.api.Do("GET", w.in("/applications/"+target.ID), nil)
			answer, err := api.Try(t.Context(), "GET", w.in("/applications/"+target.ID), nil)
			if err != nil || answer.Status != http.StatusOK {
				t.Fatalf("another connection: %d %v", answer.Status, err)
			}
			if carried := strings.Contains(row.Note, "carried out"); carried && answer.JSON().Text("description") != fmt.Sprintf("change %d", changes) {
				t.Errorf("%q is there, asked for was change %d", answer.JSON().Text("description"), changes)
			}
			if row.Fault == faultproxy.HalfOpen {
				halfAHeader(t, server)
			}
			client.CloseIdleConnections()
		},
	}
	return func() { n.run(w.t) }
}

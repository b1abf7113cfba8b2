package e2e

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// balancer is one address in front of some servers, as a service of a cluster is: each connection goes to the first that takes it.
type balancer struct {
	address string
	carried [2]atomic.Int64 // connections by server
}

func newBalancer(t *testing.T, servers [2]string) *balancer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{address: listener.Addr().String()}
	var open sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { b.carry(client, servers) })
		}
	})
	return b
}

func (b *balancer) carry(client net.Conn, servers [2]string) {
	defer client.Close()
	for i, address := range servers {
		server, err := net.Dial("tcp", address)
		if err != nil {
			continue
		}
		defer server.Close()
		b.carried[i].Add(1)
		var back sync.WaitGroup
		back.Go(func() { _, _ = io.Copy(client, server); _ = client.Close() })
		_, _ = io.Copy(server, client)
		_ = server.Close()
		back.Wait()
		return
	}
}

// TestRemovalFromAGroupCountsWhileAReplicaOfManagementDies kills the management that both gateways are connected to, and
// removes somebody at the other one at once. The gateways find that by themselves.
func TestRemovalFromAGroupCountsWhileAReplicaOfManagementDies(t *testing.T) {
	redis, mongo := proc.StartRedis(t), proc.StartMongoDB(t)
	installation := proc.NewInstallation(t, mongo.URI, redis.URL)
	dies, stays := installation.StartManagement(), installation.StartManagement()
	front := newBalancer(t, [2]string{dies.PlaneAddress, stays.PlaneAddress})
	service := &proc.Management{PlaneAddress: front.address}
	first := installation.StartGateway(service, "")
	second := installation.StartGateway(service, first.PublicURL)

	api := stays.Operator()
	s := &site{api: api, id: api.CreateDomain("acme").Text("id"), base: first.URL + "/acme"}
	s.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{
		"allowLocalhostRedirectUri": true, "allowHttpSchemeRedirectUri": true,
	}}})
	bob := api.Do("POST", s.path("/users"), proc.Object{"firstName": "Bob", "lastName": "Builder", "username": "bob", "email": bobEmail, "password": bobPassword}).Text("id")
	group := api.Do("POST", s.path("/groups"), proc.Object{"name": "Finance", "members": []string{bob}}).Text("id")
	web := s.web()
	api.Do("POST", s.path("/applications/"+web.app+"/bindings"), proc.Object{"group": group})
	api.Settle(s.id, first.TechnicalURL, second.TechnicalURL)
	if front.carried[0].Load() == 0 || front.carried[1].Load() != 0 {
		t.Fatalf("connections: %d to the one that dies, %d to the other", front.carried[0].Load(), front.carried[1].Load())
	}

	gateways := []*site{s, {base: second.URL + "/acme"}}
	refresh := func(at *site, token string) proc.Answer {
		return at.post(t, "/oauth/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	tokens := make([]string, len(gateways))
	for i, at := range gateways {
		answer := at.post(t, "/oauth/token", web, url.Values{"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {"openid"}})
		if answer.Status != http.StatusOK {
			t.Fatalf("a member at gateway %d: %d %s", i, answer.Status, answer.Text)
		}
		tokens[i] = answer.JSON().Text("refresh_token")
	}

	dies.Kill()
	killed := time.Now()
	api.Do("DELETE", s.path("/groups/"+group+"/members/"+bob), nil)
	removed := time.Now()
	// Gateways leave a directory alone for a second that did not answer, and what they know may be a second old.
	const most = 3 * time.Second
	for i, at := range gateways {
		for refused := false; !refused; {
			began := time.Now()
			answer := refresh(at, tokens[i])
			switch late := began.Sub(removed); {
			case answer.Status == http.StatusBadRequest && answer.JSON().Text("error") == "invalid_grant":
				refused = true
				t.Logf("gateway %d refuses %s after the removal, %s after the death", i, late.Round(time.Millisecond), began.Sub(killed).Round(time.Millisecond))
			case answer.Status == http.StatusOK && late > most:
				t.Fatalf("gateway %d refreshes %s after the removal", i, late)
			case answer.Status == http.StatusOK:
				tokens[i] = answer.JSON().Text("refresh_token")
			case answer.Status != http.StatusServiceUnavailable || late > 10*most:
				t.Fatalf("gateway %d: %d %s", i, answer.Status, answer.Text)
			}
		}
	}
	if front.carried[1].Load() == 0 {
		t.Error("nobody is connected to the management that is left")
	}
}

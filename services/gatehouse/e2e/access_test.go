package e2e

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestRemovalFromAGroupCountsEverywhereWithinASecond removes somebody at one of two managements. From one second after the answer on,
// neither of two gateways, each of which asks another management, gives them anything: no tokens, and nothing for those they have.
func TestRemovalFromAGroupCountsEverywhereWithinASecond(t *testing.T) {
	redis, mongo := proc.StartRedis(t), proc.StartMongoDB(t)
	installation := proc.NewInstallation(t, mongo.URI, redis.URL)
	left, right := installation.StartManagement(), installation.StartManagement()
	first := installation.StartGateway(left, "")
	second := installation.StartGateway(right, first.PublicURL)

	api := left.Operator()
	domain := api.CreateDomain("acme")
	s := &site{api: api, id: domain.Text("id"), base: first.URL + "/acme"}
	s.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{
		"allowLocalhostRedirectUri": true, "allowHttpSchemeRedirectUri": true,
	}}})
	bob := api.Do("POST", s.path("/users"), proc.Object{"firstName": "Bob", "lastName": "Builder", "username": "bob", "email": bobEmail, "password": bobPassword}).Text("id")
	group := api.Do("POST", s.path("/groups"), proc.Object{"name": "Finance", "members": []string{bob}}).Text("id")
	web := s.web()
	api.Do("POST", s.path("/applications/"+web.app+"/bindings"), proc.Object{"group": group})
	api.Settle(s.id, first.TechnicalURL, second.TechnicalURL)

	gateways := []*site{s, {base: second.URL + "/acme"}}
	password := url.Values{"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {"openid"}}
	refresh := func(at *site, token string) proc.Answer {
		return at.post(t, "/oauth/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	tokens := make([]string, len(gateways))
	for i, at := range gateways {
		answer := at.post(t, "/oauth/token", web, password)
		if answer.Status != http.StatusOK {
			t.Fatalf("a member at gateway %d: %d %s", i, answer.Status, answer.Text)
		}
		if answer = refresh(at, answer.JSON().Text("refresh_token")); answer.Status != http.StatusOK {
			t.Fatalf("a member's refresh at gateway %d: %d %s", i, answer.Status, answer.Text)
		}
		tokens[i] = answer.JSON().Text("refresh_token")
	}

	api.Do("DELETE", s.path("/groups/"+group+"/members/"+bob), nil)
	removed := time.Now()
	for i, at := range gateways {
		for refused := false; !refused; {
			began := time.Now()
			answer := refresh(at, tokens[i])
			switch late := began.Sub(removed); {
			case answer.Status == http.StatusBadRequest && answer.JSON().Text("error") == "invalid_grant":
				refused = true
			case answer.Status != http.StatusOK:
				t.Fatalf("gateway %d: %d %s", i, answer.Status, answer.Text)
			case late > time.Second:
				t.Fatalf("gateway %d refreshes %s after the removal", i, late)
			default:
				tokens[i] = answer.JSON().Text("refresh_token")
			}
		}
		if answer := at.post(t, "/oauth/token", web, password); answer.Status != http.StatusBadRequest {
			t.Errorf("gateway %d gives new tokens: %d %s", i, answer.Status, answer.Text)
		}
	}

	api.Do("POST", s.path("/groups/"+group+"/members/"+bob), nil)
	for i, at := range gateways {
		if answer := refresh(at, tokens[i]); answer.Status != http.StatusBadRequest {
			t.Errorf("the grant of gateway %d is there again: %d %s", i, answer.Status, answer.Text)
		}
	}
}

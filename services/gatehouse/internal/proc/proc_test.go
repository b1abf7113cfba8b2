package proc_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestMain(m *testing.M) { proc.Main(m) }

// TestInstallation uses every part of the harness once.
func TestInstallation(t *testing.T) {
	redis, mongo := proc.StartRedis(t), proc.StartMongoDB(t)
	installation := proc.NewInstallation(t, mongo.URI, redis.URL)
	management := installation.StartManagement()
	api := management.Operator()
	domain := api.CreateDomain("acme")
	if got := domain.Text("path"); got != "/acme" {
		t.Errorf("path %q", got)
	}

	first := installation.StartGateway(management, "")
	second := installation.StartGateway(management, first.PublicURL)
	api.Settle(domain.Text("id"), first.TechnicalURL, second.TechnicalURL)
	for _, g := range []*proc.Gateway{first, second} {
		var issuer string
		proc.Await(t, "discovery", 10*time.Second, func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/acme/oidc/.well-known/openid-configuration", http.NoBody)
			if err != nil {
				return err
			}
			answer, err := proc.Send(r)
			issuer = answer.JSON().Text("issuer")
			return err
		})
		if want := first.PublicURL + "/acme/oidc"; issuer != want {
			t.Errorf("issuer %q, want %q", issuer, want)
		}
	}

	management.Kill()
	management.Relaunch()
	management.Ready()
	if got := management.Operator().Do("GET", "/domains/"+domain.Text("id"), nil).Text("name"); got != "acme" {
		t.Errorf("after a kill the domain's name is %q", got)
	}
	second.Stop()
}

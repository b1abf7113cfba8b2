package ldap_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
)

const (
	signedIn = "the person is signed in"
	notThere = "the provider is not available"
)

// gatewayToLDAP is what is stated of the way to a directory; see deploy/handbook/failures.md.
var gatewayToLDAP = faultproxy.Pair{
	Name: "gateway → LDAP directory",
	Meanwhile: "logins by other providers, and all that needs no login. A directory has the times of its provider (`connectTimeout`, `responseTimeout`; here " +
		"a second each), and 10 s at most for everything together.",
	Rows: []faultproxy.Row{
		{Fault: faultproxy.Latency(10*time.Millisecond, 10*time.Millisecond), Seen: signedIn, By: 5 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Cut, Seen: notThere, By: 3 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Refused, Seen: notThere, By: 3 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.HalfOpen, Seen: notThere, By: 4 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Deaf, Seen: signedIn, By: 6 * time.Second, Back: 2 * time.Second, Note: "The first login finds out, and all connections are replaced"},
		{Fault: faultproxy.Stalled, Seen: notThere, By: 4 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.AnswersLost, Seen: notThere, By: 4 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.SlowClose, Seen: signedIn, By: 5 * time.Second, Back: 2 * time.Second},
		{Fault: faultproxy.Truncated(5), Seen: notThere, By: 3 * time.Second, Back: 2 * time.Second},
	},
}

func TestNetworkToADirectory(t *testing.T) {
	if err := gatewayToLDAP.StatedIn(filepath.Join("..", "..", "..", "..", "..", "deploy", "handbook", "failures.md")); err != nil {
		t.Error(err)
	}
	s := idptest.StartSlapd(t, idptest.SlapdOptions{})
	people(s)
	between, err := faultproxy.Listen("", strings.TrimSuffix(strings.TrimPrefix(s.URL, "ldap://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = between.Close() })
	c := config(s)
	c.ContextSourceUrl = "ldap://" + between.Address()
	p := open(t, c, network(t, "http://127.0.0.1"))
	ask := func() string {
		switch _, err := sign(t, p, "ann", password); {
		case err == nil:
			return signedIn
		case errors.Is(err, idp.ErrUnavailable):
			return notThere
		default:
			return err.Error()
		}
	}
	crowd := func() {
		t.Helper()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if got := ask(); got != signedIn {
					t.Errorf("one of many: %s", got)
				}
			})
		}
		all.Wait()
	}
	for _, row := range gatewayToLDAP.Rows {
		t.Run(row.Fault.String(), func(t *testing.T) {
			crowd()
			if err := between.Set(row.Fault); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if got := ask(); got != row.Seen {
				t.Errorf("%s, stated is: %s", got, row.Seen)
			}
			if took := time.Since(began); took > faultproxy.Allowed(row.By) {
				t.Errorf("after %s", took)
			}
			if err := between.Heal(); err != nil {
				t.Fatal(err)
			}
			began = time.Now()
			for ask() != signedIn {
				if took := time.Since(began); took > faultproxy.Allowed(row.Back) {
					t.Fatalf("not as before after %s", took)
				}
			}
			if open := between.Open(); open > 8 {
				t.Errorf("%d connections are open", open)
			}
		})
	}
}

// TestForgottenConnectionsCostOneLoginEach, of those that search and of those that bind, also where there is no time to try again.
func TestForgottenConnectionsCostOneLoginEach(t *testing.T) {
	s := idptest.StartSlapd(t, idptest.SlapdOptions{})
	people(s)
	between, err := faultproxy.Listen("", strings.TrimSuffix(strings.TrimPrefix(s.URL, "ldap://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = between.Close() })
	c := config(s)
	c.ContextSourceUrl, c.ResponseTimeout = "ldap://"+between.Address(), 5000
	p := open(t, c, network(t, "http://127.0.0.1"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := sign(t, p, "ann", password); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if open := between.Open(); open < 5 {
		t.Fatalf("%d connections are no crowd", open)
	}
	if err := between.Set(faultproxy.Deaf); err != nil {
		t.Fatal(err)
	}
	for failed := 0; ; failed++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := p.Authenticate(ctx, idp.Credentials{Username: "ann", Password: password})
		cancel()
		if err == nil {
			break
		}
		if failed == 2 {
			t.Fatalf("the third login fails: %v", err)
		}
	}
}

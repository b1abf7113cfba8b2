package e2e

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestUseOfASecretIsReported: what a gateway notes of a client secret reaches management.
func TestUseOfASecretIsReported(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "uses")
	c := s.service("profile")
	s.settle()
	secrets := s.path("/applications/" + c.app + "/secrets")
	only := func() proc.Object {
		t.Helper()
		list := s.api.List(secrets)
		if len(list) != 1 {
			t.Fatalf("%d secrets", len(list))
		}
		return proc.Object(list[0].(map[string]any))
	}
	if unused := only(); unused["lastUsedAt"] != nil {
		t.Errorf("before its use: %v", unused)
	}
	before := time.Now().Add(-time.Second)
	if answer := s.post(t, "/oauth/token", c, url.Values{"grant_type": {"client_credentials"}}); answer.Status != 200 {
		t.Fatalf("%d %s", answer.Status, answer.Text)
	}
	proc.Await(t, "the report of a secret's use", 2*time.Minute, func(context.Context) error {
		if only()["lastUsedAt"] == nil {
			return errors.New("the secret was never used")
		}
		return nil
	})
	used := only()
	at, _ := used["lastUsedAt"].(float64)
	if when := time.UnixMilli(int64(at)); when.Before(before) || when.After(time.Now().Add(time.Minute)) {
		t.Errorf("used at %v", when)
	}
	if by := used.Text("lastUsedBy"); by == "" {
		t.Error("nobody is told to have seen it")
	}
}

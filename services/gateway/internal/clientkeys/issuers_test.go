package clientkeys

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
)

// TestKeysOfIssuersAreFetchedAndFollowed by their address, for each domain by itself.
func TestKeysOfIssuersAreFetchedAndFollowed(t *testing.T) {
	k, c := newKeys(t)
	old, fresh := generate(t, jose.ES256, "old"), generate(t, jose.ES256, "fresh")
	s := newSite(t, old)
	check := jose.Check{Algorithms: []jose.Algorithm{jose.ES256}}
	verify := func(owner string, key *jose.Key) error {
		t.Helper()
		token, err := key.Sign(jose.TypeJWT, []byte(`{"sub":"ann"}`))
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.VerifyPublished(t.Context(), owner, s.URL, token, check)
		return err
	}
	for range 3 {
		if err := verify("acme", old); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	s.publish(fresh)
	if err := verify("acme", fresh); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("error %v within the pause", err)
	}
	c.forward(11 * time.Second)
	if err := verify("acme", fresh); err != nil {
		t.Error(err)
	}
	if err := verify("other", old); !errors.Is(err, jose.ErrUnknownKey) || s.asked.Load() != 3 {
		t.Errorf("error %v, asked %d times", err, s.asked.Load())
	}
}

package clientkeys

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// site publishes a client's keys.
type site struct {
	*httptest.Server
	asked atomic.Int32

	mu      sync.Mutex
	keys    []map[string]any
	header  http.Header
	broken  bool
	garbage string
}

func newSite(t *testing.T, keys ...*jose.Key) *site {
	t.Helper()
	s := &site{header: http.Header{}}
	s.publish(keys...)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		for name, values := range s.header {
			w.Header()[name] = values
		}
		switch {
		case s.broken:
			w.WriteHeader(http.StatusBadGateway)
		case s.garbage != "":
			_, _ = w.Write([]byte(s.garbage))
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.keys})
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *site) publish(keys ...*jose.Key) {
	s.set(func() {
		s.keys = nil
		for _, k := range keys {
			s.keys = append(s.keys, k.PublicJWK())
		}
	})
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newKeys(t *testing.T) (*Keys, *clock) {
	t.Helper()
	fetch, err := outbound.New(outbound.Options{Allow: []string{"http://127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{at: time.Now()}
	return New(fetch, c.now), c
}

func generate(t *testing.T, alg jose.Algorithm, kid string) *jose.Key {
	t.Helper()
	k, err := jose.GenerateKey(alg, kid)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t *testing.T, k *jose.Key) string {
	t.Helper()
	token, err := k.Sign(jose.TypeJWT, []byte(`{"iss":"app"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var es256 = jose.Check{Algorithms: []jose.Algorithm{jose.ES256}}

func TestD7PublishedKeysAreKeptAsLongAsTheirHeadersSay(t *testing.T) {
	tests := []struct {
		name         string
		cacheControl string
		kept, read   time.Duration // after which they are still kept, and read again
	}{
		{"without headers five minutes", "", 5*time.Minute - time.Second, 5*time.Minute + time.Second},
		{"an hour", "max-age=3600", time.Hour - time.Second, time.Hour + time.Second},
		{"no less than five minutes", "max-age=1", 5*time.Minute - time.Second, 5*time.Minute + time.Second},
		{"no more than a day", "max-age=99999999", 24*time.Hour - time.Second, 24*time.Hour + time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := generate(t, jose.ES256, "one")
			s := newSite(t, key)
			if tt.cacheControl != "" {
				s.header.Set("Cache-Control", tt.cacheControl)
			}
			keys, clock := newKeys(t)
			c := &domain.Client{ID: "app", KeysURI: s.URL}
			verify := func(want int32) {
				t.Helper()
				if _, err := keys.Verify(t.Context(), c, sign(t, key), es256); err != nil {
					t.Fatal(err)
				}
				if got := s.asked.Load(); got != want {
					t.Errorf("fetched %d times, want %d", got, want)
				}
			}
			verify(1)
			clock.forward(tt.kept)
			verify(1)
			clock.forward(tt.read - tt.kept)
			verify(2)
		})
	}
}

func TestD7AnUnknownKeyIsLookedForOnceInTenSeconds(t *testing.T) {
	first, second, third := generate(t, jose.ES256, "one"), generate(t, jose.ES256, "two"), generate(t, jose.ES256, "three")
	s := newSite(t, first)
	keys, clock := newKeys(t)
	c := &domain.Client{ID: "app", KeysURI: s.URL}
	verify := func(k *jose.Key, want error, fetched int32) {
		t.Helper()
		if _, err := keys.Verify(t.Context(), c, sign(t, k), es256); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if got := s.asked.Load(); got != fetched {
			t.Errorf("fetched %d times, want %d", got, fetched)
		}
	}
	verify(first, nil, 1)
	s.publish(first, second)
	verify(second, jose.ErrUnknownKey, 1) // the set was read a moment ago
	clock.forward(10 * time.Second)
	verify(second, nil, 2)
	verify(third, jose.ErrUnknownKey, 2)
	clock.forward(10 * time.Second)
	verify(third, jose.ErrUnknownKey, 3)
	verify(third, jose.ErrUnknownKey, 3)
	verify(first, nil, 3)

	other := &domain.Client{ID: "another", KeysURI: s.URL} // the pause of one client is not another's
	if _, err := keys.Verify(t.Context(), other, sign(t, second), es256); err != nil || s.asked.Load() != 4 {
		t.Errorf("%v after %d fetches", err, s.asked.Load())
	}
}

func TestD7AKeyWithoutIdentifierIsLookedForToo(t *testing.T) {
	first, second := generate(t, jose.ES256, "one").WithID(""), generate(t, jose.ES256, "two").WithID("")
	s := newSite(t, first)
	keys, clock := newKeys(t)
	c := &domain.Client{ID: "app", KeysURI: s.URL}
	if _, err := keys.Verify(t.Context(), c, sign(t, first), es256); err != nil {
		t.Fatal(err)
	}
	s.publish(second)
	clock.forward(10 * time.Second)
	if _, err := keys.Verify(t.Context(), c, sign(t, second), es256); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if _, err := keys.Verify(t.Context(), c, sign(t, first), es256); !errors.Is(err, jose.ErrSignature) {
		t.Errorf("the key that is gone: %v", err)
	}
}

func TestD7FailuresAreRememberedAndOldKeysUsedOn(t *testing.T) {
	key := generate(t, jose.ES256, "one")
	s := newSite(t, key)
	s.broken = true
	keys, clock := newKeys(t)
	c := &domain.Client{ID: "app", KeysURI: s.URL}
	verify := func(ok bool, fetched int32) {
		t.Helper()
		if _, err := keys.Verify(t.Context(), c, sign(t, key), es256); (err == nil) != ok {
			t.Errorf("error %v, want one: %t", err, !ok)
		}
		if got := s.asked.Load(); got != fetched {
			t.Errorf("fetched %d times, want %d", got, fetched)
		}
	}
	verify(false, 1)
	verify(false, 1)
	clock.forward(10 * time.Second)
	verify(false, 2)
	s.set(func() { s.broken = false })
	verify(false, 2)
	clock.forward(10 * time.Second)
	verify(true, 3)

	for _, spoil := range []func(){
		func() { s.broken = true },
		func() { s.broken, s.garbage = false, "<html>" },
		func() { s.garbage = `{"keys":[{"kty":"oct","k":"AAAA"}]}` },
	} {
		s.set(spoil)
		clock.forward(leastFresh)
		before := s.asked.Load()
		verify(true, before+1)
		verify(true, before+1) // and the failure is remembered here too
	}
	clock.forward(usedOn)
	verify(false, s.asked.Load()+1)
}

func TestD7EqualFetchesAreOne(t *testing.T) {
	key := generate(t, jose.ES256, "one")
	s := newSite(t, key)
	keys, _ := newKeys(t)
	c := &domain.Client{ID: "app", KeysURI: s.URL}
	token := sign(t, key)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := keys.Verify(context.WithoutCancel(t.Context()), c, token, es256); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.asked.Load(); got != 1 {
		t.Errorf("fetched %d times", got)
	}
}

func TestTheNumberOfSetsIsBounded(t *testing.T) {
	p := newPublished(nil, time.Now)
	for i := range maxSets + 50 {
		key := clientKey{client: strings.Repeat("x", i)}
		p.mu.Lock()
		p.evict()
		p.sets[key] = &remote{used: time.Unix(int64(i), 0)}
		p.mu.Unlock()
	}
	if len(p.sets) > maxSets {
		t.Errorf("%d sets", len(p.sets))
	}
}

func TestE4TheAlgorithmIsTheRegisteredOne(t *testing.T) {
	es, rs := generate(t, jose.ES256, "es"), generate(t, jose.RS256, "rs")
	set, err := json.Marshal(map[string]any{"keys": []any{es.PublicJWK(), rs.PublicJWK()}})
	if err != nil {
		t.Fatal(err)
	}
	own, err := jose.ParseJWKS(set)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	hs, err := jose.NewHMACKey("", jose.HS256, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := jose.NewHMACKey("rs", jose.HS256, set) // a public key taken for a secret
	if err != nil {
		t.Fatal(err)
	}
	none := "eyJhbGciOiJub25lIn0." + strings.Split(sign(t, es), ".")[1] + "."
	keys, clock := newKeys(t)
	now := clock.now()
	secrets := []domain.Secret{
		{ID: "old", Value: strings.ToUpper(secret), Expires: now.Add(-time.Second)},
		{ID: "hashed"},
		{ID: "new", Value: secret, Expires: now.Add(time.Hour)},
		{ID: "newest", Value: strings.Repeat("f", 64)},
	}
	old, err := jose.NewHMACKey("", jose.HS256, []byte(strings.ToUpper(secret)))
	if err != nil {
		t.Fatal(err)
	}
	allow := func(algs ...jose.Algorithm) jose.Check { return jose.Check{Algorithms: algs} }
	both := &domain.Client{ID: "app", Keys: own, Secrets: secrets}
	tests := []struct {
		name   string
		client *domain.Client
		token  string
		check  jose.Check
		want   error
	}{
		{"the registered one", both, sign(t, es), allow(jose.ES256), nil},
		{"another one of the client's keys", both, sign(t, rs), allow(jose.ES256), jose.ErrAlgorithm},
		{"none", both, none, allow(jose.ES256, jose.RS256), jose.ErrAlgorithm},
		{"none where nothing is registered", both, none, jose.Check{}, jose.ErrAlgorithm},
		{"any where nothing is registered", both, sign(t, es), jose.Check{}, jose.ErrAlgorithm},
		{"an HMAC by a secret", both, sign(t, hs), allow(jose.HS256), nil},
		{"an HMAC where a signature is registered", both, sign(t, hs), allow(jose.RS256), jose.ErrAlgorithm},
		{"an HMAC by the client's public key", both, sign(t, forged), allow(jose.HS256, jose.RS256), jose.ErrSignature},
		{"an HMAC by a secret that has ended", both, sign(t, old), allow(jose.HS256), jose.ErrSignature},
		{"an HMAC without secrets", &domain.Client{ID: "app", Keys: own}, sign(t, hs), allow(jose.HS256), ErrNoKeys},
		{"a signature without keys", &domain.Client{ID: "app", Secrets: secrets}, sign(t, es), allow(jose.ES256), ErrNoKeys},
		{"something that is no token", both, "x", allow(jose.ES256), jose.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := keys.Verify(t.Context(), tt.client, tt.token, tt.check); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestAnswersAreEncryptedForTheClient(t *testing.T) {
	keys, clock := newKeys(t)
	signer := generate(t, jose.ES256, "k")
	der, err := signer.MarshalPKCS8()
	if err != nil {
		t.Fatal(err)
	}
	private, err := jose.ParseDecryptionKey(der, "k")
	if err != nil {
		t.Fatal(err)
	}
	jwk := signer.PublicJWK()
	jwk["use"] = "enc"
	delete(jwk, "alg")
	s := newSite(t, generate(t, jose.ES256, "sig"))
	const secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	client := &domain.Client{ID: "app", KeysURI: s.URL, Secrets: []domain.Secret{{Value: secret}}}

	_, err = keys.Encrypt(t.Context(), client, "ECDH-ES+A128KW", "", []byte("a.b.c"), jose.ContentJWT)
	if refused := oauth2.AsError(err); refused.Code != oauth2.InvalidClientMetadata || refused.Description != "no matching key found to encrypt" {
		t.Errorf("without a key: %v", err)
	}
	if _, err := keys.Encrypt(t.Context(), client, "RSA1_5", "", nil, ""); oauth2.CodeOf(err) != oauth2.InvalidClientMetadata {
		t.Errorf("with an algorithm that is not supported: %v", err)
	}
	s.set(func() { s.keys = append(s.keys, jwk) })
	clock.forward(pause)
	token, err := keys.Encrypt(t.Context(), client, "ECDH-ES+A128KW", "", []byte("a.b.c"), jose.ContentJWT)
	if err != nil {
		t.Fatal(err)
	}
	got, err := jose.NewDecrypter(private).Decrypt(token, jose.Decryption{})
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Payload) != "a.b.c" || got.ContentType != "JWT" || got.KeyID != "k" || got.Encoding != jose.A128CBCHS256 {
		t.Errorf("%+v", got)
	}
	token, err = keys.Encrypt(t.Context(), client, "A256GCMKW", "A256GCM", []byte("{}"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.NewDecrypter().WithSecrets(secret).Decrypt(token, jose.Decryption{Algorithms: []jose.KeyManagement{jose.A256GCMKW}}); err != nil {
		t.Error(err)
	}
	client.Secrets = nil
	if _, err := keys.Encrypt(t.Context(), client, "dir", "", nil, ""); oauth2.CodeOf(err) != oauth2.InvalidClientMetadata {
		t.Errorf("without a secret: %v", err)
	}
}

func TestKeysOfSelfSignedCertificates(t *testing.T) {
	keys, clock := newKeys(t)
	first, second := generate(t, jose.ES256, "one"), generate(t, jose.RS256, "two")
	s := newSite(t, first)
	c := &domain.Client{ID: "app", KeysURI: s.URL}
	all, err := keys.Certificates(t.Context(), c)
	if err != nil || len(all) != 1 || !jose.SamePublic(all[0], first.Public()) {
		t.Fatalf("%v, %v", all, err)
	}
	s.publish(second)
	for want := range 2 { // before and after the document may be read again
		if ok, err := keys.Certified(t.Context(), c, second.Public()); err != nil || ok != (want == 1) {
			t.Errorf("%t, %v", ok, err)
		}
		clock.forward(pause)
	}
	if ok, err := keys.Certified(t.Context(), c, first.Public()); err != nil || ok {
		t.Errorf("a key that is gone: %t, %v", ok, err)
	}
	if _, err := keys.Certificates(t.Context(), &domain.Client{}); !errors.Is(err, ErrNoKeys) {
		t.Error(err)
	}
}

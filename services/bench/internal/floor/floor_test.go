package floor

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/resp"
)

// redis is the server that scripts/with-backing.sh starts.
func redis(t *testing.T) string {
	t.Helper()
	address, err := resp.Address(os.Getenv("GATEHOUSE_TEST_REDIS_URL"))
	if err != nil {
		t.Fatalf("GATEHOUSE_TEST_REDIS_URL: %v; run the tests with scripts/with-backing.sh", err)
	}
	return address
}

func TestEveryFloorAnswersItsLoad(t *testing.T) {
	address := redis(t)
	for _, f := range []Floor{Hello, TokenES256, TokenRS256, Form, FormVerify, Refresh, Login, Session, Argon2id} {
		t.Run(f.Name, func(t *testing.T) {
			h, err := NewHandler(f.Kind, address)
			if err != nil {
				t.Fatal(err)
			}
			s := httptest.NewServer(h)
			defer s.Close()
			operations, err := f.Operations(t.Context(), s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			got, err := load.Run(t.Context(), load.Plan{
				Address: s.Listener.Addr().String(), Connections: 2, Duration: 50 * time.Millisecond, Operation: operations,
			})
			if err != nil || got.FirstError != nil || got.Operations < 2 {
				t.Errorf("%d operations, %v, %v", got.Operations, got.FirstError, err)
			}
		})
	}
}

func TestRedisRoundTripsHappen(t *testing.T) {
	address := redis(t)
	h, err := NewHandler(KindForm, address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	counter := resp.NewClient(address, 1)
	defer counter.Close()
	before, err := counter.Trips()
	if err != nil {
		t.Fatal(err)
	}
	operation := Login.flow(0, "")
	c := load.NewConn(s.Listener.Addr().String())
	defer c.Close()
	for range 10 {
		if err := operation(t.Context(), c, false); err != nil {
			t.Fatal(err)
		}
	}
	after, err := counter.Trips()
	if err != nil {
		t.Fatal(err)
	}
	if after-before < 50 {
		t.Errorf("ten logins made %d round trips to Redis; want five each", after-before)
	}
}

func TestTokensOfTheFloorAreTokens(t *testing.T) {
	es, err := newES256()
	if err != nil {
		t.Fatal(err)
	}
	rs, err := newRS256()
	if err != nil {
		t.Fatal(err)
	}
	ek, err := jose.NewKey(es.key, "floor", jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	rk, err := jose.NewKey(rs.key, "floor2", jose.RS256)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		sign signer
		key  *jose.Key
	}{"ES256": {es.sign, ek.WithID("floor")}, "RS256": {rs.sign, rk.WithID("floor")}} {
		keys, err := jose.NewKeySet(test.key)
		if err != nil {
			t.Fatal(err)
		}
		endpoint := &tokenEndpoint{sign: test.sign, secret: hashOf(clientSecret)}
		r := httptest.NewRequest("POST", "/", strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(clientID, clientSecret)
		w := httptest.NewRecorder()
		endpoint.ServeHTTP(w, r)
		var got answer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		token, err := keys.Verify(got.AccessToken, jose.Check{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, err := token.Claims()
		if err != nil || c.Subject != clientID || c.Scope != "read" || c.Validate(time.Now(), 0) != nil {
			t.Errorf("%s: claims %s, %v", name, token.Payload, err)
		}
	}
}

func TestFloorsAreHonest(t *testing.T) {
	es, err := newES256()
	if err != nil {
		t.Fatal(err)
	}
	token, err := es.sign([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	other, err := newES256()
	if err != nil {
		t.Fatal(err)
	}
	if !es.verify(token) || other.verify(token) || es.verify(token[:len(token)-4]+"AAAA") || es.verify("x") {
		t.Error("a signature is verified wrongly")
	}
	endpoint := &tokenEndpoint{sign: es.sign, secret: hashOf(clientSecret)}
	for name, test := range map[string]struct {
		form, user, password string
		status               int
	}{
		"a wrong secret":        {"grant_type=client_credentials", clientID, "x", 401},
		"another client":        {"grant_type=client_credentials", "x", clientSecret, 401},
		"another grant":         {"grant_type=password", clientID, clientSecret, 400},
		"the client's own call": {"grant_type=client_credentials", clientID, clientSecret, 200},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(test.form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(test.user, test.password)
		w := httptest.NewRecorder()
		endpoint.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%s: %d, want %d", name, w.Code, test.status)
		}
	}
	passwords, err := newPasswordEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader("password=wrong"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	if passwords.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("a wrong password: %d", w.Code)
	}
}

func TestServeAnnouncesItsAddress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	over := make(chan error, 1)
	go func() { over <- Serve(ctx, KindHello, "", in) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(line), Announcement)
	if !ok {
		t.Fatalf("first line %q", line)
	}
	c := load.NewConn(address)
	if got, err := c.Do(ctx, load.AppendGet(nil, "h", "/")); err != nil || got.Status != 200 {
		t.Errorf("%v, %v", got, err)
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	if err := Serve(t.Context(), "no such kind", "", io.Discard); err == nil {
		t.Error("an unknown kind is served")
	}
}

func TestFormAnswersOneKibibyte(t *testing.T) {
	h, err := NewHandler(KindForm, "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for form, size := range map[string]int{"grant=1": 1024, "grant=1&sign=x": 1024} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Body.Len() != size || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d bytes: %.200s", form, w.Body.Len(), w.Body)
		}
	}
}

package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

const (
	passphrase = "correct horse battery staple"
	keyOfIt    = `{"passphrase":"` + passphrase + `"}`
	ndjson     = "application/x-ndjson"
	// nobodysHash is a password's that nobody uses.
	nobodysHash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
)

// lines sends a body to management and returns the answer while it comes.
func lines(ctx context.Context, api *proc.API, path, media string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, api.URL+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+api.Token)
	r.Header.Set("Content-Type", media)
	return http.DefaultClient.Do(r)
}

// exported takes a domain out.
func exported(t *testing.T, api *proc.API, domain string) []byte {
	t.Helper()
	answer, err := lines(t.Context(), api, "/domains/"+domain+"/_export", "application/json", strings.NewReader(keyOfIt))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("export: %d %v", answer.StatusCode, err)
	}
	return text
}

// imported brings an archive in and returns the status and the last line.
func imported(t *testing.T, api *proc.API, text []byte) (int, object) {
	t.Helper()
	answer, err := lines(t.Context(), api, "/domains/_import", ndjson, io.MultiReader(strings.NewReader(keyOfIt+"\n"), bytes.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSpace(string(said)), "\n")
	last := object{}
	if err := json.Unmarshal([]byte(all[len(all)-1]), &last); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return answer.StatusCode, last
}

// names are the records of an archive, by kind and identifier, without what counts for each installation.
func names(t *testing.T, text []byte) []string {
	t.Helper()
	key, err := archive.Passphrase(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	in, err := archive.NewReader(bytes.NewReader(text), key)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for {
		r, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(r.Kind, " ", r.Data["id"], r.Data["_id"], " ", r.Data["name"], r.Data["username"], " ", r.Data["updatedAt"]))
	}
}

// crowd makes people in the domain.
func (w *world) crowd(people int) {
	w.t.Helper()
	var body bytes.Buffer
	for n := range people {
		fmt.Fprintf(&body, "{\"username\":\"person%d\",\"email\":\"person%d@example.test\",\"passwordHash\":%q}\n", n, n, nobodysHash)
	}
	answer, err := lines(w.t.Context(), w.api, w.in("/users/_import"), ndjson, &body)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	if said, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || strings.Contains(string(said), `"failed"`) {
		w.t.Fatalf("people: %d %.500s %v", answer.StatusCode, said, err)
	}
}

// TestAnImportKilledInTheMiddleIsBegunAgain: management dies while it writes people of a domain. Nobody is ever served any of it; when
// the lease of the dead one is over the import is made, whole.
func TestAnImportKilledInTheMiddleIsBegunAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.crowd(900)
	text := exported(t, w.api, w.domain)
	w.api.Do("DELETE", w.in(""), nil)
	gateway := w.gateways[0]
	proc.Await(t, "the domain is gone", soon, func(ctx context.Context) error { return w.unserved(ctx, gateway) })

	db, err := mongo.Connect(options.Client().ApplyURI(w.mongo.URI))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Disconnect(context.WithoutCancel(t.Context())) //nolint:errcheck // the process ends
	gatehouse := db.Database("gatehouse")

	watched, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for watched.Err() == nil {
			if err := w.unserved(watched, gateway); err != nil && watched.Err() == nil {
				t.Error(err)
				return
			}
		}
	})

	// All but the last line arrives, and then nothing more.
	body, sends := io.Pipe()
	cut := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	go func() {
		_, _ = io.WriteString(sends, keyOfIt+"\n")
		_, _ = sends.Write(text[:cut])
	}()
	answer, err := lines(t.Context(), w.api, "/domains/_import", ndjson, body)
	if err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(answer.Body).ReadString('\n')
	if err != nil || !strings.Contains(first, `"created"`) {
		t.Fatalf("%s %v", first, err)
	}
	written := func(ctx context.Context) (int64, error) {
		return gatehouse.Collection("users").CountDocuments(ctx, bson.M{"domain": w.domain})
	}
	proc.Await(t, "people are written", soon, func(ctx context.Context) error {
		n, err := written(ctx)
		if err == nil && n < 400 {
			err = fmt.Errorf("%d people", n)
		}
		return err
	})
	w.management.Kill()
	_ = sends.CloseWithError(errors.New("management is dead"))
	_ = answer.Body.Close()
	if n, err := written(t.Context()); err != nil || n == 0 {
		t.Fatalf("nothing was half-written: %d %v", n, err)
	}
	w.management.Relaunch()
	w.management.Ready()
	w.api = w.management.Operator()

	if answer, err := w.api.Try(t.Context(), "GET", w.in(""), nil); err != nil || answer.Status != http.StatusNotFound {
		t.Errorf("half a domain is there: %d %v", answer.Status, err)
	}
	if answer, err := w.api.Try(t.Context(), "GET", w.in("/users"), nil); err != nil || answer.Status != http.StatusNotFound {
		t.Errorf("people of half a domain are there: %d %s %v", answer.Status, answer.Text, err)
	}
	if status, last := imported(t, w.api, text); status != http.StatusOK || last.Text("status") != "refused" || !strings.Contains(last.Text("message"), "three minutes") {
		t.Errorf("while the lease of the dead one counts: %d %v", status, last)
	}
	// Three minutes pass.
	if _, err := gatehouse.Collection("leases").UpdateOne(t.Context(), bson.M{"_id": "import " + w.domain}, bson.M{"$set": bson.M{"expiresAt": time.Now().Add(-time.Second)}}); err != nil {
		t.Fatal(err)
	}
	stop()
	watching.Wait()
	if status, last := imported(t, w.api, text); status != http.StatusOK || last.Text("status") != "done" {
		t.Fatalf("again: %d %v", status, last)
	}
	if diff := cmp.Diff(names(t, text), names(t, exported(t, w.api, w.domain))); diff != "" {
		t.Errorf("what is there is not what was taken out (-out +there):\n%s", diff)
	}
	w.settle()
	w.granted(gateway, w.service, ofService)
	w.aliceAt(gateway)
	w.granted(gateway, w.staff, passwordOf(bob, bobsPassword))
}

// unserved demands that a gateway knows nothing of the domain.
func (w *world) unserved(ctx context.Context, g *proc.Gateway) error {
	for _, path := range []string{"/oidc/.well-known/openid-configuration", "/oidc/.well-known/jwks.json"} {
		answer, err := fetch(ctx, w.at(g, path), "")
		if err != nil {
			return err
		}
		if answer.Status != http.StatusNotFound {
			return fmt.Errorf("%s answers %d %s", path, answer.Status, answer.Text)
		}
	}
	return nil
}

// TestARegisteredClientMovesWithItsDomain to another installation, with another database, another sealing key and another Redis: its
// secret and its registration access token go on, and so do access tokens that are out.
func TestARegisteredClientMovesWithItsDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.api.Do("PATCH", w.in(""), object{"oidc": object{"clientRegistrationSettings": object{
		"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true,
	}}})
	w.settle()
	answer, err := w.registers(t.Context(), w.gateways[0], "")
	if err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("%d %s %v", answer.Status, answer.Text, err)
	}
	client := answer.JSON()
	of := app{ClientID: client.Text("client_id"), Secret: client.Text("client_secret")}
	before := w.granted(w.gateways[0], of, ofService)
	text := exported(t, w.api, w.domain)

	there := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t), domain: w.domain, path: w.path}
	there.inst = proc.NewInstallation(t, there.mongo.URI, there.redis.URL)
	there.management = there.inst.StartManagement()
	there.api = there.management.Operator()
	there.gateways = []*proc.Gateway{there.inst.StartGateway(there.management, publicURL)}
	if status, last := imported(t, there.api, text); status != http.StatusOK || last.Text("status") != "done" {
		t.Fatalf("%d %v", status, last)
	}
	there.settle()
	there.service = w.service
	g := there.gateways[0]
	there.granted(g, of, ofService)
	if active, err := there.active(t.Context(), g, before.Access); err != nil || !active {
		t.Errorf("a token that was out: %v %v", active, err)
	}
	read, err := there.manages(t.Context(), "GET", g, client, "")
	if err != nil || read.Status != http.StatusOK || read.JSON().Text("client_name") != "load" {
		t.Fatalf("%d %s %v", read.Status, read.Text, err)
	}
	changed, err := there.manages(t.Context(), "PATCH", g, client, `{"client_name":"moved"}`)
	if err != nil || changed.Status != http.StatusOK || changed.JSON().Text("registration_access_token") == "" {
		t.Fatalf("%d %s %v", changed.Status, changed.Text, err)
	}
	if old, err := there.manages(t.Context(), "GET", g, client, ""); err != nil || old.Status != http.StatusForbidden {
		t.Errorf("the token before: %d %v", old.Status, err)
	}
	if gone, err := there.manages(t.Context(), "DELETE", g, changed.JSON(), ""); err != nil || gone.Status != http.StatusNoContent {
		t.Errorf("%d %s %v", gone.Status, gone.Text, err)
	}
	if refused := there.must(g, of, "/oauth/token", ofService); refused.Status != http.StatusUnauthorized {
		t.Errorf("a client that has gone: %d %s", refused.Status, refused.Text)
	}
}

package management_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

const passphrase = "correct horse battery staple"

const sealedWith = `{"passphrase":"` + passphrase + `"}`

// furnished makes a domain with something of most kinds, and returns its identifier.
func furnished(r *running, name string) string {
	r.Helper()
	made := func(path, body string) string {
		r.Helper()
		status, _, answer := r.request("POST", path, "application/json", body)
		var one struct{ ID string }
		if err := json.Unmarshal(answer, &one); err != nil || status/100 != 2 {
			r.Fatalf("POST %s answers %d %s", path, status, answer)
		}
		return one.ID
	}
	d := made("/domains", `{"name":"`+name+`"}`)
	at := "/domains/" + d
	user := made(at+"/users", `{"username":"ann","email":"ann@example.com","password":"a long password of hers"}`)
	group := made(at+"/groups", `{"name":"staff"}`)
	if status, _, answer := r.request("POST", at+"/groups/"+group+"/members/"+user, "", ""); status/100 != 2 {
		r.Fatalf("membership: %d %s", status, answer)
	}
	role := made(at+"/roles", `{"name":"reader"}`)
	if status, _, answer := r.request("PATCH", at+"/groups/"+group, "application/json", `{"roles":["`+role+`"]}`); status != 200 {
		r.Fatalf("role of a group: %d %s", status, answer)
	}
	app := made(at+"/applications", `{"name":"shop","type":"web","redirectUris":["https://shop.example/cb"],"clientId":"shop","clientSecret":"a secret that somebody chose"}`)
	made(at+"/applications/"+app+"/bindings", `{"group":"`+group+`","effect":"allow"}`)
	made(at+"/applications/"+app+"/bindings", `{"user":"`+user+`","effect":"deny"}`)
	made(at+"/applications", `{"name":"robot","type":"service"}`)
	made(at+"/scopes", `{"key":"orders","name":"Orders","description":"Orders"}`)
	return d
}

func (r *running) export(path string) []byte {
	r.Helper()
	status, header, text := r.request("POST", path, "application/json", sealedWith)
	if status != 200 || header.Get("Content-Type") != "application/x-ndjson" {
		r.Fatalf("export answers %d %s", status, text)
	}
	return append(text, '\n')
}

// imported sends an archive and returns the status and the lines of the answer.
func (r *running) imported(path, key string, text []byte) (int, []map[string]any) {
	r.Helper()
	body := string(text)
	if key != "" {
		body = key + "\n" + body
	}
	status, _, answer := r.request("POST", path, "application/x-ndjson", body)
	var lines []map[string]any
	for line := range bytes.Lines(answer) {
		one := map[string]any{}
		if err := json.Unmarshal(line, &one); err != nil {
			r.Fatalf("%s: %v", line, err)
		}
		lines = append(lines, one)
	}
	return status, lines
}

func outcome(lines []map[string]any) string {
	if len(lines) == 0 {
		return "nothing"
	}
	status, _ := lines[len(lines)-1]["status"].(string)
	return status
}

// content is what an archive says, secrets opened; what every installation counts for itself is left out.
func content(t testing.TB, text []byte) []string {
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
		record, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		delete(record.Data, "revision")
		places := map[string]string{
			"passwordHash":  "gatehouse.directory.v1.User.password_hash:" + fmt.Sprint(record.Data["id"]),
			"privateKey":    "gatehouse.config.v1.Certificate.private_key:" + fmt.Sprint(record.Data["id"]),
			"secret":        "gatehouse.config.v1.Domain.secret:" + fmt.Sprint(record.Data["id"]),
			"hash":          "gatehouse.config.v1.ClientSecret.hash:" + fmt.Sprint(record.Data["id"]),
			"encryptionKey": "gatehouse.config.v1.Domain.encryption_key:" + fmt.Sprint(record.Data["id"]),
			"value":         "kept/client_secret_value/value",
		}
		var open func(v any) any
		open = func(v any) any {
			switch v := v.(type) {
			case map[string]any:
				for name := range v {
					if s, ok := v[name].(string); ok && strings.HasPrefix(s, "sealed:") {
						plain, err := in.Sealer().Open(places[name], s)
						if err != nil {
							t.Fatalf("%s of %s: %v", name, record.Kind, err)
						}
						v[name] = fmt.Sprintf("%x", plain)
					} else {
						v[name] = open(v[name])
					}
				}
			case []any:
				for i := range v {
					v[i] = open(v[i])
				}
			}
			return v
		}
		line, err := json.Marshal(open(record.Data))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record.Kind+" "+string(line))
	}
}

func TestADomainMovesIntoAFreshInstallation(t *testing.T) {
	from, to := newHouse(t).startReady(), newHouse(t).startReady()
	domain := furnished(from, "Shop")
	text := from.export("/domains/" + domain + "/_export")
	if bytes.Contains(text, []byte("$argon2id$")) || bytes.Contains(text, []byte("$sha256$")) {
		t.Error("the archive shows hashes")
	}

	status, lines := to.imported("/domains/_import?dryRun=true", sealedWith, text)
	if status != 200 || outcome(lines) != "done" {
		t.Fatalf("the dry run answers %d %v", status, lines)
	}
	if status, _, _ := to.request("GET", "/domains/"+domain, "", ""); status != 404 {
		t.Errorf("after the dry run there is a domain: %d", status)
	}
	status, made := to.imported("/domains/_import", sealedWith, text)
	if status != 200 || outcome(made) != "done" {
		t.Fatalf("the import answers %d %v", status, made)
	}
	if diff := cmp.Diff(lines, made); diff != "" {
		t.Errorf("the dry run said something else (-dry +made):\n%s", diff)
	}
	if diff := cmp.Diff(content(t, text), content(t, to.export("/domains/"+domain+"/_export"))); diff != "" {
		t.Errorf("what arrived is not what left (-left +arrived):\n%s", diff)
	}
	if status, _ := to.imported("/domains/_import", sealedWith, text); status != http.StatusConflict {
		t.Errorf("a second import answers %d", status)
	}
	_, _, audits := to.request("GET", "/domains/"+domain+"/audits?size=200", "", "")
	if !bytes.Contains(audits, []byte(`"import"`)) {
		t.Errorf("no audit record of the import: %s", audits)
	}
}

func TestACopyStandsBesideTheOriginal(t *testing.T) {
	r := newHouse(t).startReady()
	domain := furnished(r, "Shop")
	text := r.export("/domains/" + domain + "/_export")
	status, lines := r.imported("/domains/_import?as=Shop+two", sealedWith, text)
	if status != 200 || outcome(lines) != "done" {
		t.Fatalf("%d %v", status, lines)
	}
	id := ""
	for _, l := range lines {
		if l["kind"] == "domain" {
			id, _ = l["id"].(string)
			if l["was"] != domain {
				t.Errorf("the answer does not say which domain it was: %v", l)
			}
		}
	}
	copied := r.export("/domains/" + id + "/_export")
	if bytes.Contains(copied, []byte(domain)) {
		for _, line := range content(t, copied) {
			if strings.Contains(line, domain) {
				t.Errorf("the copy names the original: %s", line)
			}
		}
	}
	if got, want := len(content(t, copied)), len(content(t, text)); got != want {
		t.Errorf("the copy has %d records, the original %d", got, want)
	}
	_, _, d := r.request("GET", "/domains/"+id, "", "")
	if !bytes.Contains(d, []byte(`"path":"/shop-two"`)) || !bytes.Contains(d, []byte(`"name":"Shop two"`)) {
		t.Errorf("the copy is %s", d)
	}
	if status, lines := r.imported("/domains/_import?as=Shop+two", sealedWith, text); outcome(lines) != "refused" {
		t.Errorf("the same copy again: %d %v", status, lines)
	}
	if status, lines := r.imported("/domains/_import?as=Shop+three", sealedWith, text); outcome(lines) != "done" {
		t.Errorf("another copy: %d %v", status, lines)
	}
}

func TestAnInstallationComesBack(t *testing.T) {
	from, to := newHouse(t).startReady(), newHouse(t).startReady()
	one, two := furnished(from, "One"), furnished(from, "Two")
	status, _, answer := from.request("POST", "/organizations/DEFAULT/users", "application/json", `{"username":"olga","password":"a password of an operator","email":"olga@example.com"}`)
	if status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
	text := from.export("/organizations/DEFAULT/_export")
	if status, lines := to.imported("/organizations/DEFAULT/_import", sealedWith, text); status != 200 || outcome(lines) != "done" {
		t.Fatalf("%d %v", status, lines)
	}
	for _, domain := range []string{one, two} {
		a, b := from.export("/domains/"+domain+"/_export"), to.export("/domains/"+domain+"/_export")
		if diff := cmp.Diff(content(t, a), content(t, b)); diff != "" {
			t.Error(diff)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+to.Addr()+"/management/auth/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("olga", "a password of an operator")
	signedIn, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = signedIn.Body.Close()
	if signedIn.StatusCode != 200 {
		t.Errorf("the operator's password does not work: %d", signedIn.StatusCode)
	}
	// Again: everything is there and stays as it is.
	status, lines := to.imported("/organizations/DEFAULT/_import", sealedWith, text)
	if status != 200 || outcome(lines) != "done" {
		t.Errorf("once more: %d %v", status, lines)
	}
}

func TestImportsThatAreRefusedLeaveNothing(t *testing.T) {
	from, to := newHouse(t).startReady(), newHouse(t).startReady()
	domain := furnished(from, "Shop")
	furnished(to, "Another") // the sweep and the lists have something to look at
	text := from.export("/domains/" + domain + "/_export")
	lines := bytes.SplitAfter(text, []byte("\n"))
	flipped := func(line int) []byte {
		all := bytes.Clone(text)
		at := len(bytes.Join(lines[:line], nil)) + len(lines[line])/2
		all[at] ^= 1
		return all
	}
	refuse := func(name, key string, text []byte) {
		t.Helper()
		status, lines := to.imported("/domains/_import", key, text)
		if status == 200 && outcome(lines) != "refused" {
			t.Errorf("%s: %d %v", name, status, lines)
		}
		if status >= 500 {
			t.Errorf("%s: %d", name, status)
		}
		if status, _, _ := to.request("GET", "/domains/"+domain, "", ""); status != 404 {
			t.Fatalf("%s: the domain is there", name)
		}
	}
	refuse("a wrong key", `{"passphrase":"another passphrase"}`, text)
	refuse("no key", "", text)
	refuse("not an archive", sealedWith, []byte(`{"users":[]}`))
	refuse("without its end", sealedWith, bytes.Join(lines[:len(lines)-2], nil))
	refuse("cut off in the middle of a line", sealedWith, text[:len(text)/2])
	for i := range lines {
		if len(lines[i]) > 0 {
			refuse(fmt.Sprintf("a flipped bit in line %d", i+1), sealedWith, flipped(i))
		}
	}
	if n := to.countAll(domain); n != 0 {
		t.Errorf("%d documents of the domain are left", n)
	}
	if status, lines := to.imported("/domains/_import", sealedWith, text); outcome(lines) != "done" {
		t.Errorf("afterwards the whole archive: %d %v", status, lines)
	}
}

func TestThirtyTwoImportsAtOnce(t *testing.T) {
	from, to := newHouse(t).startReady(), newHouse(t).startReady()
	domain := furnished(from, "Shop")
	text := from.export("/domains/" + domain + "/_export")
	var all sync.WaitGroup
	results := make(chan string, 32)
	for range 32 {
		all.Go(func() {
			status, lines := to.imported("/domains/_import", sealedWith, text)
			if status == 200 {
				results <- outcome(lines)
			} else {
				results <- fmt.Sprint(status)
			}
		})
	}
	all.Wait()
	close(results)
	count := map[string]int{}
	for r := range results {
		count[r]++
	}
	if count["done"] != 1 || count["done"]+count["refused"]+count["409"] != 32 {
		t.Errorf("results %v", count)
	}
	if diff := cmp.Diff(content(t, text), content(t, to.export("/domains/"+domain+"/_export"))); diff != "" {
		t.Error(diff)
	}
}

// TestAnArchiveWithoutAKeyHasNoSecrets moves configuration without secrets: the server's own keys are made anew.
func TestAnArchiveWithoutAKeyHasNoSecrets(t *testing.T) {
	from, to := newHouse(t).startReady(), newHouse(t).startReady()
	domain := furnished(from, "Shop")
	status, _, text := from.request("POST", "/domains/"+domain+"/_export", "", "")
	if status != 200 || bytes.Contains(text, []byte("passwordHash")) || bytes.Contains(text, []byte("privateKey")) {
		t.Fatalf("%d %s", status, text)
	}
	status, lines := to.imported("/domains/_import", "", append(text, '\n'))
	if status != 200 || outcome(lines) != "done" {
		t.Fatalf("%d %v", status, lines)
	}
	arrived := content(t, to.export("/domains/"+domain+"/_export"))
	if !strings.Contains(strings.Join(arrived, "\n"), `"privateKey":"`) {
		t.Error("the domain has no key to sign with")
	}
}

// countAll counts the documents of a domain in every collection.
func (r *running) countAll(domain string) int64 {
	r.Helper()
	db := storetest.Database(r, r.options)
	names, err := db.ListCollectionNames(r.Context(), bson.M{})
	if err != nil {
		r.Fatal(err)
	}
	total := int64(0)
	for _, name := range names {
		if name == "audits" {
			continue
		}
		n, err := db.Collection(name).CountDocuments(r.Context(), bson.M{"domain": domain})
		if err != nil {
			r.Fatal(err)
		}
		total += n
	}
	return total
}

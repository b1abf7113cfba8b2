package access_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/access"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/rest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

const password = "a password nobody else has"

// house is a management API with reports over a real database, and one domain.
type house struct {
	testing.TB
	options   store.Options
	store     *store.Store
	operators *operator.Service
	people    *directory.Service
	reports   *access.Service
	editor    *editor.Editor
	hasher    *secret.Hasher
	server    *httptest.Server
	token     string
	domain    string
	serve     func()
}

// view starts the API once more, with configuration that is held in memory alone.
func (h *house) view(held *image.Image) {
	ends, every := make(chan struct{}), time.NewTicker(50*time.Millisecond)
	h.Cleanup(func() { close(ends); every.Stop() })
	go func() { // nothing changes, and the image is not behind
		for {
			select {
			case <-every.C:
				held.Moved()
			case <-ends:
				return
			}
		}
	}()
	h.reports = access.New(access.Options{Store: h.store, Image: held})
	h.serve()
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{TB: t, hasher: secret.NewHasher(), options: storetest.Options(t)}
	h.options.OperationTimeout = 60 * time.Second
	h.store = storetest.Open(t, h.options)
	log := h.options.Logger
	metrics := observe.NewMetrics("management", "v1")
	recorder := audit.New(audit.Options{Audits: h.store.Audits(), Metrics: metrics.Registerer(), Logger: log})
	var err error
	h.operators, err = operator.New(operator.Options{Store: h.store, Hasher: h.hasher, Journal: recorder, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	h.reports = access.New(access.Options{Store: h.store})
	h.editor = editor.New(editor.Options{Store: h.store, Hasher: h.hasher, Logger: log, Count: h.reports, OnCreate: h.operators.Created})
	h.people = directory.New(directory.Options{Store: h.store, Hasher: h.hasher, Recorder: recorder, Logger: log})
	h.member("admin", operator.RoleOrganizationOwner, store.PlaceOfOrganization("DEFAULT"))
	h.serve = func() {
		api := rest.New(rest.Options{
			Editor: h.editor, Operators: h.operators, Audits: h.store.Audits(), GatewayURL: "http://gateway.example", Metrics: metrics, Logger: log,
			Members: h.people, Mount: []func(*rest.Mux){
				func(m *rest.Mux) { h.people.Mount(m) }, func(m *rest.Mux) { h.reports.Mount(m, h.editor) },
			},
		})
		h.server = httptest.NewServer(observe.Requests(api, observe.RequestsOptions{Log: log, Metrics: metrics, Panicked: rest.Failure()}))
		t.Cleanup(h.server.Close)
	}
	h.serve()
	h.token = h.signIn("admin")
	h.domain = h.made("/management/domains", `{"name":"People"}`)
	return h
}

// tree is an answer.
type tree = map[string]any

// send sends a request and returns status and answer.
func (h *house) send(method, path, body string, accept ...string) (int, []byte) {
	h.Helper()
	if !strings.HasPrefix(path, "/management") {
		path = "/management/domains/" + h.domain + path
	}
	r, err := http.NewRequestWithContext(h.Context(), method, h.server.URL+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, kind := range accept {
		r.Header.Set("Accept", kind)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.Fatal(err)
	}
	return answer.StatusCode, bytes.TrimSpace(text)
}

// must sends a request that succeeds.
func (h *house) must(method, path, body string) tree {
	h.Helper()
	status, text := h.send(method, path, body)
	if status >= 300 {
		h.Fatalf("%s %s %s: %d %s", method, path, body, status, text)
	}
	var t tree
	if len(text) > 0 {
		if err := json.Unmarshal(text, &t); err != nil {
			h.Fatalf("%s: %v", text, err)
		}
	}
	return t
}

// refused sends a request that is refused, and returns the places that are named.
func (h *house) refused(method, path, body string, want int) []string {
	h.Helper()
	status, text := h.send(method, path, body)
	if status != want {
		h.Fatalf("%s %s %s: %d %s, want %d", method, path, body, status, text, want)
	}
	var t struct {
		Errors []struct{ Path string }
	}
	if err := json.Unmarshal(text, &t); err != nil {
		h.Fatal(err)
	}
	var paths []string
	for _, e := range t.Errors {
		paths = append(paths, e.Path)
	}
	return paths
}

// made makes something and returns its identifier.
func (h *house) made(path, body string) string {
	h.Helper()
	return h.must("POST", path, body)["id"].(string)
}

func (h *house) user(name string) string {
	h.Helper()
	u, err := h.people.Create(h.Context(), h.domain, &directoryv1.NewUser{Username: name, Password: "correct horse battery staple", FirstName: "N", LastName: name})
	if err != nil {
		h.Fatal(err)
	}
	return u.GetId()
}

func (h *house) group(name string, members, groups []string) string {
	h.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "members": members, "groups": groups})
	if err != nil {
		h.Fatal(err)
	}
	return h.made("/groups", string(body))
}

func (h *house) app(name string) string {
	h.Helper()
	return h.made("/applications", `{"name":"`+name+`","type":"web","redirectUris":["https://app.example/cb"]}`)
}

func (h *house) policy(name, kind, configuration string) string {
	h.Helper()
	return h.made("/policies", fmt.Sprintf(`{"name":%q,"type":%q,"configuration":%s}`, name, kind, configuration))
}

// entries returns a whole list.
func (h *house) entries(path string) (entries []tree, total int) {
	h.Helper()
	for page := 0; ; page++ {
		sign := "?"
		if strings.Contains(path, "?") {
			sign = "&"
		}
		t := h.must("GET", fmt.Sprintf("%s%spage=%d&size=200", path, sign, page), "")
		total = int(t["totalCount"].(float64))
		for _, e := range t["data"].([]any) {
			entries = append(entries, e.(tree))
		}
		if len(entries) >= total || len(t["data"].([]any)) == 0 {
			return entries, total
		}
	}
}

// member makes an operator with a role at a place.
func (h *house) member(name, role, place string) {
	h.Helper()
	hash, err := h.hasher.Password(h.Context(), password)
	if err != nil {
		h.Fatal(err)
	}
	o := &store.Operator{ID: secret.NewID(), Name: name, PasswordHash: hash, Organization: "DEFAULT", CreatedAt: time.Now().UTC()}
	m := store.OperatorMembership{Reference: place, Operator: o.ID, Role: role}
	if h.domain == "" { // those above domains are the operator's own
		o.Memberships = []store.OperatorMembership{m}
	} else {
		m.Domain = h.domain
		if err := h.store.OperatorMembers().Put(h.Context(), m); err != nil {
			h.Fatal(err)
		}
	}
	if err := h.store.Operators().Insert(h.Context(), o); err != nil {
		h.Fatal(err)
	}
}

func (h *house) signIn(name string) string {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), "POST", h.server.URL+"/management/auth/token", nil)
	if err != nil {
		h.Fatal(err)
	}
	r.SetBasicAuth(name, password)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	var t tree
	if err := json.NewDecoder(answer.Body).Decode(&t); err != nil {
		h.Fatal(err)
	}
	return t["access_token"].(string)
}

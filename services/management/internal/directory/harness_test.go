package directory_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/rest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

const password = "a password nobody else has"

// house is a directory over a database of its own, with one domain.
type house struct {
	testing.TB
	options store.Options
	hasher  *secret.Hasher
	log     *buffer
	now     time.Time // what the clock says, if it is not zero

	store   *store.Store
	editor  *editor.Editor
	people  *directory.Service
	domain  string
	server  *httptest.Server // management API, see rest
	token   string
	signIn  func(operator string)
	inlines int
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{TB: t, options: storetest.Options(t), hasher: secret.NewHasher(), log: &buffer{}}
	h.options.Logger, h.options.Now = observe.NewLogger(h.log, slog.LevelDebug, observe.JSON), h.clock
	h.store, h.people = h.replica()
	h.editor = editor.New(editor.Options{Store: h.store, Hasher: h.hasher, Logger: slog.New(slog.DiscardHandler)})
	h.domain = h.newDomain("People")
	return h
}

// replica returns the directory of another process on the same database.
func (h *house) replica() (*store.Store, *directory.Service) {
	h.Helper()
	s := storetest.Open(h, h.options)
	recorder := audit.New(audit.Options{Audits: s.Audits(), Logger: h.options.Logger})
	return s, directory.New(directory.Options{Store: s, Hasher: h.hasher, Recorder: recorder, Logger: h.options.Logger, Now: h.clock})
}

func (h *house) clock() time.Time {
	if h.now.IsZero() {
		return time.Now()
	}
	return h.now
}

func (h *house) place(domain string) editor.Place {
	return editor.Place{Organization: "DEFAULT", Environment: "DEFAULT", Domain: domain}
}

func (h *house) newDomain(name string) string {
	h.Helper()
	d, _, err := editor.Create(h.Context(), h.editor, catalog.Domains, h.place(""), prototree.Object{"name": name})
	if err != nil {
		h.Fatal(err)
	}
	return d.GetId()
}

// newInline adds an inline provider to a domain.
func (h *house) newInline(domain string) string {
	h.Helper()
	h.inlines++
	p, _, err := editor.Create(h.Context(), h.editor, catalog.IdentityProviders, h.place(domain), prototree.Object{
		"name": "Inline", "type": "inline-am-idp", "configuration": prototree.Object{"users": []any{}},
	})
	if err != nil {
		h.Fatal(err)
	}
	return p.GetId()
}

func (h *house) newApplication(domain, clientID string) *configv1.Application {
	h.Helper()
	a, _, err := editor.Create(h.Context(), h.editor, catalog.Applications, h.place(domain), prototree.Object{
		"name": clientID, "type": "service", "clientId": clientID,
	})
	if err != nil {
		h.Fatal(err)
	}
	return a
}

// newUser adds a person with the password of the tests to the domain's own directory.
func (h *house) newUser(name string) *directoryv1.User {
	h.Helper()
	u, err := h.people.Create(h.Context(), h.domain, &directoryv1.NewUser{Username: name, Password: password, Email: name + "@example.com"})
	if err != nil {
		h.Fatal(err)
	}
	return u
}

// stored returns what is kept of a user.
func (h *house) stored(id string) *directoryv1.User {
	h.Helper()
	u, err := h.store.Users().Get(h.Context(), h.domain, id)
	if err != nil {
		h.Fatal(err)
	}
	return u
}

func (h *house) count(domain string) int64 {
	h.Helper()
	_, n, err := h.store.Users().List(h.Context(), store.UserQuery{Domain: domain, Size: 1})
	if err != nil {
		h.Fatal(err)
	}
	return n
}

// wantKind checks what kind of fault an error is; Internal stands for none at all.
func wantKind(t testing.TB, what string, err error, want fault.Kind) {
	t.Helper()
	if want == fault.Internal {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	if !fault.Is(err, want) {
		t.Errorf("%s: %v (%v), want %v", what, err, fault.KindOf(err), want)
	}
}

// rest serves the management API with the directory in it, and signs an operator in.
func (h *house) rest() {
	h.Helper()
	log := observe.NewLogger(h.log, slog.LevelDebug, observe.JSON)
	operators, err := operator.New(operator.Options{Store: h.store, Hasher: h.hasher, Logger: log})
	if err != nil {
		h.Fatal(err)
	}
	hash, err := h.hasher.Password(h.Context(), password)
	if err != nil {
		h.Fatal(err)
	}
	if err := h.store.Operators().Insert(h.Context(), &store.Operator{
		ID: secret.NewID(), Name: "admin", PasswordHash: hash, Organization: "DEFAULT",
		Memberships: []store.OperatorMembership{{Reference: store.PlaceOfOrganization("DEFAULT"), Role: operator.RoleOrganizationOwner}},
	}); err != nil {
		h.Fatal(err)
	}
	api := rest.New(rest.Options{
		Editor: h.editor, Operators: operators, Audits: h.store.Audits(), Logger: log, Members: h.people,
		Mount: []func(*rest.Mux){func(m *rest.Mux) { h.people.Mount(m) }},
	})
	h.server = httptest.NewServer(observe.Requests(api, observe.RequestsOptions{Log: log, Metrics: observe.NewMetrics("management", "v1"), Panicked: rest.Failure()}))
	h.Cleanup(h.server.Close)
	h.signIn = func(name string) {
		token, err := operators.SignIn(h.Context(), name, password, "127.0.0.1")
		if err != nil {
			h.Fatal(err)
		}
		h.token = token.Value
	}
	h.signIn("admin")
}

// limited goes on as an operator with these permissions only.
func (h *house) limited(permissions ...string) {
	h.Helper()
	hash, err := h.hasher.Password(h.Context(), password)
	if err != nil {
		h.Fatal(err)
	}
	name := secret.NewID()
	role := &store.OperatorRole{ID: secret.NewID(), Name: name, Organization: "DEFAULT", Assignable: "organization", Permissions: permissions}
	if err := h.store.OperatorRoles().Insert(h.Context(), role); err != nil {
		h.Fatal(err)
	}
	if err := h.store.Operators().Insert(h.Context(), &store.Operator{
		ID: secret.NewID(), Name: name, PasswordHash: hash, Organization: "DEFAULT",
		Memberships: []store.OperatorMembership{{Reference: store.PlaceOfOrganization("DEFAULT"), Role: role.ID}},
	}); err != nil {
		h.Fatal(err)
	}
	h.signIn(name)
}

// answer is what the management API said.
type answer struct {
	status int
	header http.Header
	body   prototree.Object
	list   []prototree.Object // where the answer is an array
	text   string
}

func (h *house) call(method, path, body string, headers ...string) answer {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.server.URL+"/management"+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		h.Fatal(err)
	}
	a := answer{status: got.StatusCode, header: got.Header, text: string(text)}
	if len(text) > 0 {
		var err error
		if text[0] == '[' {
			err = json.Unmarshal(text, &a.list)
		} else {
			err = json.Unmarshal(text, &a.body)
		}
		if err != nil {
			h.Fatalf("%s %s answers %q: %v", method, path, text, err)
		}
	}
	return a
}

// refused checks a refusal: its status, its text, and its first place.
func (h *house) refused(what string, got answer, status int, message, place string) {
	h.Helper()
	at := ""
	if list, _ := got.body["errors"].([]any); len(list) > 0 {
		at, _ = list[0].(map[string]any)["path"].(string)
	}
	if got.status != status || got.body["message"] != message || at != place {
		h.Errorf("%s: answered %d at %q: %s\nwant %d at %q: %s", what, got.status, at, got.text, status, place, message)
	}
}

// buffer is a log that is written by several goroutines.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// asFault is an error as a fault.
func asFault(err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return &fault.Error{}
}

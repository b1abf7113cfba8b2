package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

const (
	long  = "/management/organizations/DEFAULT/environments/DEFAULT"
	short = "/management"

	adminName, adminPassword = "admin", "a password nobody else has"
)

// house is a management API over a real database.
type house struct {
	t       testing.TB
	options store.Options
	store   *store.Store
	api     *API
	server  *httptest.Server
	log     *syncBuffer
	token   string
	hasher  *secret.Hasher
}

func newHouse(t testing.TB, mount ...func(*Mux)) *house {
	t.Helper()
	h := &house{t: t, options: storetest.Options(t), log: &syncBuffer{}, hasher: secret.NewHasher()}
	h.store = storetest.Open(t, h.options)
	log := observe.NewLogger(h.log, slog.LevelDebug, observe.JSON)
	metrics := observe.NewMetrics("management", "v1")
	recorder := audit.New(audit.Options{Audits: h.store.Audits(), Metrics: metrics.Registerer(), Logger: log})
	operators, err := operator.New(operator.Options{Store: h.store, Hasher: h.hasher, Journal: recorder, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	h.member(adminName, adminPassword, operator.RoleOrganizationOwner)
	h.api = New(Options{
		Editor:     editor.New(editor.Options{Store: h.store, KeepSecrets: 24 * time.Hour, Hasher: h.hasher, OnCreate: operators.Created, Logger: log}),
		Operators:  operators,
		Audits:     h.store.Audits(),
		GatewayURL: "http://gateway.example:8092/",
		Metrics:    metrics,
		Logger:     log,
		Mount:      mount,
	})
	h.server = httptest.NewServer(observe.Requests(h.api, observe.RequestsOptions{Log: log, Metrics: metrics, Panicked: Failure()}))
	t.Cleanup(h.server.Close)
	h.token = h.signIn(adminName, adminPassword)
	return h
}

// dump returns everything in the database as text.
func (h *house) dump() []byte {
	h.t.Helper()
	ctx, db := h.t.Context(), storetest.Database(h.t, h.options)
	names, err := db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		h.t.Fatal(err)
	}
	var all bytes.Buffer
	for _, name := range names {
		cursor, err := db.Collection(name).Find(ctx, bson.D{})
		if err != nil {
			h.t.Fatal(err)
		}
		var documents []bson.D
		if err := cursor.All(ctx, &documents); err != nil {
			h.t.Fatal(err)
		}
		for _, document := range documents {
			text, err := bson.MarshalExtJSON(document, false, false)
			if err != nil {
				h.t.Fatal(err)
			}
			all.Write(append(text, '\n'))
		}
	}
	if all.Len() == 0 {
		h.t.Fatal("the database is empty")
	}
	return all.Bytes()
}

// operator adds an operator with a role of the organization that has some permissions.
func (h *house) operator(name, password string, permissions ...string) *store.Operator {
	h.t.Helper()
	role := &store.OperatorRole{
		ID: secret.NewID(), Name: "of " + name, Organization: "DEFAULT", Assignable: "organization", Permissions: permissions,
	}
	if err := h.store.OperatorRoles().Insert(h.t.Context(), role); err != nil {
		h.t.Fatal(err)
	}
	return h.member(name, password, role.ID)
}

// member adds an operator with a role of the organization.
func (h *house) member(name, password, role string) *store.Operator {
	h.t.Helper()
	hash, err := h.hasher.Password(h.t.Context(), password)
	if err != nil {
		h.t.Fatal(err)
	}
	o := &store.Operator{
		ID: secret.NewID(), Name: name, PasswordHash: hash, Organization: "DEFAULT", CreatedAt: time.Now().UTC(),
	}
	o.Memberships = []store.OperatorMembership{{Reference: store.PlaceOfOrganization("DEFAULT"), Operator: o.ID, Role: role}}
	if err := h.store.Operators().Insert(h.t.Context(), o); err != nil {
		h.t.Fatal(err)
	}
	return o
}

// signIn returns a token.
func (h *house) signIn(name, password string) string {
	h.t.Helper()
	a := h.send(http.MethodPost, short+"/auth/token", "", basic(name, password))
	a.status(http.StatusOK)
	return a.tree()["access_token"].(string)
}

// reply is what was answered.
type reply struct {
	t      testing.TB
	what   string
	code   int
	header http.Header
	body   []byte
}

type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
			return
		}
		r.Header.Set(name, value)
	}
}

func basic(name, password string) option {
	return func(r *http.Request) { r.SetBasicAuth(name, password) }
}

func anonymous(r *http.Request) { r.Header.Del("Authorization") }

// send makes one request; the administrator's token and the content type are there unless an option says otherwise.
func (h *house) send(method, path, body string, options ...option) *reply {
	h.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+path, reader)
	if err != nil {
		h.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	for _, o := range options {
		o(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	h.conforms(method, path, answer, data)
	return &reply{t: h.t, what: method + " " + path, code: answer.StatusCode, header: answer.Header, body: data}
}

func (a *reply) status(want int) *reply {
	a.t.Helper()
	if a.code != want {
		a.t.Fatalf("%s: status %d, want %d\n%s", a.what, a.code, want, a.body)
	}
	return a
}

func (a *reply) tree() prototree.Object {
	a.t.Helper()
	tree, err := prototree.Parse(a.body)
	if err != nil {
		a.t.Fatalf("%s: %v\n%s", a.what, err, a.body)
	}
	return tree
}

func (a *reply) array() []prototree.Object {
	a.t.Helper()
	var list []prototree.Object
	if err := json.Unmarshal(a.body, &list); err != nil {
		a.t.Fatalf("%s: %v\n%s", a.what, err, a.body)
	}
	return list
}

// data returns the entries of a page.
func (a *reply) data() []prototree.Object {
	a.t.Helper()
	var page struct {
		Data []prototree.Object `json:"data"`
	}
	if err := json.Unmarshal(a.body, &page); err != nil || page.Data == nil {
		a.t.Fatalf("%s: no page: %v\n%s", a.what, err, a.body)
	}
	return page.Data
}

// refused checks status and text of an error, and where it is, if paths are given.
func (a *reply) refused(status int, message string, paths ...string) *reply {
	a.t.Helper()
	a.status(status)
	var body struct {
		Message    string  `json:"message"`
		HTTPStatus int     `json:"http_status"`
		Error      *string `json:"error"`
		Errors     []struct {
			Path   string `json:"path"`
			Detail string `json:"detail"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		a.t.Fatalf("%s: %v\n%s", a.what, err, a.body)
	}
	if body.Message != message || body.HTTPStatus != status || body.Error != nil {
		a.t.Errorf("%s: answered\n%s\nwant %d %s", a.what, a.body, status, message)
	}
	if paths != nil {
		var got []string
		for _, e := range body.Errors {
			got = append(got, e.Path)
			if e.Detail == "" {
				a.t.Errorf("%s: %s has no detail", a.what, e.Path)
			}
		}
		if diff := cmp.Diff(paths, got); diff != "" {
			a.t.Errorf("%s: paths (-want +got):\n%s", a.what, diff)
		}
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		a.t.Errorf("%s: content type %q", a.what, got)
	}
	return a
}

// at returns the value at a path of member names.
func at(tree prototree.Object, path string) any {
	var v any = tree
	for _, name := range strings.Split(path, ".") {
		o, ok := v.(prototree.Object)
		if !ok {
			return nil
		}
		v = o[name]
	}
	return v
}

// domain creates a domain and returns its identifier.
func (h *house) domain(name string) string {
	h.t.Helper()
	a := h.send(http.MethodPost, long+"/domains", `{"name":`+quote(name)+`}`).status(http.StatusCreated)
	return a.tree()["id"].(string)
}

// application creates an application and returns the whole answer.
func (h *house) application(domain, body string) prototree.Object {
	h.t.Helper()
	return h.send(http.MethodPost, long+"/domains/"+domain+"/applications", body).status(http.StatusCreated).tree()
}

func quote(text string) string {
	data, _ := json.Marshal(text)
	return string(data)
}

// syncBuffer is a log that is written by several goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// testKey returns a private key in PEM.
func testKey(t testing.TB) string {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256, "")
	if err != nil {
		t.Fatal(err)
	}
	pem, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem)
}

// dumpOf returns one collection as text; it may be empty.
func (h *house) dumpOf(collection string) []byte {
	h.t.Helper()
	cursor, err := storetest.Database(h.t, h.options).Collection(collection).Find(h.t.Context(), bson.D{})
	if err != nil {
		h.t.Fatal(err)
	}
	var documents []bson.M
	if err := cursor.All(h.t.Context(), &documents); err != nil {
		h.t.Fatal(err)
	}
	return []byte(fmt.Sprint(documents))
}

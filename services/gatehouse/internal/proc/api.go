package proc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// client follows no redirect: tests look at them.
var client = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Answer is an answer that was read to its end.
type Answer struct {
	Status int
	Header http.Header
	Text   string
}

// JSON is the answer's body as an object; nil if it is none.
func (a Answer) JSON() Object {
	var o Object
	if json.Unmarshal([]byte(a.Text), &o) != nil {
		return nil
	}
	return o
}

// Send sends a request and reads the answer.
func Send(r *http.Request) (Answer, error) {
	answer, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	return Answer{answer.StatusCode, answer.Header, string(text)}, err
}

func get(ctx context.Context, target string) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return Answer{}, err
	}
	return Send(r)
}

// Object is an object of JSON.
type Object map[string]any

// At returns what lies at a path of names; nil if there is nothing.
func (o Object) At(path ...string) any {
	var v any = map[string]any(o)
	for _, name := range path {
		members, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = members[name]
	}
	return v
}

// Text returns the text at a path; "" if there is none.
func (o Object) Text(path ...string) string {
	text, _ := o.At(path...).(string)
	return text
}

// API is the management API as one operator uses it.
type API struct {
	URL   string // with /management
	Token string

	t testing.TB
}

// SignIn signs an operator in.
func SignIn(t testing.TB, managementURL, name, password string) *API {
	t.Helper()
	a, err := signIn(t.Context(), managementURL, name, password)
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	a.t = t
	return a
}

func signIn(ctx context.Context, managementURL, name, password string) (*API, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, managementURL+"/auth/token", http.NoBody)
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(name, password)
	answer, err := Send(r)
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("%d %s", answer.Status, answer.Text)
	}
	return &API{URL: managementURL, Token: answer.JSON().Text("access_token")}, nil
}

// During is the same API in a subtest, whose faults are then the subtest's.
func (a *API) During(t testing.TB) *API {
	during := *a
	during.t = t
	return &during
}

// Try sends body, if any, as JSON to a path such as /domains and returns the answer, whatever it is.
func (a *API) Try(ctx context.Context, method, path string, body any) (Answer, error) {
	var content io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return Answer{}, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.URL+path, content)
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+a.Token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return Send(r)
}

// Do is Try for what must succeed: any other status than 2xx fails the test.
func (a *API) Do(method, path string, body any) Object {
	a.t.Helper()
	answer, err := a.Try(a.t.Context(), method, path, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	if answer.Status >= 300 {
		a.t.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Text)
	}
	return answer.JSON()
}

// CreateDomain makes a domain and enables it.
func (a *API) CreateDomain(name string) Object {
	a.t.Helper()
	domain := a.Do("POST", "/domains", Object{"name": name})
	return a.Do("PATCH", "/domains/"+domain.Text("id"), Object{"enabled": true})
}

// Settle waits until the gateways behind the technical URLs have applied every change that management has answered. It
// writes a change of its own to the domain, whose revision is higher than all before.
func (a *API) Settle(domain string, technicalURLs ...string) {
	a.t.Helper()
	answer, err := a.Try(a.t.Context(), "PATCH", "/domains/"+domain, Object{"description": "settled " + time.Now().Format(time.RFC3339Nano)})
	if err != nil || answer.Status != http.StatusOK {
		a.t.Fatalf("settle: %v %d %s", err, answer.Status, answer.Text)
	}
	want, err := strconv.ParseInt(strings.Trim(answer.Header.Get("ETag"), `"`), 10, 64)
	if err != nil {
		a.t.Fatalf("settle: ETag: %v", err)
	}
	for _, technical := range technicalURLs {
		Await(a.t, "changes reach "+technical, 20*time.Second, func(ctx context.Context) error {
			got, err := Revision(ctx, technical)
			if err == nil && got < want {
				err = fmt.Errorf("revision %d of %d", got, want)
			}
			return err
		})
	}
}

var revisionMetric = regexp.MustCompile(`(?m)^gatehouse_config_revision(?:\{[^}]*\})? (\S+)$`)

// Revision is the revision of the configuration that a service has, from its metrics.
func Revision(ctx context.Context, technicalURL string) (int64, error) {
	answer, err := get(ctx, technicalURL+"/metrics")
	if err != nil {
		return 0, err
	}
	found := revisionMetric.FindStringSubmatch(answer.Text)
	if found == nil {
		return 0, fmt.Errorf("%s/metrics: %d without gatehouse_config_revision", technicalURL, answer.Status)
	}
	revision, err := strconv.ParseFloat(found[1], 64)
	return int64(revision), err
}

// PostForm posts a form, with HTTP Basic if user is not empty.
func PostForm(ctx context.Context, target, user, password string, form url.Values) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		r.SetBasicAuth(url.QueryEscape(user), url.QueryEscape(password))
	}
	return Send(r)
}

// List reads a bare array.
func (a *API) List(path string) []any {
	a.t.Helper()
	answer, err := a.Try(a.t.Context(), "GET", path, nil)
	if err != nil || answer.Status != http.StatusOK {
		a.t.Fatalf("GET %s: %v %d %s", path, err, answer.Status, answer.Text)
	}
	var list []any
	if err := json.Unmarshal([]byte(answer.Text), &list); err != nil {
		a.t.Fatalf("GET %s: %v", path, err)
	}
	return list
}

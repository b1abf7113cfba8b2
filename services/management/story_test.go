package management_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/management"
	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi"
	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi/openapitest"
)

// created is the order in which the story makes things; what is not named here is made afterwards.
var created = []string{
	"createDomain", "createScope", "createIdentity", "createCertificate", "createRole", "createUser", "createGroup",
	"createApplication", "createApplicationSecret",
}

// TestTheExamplesAreAStory executes every operation of the OpenAPI document against management, the bodies being the
// examples: first everything is made, then read, then changed, then deleted, what lies deepest first. What an example
// calls an identifier stands for what the story has made. Every answer is held to the document.
func TestTheExamplesAreAStory(t *testing.T) {
	s := newStory(t, newHouse(t).startReady())
	byID := map[string]openapi.Operation{}
	for _, o := range s.inOrder() {
		byID[o.ID] = o
		if again, ok := byID[anew[o.ID]]; ok {
			s.tell(again)
		}
		s.tell(o)
	}
}

// anew is what has to be made once more before it is deleted under an older name.
var anew = map[string]string{"deleteClient": "createApplication"}

// story is a walk through the operations of the document.
type story struct {
	*running
	checker *openapitest.Checker
	// made is what stands in reality for the identifiers of examples.
	made map[string]string
	// lying is what was made, by the path under which it lies: a form of a domain is none of an application.
	lying map[string]string
}

func newStory(t testing.TB, m *running) *story {
	t.Helper()
	d, err := management.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	checker, err := openapitest.New(d)
	if err != nil {
		t.Fatal(err)
	}
	return &story{running: m, checker: checker, made: map[string]string{}, lying: map[string]string{}}
}

// inOrder returns all operations in an order that can be told.
func (s *story) inOrder() []openapi.Operation {
	all := s.checker.Document().Operations()
	chapter := func(o openapi.Operation) int {
		switch {
		case o.ID == "signIn":
			return -1
		case o.Method == http.MethodPost && o.Operation.StatusOf() == http.StatusCreated:
			return 0
		case o.ID == "signOut":
			return 5
		case o.Method == http.MethodDelete:
			return 4
		case o.Method == http.MethodGet:
			return 1
		}
		return 2
	}
	place := func(o openapi.Operation) int {
		if i := slices.Index(created, o.ID); i >= 0 {
			return i
		}
		return len(created)
	}
	slices.SortStableFunc(all, func(a, b openapi.Operation) int {
		depth := cmp.Compare(strings.Count(a.Path, "/"), strings.Count(b.Path, "/"))
		if chapter(a) == 4 {
			depth = -depth
		}
		return cmp.Or(cmp.Compare(chapter(a), chapter(b)), cmp.Compare(place(a), place(b)), depth)
	})
	return all
}

// tell executes one operation.
func (s *story) tell(o openapi.Operation) {
	s.Helper()
	path := s.path(o, "")
	for i, p := range o.Operation.Query {
		if p.Required {
			path += map[bool]string{true: "?", false: "&"}[i == 0] + p.Name + "=" + slices.Concat(p.Values, []string{"x"})[0]
		}
	}
	body, media := s.example(o)
	status, header, answer := s.request(o.Method, path, media, body)
	if status != o.Operation.StatusOf() {
		s.Errorf("%s: %s %s answers %d %s\nto %s", o.ID, o.Method, path, status, answer, body)
		return
	}
	if err := s.checker.Answer(o.Method, "/management"+path, status, header, answer); err != nil {
		s.Error(err)
	}
	if status == http.StatusCreated {
		s.remember(o, answer)
	}
}

// remember keeps the identifier of what was made under the name that it has in paths.
func (s *story) remember(o openapi.Operation, answer []byte) {
	var made struct{ ID string }
	if json.Unmarshal(answer, &made) != nil || made.ID == "" {
		return
	}
	for _, item := range s.checker.Document().Operations() {
		if name, ok := strings.CutPrefix(item.Path, o.Path+"/{"); ok && strings.HasSuffix(name, "}") && !strings.Contains(name, "/") {
			example := openapi.ExampleOf(strings.TrimSuffix(name, "}"))
			if s.made[example] == "" || s.lying[item.Path] != "" {
				s.made[example] = made.ID
			}
			s.lying[item.Path] = made.ID
		}
	}
	if o.ID == "createApplication" {
		s.made[openapi.ExampleOf("client")] = made.ID
	}
}

// path is the path of an operation with what was made in the place of its parameters, but for one that is kept.
func (s *story) path(o openapi.Operation, keep string) string {
	segments := strings.Split(o.Path, "/")
	path := make([]string, len(segments))
	for i, segment := range segments {
		path[i] = segment
		if !strings.HasPrefix(segment, "{") || segment == keep {
			continue
		}
		if path[i] = s.lying[strings.Join(segments[:i+1], "/")]; path[i] == "" {
			path[i] = s.real(openapi.ExampleOf(strings.Trim(segment, "{}")))
		}
	}
	return strings.Join(path, "/")
}

// real puts what was made in the place of what stands for it.
func (s *story) real(text string) string {
	for example, id := range s.made {
		text = strings.ReplaceAll(text, example, id)
	}
	return text
}

// example returns the body of an operation, and its type.
func (s *story) example(o openapi.Operation) (body, media string) {
	item := s.checker.Document().Tree()["paths"].(map[string]any)[o.Path].(map[string]any)
	request, ok := item[strings.ToLower(o.Method)].(map[string]any)["requestBody"].(map[string]any)
	if !ok {
		return "", ""
	}
	for media, content := range request["content"].(map[string]any) {
		value, ok := content.(map[string]any)["example"]
		if !ok {
			s.Errorf("%s has no example: write internal/openapi/examples/%s.json", o.ID, o.ID)
			return "{}", media
		}
		if text, ok := value.(string); ok && media != "application/json" {
			return s.real(text), media
		}
		text, err := json.Marshal(value)
		if err != nil {
			s.Fatal(err)
		}
		if err := s.checker.Body(o, text); err != nil {
			s.Errorf("the example of %s: %v", o.ID, err)
		}
		return s.real(string(text)), media
	}
	return "", ""
}

// request sends a request to a path of the document and returns the answer.
func (r *running) request(method, path, media, body string) (int, http.Header, []byte) {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), method, "http://"+r.Addr()+"/management"+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	if path == "/auth/token" && method == http.MethodPost {
		request.SetBasicAuth("admin", password)
	} else {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.Fatal(fmt.Errorf("%s %s: %w", method, path, err))
	}
	return answer.StatusCode, answer.Header, bytes.TrimSpace(text)
}

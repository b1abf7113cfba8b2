package management_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/management"
	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi"
	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi/openapitest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// created is the order in which the story makes things; what is not named here is made afterwards.
var created = []string{
	"createOrganizationUser", "createOrganizationRole", "createDomain", "createScope", "createIdentity", "createCertificate", "createRole", "createUser", "createGroup",
	"createApplication", "createApplicationSecret", "createPolicy", "createApplicationBinding", "createApplicationEntitlement",
}

// refused are operations about what only gateways bring into being, what cannot be taken away, and what only service
// accounts can be given by others: the operator of the story is a person.
var refused = map[string]int{
	"createOrganizationUserToken": http.StatusForbidden, "deleteOrganizationUserToken": http.StatusNotFound,
	"getUserConsent": http.StatusNotFound, "deleteUserConsent": http.StatusNotFound, "deleteUserIdentity": http.StatusBadRequest,
	"sendUserRegistrationConfirmation": http.StatusBadRequest,
	// The last binding of an application.
	"deleteApplicationBinding": http.StatusConflict,
	// The composed application signs people in by it.
	"deleteIdentity": http.StatusBadRequest,
	// The archive of the examples is cut off behind its first line.
	"importDomain": http.StatusBadRequest, "importOrganization": http.StatusBadRequest,
	// Only gateways register clients.
	"acceptRegistration":  http.StatusConflict,
	"rejectRegistration":  http.StatusConflict,
	"compareWithTemplate": http.StatusNotFound,
	// The application has no icon, its address is none of the public net, and it has a provider.
	"getApplicationIcon": http.StatusNotFound,
	"putApplicationIcon": http.StatusBadRequest,
	"assignProvider":     http.StatusConflict,
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
		case makes(o):
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
			// Who is deleted is a member of nothing any more.
			depth = cmp.Or(byMembers(a)-byMembers(b), -depth)
		}
		return cmp.Or(cmp.Compare(chapter(a), chapter(b)), cmp.Compare(place(a), place(b)), depth)
	})
	return all
}

func byMembers(o openapi.Operation) int {
	if strings.HasSuffix(o.Path, "/members/{member}") {
		return 0
	}
	return 1
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
	if want, ok := refused[o.ID]; status != o.Operation.StatusOf() && (!ok || status != want) {
		s.Errorf("%s: %s %s answers %d %s\nto %s", o.ID, o.Method, path, status, answer, body)
		return
	}
	if err := s.checker.Answer(o.Method, "/management"+path, status, header, answer); err != nil {
		s.Error(err)
	}
	switch {
	case status >= 400:
	case makes(o):
		s.remember(o, answer)
	case o.Operation.Shape == operation.Page && o.Method == http.MethodGet:
		var page struct{ Data json.RawMessage }
		if json.Unmarshal(answer, &page) == nil {
			s.rememberFound(o, page.Data)
		}
	case o.Operation.Shape == operation.Array && o.Method == http.MethodGet:
		s.rememberFound(o, answer)
	}
}

// rememberFound keeps the identifier of one of a list, where the story has made none.
func (s *story) rememberFound(o openapi.Operation, list []byte) {
	for path := range s.lying {
		if strings.HasPrefix(path, o.Path+"/{") {
			return
		}
	}
	s.remember(o, list)
}

// makes reports whether an operation brings something into being that others are about.
func makes(o openapi.Operation) bool {
	return o.Operation.StatusOf() == http.StatusCreated || o.Method == http.MethodPut && o.Operation.BodyList
}

// remember keeps the identifier of what was made under the name that it has in paths.
func (s *story) remember(o openapi.Operation, answer []byte) {
	var made map[string]any
	var list []map[string]any
	if json.Unmarshal(answer, &list) == nil {
		i := slices.IndexFunc(list, func(entry map[string]any) bool { return entry["id"] != nil })
		if i < 0 {
			return
		}
		made = list[i]
	} else if json.Unmarshal(answer, &made) != nil {
		return
	}
	for _, item := range s.checker.Document().Operations() {
		name, ok := strings.CutPrefix(item.Path, o.Path+"/{")
		if !ok || strings.Contains(name, "/") {
			continue
		}
		id, ok := made["id"].(string)
		if !ok {
			id, _ = made[strings.TrimSuffix(name, "}")+"Id"].(string)
		}
		if example := openapi.ExampleOf(item.Path); s.made[example] == "" || s.lying[item.Path] != "" {
			s.made[example] = id
		}
		s.lying[item.Path] = id
		if revision, ok := made["revision"].(float64); ok {
			s.lying[item.Path+"/history/{revision}"] = strconv.FormatFloat(revision, 'f', -1, 64)
		}
		if o.ID == "createApplication" {
			s.made[openapi.ExampleOf("/domains/{domain}/clients/{client}")] = id
			s.made[openapi.ExampleOf("/domains/{domain}/applications/_slug/{slug}")], _ = made["slug"].(string)
		}
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
		at := strings.Join(segments[:i+1], "/")
		if path[i] = s.lying[at]; path[i] == "" {
			path[i] = s.real(openapi.ExampleOf(at))
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

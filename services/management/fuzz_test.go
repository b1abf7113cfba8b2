package management_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi"
)

// TestEveryRouteStandsAnyBody sends bodies made out of the OpenAPI document to every route that reads JSON: valid ones,
// nearly valid ones, and nonsense. No answer is a fault of ours, every answer is as the document says, nonsense is
// refused, what is accepted is what is read afterwards, and a refusal leaves no trace.
//
// GATEHOUSE_FUZZ_ROUNDS asks for more than a few bodies for each route, GATEHOUSE_FUZZ_SEED for others.
func TestEveryRouteStandsAnyBody(t *testing.T) {
	w := newWalker(t, number("GATEHOUSE_FUZZ_SEED", 1))
	for range number("GATEHOUSE_FUZZ_ROUNDS", 1) {
		for _, o := range w.operations {
			w.round(o)
		}
	}
	t.Logf("%d bodies for %d routes, %d of them accepted", w.sent, len(w.operations), w.accepted)
	if w.accepted == 0 || w.sent < 2*len(w.operations) {
		t.Error("that proves nothing")
	}
}

// FuzzRoutes is the same for as long as one likes: go test -fuzz FuzzRoutes.
func FuzzRoutes(f *testing.F) {
	f.Add(uint64(1), 0)
	w := newWalker(f, 1)
	f.Fuzz(func(t *testing.T, seed uint64, which int) {
		h := *w.house
		h.TB = t
		m := *w.running
		m.house = &h
		s := *w.story
		s.running = &m
		v := &walker{
			story: &s, sampler: newSampler(s.checker.Document().Tree(), seed), operations: w.operations,
		}
		v.serial = int(seed % 1_000_000_007)
		v.round(v.operations[uint(which)%uint(len(v.operations))])
	})
}

// TestEveryRouteStandsAnyAddress sends what is no identifier in paths, and what is no value in queries.
func TestEveryRouteStandsAnyAddress(t *testing.T) {
	w := newWalker(t, 1)
	for _, o := range w.checker.Document().Operations() {
		path := w.path(o, "")
		for _, bad := range []string{"%00", "%2e%2e", "$ne", "%ff", strings.Repeat("x", 600), "no-such-thing", "%7B%22$gt%22:1%7D", "a%2Fb"} {
			for _, segment := range strings.Split(o.Path, "/") {
				if strings.HasPrefix(segment, "{") {
					w.harmless(o, strings.Replace(w.path(o, segment), segment, bad, 1))
				}
			}
		}
		if o.Method != http.MethodGet {
			continue
		}
		for _, p := range o.Operation.Query {
			for _, bad := range []string{"", "-1", "1e3", "99999999999999999999", "%00", "%ff", "*", "%25", strings.Repeat("y", 5000), "null", "$x", "(", "[", "a+eq+%22b"} {
				w.harmless(o, path+"?"+p.Name+"="+bad+"&"+p.Name+"="+bad)
			}
		}
	}
}

func number(name string, otherwise uint64) uint64 {
	n, err := strconv.ParseUint(os.Getenv(name), 10, 32)
	if err != nil {
		return otherwise
	}
	return n
}

// walker sends bodies to a management where everything there can be has been made.
type walker struct {
	*story
	*sampler
	operations     []openapi.Operation
	sent, accepted int
}

func newWalker(t testing.TB, seed uint64) *walker {
	t.Helper()
	s := newStory(t, newHouse(t).startReady())
	for _, o := range s.inOrder() {
		if makes(o) {
			s.tell(o)
		}
	}
	w := &walker{story: s, sampler: newSampler(s.checker.Document().Tree(), seed)}
	for _, o := range s.checker.Document().Operations() {
		if o.Operation.Body != nil && o.Operation.BodyType == "" {
			w.operations = append(w.operations, o)
		}
	}
	return w
}

// harmless sends a request that is expected to lead nowhere.
func (w *walker) harmless(o openapi.Operation, path string) {
	w.Helper()
	body, media := "", ""
	if o.Operation.Body != nil {
		body, media = "{}", "application/json"
	}
	status, header, answer := w.request(o.Method, path, media, body)
	if status >= 500 {
		w.Errorf("%s %s answers %d %s", o.Method, path, status, answer)
		return
	}
	if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
		return // perhaps another route, or none
	}
	if err := w.checker.Answer(o.Method, "/management"+path, status, header, answer); err != nil {
		w.Error(err)
	}
}

// round sends bodies to one operation: one that fits the schema, and what comes of it and of the example by a mutation.
func (w *walker) round(o openapi.Operation) {
	w.Helper()
	path := w.path(o, "")
	before := w.traces(o)
	text, _ := w.example(o)
	var example any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&example); err != nil {
		w.Fatal(err)
	}
	schema := w.schemaOf(o)
	valid := sample{tree: w.value(schema, "", 0), mutation: "what the schema allows"}
	valid.text, _ = json.Marshal(valid.tree)
	for _, b := range []sample{valid, w.mutate(w.value(schema, "", 0)), w.mutate(w.renamed(example)), w.mutate(w.renamed(example))} {
		w.sent++
		status, header, answer := w.request(o.Method, path, "application/json", string(b.text))
		wrong := func(format string, args ...any) {
			w.Helper()
			w.Errorf("%s with %s: %s\nsent %s\nanswer %d %s", o.ID, b.mutation, fmt.Sprintf(format, args...), short(b.text), status, answer)
		}
		if err := w.checker.Answer(o.Method, "/management"+path, status, header, answer); err != nil {
			wrong("%v", err)
		}
		switch {
		case status >= 500:
			wrong("a fault of ours")
		case status < 300:
			w.accepted++
			if b.refused {
				wrong("was accepted")
			}
			w.readBack(o, path, header, answer, wrong)
			if places := w.lost(o, b.tree, answer); places != nil && openapi.HasRevision(o.Operation) {
				wrong("was accepted, but not %s", strings.Join(places, ", "))
			}
			before = w.traces(o)
		default:
			if after := w.traces(o); after != before {
				wrong("left a trace\nbefore %s\nafter  %s", before, after)
				before = after
			}
		}
	}
}

// renamed gives an example another name, so that it is not refused for one that is taken.
func (w *walker) renamed(example any) any {
	example = clone(example)
	if body, ok := example.(map[string]any); ok {
		for _, name := range []string{"name", "key", "username"} {
			if text, ok := body[name].(string); ok && w.IntN(4) > 0 {
				w.serial++
				body[name] = text + strconv.Itoa(w.serial)
			}
		}
	}
	return example
}

// readBack holds what was answered to what is read afterwards. A secret that is shown once is not compared.
func (w *walker) readBack(o openapi.Operation, path string, header http.Header, answer []byte, wrong func(string, ...any)) {
	w.Helper()
	if !openapi.HasRevision(o.Operation) || !bytes.HasPrefix(answer, []byte("{")) {
		return
	}
	at := strings.TrimPrefix(header.Get("Location"), "/management")
	if o.Method != http.MethodPost {
		at = path
	}
	if _, err := w.checker.Find(http.MethodGet, "/management"+at); err != nil || at == "" {
		return
	}
	status, _, read := w.request(http.MethodGet, at, "", "")
	if status != http.StatusOK {
		wrong("cannot be read: %d %s", status, read)
		return
	}
	var answered, found map[string]any
	if json.Unmarshal(answer, &answered) != nil || json.Unmarshal(read, &found) != nil {
		wrong("is no object")
		return
	}
	shownOnce(answered)
	if access, ok := found["access"].(map[string]any); ok {
		delete(access, "people") // is counted when it is read
	}
	was, _ := json.Marshal(answered)
	is, _ := json.Marshal(found)
	if answered["id"] == found["id"] && !bytes.Equal(was, is) {
		wrong("reads differently\nanswered %s\nread     %s", was, is)
	}
}

// lost returns the places of a body whose value is not that of the answer. Members without a value are left out of
// answers, words are written in lower case, and secrets and what only the server sets are not compared.
func (w *walker) lost(o openapi.Operation, sent any, answer []byte) []string {
	if _, ok := sent.(map[string]any); !ok || !bytes.HasPrefix(answer, []byte("{")) {
		return nil // a list, which is put in order
	}
	var got any
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	if decoder.Decode(&got) != nil {
		return []string{"the body"}
	}
	item := w.checker.Document().Tree()["paths"].(map[string]any)[o.Path].(map[string]any)
	responses := item[strings.ToLower(o.Method)].(map[string]any)["responses"].(map[string]any)
	content := responses[strconv.Itoa(o.Operation.StatusOf())].(map[string]any)["content"].(map[string]any)
	object, ok := content["application/json"].(map[string]any)
	if !ok {
		return nil // an archive, which repeats no question
	}
	return w.compare(object["schema"].(map[string]any), sent, got, "")
}

// otherwise are members that are accepted and read in another form, or not at all, as their descriptions say.
var otherwise = map[string]bool{
	".path": true, ".vhosts.path": true, // begins with a slash
	".external":      true, // follows from the type
	".key":           true, // stays as it was created
	".members":       true, // has a route of its own
	".configuration": true, // a text in answers
}

func (w *walker) compare(schema map[string]any, sent, got any, path string) []string {
	readOnly := schema["readOnly"] == true // said beside a reference
	schema = w.resolve(schema)
	if readOnly || schema["readOnly"] == true || schema["format"] == "password" || otherwise[path] || strings.HasSuffix(path, ".configuration") {
		return nil
	}
	switch sent := sent.(type) {
	case map[string]any:
		into, ok := got.(map[string]any)
		if !ok && got != nil {
			return []string{path}
		}
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return nil // free-form, or a map that may have been merged
		}
		var all []string
		for name, value := range sent {
			if member, ok := properties[name].(map[string]any); ok {
				all = append(all, w.compare(member, value, into[name], path+"."+name)...)
			}
		}
		return all
	case []any:
		into, _ := got.([]any)
		items, _ := schema["items"].(map[string]any)
		if len(into) != len(sent) {
			return []string{path}
		}
		var all []string
		for i, value := range sent {
			all = append(all, w.compare(items, value, into[i], path)...)
		}
		return all
	case nil:
		return nil
	case string:
		into, _ := got.(string)
		if !strings.EqualFold(sent, into) {
			return []string{path}
		}
		return nil
	case bool:
		if into, _ := got.(bool); into != sent {
			return []string{path}
		}
		return nil
	}
	if text := fmt.Sprint(sent); text != fmt.Sprint(got) && (got != nil || text != "0") {
		return []string{path}
	}
	return nil
}

// shownOnce takes out what only the answer to a creation shows.
func shownOnce(answer map[string]any) {
	settings, _ := answer["settings"].(map[string]any)
	oauth, _ := settings["oauth"].(map[string]any)
	delete(oauth, "clientSecret")
}

// traces is what an operation could have changed: its collection, what lies at its path, and the domain.
func (w *walker) traces(o openapi.Operation) string {
	w.Helper()
	var all strings.Builder
	seen := map[string]bool{}
	for path := o.Path; path != ""; path = path[:strings.LastIndexByte(path, '/')] {
		for _, read := range w.checker.Document().Operations() {
			if read.Method == http.MethodGet && read.Path == path && !seen[path] && len(read.Operation.Query) <= 16 {
				seen[path] = true
				at := w.path(read, "")
				if read.Operation.Query != nil {
					at += "?size=1"
				}
				status, header, answer := w.request(http.MethodGet, at, "", "")
				if read.Operation.Query == nil {
					answer = []byte(header.Get("ETag")) // of a resource; a list that is not paged has none
				} else if i := bytes.LastIndex(answer, []byte(`"totalCount"`)); i >= 0 {
					answer = answer[i:]
				}
				fmt.Fprintf(&all, "%s %d %s; ", at, status, answer)
			}
		}
	}
	return all.String()
}

// schemaOf returns the schema of an operation's body.
func (w *walker) schemaOf(o openapi.Operation) map[string]any {
	item := w.checker.Document().Tree()["paths"].(map[string]any)[o.Path].(map[string]any)
	body := item[strings.ToLower(o.Method)].(map[string]any)["requestBody"].(map[string]any)
	return body["content"].(map[string]any)["application/json"].(map[string]any)["schema"].(map[string]any)
}

func short(text []byte) string {
	if len(text) > 600 {
		return fmt.Sprintf("%s… (%d bytes)", text[:600], len(text))
	}
	return string(text)
}

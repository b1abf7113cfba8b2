package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/command"
)

// record is an audit record, with the second at which it happened.
type record struct {
	id     string
	second int64
}

// audits answers questions for records one by one: an answer that is nil, from the records that are there by then.
type audits struct {
	answers []func(w http.ResponseWriter)
	there   [][]record
	end     context.CancelFunc
	asked   int
}

func (s *audits) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if !strings.HasSuffix(r.URL.Path, "/audits") {
		_, _ = io.WriteString(w, `[{"id":"DEFAULT","name":"Default"}]`)
		return
	}
	i := s.asked
	s.asked++
	if i >= len(s.answers) {
		s.end()
		i = len(s.answers) - 1
	}
	if s.answers[i] != nil {
		s.answers[i](w)
		return
	}
	from, _ := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	data := []map[string]any{}
	for _, one := range s.there[i] {
		if one.second*1000 >= from {
			data = append(data, map[string]any{"id": one.id, "timestamp": one.second * 1000, "type": "create"})
		}
	}
	slices.SortFunc(data, func(a, b map[string]any) int { return int(b["timestamp"].(int64) - a["timestamp"].(int64)) })
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data, "totalCount": len(data)})
}

// follow follows records until all answers were given, and returns the ids of what was printed.
func follow(t *testing.T, s *audits, args ...string) (status int, ids []string, said string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.end = cancel
	server := httptest.NewServer(s)
	defer server.Close()
	env := map[string]string{"GATEHOUSECTL_TOKEN": "sesame", "GATEHOUSECTL_SERVER": server.URL}
	var out, wrong bytes.Buffer
	app := command.App{Out: &out, Err: &wrong, Getenv: func(name string) string { return env[name] }, Version: "test"}
	status = app.Run(ctx, append([]string{"audit", "tail", "-f", "--interval", "1ms", "-o", "json"}, args...))
	for line := range strings.Lines(out.String()) {
		var r struct{ ID string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		ids = append(ids, r.ID)
	}
	return status, ids, wrong.String()
}

func refuses(status int, media, text string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// hangsUp ends the connection within the answer.
func hangsUp(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "{")
	_ = http.NewResponseController(w).Flush() // or the client asks again by itself
	panic(http.ErrAbortHandler)
}

// TestFollowingGoesOn: management is away for a while, and what happened meanwhile is printed when it is back, everything once.
func TestFollowingGoesOn(t *testing.T) {
	first := []record{{"old", 1000}, {"latest", 1010}}
	meanwhile := append(slices.Clone(first), record{"waited for the database", 980}, record{"meanwhile", 1030})
	after := append(slices.Clone(meanwhile), record{"written late", 1022}, record{"after", 1031})
	s := &audits{
		answers: []func(w http.ResponseWriter){
			nil, nil, refuses(503, "application/problem+json", `{"message":"The service is starting.","http_status":503}`), hangsUp,
			refuses(502, "text/html", "<h1>Bad Gateway</h1>"), refuses(429, "application/json", `{"message":"Slowly","http_status":429}`), nil, nil, nil,
		},
		there: [][]record{first, first, nil, nil, nil, nil, meanwhile, after, after},
	}
	status, ids, said := follow(t, s, "-n", "1")
	if want := []string{"latest", "waited for the database", "meanwhile", "written late", "after"}; status != command.Done || !slices.Equal(ids, want) {
		t.Errorf("%d, printed %q, want %q", status, ids, want)
	}
	for _, want := range []string{"The service is starting.", "can not be reached", "answers 502", "Slowly", "Management answers again\n"} {
		if strings.Count(said, want) != 1 {
			t.Errorf("it says\n%swithout %q, or more than once", said, want)
		}
	}
	if again := strings.Count(said, "\nAsked again in "); again != 4 || !strings.Contains(said, "in 16ms; nothing is left out\n") {
		t.Errorf("it says %d times when it asks again, and never that it waits for longer:\n%s", again, said)
	}
}

// TestFollowingFromNothing: the first record is found although the clocks of this machine and of management differ by years.
func TestFollowingFromNothing(t *testing.T) {
	s := &audits{answers: make([]func(http.ResponseWriter), 3), there: [][]record{nil, nil, {{"first", 5}}}}
	if status, ids, said := follow(t, s); status != command.Done || !slices.Equal(ids, []string{"first"}) || said != "" {
		t.Errorf("%d %q %q", status, ids, said)
	}
}

// TestFollowingEnds where it would never be answered again.
func TestFollowingEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"a token that has ended": {refuses(401, "application/json", `{"message":"The token has ended","http_status":401}`), "give one that is valid"},
		"a role that was taken":  {refuses(403, "application/json", `{"message":"Permission denied","http_status":403}`), "Your roles do not allow this"},
		"a domain that is gone":  {refuses(404, "application/json", `{"message":"Not there","http_status":404}`), "Not there"},
		"another server":         {refuses(200, "text/html", "<h1>Hello</h1>"), "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &audits{answers: []func(http.ResponseWriter){nil, tt.answer}, there: [][]record{{{"one", 1}}, nil}}
			status, ids, said := follow(t, s)
			if status != command.Failed || !slices.Equal(ids, []string{"one"}) || !strings.Contains(said, tt.want) || strings.Contains(said, "Asked again") {
				t.Errorf("%d %q %q", status, ids, said)
			}
		})
	}
}

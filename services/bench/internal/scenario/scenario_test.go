package scenario

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
)

func TestNamesAreUniqueAndSaid(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range All() {
		if s.Name == "" || s.About == "" || s.Run == nil || seen[s.Name] {
			t.Errorf("scenario %+v is incomplete or has a name that is taken", s)
		}
		seen[s.Name] = true
	}
}

func TestSelect(t *testing.T) {
	all, err := Select(nil)
	if err != nil || len(all) != len(All()) {
		t.Errorf("no names select %d scenarios, %v", len(all), err)
	}
	two, err := Select([]string{"jwks", "discovery"})
	if err != nil || len(two) != 2 || two[0].Name != "discovery" {
		t.Errorf("two names select %d scenarios, %v; want them in their own order", len(two), err)
	}
	if _, err := Select([]string{"jwks", "jwk"}); err == nil {
		t.Error("an unknown name is accepted")
	}
}

func TestQuickHashIsThatOfThePassword(t *testing.T) {
	ok, rehash, err := secret.NewHasher().Verify(t.Context(), quickHash, password)
	if !ok || !rehash || err != nil {
		t.Errorf("Verify = %v, %v, %v; want right and cheaper than what is made now", ok, rehash, err)
	}
}

func TestMember(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"a text in the middle is found", `{"a":"x","access_token":"e.y.J","b":1}`, "e.y.J"},
		{"space after the colon is skipped", `{"access_token": "e.y.J"}`, "e.y.J"},
		{"a number is no text", `{"access_token":1}`, ""},
		{"an empty text is none", `{"access_token":""}`, ""},
		{"a text with escapes is not read", `{"access_token":"a\"b"}`, ""},
		{"a text that does not end is not read", `{"access_token":"a`, ""},
		{"what is not there is not found", `{"token":"a"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := member([]byte(tt.body), "access_token")
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("member = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

const page = `<!doctype html><html><body><form method="post" action="http://127.0.0.1:1/d/login?client_id=a&amp;state=b">
<input type="hidden" name="client_id" value="a">
<input type="hidden" name="X-XSRF-TOKEN" value="s&#43;t">
<input id="username" name="username"></form></body></html>`

func TestFormOf(t *testing.T) {
	action, value, err := formOf([]byte(page), "X-XSRF-TOKEN")
	if err != nil || action != "http://127.0.0.1:1/d/login?client_id=a&state=b" || value != "s+t" {
		t.Errorf("formOf = %q, %q, %v", action, value, err)
	}
	if _, _, err := formOf([]byte(page), "absent"); err == nil {
		t.Error("an input that is not there has a value")
	}
	if _, _, err := formOf([]byte(page), "username"); err == nil {
		t.Error("an input without a value has one")
	}
	if _, _, err := formOf([]byte("<html>sorry"), "username"); err == nil {
		t.Error("a page without a form has one")
	}
}

func TestLocalPart(t *testing.T) {
	const public = "http://127.0.0.1:8092"
	for location, want := range map[string]string{
		public + "/d/login?a=b":    "/d/login?a=b",
		"/d/login":                 "/d/login",
		"https://elsewhere.test/d": "",
		"":                         "",
	} {
		if got, err := localPart(location, public); got != want || (err != nil) != (want == "") {
			t.Errorf("localPart(%q) = %q, %v", location, got, err)
		}
	}
}

func TestCodeOf(t *testing.T) {
	for location, want := range map[string]string{
		redirectURI + "?code=c1&state=s":           "c1",
		redirectURI + "?code=c1&state=other":       "",
		redirectURI + "?error=access_denied":       "",
		"http://127.0.0.1/login?code=c1&state=s":   "",
		redirectURI + "?state=s":                   "",
		redirectURI + "?code=c%201&state=s&iss=%2": "",
	} {
		if got, err := codeOf(location, "s"); got != want || (err != nil) != (want == "") {
			t.Errorf("codeOf(%q) = %q, %v", location, got, err)
		}
	}
}

func TestBrowserKeepsCookies(t *testing.T) {
	var b browser
	if b.header() != nil {
		t.Error("a new browser sends cookies")
	}
	b.set("a", "1")
	b.set("b", "2")
	b.set("a", "3")
	if got := b.header(); !slices.Equal(got, []string{"Cookie: a=3; b=2"}) {
		t.Errorf("header %q", got)
	}
	b.set("a", "")
	if got := b.header(); !slices.Equal(got, []string{"Cookie: b=2"}) {
		t.Errorf("after one has ended: %q", got)
	}
	b.forget()
	if b.header() != nil {
		t.Error("cookies are remembered")
	}
}

func TestBetweenAttributesTime(t *testing.T) {
	start := time.Now()
	before := counters{parts: map[string]time.Duration{"gateway": time.Second, "redis": time.Second}, busy: 10 * time.Second, mine: 5 * time.Second, trips: 100, at: start}
	after := counters{
		parts: map[string]time.Duration{"gateway": 1500 * time.Millisecond, "redis": 1100 * time.Millisecond},
		busy:  12 * time.Second, mine: 6500 * time.Millisecond, trips: 2101, at: start.Add(2 * time.Second),
	}
	w := between(before, after, &load.Result{Operations: 1000})
	if got := w.micros("gateway"); got != 500 {
		t.Errorf("gateway %v µs per operation, want 500", got)
	}
	if got := w.micros("gateway", "redis", "absent"); got != 600 {
		t.Errorf("both %v µs per operation, want 600", got)
	}
	if math.Abs(w.otherLoad-0.25) > 1e-9 {
		t.Errorf("other load %v cores, want 0.25", w.otherLoad)
	}
	if w.trips != 2000 {
		t.Errorf("%d trips, want 2000: the one that asked is not counted", w.trips)
	}
	if idle := between(after, counters{busy: after.busy, mine: after.mine + time.Second, at: after.at.Add(time.Second)}, &load.Result{}); idle.otherLoad != 0 {
		t.Errorf("other load %v where the machine's ticks lag behind", idle.otherLoad)
	}
}

func TestSummarizeDividesWithinTurns(t *testing.T) {
	turn := func(floorMicros, gatewayMicros int) (*window, *window) {
		w := func(part string, micros int) *window {
			return &window{
				load: &load.Result{Operations: 10, Checked: 1, Elapsed: time.Second}, trips: 20, otherLoad: 0.05,
				used: map[string]time.Duration{part: time.Duration(10*micros) * time.Microsecond},
			}
		}
		return w("floor", floorMicros), w(harness.PartGateway, gatewayMicros)
	}
	var floors, targets []*window
	// A machine that slows down to a half from turn to turn does not change the ratio.
	for _, factor := range []int{1, 2, 4} {
		f, g := turn(80*factor, 100*factor)
		f.used["somebody else"], g.used[harness.PartDatabase] = time.Hour, time.Millisecond
		floors, targets = append(floors, f), append(targets, g)
	}
	row := Comparison{Floor: floor.TokenES256}.summarize(floors, targets, []string{harness.PartGateway, harness.PartRedis})
	if row.Ratio.Median != 1.25 || row.Ratio.Min != 1.25 || row.Ratio.Max != 1.25 {
		t.Errorf("ratio %+v, want 1.25", *row.Ratio)
	}
	if row.CPU.Median != 200 || row.CPU.Min != 100 || row.CPU.Max != 400 || row.FloorCPU.Median != 160 {
		t.Errorf("CPU %+v, floor %+v", *row.CPU, *row.FloorCPU)
	}
	if row.ByProcess[harness.PartDatabase] != 100 {
		t.Errorf("the database took %v µs per operation, want 100 beside the sum", row.ByProcess[harness.PartDatabase])
	}
	if row.Unit != "request" || row.Floor != "token-es256" || row.Operations != 30 || row.Checked != 3 || row.RedisTrips != 2 || row.Rate.Median != 10 {
		t.Errorf("row %+v", row)
	}
}

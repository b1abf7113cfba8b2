package portal_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// site is a gateway with applications, and what tests do with it.
type site struct {
	*gatewaytest.Harness
	t      testing.TB
	config *gatewaytest.Config
	id     string
	// revision is the last that was applied.
	revision int64
}

func newSite(t testing.TB, change ...func(*gatewaytest.Config)) *site {
	t.Helper()
	config := gatewaytest.NewAcme(t)
	for _, f := range change {
		f(config)
	}
	return &site{gatewaytest.New(t, gatewaytest.Options{}, config), t, config, config.Domain.GetId(), 1}
}

// app is a bookmark, unless it is changed.
func (s *site) app(slug string, change ...func(*configv1.Application)) *configv1.Application {
	app := &configv1.Application{
		Id: "app-" + slug, Domain: s.id, Name: strings.ToUpper(slug[:1]) + slug[1:], Slug: slug, Type: configv1.Application_BOOKMARK,
		LaunchUrl: "https://" + slug + ".example/",
	}
	for _, f := range change {
		f(app)
	}
	return app
}

func (s *site) put(apps ...*configv1.Application) {
	s.t.Helper()
	s.revision++
	for _, app := range apps {
		s.Apply(gatewaytest.Upserts(s.revision, app))
	}
}

func (s *site) heading(id, name string, order int32) {
	s.t.Helper()
	s.revision++
	s.Apply(gatewaytest.Upserts(s.revision, &configv1.ApplicationGroup{Id: id, Domain: s.id, Name: name, Order: proto.Int32(order)}))
}

// signedIn is a browser in which ann has signed in at My applications.
func (s *site) signedIn(names ...string) *browsertest.Browser {
	s.t.Helper()
	name := "ann"
	if len(names) > 0 {
		name = names[0]
	}
	b := s.Browser("/acme")
	page := b.Follow(b.Get("/portal"))
	back := b.Follow(b.SignIn(page, name, gatewaytest.Password))
	if back.StatusCode != http.StatusOK {
		s.t.Fatalf("sign-in: %d %s", back.StatusCode, back.Text)
	}
	return b
}

// answer is the list as JSON.
type answer struct {
	Data []struct {
		Slug, Name, LaunchURL string
		StepUp, OpenInNewTab  bool
		Group                 *struct{ ID, Name string }
	}
	CurrentPage, TotalCount int
	Groups                  []struct {
		ID, Name string
		Count    int
	}
}

func (a answer) slugs() string {
	var list []string
	for _, one := range a.Data {
		list = append(list, one.Slug)
	}
	return strings.Join(list, " ")
}

func read(t testing.TB, r *browsertest.Response) (a answer) {
	t.Helper()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", r.StatusCode, r.Text)
	}
	if err := json.Unmarshal([]byte(r.Text), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOrder(t *testing.T) {
	s := newSite(t)
	s.heading("g-tools", "Tools", 20)
	s.heading("g-finance", "Finance", 10)
	s.heading("g-arte", "Ärzte", 20)
	in := func(id string) func(*configv1.Application) { return func(a *configv1.Application) { a.Group = id } }
	called := func(name string) func(*configv1.Application) { return func(a *configv1.Application) { a.Name = name } }
	s.put(
		s.app("zebra", called("Zebra")), s.app("oel", called("Öl")), s.app("obst", called("Obst")), s.app("pass", called("Pass")),
		s.app("payroll", in("g-finance")), s.app("app10", in("g-tools"), called("App 10")), s.app("app9", in("g-tools"), called("App 9")),
		s.app("lost", in("g-gone"), called("Lost")), s.app("praxis", in("g-arte")),
	)
	b := s.signedIn()
	b.Headers["Accept-Language"] = "de"
	got := read(t, b.Get("/portal/applications"))
	if want := "lost obst oel pass zebra payroll praxis app9 app10"; got.slugs() != want {
		t.Errorf("in German: %s, want %s", got.slugs(), want)
	}
	b.Headers["Accept-Language"] = "sv-SE, en;q=0.5"
	if got, want := read(t, b.Get("/portal/applications")).slugs(), "lost obst pass zebra oel payroll app9 app10 praxis"; got != want {
		t.Errorf("in Swedish: %s, want %s", got, want)
	}
	var groups []string
	for _, g := range got.Groups {
		groups = append(groups, fmt.Sprint(g.ID, " ", g.Name, " ", g.Count))
	}
	if diff := cmp.Diff([]string{"g-finance Finance 1", "g-arte Ärzte 1", "g-tools Tools 2"}, groups); diff != "" {
		t.Errorf("headings (-want +got):\n%s", diff)
	}
	if got.TotalCount != 9 || got.Data[0].LaunchURL != gatewaytest.PublicURL+"/acme/application/launch/lost/" || got.Data[0].Group != nil || got.Data[5].Group.Name != "Finance" {
		t.Errorf("%+v", got)
	}
}

func TestPaging(t *testing.T) {
	s := newSite(t)
	s.heading("g", "Tools", 1)
	for i := range 23 {
		s.put(s.app(fmt.Sprintf("app%02d", i), func(a *configv1.Application) {
			if i%2 == 1 {
				a.Group = "g"
			}
		}))
	}
	b := s.signedIn()
	seen := map[string]bool{}
	for page, size := range []int{10, 10, 3, 0} {
		got := read(t, b.Get(fmt.Sprintf("/portal/applications?page=%d&size=10", page)))
		if len(got.Data) != size || got.TotalCount != 23 || got.CurrentPage != page {
			t.Errorf("page %d: %d of %d applications, called page %d", page, len(got.Data), got.TotalCount, got.CurrentPage)
		}
		for _, one := range got.Data {
			if seen[one.Slug] {
				t.Errorf("%s is on two pages", one.Slug)
			}
			seen[one.Slug] = true
		}
	}
	if got := read(t, b.Get("/portal/applications?group=g&size=5")); got.TotalCount != 11 || len(got.Data) != 5 || got.Groups[0].Count != 11 {
		t.Errorf("one heading: %+v", got)
	}
	for query, want := range map[string]string{
		"size=201": "size must", "size=0": "size must", "size=-1": "size must", "size=ten": "size must", "page=-1": "page must",
		"page=1.5": "page must", "page=99999999999": "page must", "group=none": "group must", "search=" + strings.Repeat("a", 101): "search must",
		"page=1&page=2": "", "search=%ff": "search must",
	} {
		got := b.Get("/portal/applications?" + query)
		if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.Text, want) || !strings.Contains(got.Text, `"error":"invalid_request"`) {
			t.Errorf("%s: %d %s", query, got.StatusCode, got.Text)
		}
		if got := b.Get("/portal?" + query); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.Text, "<h1>") {
			t.Errorf("page %s: %d", query, got.StatusCode)
		}
	}
	if got := read(t, b.Get("/portal/applications?size=200&page=2147483647")); len(got.Data) != 0 || got.TotalCount != 23 {
		t.Errorf("a page far beyond the end: %+v", got)
	}
}

func TestWhoIsNotSignedIn(t *testing.T) {
	s := newSite(t)
	s.put(s.app("payroll"))
	b := s.Browser("/acme")
	for _, path := range []string{"/portal/applications", "/portal/applications?size=1000", "/portal/applications/payroll/access", "/portal/applications/nothing/access"} {
		if got := b.Get(path); got.StatusCode != http.StatusUnauthorized || !strings.Contains(got.Text, "login_required") || strings.Contains(got.Text, "ayroll") {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.Text)
		}
	}
	page := b.Follow(b.Get("/portal?search=pay"))
	if page.StatusCode != http.StatusOK || !strings.Contains(page.Text, `id="login-submit"`) || strings.Contains(page.Text, "Payroll") {
		t.Fatalf("%d %s", page.StatusCode, page.Text)
	}
	refused := b.Follow(b.SignIn(page, "ann", "wrong"))
	if !strings.Contains(refused.Text, "Invalid or unknown user") {
		t.Fatalf("a wrong password: %d %s", refused.StatusCode, refused.Text)
	}
	back := b.SignIn(refused, "ann", gatewaytest.Password)
	if to, _ := url.Parse(back.Location()); to.Path != "/acme/portal" || to.Query().Get("search") != "pay" {
		t.Errorf("back at %s", back.Location())
	}
	home := b.Follow(back)
	for _, want := range []string{"Payroll", "ann", `1 application for “pay”`, `accesskey="s"`, `href="#applications"`} {
		if !strings.Contains(home.Text, want) {
			t.Errorf("the page does not say %q:\n%s", want, home.Text)
		}
	}
	s.Directory.Remove(s.id, gatewaytest.Subject("staff", "ann"))
	s.Clock.Forward(time.Minute)
	if got := b.Get("/portal/applications"); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("somebody who was deleted: %d %s", got.StatusCode, got.Text)
	}
}

func TestSearch(t *testing.T) {
	s := newSite(t)
	s.heading("g-fin", "Finanzen", 1)
	add := func(slug, name string, change ...func(*configv1.Application)) {
		s.put(s.app(slug, append(change, func(a *configv1.Application) { a.Name = name })...))
	}
	add("payroll", "Payroll", func(a *configv1.Application) { a.Group = "g-fin" })
	add("uebersicht", "Übersicht der Straßen")
	add("expenses", "Spesen & Reisen", func(a *configv1.Application) { a.Description = "Payroll reads what is entered here" })
	add("crm", "Customers", func(a *configv1.Application) { a.Publisher = "Payroll GmbH" })
	add("calendar", "Calendar")
	add("pay-slips", "Documents")
	b := s.signedIn()
	for _, tt := range []struct{ name, search, want string }{
		{"the name weighs most, then description, then publisher", "payroll", "payroll expenses crm"},
		{"the beginning of a word, and a slug before a description", "pay", "payroll pay-slips expenses crm"},
		{"case is ignored", "PAYROLL", "payroll expenses crm"},
		{"accents are ignored", "ubersicht", "uebersicht"},
		{"accents in the search too", "Übérsicht", "uebersicht"},
		{"letters that are written otherwise", "strassen", "uebersicht"},
		{"within a word", "roll", "payroll expenses crm"},
		{"one slip in five letters: one is missing", "calndar", "calendar"},
		{"one is wrong", "calemdar", "calendar"},
		{"one is too many", "callendar", "calendar"},
		{"two are swapped", "claendar", "calendar"},
		{"two slips in seven letters are too many", "clndr", ""},
		{"two slips in ten", "ubarsichd", ""},
		{"four letters forgive nothing", "pazr", ""},
		{"all words must be there", "payroll gmbh", "crm"},
		{"in any order, in any field", "finanzen payroll", "payroll"},
		{"what no word is made of", "&%$", ""},
		{"nothing but space is no search", "  ", "calendar crm pay-slips expenses uebersicht payroll"},
	} {
		got := read(t, b.Get("/portal/applications?search="+url.QueryEscape(tt.search)))
		if got.slugs() != tt.want || got.TotalCount != len(strings.Fields(tt.want)) {
			t.Errorf("%s: %q finds %q (%d), want %q", tt.name, tt.search, got.slugs(), got.TotalCount, tt.want)
		}
	}
	page := b.Get("/portal?search=" + url.QueryEscape(`<b>"nothing"`))
	for _, want := range []string{"Nothing found for “&lt;b&gt;&#34;nothing&#34;”", `id="search-clear"`, `value="&lt;b&gt;&#34;nothing&#34;"`} {
		if !strings.Contains(page.Text, want) {
			t.Errorf("the page does not say %q:\n%s", want, page.Text)
		}
	}
}

func TestEmptyPage(t *testing.T) {
	b := newSite(t).signedIn()
	page := b.Get("/portal")
	if !strings.Contains(page.Text, "No applications yet") || strings.Contains(page.Text, `id="search"`) {
		t.Errorf("page:\n%s", page.Text)
	}
}

func TestPageIsQuick(t *testing.T) {
	s := newSite(t)
	batch := gatewaytest.Upserts(2, s.app("first"))
	for i := range 1000 {
		batch.Upserts = append(batch.Upserts, gatewaytest.Upserts(2, s.app(fmt.Sprintf("app%04d", i))).Upserts...)
	}
	s.Apply(batch)
	b := s.signedIn()
	quickest := time.Hour
	for range 10 {
		begin := time.Now()
		b.Get("/portal?search=app0001")
		quickest = min(quickest, time.Since(begin))
	}
	t.Logf("1000 applications: %s", quickest)
	if quickest > 50*time.Millisecond {
		t.Errorf("a page of 1000 applications takes %s", quickest)
	}
}

func TestAPageOfManyApplicationsIsSmall(t *testing.T) {
	const most = 20_000
	s := newSite(t)
	batch := gatewaytest.Upserts(2, s.app("first"))
	for i := range 200 {
		batch.Upserts = append(batch.Upserts, gatewaytest.Upserts(2, s.app(fmt.Sprintf("app%04d", i), func(a *configv1.Application) {
			a.Name = fmt.Sprintf("Application %d of department %d", i, i*i)
			if i >= 100 {
				a.Publisher, a.Description = fmt.Sprintf("Publisher %d GmbH", i), fmt.Sprintf("Order number %d, and the forms that belong to it, for everybody in section %d", i*7919, i*i)
			}
		})).Upserts...)
	}
	s.Apply(batch)
	b := s.signedIn()
	for _, path := range []string{"/portal", "/portal?page=2", "/portal?size=100&page=1", "/portal?size=200"} {
		b.Headers["Accept-Encoding"] = ""
		plain := b.Get(path)
		b.Headers["Accept-Encoding"] = "br, gzip;q=0.8"
		small := b.Get(path)
		t.Logf("%s: %d bytes, %d compressed", path, len(plain.Text), len(small.Text))
		unpacked, err := gzip.NewReader(strings.NewReader(small.Text))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(unpacked)
		if err != nil || string(text) != plain.Text || len(small.Text) > most {
			t.Errorf("%s: %d bytes, %v; the same page: %v", path, len(small.Text), err, string(text) == plain.Text)
		}
		if small.Header.Get("Content-Encoding") != "gzip" || small.Header.Get("Content-Length") != strconv.Itoa(len(small.Text)) ||
			!slices.Contains(small.Header.Values("Vary"), "Accept-Encoding") || plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: headers %v, and %v", path, small.Header, plain.Header)
		}
	}
	if found := b.Get("/portal?search=department"); found.Header.Get("Content-Encoding") != "" {
		t.Error("a page with words of the request is compressed")
	}
	b.Headers["Accept-Encoding"] = "gzip;q=0"
	if refused := b.Get("/portal"); refused.Header.Get("Content-Encoding") != "" {
		t.Error("compressed for somebody who takes no gzip")
	}
}

func values(r *browsertest.Response) []string {
	var names []string
	for name := range r.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

package portal_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// For binds an application to a group.
func For(group string, change ...func(*configv1.Binding)) func(*configv1.Application) {
	b := &configv1.Binding{Id: "b-" + group, Group: group, Effect: configv1.Binding_ALLOW}
	for _, f := range change {
		f(b)
	}
	return func(a *configv1.Application) { a.Bindings = append(a.Bindings, b) }
}

// group adds a group of people.
func (s *site) group(ids ...string) {
	s.t.Helper()
	s.revision++
	for _, id := range ids {
		s.Apply(gatewaytest.Upserts(s.revision, &configv1.Group{Id: id, Domain: s.id, Name: id}))
	}
}

// TestAcceptance36PagesAreFullAndCountsAreTrue has a thousand applications of which somebody may use 37.
func TestAcceptance36PagesAreFullAndCountsAreTrue(t *testing.T) {
	s := newSite(t)
	s.group("in", "out")
	s.heading("h", "Tools", 1)
	s.Directory.Join(s.id, "ann", "in")
	batch := gatewaytest.Upserts(10)
	for i := range 1000 {
		binding := For("out")
		if i%27 == 3 {
			binding = For("in")
		}
		batch.Upserts = append(batch.Upserts, gatewaytest.Upserts(10, s.app(fmt.Sprintf("app%04d", i), binding, func(a *configv1.Application) { a.Group = "h" })).Upserts...)
	}
	s.Apply(batch)
	b := s.signedIn()
	calls := s.Directory.Calls()
	s.Clock.Forward(2 * time.Minute)
	seen := map[string]bool{}
	for page, size := range []int{20, 17, 0} {
		got := read(t, b.Get(fmt.Sprintf("/portal/applications?size=20&page=%d", page)))
		if len(got.Data) != size || got.TotalCount != 37 || got.Groups[0].Count != 37 {
			t.Errorf("page %d has %d of %d applications", page, len(got.Data), got.TotalCount)
		}
		for _, one := range got.Data {
			seen[one.Slug] = true
		}
	}
	if len(seen) != 37 {
		t.Errorf("%d applications on all pages", len(seen))
	}
	if asked := s.Directory.Calls() - calls; asked > 2 {
		t.Errorf("the directory was asked %d times", asked)
	}
	quickest := time.Hour
	for range 10 {
		begin := time.Now()
		b.Get("/portal")
		quickest = min(quickest, time.Since(begin))
	}
	if t.Logf("a page of 37 among 1000: %s", quickest); quickest > 50*time.Millisecond {
		t.Errorf("a page takes %s", quickest)
	}
}

// TestWhatSomebodyMayNotUseLeavesNoTrace compares the portal of somebody with applications that are not for them, and the same without.
func TestWhatSomebodyMayNotUseLeavesNoTrace(t *testing.T) {
	kinds := map[string][]func(*configv1.Application){
		"denied":   {For("out", func(b *configv1.Binding) { b.Message = map[string]string{"default": "Not for you"} })},
		"disabled": {func(a *configv1.Application) { a.Enabled = proto.Bool(false) }},
		"hidden":   {func(a *configv1.Application) { a.Hidden = true }},
		"blank":    {func(a *configv1.Application) { a.LaunchUrl = "blank://blank" }},
		"waiting":  {func(a *configv1.Application) { a.Part = configv1.Application_PROVIDER }},
	}
	asked := []string{"", "?search=secretword", "?search=secretwrod", "?search=Secrets&size=1", "?group=h-secret", "?page=1&size=1"}
	for kind, change := range kinds {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			s.group("in", "out")
			s.Directory.Join(s.id, "ann", "in")
			s.put(s.app("open"))
			b := s.signedIn()
			b.Headers["X-Request-ID"] = "same"
			look := func() (answers []string) {
				for _, path := range []string{"/portal/applications", "/portal"} {
					for _, query := range asked {
						got := b.Get(path + query)
						answers = append(answers, fmt.Sprint(path, query, got.StatusCode, len(got.Header), plain(got)))
					}
				}
				return answers
			}
			before := look()
			s.heading("h-secret", "Secrets", 1)
			s.put(s.app("secretword", append(change, func(a *configv1.Application) { a.Group, a.Description = "h-secret", "Secrets" })...))
			if diff := cmp.Diff(before, look()); diff != "" {
				t.Errorf("the portal tells (-without +with):\n%s", diff)
			}
			stranger := s.Browser("/acme")
			for _, path := range []string{"/portal", "/portal/applications", "/portal/applications/secretword/access", "/portal/applications/never/access"} {
				got := stranger.Follow(stranger.Get(path))
				if strings.Contains(got.Text, "ecret") {
					t.Errorf("%s tells a stranger:\n%s", path, got.Text)
				}
			}
		})
	}
}

func TestAcceptance34ADeniedLaunchEndsAtTheDeniedPage(t *testing.T) {
	s := newSite(t)
	s.group("in", "out")
	s.Directory.Join(s.id, "ann", "in")
	s.put(s.app("payroll", For("out", func(b *configv1.Binding) {
		b.Message = map[string]string{"default": "Ask the finance desk.", "de": "Fragen Sie die Buchhaltung."}
	})), s.app("hidden", For("out"), func(a *configv1.Application) { a.Hidden = true }))
	b := s.Browser("/acme")
	denied := b.Follow(b.SignIn(b.Follow(b.Get("/application/launch/payroll/")), "ann", gatewaytest.Password))
	for _, want := range []string{"Payroll", "Ask the finance desk.", `id="denied-portal"`, `id="denied-other"`} {
		if !strings.Contains(denied.Text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if denied.StatusCode != http.StatusForbidden || strings.Contains(denied.Text, ">out<") || strings.Contains(denied.Text, "payroll.example") {
		t.Fatalf("%d %s", denied.StatusCode, denied.Text)
	}
	b.Headers["Accept-Language"] = "de"
	if got := b.Get("/portal/applications/payroll/access"); got.Text != `{"verdict":"denied","messages":["Fragen Sie die Buchhaltung."]}` {
		t.Errorf("access: %d %s", got.StatusCode, got.Text)
	}
	if got := b.Get("/application/launch/hidden/"); got.StatusCode != http.StatusForbidden {
		t.Errorf("hidden: %d", got.StatusCode)
	}
	// Within a second of joining the group they are in, and out of it within a second of leaving.
	s.Directory.Join(s.id, "ann", "out")
	s.Clock.Forward(time.Second)
	if got := b.Get("/application/launch/payroll/"); got.StatusCode != http.StatusFound {
		t.Errorf("after joining: %d", got.StatusCode)
	}
	if got := read(t, b.Get("/portal/applications")); got.slugs() != "payroll" {
		t.Errorf("after joining: %s", got.slugs())
	}
	s.Directory.Join(s.id, "ann")
	s.Clock.Forward(time.Second)
	if got := b.Get("/application/launch/payroll/"); got.StatusCode != http.StatusForbidden {
		t.Errorf("after leaving: %d", got.StatusCode)
	}
	if got := read(t, b.Get("/portal/applications")); got.TotalCount != 0 {
		t.Errorf("after leaving: %s", got.slugs())
	}
}

func TestStepUpAtLaunch(t *testing.T) {
	s := newSite(t)
	s.revision++
	s.Apply(gatewaytest.Upserts(s.revision, &configv1.Policy{Id: "fresh", Domain: s.id, Name: "fresh", Config: &configv1.Policy_AuthenticationStrength{
		AuthenticationStrength: &configv1.AuthenticationStrengthPolicy{MaxAgeSeconds: 60},
	}}, &configv1.Policy{Id: "token", Domain: s.id, Name: "token", Config: &configv1.Policy_AuthenticationStrength{
		AuthenticationStrength: &configv1.AuthenticationStrengthPolicy{Amr: []string{"hwk"}},
	}}))
	by := func(policy string) func(*configv1.Application) {
		return func(a *configv1.Application) {
			a.Bindings = []*configv1.Binding{{Id: "b", Policy: policy, Effect: configv1.Binding_ALLOW}}
		}
	}
	s.put(s.app("fresh", by("fresh")), s.app("token", by("token")))
	b := s.signedIn()
	if got := b.Get("/application/launch/fresh/"); got.StatusCode != http.StatusFound || got.Location() != "https://fresh.example/" {
		t.Fatalf("with a fresh sign-in: %d %s", got.StatusCode, got.Location())
	}
	s.Clock.Forward(2 * time.Minute)
	got := read(t, b.Get("/portal/applications"))
	if got.slugs() != "fresh" || !got.Data[0].StepUp {
		t.Errorf("one is shown locked, and one that nobody can open here is not shown: %+v", got)
	}
	if page := b.Get("/portal"); !strings.Contains(page.Text, "Asks you to sign in again") {
		t.Errorf("no lock on the page:\n%s", page.Text)
	}
	for path, want := range map[string]string{"fresh": "stepUp", "token": "denied"} {
		if got := b.Get("/portal/applications/" + path + "/access"); !strings.Contains(got.Text, `"verdict":"`+want+`"`) {
			t.Errorf("%s: %s", path, got.Text)
		}
	}
	if got := b.Get("/application/launch/fresh/?prompt=none"); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.Text, "interaction_required") {
		t.Errorf("prompt=none: %d", got.StatusCode)
	}
	again := b.Follow(b.Get("/application/launch/fresh/"))
	if again.StatusCode != http.StatusOK || !strings.Contains(again.Text, "login-submit") {
		t.Fatalf("%d %s", again.StatusCode, again.Text)
	}
	done := b.Follow(b.SignIn(again, "ann", gatewaytest.Password))
	if done.StatusCode != http.StatusFound || done.Location() != "https://fresh.example/" {
		t.Errorf("after it: %d %s", done.StatusCode, done.Location())
	}
	if got := b.Get("/application/launch/token/"); got.StatusCode != http.StatusForbidden {
		t.Errorf("what no sign-in here can meet: %d", got.StatusCode)
	}
}

// TestDirectoryAway: without the directory the last known groups count for a while, and then the page says that it cannot be shown
// rather than that there is nothing.
func TestDirectoryAway(t *testing.T) {
	s := newSite(t)
	s.group("in")
	s.Directory.Join(s.id, "ann", "in")
	s.put(s.app("payroll", For("in")), s.app("open"))
	b := s.signedIn()
	if got := read(t, b.Get("/portal/applications")); got.TotalCount != 2 {
		t.Fatal(got)
	}
	s.Directory.Away(fault.Unavailablef("away"))
	s.Clock.Forward(time.Minute)
	for _, path := range []string{"/portal", "/portal/applications"} {
		if got := b.Get(path); got.StatusCode != http.StatusOK || !strings.Contains(got.Text, "Payroll") {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.Text)
		}
	}
	s.Clock.Forward(25 * time.Minute)
	b.Get("/portal") // the session stays
	s.Clock.Forward(25 * time.Minute)
	b.Get("/portal")
	s.Clock.Forward(15 * time.Minute)
	for _, path := range []string{"/portal", "/portal/applications", "/application/launch/payroll/"} {
		if got := b.Get(path); got.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.Text)
		}
	}
}

// TestTwoPeople: what one person sees says nothing about another.
func TestTwoPeople(t *testing.T) {
	s := newSite(t)
	s.group("a", "b")
	s.Directory.Join(s.id, "ann", "a")
	s.Directory.Join(s.id, "bob", "b")
	s.put(s.app("first", For("a")), s.app("second", For("b")))
	for name, want := range map[string]string{"ann": "first", "bob": "second"} {
		b := s.signedIn(name)
		got := b.Get("/portal/applications")
		if read(t, got).slugs() != want || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s sees %s, %s", name, got.Text, got.Header)
		}
	}
}

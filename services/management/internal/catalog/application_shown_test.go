package catalog

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestAcceptance30EveryReservedSlugIsRefused(t *testing.T) {
	refusal := func(slug string) string {
		a := anApplication()
		a.Slug = slug
		if err := validateApplication(aScene(), &configv1.Application{Name: a.GetName()}, a); err != nil {
			if d := fault.BodyOf(err).Errors; len(d) != 1 || d[0].Path != "slug" {
				t.Errorf("%s: places %v", slug, d)
			}
			return fault.BodyOf(err).Message
		}
		return ""
	}
	for _, slug := range ReservedSlugs {
		if got := refusal(slug); got != "["+slug+": is reserved]" {
			t.Errorf("%s: %q", slug, got)
		}
		if made := NumberedSlug(slug, 2); refusal(made) != "" {
			t.Errorf("%s is refused", made)
		}
		s := aScene()
		if made, err := s.slugOf(&configv1.Application{Name: slug}); err != nil || made != slug+"-2" {
			t.Errorf("an application called %s: slug %q, %v", slug, made, err)
		}
	}
	for _, slug := range []string{"Payroll", "pay roll", "-pay", "pay_", "", "ü", strings.Repeat("a", 65), "a/b", "a.b"} {
		if slug != "" && !strings.Contains(refusal(slug), "must be 1 to 64 of a-z") {
			t.Errorf("%q: %q", slug, refusal(slug))
		}
	}
	for _, slug := range []string{"p", "pay-roll_2", strings.Repeat("a", 64), "0"} {
		if got := refusal(slug); got != "" {
			t.Errorf("%q is refused: %s", slug, got)
		}
	}
}

func TestASlugIsMadeOfTheName(t *testing.T) {
	taken := map[string]bool{"payroll": true, "payroll-2": true, strings.Repeat("a", 64): true}
	s := aScene()
	s.SlugTaken = func(slug, _ string) (bool, error) { return taken[slug], nil }
	for name, want := range map[string]string{
		"Payroll": "payroll-3", "Übungs-Läden, 2 GmbH!": "ubungs-laden-2-gmbh", "給与": "app", "--": "app",
		strings.Repeat("a", 70): strings.Repeat("a", 62) + "-2", "login": "login-2",
	} {
		if got, err := s.slugOf(&configv1.Application{Name: name}); err != nil || got != want || !validSlug.MatchString(got) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	s.Contested = true
	if got, err := s.slugOf(&configv1.Application{Name: "Payroll"}); err != nil || !strings.HasPrefix(got, "payroll-") || got == "payroll-2" {
		t.Errorf("a contested one: %q, %v", got, err)
	}
}

func TestFormerSlugs(t *testing.T) {
	at := func(days int) time.Time { return time.Unix(0, 0).AddDate(0, 0, days) }
	a := &configv1.Application{Id: "a", Name: "Payroll", Slug: "payroll"}
	change := func(day int, slug string) {
		old := proto.CloneOf(a)
		a.Slug = slug
		a.FormerSlugs = formerSlugs(at(day), old, a)
	}
	text := func() string {
		var all []string
		for _, f := range a.GetFormerSlugs() {
			all = append(all, f.GetSlug()+" until day "+f.GetUntil().AsTime().Sub(at(0)).String())
		}
		return strings.Join(all, ", ")
	}
	change(0, "pay")
	change(10, "wages")
	if got := text(); got != "pay until day 2400h0m0s, payroll until day 2160h0m0s" {
		t.Errorf("after two changes: %s", got)
	}
	change(20, "pay")
	if got := text(); got != "wages until day 2640h0m0s, payroll until day 2160h0m0s" {
		t.Errorf("after it got an earlier one back: %s", got)
	}
	change(90, "pay")
	if got := text(); got != "wages until day 2640h0m0s" {
		t.Errorf("after 90 days: %s", got)
	}
	for i := range 30 {
		change(91, string(rune('a'+i%26))+strings.Repeat("x", 1+i/26))
	}
	if n := len(a.GetFormerSlugs()); n != formerSlugsKept {
		t.Errorf("%d are kept", n)
	}
}

func TestVisibility(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*configv1.Application)
		want string
	}{
		{"an ordinary application is shown", func(*configv1.Application) {}, ""},
		{"a hidden one is not", func(a *configv1.Application) { a.Hidden = true }, "hidden"},
		{"nor a disabled one", func(a *configv1.Application) { a.Enabled = new(bool) }, "disabled"},
		{"Acceptance32: nor one with a blank launch URL", func(a *configv1.Application) { a.LaunchUrl = "blank://blank" }, "blankLaunchUrl"},
		{"nor one that can be opened nowhere", func(a *configv1.Application) { a.Settings.Oauth.RedirectUris = nil }, "noLaunchUrl"},
		{"nor a template", func(a *configv1.Application) { a.Template = true }, "template"},
		{"all reasons are told", func(a *configv1.Application) {
			a.Hidden, a.Enabled, a.LaunchUrl = true, new(bool), "blank://blank"
		}, "hidden disabled blankLaunchUrl"},
		{"a bookmark is shown where it leads somewhere", func(a *configv1.Application) {
			a.Type, a.Settings, a.LaunchUrl = configv1.Application_BOOKMARK, nil, "https://x.example/"
		}, ""},
		{"and not otherwise", func(a *configv1.Application) { a.Type = configv1.Application_BOOKMARK }, "noLaunchUrl"},
	} {
		a, enabled := anApplication(), true
		a.Enabled = &enabled
		tt.edit(a)
		got := visibility(a)
		if strings.Join(got.GetBecause(), " ") != tt.want || got.GetShown() != (tt.want == "") {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestWhatPeopleSeeIsChecked(t *testing.T) {
	s := aScene()
	s.Headings = []*configv1.ApplicationGroup{{Id: "g1", Name: "Finance"}, {Id: "g2", Name: "Engineering"}, {Id: "g3", Name: "People"}, {Id: "g4", Name: "Fines"}}
	a := anApplication()
	a.Slug = "x"
	a.Description, a.Publisher = strings.Repeat("ü", 1001), strings.Repeat("ü", 201)
	a.LaunchUrl, a.Group = "https://a.example/{{user.mail}}", "Finanse"
	err := validateApplication(s, &configv1.Application{Name: a.GetName()}, a)
	body := fault.BodyOf(err)
	var places []string
	for _, e := range body.Errors {
		places = append(places, e.Path)
	}
	if strings.Join(places, " ") != "description publisher launchUrl group" {
		t.Fatalf("all faults together: %v", places)
	}
	if e := body.Errors[2]; e.Column != 19 || !strings.Contains(e.Detail, "user.email") {
		t.Errorf("the launch URL: %+v", e)
	}
	if e := body.Errors[3]; !strings.Contains(e.Detail, "the nearest are Finance (g1), Fines (g4)") {
		t.Errorf("the group: %+v", e)
	}
	if err := validateApplication(s, proto.CloneOf(a), a); err != nil {
		t.Errorf("what was there before: %v", err)
	}
	a.Description, a.Publisher, a.LaunchUrl, a.Group = strings.Repeat("ü", 1000), strings.Repeat("ü", 200), "blank://blank", "g2"
	if err := validateApplication(s, &configv1.Application{Name: a.GetName()}, a); err != nil {
		t.Error(err)
	}
}

func TestWhatStrangersRegisterIsHidden(t *testing.T) {
	s := aScene()
	template := anApplication()
	template.Template, template.Slug, template.FormerSlugs = true, "payroll", []*configv1.FormerSlug{{Slug: "pay"}}
	template.Bindings = []*configv1.Binding{{Id: "b1", Group: "g1"}}
	template.Entitlements = []*configv1.Entitlement{{Id: "e1", Name: "x", Bindings: []*configv1.Binding{{Id: "b2", User: "u"}}}}
	for _, of := range []*configv1.Application{nil, template} {
		asked := &configv1.Application{Slug: "payroll", Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{ClientName: "Payroll"}}}
		a, _, err := Registered(t.Context(), s, Registration{Application: asked, Template: of})
		if err != nil {
			t.Fatal(err)
		}
		if a.GetSlug() != a.GetId() || !a.GetHidden() || a.GetFormerSlugs() != nil {
			t.Errorf("slug %q, hidden %v", a.GetSlug(), a.GetHidden())
		}
		if of == nil {
			continue
		}
		if len(a.GetBindings()) != 1 || a.GetBindings()[0].GetGroup() != "g1" || a.GetBindings()[0].GetId() == "b1" ||
			len(a.GetEntitlements()) != 1 || a.GetEntitlements()[0].GetBindings()[0].GetId() == "b2" {
			t.Errorf("the rule of the template: %v", a)
		}
	}
	if template.GetBindings()[0].GetId() != "b1" {
		t.Error("the template was changed")
	}
}

func TestBookmarks(t *testing.T) {
	s := aScene()
	a, issued, err := buildApplication(t.Context(), s, &configv1.NewApplication{Name: "Wiki", Type: configv1.Application_BOOKMARK})
	if err != nil || issued.ClientSecret != "" {
		t.Fatal(a, err)
	}
	if err := normalizeApplication(t.Context(), s, &configv1.Application{}, a); err != nil {
		t.Fatal(err)
	}
	if err := validateApplication(s, &configv1.Application{}, a); err != nil || ClientID(a) != "" || a.GetSettings() != nil || a.GetSlug() != "wiki" {
		t.Errorf("%v, %v", a, err)
	}
	for path, edit := range map[string]func(*configv1.Application){
		"settings.oauth": func(a *configv1.Application) {
			a.Settings = &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{RedirectUris: []string{"https://x.example/cb"}}}
		},
		"template": func(a *configv1.Application) { a.Template = true },
		"identityProviders": func(a *configv1.Application) {
			a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "idp"}}
		},
	} {
		b := proto.CloneOf(a)
		edit(b)
		if err := validateApplication(s, a, b); err == nil || fault.BodyOf(err).Errors[0].Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, _, err := buildApplication(t.Context(), s, &configv1.NewApplication{Name: "Wiki", Type: configv1.Application_BOOKMARK, ClientId: "x"}); err == nil {
		t.Error("a bookmark with a client identifier is made")
	}
}

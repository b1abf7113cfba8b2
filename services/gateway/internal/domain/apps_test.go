package domain_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// card is an application with a slug; bookmarks have no client.
func card(domainID, slug string, change ...func(*configv1.Application)) *configv1.Application {
	app := &configv1.Application{
		Id: "app-" + slug, Domain: domainID, Name: slug, Slug: slug, Type: configv1.Application_BOOKMARK, LaunchUrl: "https://" + slug + ".example/",
	}
	for _, f := range change {
		f(app)
	}
	return app
}

func slugs(d *domain.Domain) []string {
	var list []string
	for _, app := range d.Shown() {
		list = append(list, app.Slug)
	}
	slices.Sort(list)
	return list
}

func bySlug(d *domain.Domain, slug string, now time.Time) string {
	app, err := d.BySlug(slug, now)
	switch {
	case errors.Is(err, domain.ErrNoClient):
		return "none"
	case err != nil:
		return err.Error()
	case app.ID != app.Message.GetId():
		return "two applications"
	}
	return app.ID
}

func TestWhatMyApplicationsMayShow(t *testing.T) {
	config := gatewaytest.NewAcme(t)
	id := config.Domain.GetId()
	set := newSet(domain.Options{})
	set.Apply(t.Context(), config.Batch(1))
	for i, tt := range []struct {
		name   string
		change func(*configv1.Application)
		shown  bool
		found  bool
	}{
		{"a bookmark with a launch URL", func(*configv1.Application) {}, true, true},
		{"one whose launch URL is blank://blank is launched no more either, which is the launch's to say", func(a *configv1.Application) { a.LaunchUrl = "blank://blank" }, false, true},
		{"a hidden one is found by its link", func(a *configv1.Application) { a.Hidden = true }, false, true},
		{"a disabled one is found, to be told from one that never was", func(a *configv1.Application) { a.Enabled = proto.Bool(false) }, false, true},
		{"one without a launch URL and without anything to make one of", func(a *configv1.Application) { a.LaunchUrl = "" }, false, true},
		{"settings that wait for an application are none", func(a *configv1.Application) { a.Part = configv1.Application_PROVIDER }, false, false},
		{"a template is none", func(a *configv1.Application) { a.Template = true }, false, false},
	} {
		set.Apply(t.Context(), gatewaytest.Upserts(int64(i+2), card(id, "one", tt.change)))
		d := set.Domain(id)
		if got := len(slugs(d)) == 1; got != tt.shown {
			t.Errorf("%s: shown %v, want %v", tt.name, got, tt.shown)
		}
		if got := bySlug(d, "one", time.Now()) == "app-one"; got != tt.found {
			t.Errorf("%s: found %v, want %v", tt.name, got, tt.found)
		}
	}
	for _, slug := range []string{"", "One", "-one", "one-", "o ne", "one/two", "öne", string(make([]byte, 65))} {
		if domain.IsSlug(slug) {
			t.Errorf("%q is taken for a slug", slug)
		}
	}
}

// TestSlugsThatWere: a slug serves links until its end, unless another application has it now.
func TestAcceptance30FormerSlugsServeForNinetyDays(t *testing.T) {
	config := gatewaytest.NewAcme(t)
	id, now := config.Domain.GetId(), time.Now()
	set := newSet(domain.Options{})
	set.Apply(t.Context(), config.Batch(1))
	was := func(slug string, until time.Time) func(*configv1.Application) {
		return func(a *configv1.Application) {
			a.FormerSlugs = append(a.FormerSlugs, &configv1.FormerSlug{Slug: slug, Until: timestamppb.New(until)})
		}
	}
	set.Apply(t.Context(), gatewaytest.Upserts(2, card(id, "wages", was("payroll", now.Add(time.Hour)), was("pay", now.Add(time.Minute)))))
	set.Apply(t.Context(), gatewaytest.Upserts(3, card(id, "salaries", was("pay", now.Add(2*time.Minute)))))
	before := set.Domain(id)
	for _, tt := range []struct {
		slug string
		at   time.Time
		want string
	}{
		{"wages", now, "app-wages"},
		{"payroll", now, "app-wages"},
		{"payroll", now.Add(2 * time.Hour), "none"},
		{"pay", now, "app-salaries"}, // who had it last
		{"pay", now.Add(3 * time.Minute), "none"},
	} {
		if got := bySlug(before, tt.slug, tt.at); got != tt.want {
			t.Errorf("%s at %s: %s, want %s", tt.slug, tt.at.Sub(now), got, tt.want)
		}
	}
	set.Apply(t.Context(), gatewaytest.Upserts(4, card(id, "payroll")))
	if got := bySlug(set.Domain(id), "payroll", now); got != "app-payroll" {
		t.Errorf("a slug that another application took is %s's", got)
	}
	set.Apply(t.Context(), gatewaytest.Deletes(5, card(id, "payroll"), card(id, "salaries")))
	d := set.Domain(id)
	if got := []string{bySlug(d, "payroll", now), bySlug(d, "pay", now), bySlug(d, "salaries", now)}; !cmp.Equal(got, []string{"app-wages", "app-wages", "none"}) {
		t.Errorf("after deletions: %v", got)
	}
	if got := bySlug(before, "salaries", now); got != "app-salaries" {
		t.Errorf("a domain that a request holds has changed: %s", got)
	}
}

// TestBookmarksComeAndGo: an application may lose its client and get it back.
func TestBookmarksComeAndGo(t *testing.T) {
	config := gatewaytest.NewAcme(t)
	id := config.Domain.GetId()
	set := newSet(domain.Options{})
	set.Apply(t.Context(), config.Batch(1))
	whole := gatewaytest.NewApp(id, "orders")
	whole.Slug, whole.LaunchUrl = "orders", "https://orders.example/"
	alone := proto.CloneOf(whole)
	alone.Type, alone.Settings = configv1.Application_BOOKMARK, nil
	for i, app := range []*configv1.Application{whole, alone, whole} {
		set.Apply(t.Context(), gatewaytest.Upserts(int64(i+2), app))
		d := set.Domain(id)
		if got := bySlug(d, "orders", time.Now()); got != app.GetId() {
			t.Errorf("step %d: %s", i, got)
		}
		if _, err := d.Client(t.Context(), "orders"); (err == nil) != (app == whole) {
			t.Errorf("step %d: the client: %v", i, err)
		}
	}
}

func TestPortalSignIn(t *testing.T) {
	names := func(c *domain.Client) (list []string) {
		for _, p := range c.Providers {
			list = append(list, p.ID)
		}
		return list
	}
	config := gatewaytest.NewAcme(t)
	config.Inline("managers", "eve")
	set := newSet(domain.Options{})
	set.Apply(t.Context(), config.Batch(1))
	id := config.Domain.GetId()
	d := set.Domain(id)
	if diff := cmp.Diff([]string{"managers", "staff"}, names(d.Portal)); diff != "" {
		t.Errorf("without settings all internal providers take part, by name (-want +got):\n%s", diff)
	}
	named := proto.CloneOf(config.Domain)
	named.PortalSettings = &configv1.PortalSettings{IdentityProviders: []string{"staff", "gone"}, Title: "Start"}
	set.Apply(t.Context(), gatewaytest.Upserts(2, named))
	d = set.Domain(id)
	if diff := cmp.Diff([]string{"staff"}, names(d.Portal)); diff != "" || d.Portal.Name != "Start" {
		t.Errorf("with settings: %s (-want +got):\n%s", d.Portal.Name, diff)
	}
	own := gatewaytest.NewApp(id, "own", func(a *configv1.Application) {
		a.Slug, a.IdentityProviders = "own", []*configv1.ApplicationIdentityProvider{{Identity: "managers"}}
	})
	set.Apply(t.Context(), gatewaytest.Upserts(3, own, card(id, "alone")))
	d = set.Domain(id)
	for slug, want := range map[string][]string{"own": {"managers"}, "alone": {"staff"}} {
		app, err := d.BySlug(slug, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		c := d.Entrance(app)
		if diff := cmp.Diff(want, names(c)); diff != "" || c.Name != app.Name {
			t.Errorf("%s, called %s, lets in by (-want +got):\n%s", slug, c.Name, diff)
		}
	}
}

// BenchmarkShown is what My applications costs before anybody decides: all that may be shown, and one change among them.
func BenchmarkShown(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		config := gatewaytest.NewAcme(b)
		id := config.Domain.GetId()
		set := newSet(domain.Options{})
		batch := config.Batch(1)
		for i := range n {
			batch.Upserts = append(batch.Upserts, gatewaytest.Upserts(1, card(id, fmt.Sprint("app-", i))).Upserts...)
		}
		set.Apply(b.Context(), batch)
		b.Run(fmt.Sprintf("list %d", n), func(b *testing.B) {
			for b.Loop() {
				if got := len(set.Domain(id).Shown()); got != n {
					b.Fatal(got)
				}
			}
		})
		b.Run(fmt.Sprintf("change one among %d", n), func(b *testing.B) {
			b.ReportAllocs()
			revision := int64(1)
			for b.Loop() {
				revision++
				set.Apply(b.Context(), gatewaytest.Upserts(revision, card(id, "app-7")))
			}
		})
	}
}

package image

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

func application(domain, id, name, clientID string) *configv1.Application {
	a := &configv1.Application{Name: name, Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{ClientId: clientID}}}
	resource.Stamp(a, resource.Stamps{ID: id, Domain: domain})
	return a
}

func domain(id, name string) *configv1.Domain {
	d := &configv1.Domain{Name: name, Hrid: id}
	resource.Stamp(d, resource.Stamps{ID: id, Domain: id})
	return d
}

func stamped[R resource.Resource](r R, revision int64) R {
	resource.Stamp(r, resource.Stamps{Revision: revision})
	return r
}

// model answers lists in the plainest way.
type model map[resource.Key]resource.Resource

func (m model) list(k catalog.Any, q Query) ([]string, int) {
	pattern := regexp.MustCompile(catalog.SearchPattern(q.Search))
	var found []resource.Resource
	for key, r := range m {
		switch {
		case key.Kind != k.Descriptor().Arm,
			q.Domain != "" && key.Domain != q.Domain,
			q.Only != nil && !q.Only[key.ID],
			q.Where != nil && !q.Where(r),
			q.Search != "" && !pattern.MatchString(catalog.Searchable(k.SearchText(r))):
			continue
		}
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b resource.Resource) int {
		return strings.Compare(k.SortText(a)+"\x00"+a.GetId()+"\x00"+a.GetDomain(), k.SortText(b)+"\x00"+b.GetId()+"\x00"+b.GetDomain())
	})
	total := len(found)
	if q.Size > 0 {
		found = found[min(q.Page*q.Size, total):min((q.Page+1)*q.Size, total)]
	}
	return describe(found), total
}

func describe(all []resource.Resource) []string {
	texts := make([]string, len(all))
	for i, r := range all {
		texts[i] = fmt.Sprintf("%s@%d", resource.KeyOf(r), r.GetRevision())
	}
	return texts
}

// word returns a short text, so that many are equal, or contain one another.
func word(r *rand.Rand) string {
	letters := []rune("abAB ü*\n.")
	text := make([]rune, r.IntN(4))
	for i := range text {
		text[i] = letters[r.IntN(len(letters))]
	}
	return string(text)
}

func anyQuery(r *rand.Rand) Query {
	q := Query{Search: word(r), Page: r.IntN(4), Size: r.IntN(6)}
	if r.IntN(2) == 0 {
		q.Search = ""
	}
	if r.IntN(4) > 0 {
		q.Domain = fmt.Sprint("d", r.IntN(3))
	}
	if r.IntN(3) == 0 {
		q.Where = func(r resource.Resource) bool { return r.GetRevision()%2 == 0 }
	}
	if r.IntN(3) == 0 {
		q.Only = map[string]bool{}
		for range r.IntN(30) {
			q.Only[fmt.Sprint(r.IntN(300))] = r.IntN(5) > 0
		}
	}
	return q
}

// TestImageAnswersAsAPlainList changes an image at random and compares what it lists with what a map and a loop would. It makes
// no difference which applications are kept encoded: those that registered themselves are.
func TestImageAnswersAsAPlainList(t *testing.T) { answersAsAPlainList(t, 6) }

func answersAsAPlainList(t *testing.T, seeds uint64) {
	t.Helper()
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		img, m := New(), model{}
		revision := int64(0)
		random := func() resource.Resource {
			revision++
			domainID, id := fmt.Sprint("d", r.IntN(3)), fmt.Sprint(r.IntN(300))
			if seed%2 == 0 {
				id = fmt.Sprint(r.IntN(3000)) // many, so that there are several chunks
			}
			switch r.IntN(8) {
			case 0:
				return stamped(domain(fmt.Sprint("d", r.IntN(40)), word(r)), revision)
			case 1:
				s := &configv1.Scope{Key: word(r), Name: word(r)}
				resource.Stamp(s, resource.Stamps{ID: id, Domain: domainID})
				return stamped(s, revision)
			}
			a := stamped(application(domainID, id, word(r), word(r)), revision)
			if r.IntN(2) == 0 {
				a.Registration = &configv1.ClientRegistration{}
			}
			return a
		}
		var first []resource.Resource
		for range 1000 {
			one := random()
			if _, known := m[resource.KeyOf(one)]; !known {
				first = append(first, one)
				m[resource.KeyOf(one)] = one
			}
		}
		img.Load(img.Begin(), revision, first)
		for step := range 4000 {
			if r.IntN(5) > 0 && step%1000 < 700 {
				one := random()
				m[resource.KeyOf(one)] = one
				img.Apply(revision, []resource.Resource{one}, nil)
			} else if keys := slices.Collect(maps.Keys(m)); len(keys) > 0 {
				revision++
				gone := keys[r.IntN(len(keys))]
				delete(m, gone)
				img.Apply(revision, nil, []resource.Key{gone})
			}
			if step%20 > 0 {
				continue
			}
			v, _ := img.View()
			checkClient(t, v, m, fmt.Sprint("d", r.IntN(3)), word(r))
			q := anyQuery(r)
			for _, k := range []catalog.Any{catalog.Applications, catalog.Scopes, catalog.Domains} {
				want, wantTotal := m.list(k, q)
				got, total := v.ListAny(k, q)
				if diff := cmp.Diff(want, describe(got)); diff != "" || total != wantTotal {
					t.Fatalf("seed %d, step %d, %+v: total %d, want %d; list (-want +got):\n%s", seed, step, q, total, wantTotal, diff)
				}
			}
		}
		held := map[resource.Key]int64{}
		for key, one := range m {
			held[key] = one.GetRevision()
			v, _ := img.View()
			k, _ := catalog.ByArm(key.Kind)
			if got, ok := v.Get(k, key.Domain, key.ID); !ok || got.GetRevision() != one.GetRevision() {
				t.Fatalf("%s is %v, %v", key, got, ok)
			}
		}
		if diff := cmp.Diff(held, img.Revisions()); diff != "" {
			t.Errorf("revisions (-want +got):\n%s", diff)
		}
	}
}

// checkClient compares what is found by a client identifier.
func checkClient(t *testing.T, v View, m model, domain, clientID string) {
	t.Helper()
	want := false
	for _, r := range m {
		a, ok := r.(*configv1.Application)
		want = want || ok && a.GetDomain() == domain && catalog.ClientID(a) == clientID && clientID != ""
	}
	got, ok := v.Client(domain, clientID)
	if ok != want || ok && (catalog.ClientID(got) != clientID || m[resource.KeyOf(got)].GetRevision() != got.GetRevision()) {
		t.Fatalf("client %q of %s is %v, %t; want %t", clientID, domain, got, ok, want)
	}
}

func TestRegisteredClientsAreKeptEncoded(t *testing.T) {
	var all []resource.Resource
	for i := range 12 {
		a := stamped(application("d", fmt.Sprint(i), "client", fmt.Sprint("c", i)), 1)
		if i > 0 {
			a.Registration = &configv1.ClientRegistration{}
		}
		all = append(all, a)
	}
	i := New()
	i.Load(i.Begin(), 1, all)
	fresh := stamped(application("d", "fresh", "fresh", "fresh"), 2)
	fresh.Registration = &configv1.ClientRegistration{}
	i.Apply(2, []resource.Resource{fresh}, nil)
	v, _ := i.View()
	encoded := 0
	for p := range v.parts.all() {
		for e := range p.inOrder.all() {
			if e.resource == nil {
				encoded++
			}
		}
	}
	if encoded != 12 { // all but that of an operator
		t.Errorf("%d of 13 applications are kept encoded, want 12", encoded)
	}
	if got, ok := v.Client("d", "fresh"); !ok || got.GetName() != "fresh" {
		t.Errorf("client %v, %t", got, ok)
	}
}

// TestSearchFindsWhatItsPatternFinds: the quick way and the regular expression are one semantic.
func TestSearchFindsWhatItsPatternFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 30_000 {
		text := catalog.Searchable([]string{word(r), word(r) + word(r)}[:1+r.IntN(2)])
		q := word(r) + word(r)
		if q == "" {
			continue
		}
		want := regexp.MustCompile(catalog.SearchPattern(q)).MatchString(text)
		if got := newSearch(q).finds(text); got != want {
			t.Fatalf("%q finds %q: %v, want %v", q, text, got, want)
		}
	}
}

func TestSearches(t *testing.T) {
	img := New()
	img.Load(img.Begin(), 1, []resource.Resource{
		application("d", "1", "Payroll", "client-A"), application("d", "2", "payroll test", "b"),
		application("d", "3", "Ärger", "CLIENT-c"), application("d", "4", "no client", ""),
	})
	v, _ := img.View()
	for _, tt := range []struct {
		name, q string
		want    []string
	}{
		{"a name as a whole, in any case", "PAYROLL", []string{"1"}},
		{"a part of a name is not enough", "pay", nil},
		{"a star stands for anything", "pay*", []string{"1", "2"}},
		{"or for nothing", "payroll*", []string{"1", "2"}},
		{"in the middle as well", "p*l", []string{"1"}},
		{"a single letter anywhere", "*y*", []string{"1", "2"}},
		{"a client id, in any case", "Client-a", []string{"1"}},
		{"client ids by a star", "client-*", []string{"1", "3"}},
		{"letters beyond ASCII", "ä*", []string{"3"}},
		{"a star does not reach from the name to the client id", "payroll*-a", nil},
		{"stars alone find everything", "**", []string{"4", "1", "2", "3"}},
		{"other signs mean themselves", "p.yroll", nil},
		{"a line break finds no text that was written without", "payroll\nclient-b", nil},
	} {
		found, total := List(v, catalog.Applications, Query{Domain: "d", Search: tt.q})
		var got []string
		for _, a := range found {
			got = append(got, a.GetId())
		}
		if !slices.Equal(got, tt.want) || total != len(tt.want) {
			t.Errorf("%s: %q finds %q of %d, want %q", tt.name, tt.q, got, total, tt.want)
		}
	}
}

// TestOwnWritesCountUntilTheFollowerReachesThem plays the orders in which a write and the follower can meet.
func TestOwnWritesCountUntilTheFollowerReachesThem(t *testing.T) {
	key := resource.KeyOf(application("d", "1", "", ""))
	at := func(revision int64, name string) resource.Resource {
		return stamped(application("d", "1", name, ""), revision)
	}
	upsert := func(r resource.Resource) []resource.Resource { return []resource.Resource{r} }
	for _, tt := range []struct {
		name string
		do   func(*Image)
		want string // the name that is listed; empty: nothing
	}{
		{"a write is seen at once", func(i *Image) { i.Wrote(3, upsert(at(3, "own")), nil) }, "own"},
		{"what comes before it does not undo it", func(i *Image) {
			i.Wrote(3, upsert(at(3, "own")), nil)
			i.Apply(2, upsert(at(2, "earlier")), nil)
		}, "own"},
		{"a deletion is not undone either", func(i *Image) {
			i.Wrote(3, nil, []resource.Key{key})
			i.Apply(2, upsert(at(2, "earlier")), nil)
		}, ""},
		{"and an earlier deletion does not delete what was made again", func(i *Image) {
			i.Wrote(3, upsert(at(3, "again")), nil)
			i.Apply(2, nil, []resource.Key{key})
		}, "again"},
		{"what others did later counts", func(i *Image) {
			i.Wrote(3, upsert(at(3, "own")), nil)
			i.Apply(2, nil, nil)
			i.Apply(3, upsert(at(3, "own")), nil)
			i.Apply(4, upsert(at(4, "others")), nil)
		}, "others"},
		{"at its revision the database is right", func(i *Image) {
			i.Wrote(3, upsert(at(3, "own")), nil)
			i.Apply(3, upsert(at(3, "stored")), nil)
		}, "stored"},
		{"a write that is told late is in the image already", func(i *Image) {
			i.Apply(3, nil, nil)
			i.Apply(4, upsert(at(4, "others")), nil)
			i.Wrote(3, upsert(at(3, "own")), nil)
		}, "others"},
		{"two writes that are told in the wrong order", func(i *Image) {
			i.Wrote(4, upsert(at(4, "second")), nil)
			i.Wrote(3, upsert(at(3, "first")), nil)
		}, "second"},
		{"a write while everything is loaded again is kept", func(i *Image) {
			mark := i.Begin()
			i.Wrote(3, upsert(at(3, "own")), nil)
			i.Load(mark, 2, nil)
		}, "own"},
		{"unless the load has got as far", func(i *Image) {
			mark := i.Begin()
			i.Wrote(3, upsert(at(3, "own")), nil)
			i.Load(mark, 3, upsert(at(3, "stored")))
		}, "stored"},
		{"a write of a database that was put back is forgotten", func(i *Image) {
			i.Wrote(30, upsert(at(30, "own")), nil)
			i.Load(i.Begin(), 2, nil)
		}, ""},
	} {
		i := New()
		i.Load(i.Begin(), 1, upsert(at(1, "first")))
		tt.do(i)
		v, _ := i.View()
		found, _ := List(v, catalog.Applications, Query{Domain: "d"})
		got := ""
		if len(found) > 0 {
			got = found[0].GetName()
		}
		if got != tt.want || len(found) > 1 {
			t.Errorf("%s: listed %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWritesBeforeTheFirstLoadAreKept(t *testing.T) {
	i := New()
	mark := i.Begin()
	if _, loaded := i.View(); loaded {
		t.Error("loaded from the beginning")
	}
	i.Wrote(2, []resource.Resource{stamped(application("d", "1", "own", ""), 2)}, nil)
	i.Load(mark, 1, nil)
	v, loaded := i.View()
	if _, ok := v.Get(catalog.Applications, "d", "1"); !ok || !loaded {
		t.Errorf("found %v, loaded %v", ok, loaded)
	}
}

func TestWhatIsWrittenIsCopied(t *testing.T) {
	i := New()
	i.Load(i.Begin(), 1, nil)
	a := stamped(application("d", "1", "own", ""), 2)
	i.Wrote(2, []resource.Resource{a}, nil)
	a.Name = "changed by the caller"
	v, _ := i.View()
	if got, _ := v.Get(catalog.Applications, "d", "1"); got.(*configv1.Application).GetName() != "own" {
		t.Errorf("holds %v", got)
	}
}

func TestViewsDoNotChange(t *testing.T) {
	i := New()
	i.Load(i.Begin(), 1, []resource.Resource{application("d", "1", "a", ""), application("d", "2", "b", "")})
	before, _ := i.View()
	i.Apply(2, []resource.Resource{application("d", "1", "z", ""), application("d", "3", "c", "")}, []resource.Key{{Kind: "application", Domain: "d", ID: "2"}})
	var names []string
	for _, v := range []View{before, *i.current.Load()} {
		found, _ := List(v, catalog.Applications, Query{Domain: "d"})
		for _, a := range found {
			names = append(names, a.GetName())
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "z"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestWait(t *testing.T) {
	i := New()
	i.Load(i.Begin(), 1, nil)
	if err := i.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	reached := make(chan error)
	for revision := range int64(4) {
		go func() { reached <- i.Wait(t.Context(), revision) }()
	}
	i.Apply(2, nil, nil)
	i.Wrote(9, []resource.Resource{application("d", "1", "", "")}, nil)
	i.Apply(3, nil, nil)
	for range 4 {
		if err := <-reached; err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Wait(ctx, 4); err == nil {
		t.Error("own writes are not the log")
	}
	if !i.Current(time.Hour) || i.Current(-1) {
		t.Error("moved at another time")
	}
}

// A list that is a message of its own, so that it can be absent, is a list.
func TestHavingInAListThatCanBeAbsent(t *testing.T) {
	domain := &configv1.Domain{Oidc: &configv1.OpenIDSettings{ClientRegistrationSettings: &configv1.ClientRegistrationSettings{
		AllowedScopes: &configv1.Strings{Values: []string{"a", "b"}},
	}}}
	for value, want := range map[string]bool{"b": true, "c": false} {
		has, err := Having(catalog.Domains, "oidc.clientRegistrationSettings.allowedScopes", value)
		if err != nil {
			t.Fatal(err)
		}
		if got := has(domain); got != want {
			t.Errorf("%s is there: %t", value, got)
		}
	}
}

func TestHaving(t *testing.T) {
	a := application("d", "1", "", "c")
	a.Type = configv1.Application_WEB
	a.Settings.Oauth.ScopeSettings = []*configv1.ScopeSetting{{Scope: "a"}, {Scope: "b"}}
	for _, tt := range []struct {
		field, value string
		want         bool
	}{
		{"settings.oauth.clientId", "c", true},
		{"settings.oauth.clientId", "C", false},
		{"settings.oauth.scopeSettings.scope", "b", true},
		{"settings.oauth.scopeSettings.scope", "c", false},
		{"identityProviders.identity", "x", false},
		{"type", "web", true},
		{"type", "native", false},
	} {
		has, err := Having(catalog.Applications, tt.field, tt.value)
		if err != nil || has(a) != tt.want {
			t.Errorf("%s is %s: %v, want %v, error %v", tt.field, tt.value, !tt.want, tt.want, err)
		}
	}
	d := domain("d", "d")
	d.Oidc = &configv1.OpenIDSettings{ClientRegistrationSettings: &configv1.ClientRegistrationSettings{AllowedScopes: &configv1.Strings{Values: []string{"a"}}}}
	if has, err := Having(catalog.Domains, "oidc.clientRegistrationSettings.allowedScopes", "a"); err != nil || !has(d) {
		t.Errorf("a list that can be absent: %v", err)
	}
	for _, field := range []string{"", "nothing", "settings.nothing", "name.name", "settings", "metadata.a"} {
		if _, err := Having(catalog.Applications, field, "x"); err == nil {
			t.Errorf("%q is a place", field)
		}
	}
}

// TestEveryReferenceCanBeLookedFor: a place that Having does not find would make deletions fail.
func TestEveryReferenceCanBeLookedFor(t *testing.T) {
	looked := 0
	for _, k := range catalog.All {
		for _, list := range []string{"References", "Shared"} {
			uses := reflect.ValueOf(k).Elem().FieldByName(list)
			for i := range uses.Len() {
				use := uses.Index(i)
				from, ok := catalog.ByArm(use.FieldByName("Kind").String())
				if !ok {
					t.Errorf("%s is named by a kind %s, which does not exist", k.Descriptor().Arm, use.FieldByName("Kind"))
					continue
				}
				if in := use.FieldByName("In"); in.IsValid() && !in.IsNil() {
					looked++ // it says itself where it is
					continue
				}
				if _, err := Having(from, use.FieldByName("Field").String(), "x"); err != nil {
					t.Errorf("%s of %s: %v", list, k.Descriptor().Arm, err)
				}
				if by := use.FieldByName("By"); by.IsValid() {
					if _, err := Having(k, by.String(), "x"); err != nil {
						t.Errorf("%s of %s: %v", list, k.Descriptor().Arm, err)
					}
				}
				looked++
			}
		}
	}
	if looked < 5 {
		t.Errorf("found only %d references", looked)
	}
}

package portal

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const (
	// usualSize and maxSize are how many applications a page of the list has, where nobody says and at most.
	usualSize = 50
	maxSize   = 200
	// maxSearch bounds the text of a search in characters, beyond which it is refused.
	maxSearch = 100
)

// wish is what somebody wants to see.
type wish struct {
	search, group string
	// page counts from zero.
	page, size int
}

// wishOf reads the parameters of a list. What is wrong with them is an error of the protocol.
func wishOf(p oauth2.Params) (wish, error) {
	w := wish{search: strings.Join(strings.Fields(p.Get("search")), " "), group: p.Get("group"), size: usualSize}
	if !utf8.ValidString(w.search) || utf8.RuneCountInString(w.search) > maxSearch {
		return w, oauth2.InvalidRequest.Errorf("search must be text of at most %d characters", maxSearch)
	}
	for _, one := range []struct {
		name       string
		to         *int
		least, top int
	}{{"page", &w.page, 0, math.MaxInt32}, {"size", &w.size, 1, maxSize}} {
		text := p.Get(one.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < one.least || n > one.top {
			return w, oauth2.InvalidRequest.Errorf("%s must be a whole number from %d to %d", one.name, one.least, one.top)
		}
		*one.to = n
	}
	return w, nil
}

// found is an application that the reader may use, on a list.
type found struct {
	app     *domain.App
	heading *domain.Heading
	// locked tells that it wants a stronger sign-in first.
	locked bool
	score  int
	key    []byte
}

// list is what somebody sees: a page of what fits, and how much fits where.
type list struct {
	wish
	data   []found
	total  int
	groups []group
	// any tells that they may use something, whether it fits or not.
	any bool
	// heading is the one that was asked for; nil for all.
	heading *domain.Heading
}

// group is a heading with how many of its applications fit.
type group struct {
	heading *domain.Heading
	count   int
}

// errNoGroup does not tell a heading without anything for the reader from one that there never was.
var errNoGroup = oauth2.InvalidRequest.Errorf("group must be the id of a heading that has applications for you")

// list decides about everything that may be shown, and then searches, sorts and cuts what is left.
func (e *Endpoint) list(r *http.Request, d *domain.Domain, s *state.Session, w wish) (*list, error) {
	mine, err := e.mine(r, d, s)
	if err != nil {
		return nil, err
	}
	out := &list{wish: w, any: len(mine) > 0}
	if w.group != "" {
		i := slices.IndexFunc(mine, func(f found) bool { return f.heading != nil && f.heading.ID == w.group })
		if i < 0 {
			return nil, errNoGroup
		}
		out.heading = mine[i].heading
	}
	if w.search != "" {
		q := newQuery(w.search)
		mine = slices.DeleteFunc(mine, func(f found) bool { return !q.weigh(&f) })
		for i := range mine {
			q.weigh(&mine[i])
		}
	}
	out.count(mine)
	if out.heading != nil {
		mine = slices.DeleteFunc(mine, func(f found) bool { return f.heading != out.heading })
	}
	out.sort(mine, locale(r))
	out.total = len(mine)
	begin := min(int64(w.page)*int64(w.size), int64(len(mine)))
	out.data = mine[begin:min(begin+int64(w.size), int64(len(mine)))]
	return out, nil
}

// mine are the applications that somebody may use from where they are now, in no order.
func (e *Endpoint) mine(r *http.Request, d *domain.Domain, s *state.Session) ([]found, error) {
	all := d.Shown()
	out := make([]found, 0, min(len(all), 64))
	decide := e.Judge.Among(r.Context(), d, &s.Person, access.Browsing(r, e.Proxies, s, access.Portal))
	for _, app := range all {
		decided, err := decide(app.Client)
		if err != nil {
			return nil, err
		}
		if e.verdict(d, app, &decided) != rule.Denied {
			out = append(out, found{app: app, heading: d.Headings[app.Group], locked: decided.Verdict == rule.StepUp})
		}
	}
	return out, nil
}

// verdict is what a decision comes to here: whoever needs another sign-in that nobody can make at this application is refused.
func (e *Endpoint) verdict(d *domain.Domain, app *domain.App, decided *access.Outcome) rule.Verdict {
	if decided.Verdict != rule.StepUp {
		return decided.Verdict
	}
	if app.Message == nil {
		found, err := d.BySlug(app.Slug, e.Now())
		if err != nil {
			return rule.Denied // it has just gone
		}
		app = found
	}
	if len(authorization.Curing(d, d.Entrance(app), decided.Step)) == 0 {
		return rule.Denied
	}
	return rule.StepUp
}

// count counts what fits under each heading.
func (l *list) count(fitting []found) {
	counts := map[*domain.Heading]int{}
	for _, f := range fitting {
		if f.heading != nil {
			counts[f.heading]++
		}
	}
	for heading, n := range counts {
		l.groups = append(l.groups, group{heading, n})
	}
}

// sort puts applications in the order of the reader's language: by headings, those without one first; or those first that fit a search
// best.
func (l *list) sort(fitting []found, tag language.Tag) {
	keys := sorters.take(tag)
	defer sorters.give(tag, keys)
	headings := map[*domain.Heading][]byte{nil: nil}
	for _, g := range l.groups {
		headings[g.heading] = keys.of(g.heading.Name)
	}
	byHeading := func(a, b *domain.Heading) int {
		switch {
		case a == b:
			return 0
		case a == nil:
			return -1
		case b == nil:
			return 1
		}
		return cmp.Or(cmp.Compare(a.Order, b.Order), slices.Compare(headings[a], headings[b]), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(l.groups, func(a, b group) int { return byHeading(a.heading, b.heading) })
	for i := range fitting {
		fitting[i].key = keys.of(fitting[i].app.Name)
	}
	slices.SortFunc(fitting, func(a, b found) int {
		if l.search != "" && a.score != b.score {
			return cmp.Compare(b.score, a.score)
		}
		first := 0
		if l.search == "" {
			first = byHeading(a.heading, b.heading)
		}
		return cmp.Or(first, slices.Compare(a.key, b.key), cmp.Compare(a.app.ID, b.app.ID))
	})
}

// locale is the language by whose order somebody reads lists.
func locale(r *http.Request) language.Tag {
	for _, wish := range pages.Locales(r) {
		if tag, err := language.Parse(wish); err == nil {
			return tag
		}
	}
	return language.English
}

// pagesOf is how many pages a list has, at least one.
func (l *list) pages() int { return max(1, (l.total+l.size-1)/l.size) }

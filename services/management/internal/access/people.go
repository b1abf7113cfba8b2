package access

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// staleAfter is when a picture is made anew, because another process may have changed the directory. Until that is done the old
	// one serves, for another oldest at most.
	staleAfter = time.Minute
	oldest     = 10 * time.Minute
	// forgotten is when a picture that nobody looked at is dropped.
	forgotten = 15 * time.Minute
)

// member is a person of a picture. It is not changed once the picture is published.
type member struct {
	id, username, name, email string
	enabled                   bool
	loggedAt                  time.Time
	in                        *membership
}

// membership is a set of groups in which people are directly; everybody with the same shares it.
type membership struct{ groups []string }

// crowd is a picture of the people of a domain, in the order of their names.
type crowd struct {
	people []*member
	byID   map[string]*member
	// at is when the directory was last read as a whole, and position counts the changes since then that the picture knows.
	at       time.Time
	position int64
}

// crowds keeps pictures of domains.
type crowds struct {
	store *store.Store
	now   func() time.Time

	mu sync.Mutex
	of map[string]*watched
}

// watched is a domain's picture with what became of it since.
type watched struct {
	loading sync.Mutex // one reader at a time

	mu     sync.Mutex // guards the rest
	crowd  *crowd
	dirty  map[string]bool // who changed since
	all    bool            // anybody may have
	asked  time.Time
	serial int64           // of changes this process made
	during map[string]bool // who changed while the picture is made anew; nil while it is not
}

func newCrowds(s *store.Store, now func() time.Time) *crowds {
	c := &crowds{store: s, now: now, of: map[string]*watched{}}
	if s != nil {
		s.WatchDirectory(c.changed)
	}
	return c
}

// changed notes a change of the directory that this process has made.
func (c *crowds) changed(domain string, users []string) {
	c.mu.Lock()
	w := c.of[domain]
	c.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	if users == nil {
		w.all = true
		return
	}
	for _, id := range users {
		w.dirty[id] = true
		if w.during != nil {
			w.during[id] = true
		}
	}
}

// renew drops the picture of a domain: whoever asks next reads what all processes have changed.
func (c *crowds) renew(domain string) { c.changed(domain, nil) }

// refresh makes the pictures anew that are in use and stale.
func (c *crowds) refresh(ctx context.Context, providers func(ctx context.Context, domain string) (func(string) bool, error)) error {
	now := c.now()
	c.mu.Lock()
	stale := map[string]*watched{}
	for domain, w := range c.of {
		w.mu.Lock()
		if w.crowd != nil && now.Sub(w.crowd.at) > staleAfter && now.Sub(w.asked) < oldest && w.during == nil {
			stale[domain] = w
			w.during = map[string]bool{}
		}
		w.mu.Unlock()
	}
	c.mu.Unlock()
	var failed error
	for domain, w := range stale {
		known, err := providers(ctx, domain)
		var fresh *crowd
		if err == nil {
			fresh, err = c.load(ctx, domain, known)
		}
		w.loading.Lock()
		w.mu.Lock()
		if err == nil {
			fresh.position = w.serial
			w.crowd = fresh
			for id := range w.during {
				w.dirty[id] = true
			}
		}
		w.during = nil
		w.mu.Unlock()
		w.loading.Unlock()
		failed = errors.Join(failed, err)
	}
	return failed
}

// get returns a picture of a domain with everything that this process has changed.
func (c *crowds) get(ctx context.Context, domain string, providers func(id string) bool) (*crowd, error) {
	now := c.now()
	c.mu.Lock()
	for id, other := range c.of {
		other.mu.Lock()
		if now.Sub(other.asked) > forgotten && id != domain {
			delete(c.of, id)
		}
		other.mu.Unlock()
	}
	w := c.of[domain]
	if w == nil {
		w = &watched{dirty: map[string]bool{}, all: true, asked: now}
		c.of[domain] = w
	}
	c.mu.Unlock()

	w.loading.Lock()
	defer w.loading.Unlock()
	w.mu.Lock()
	w.asked = now
	old, dirty, all, serial := w.crowd, w.dirty, w.all, w.serial
	w.dirty, w.all = map[string]bool{}, false
	w.mu.Unlock()
	all = all || old == nil || now.Sub(old.at) > staleAfter+oldest
	if !all && len(dirty) == 0 {
		return old, nil
	}
	var fresh *crowd
	var err error
	if all {
		fresh, err = c.load(ctx, domain, providers)
	} else {
		fresh, err = c.mend(ctx, domain, old, dirty, providers)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil { // what was noted counts for the next who asks
		w.all = w.all || all
		for id := range dirty {
			w.dirty[id] = true
		}
		return nil, err
	}
	fresh.position = serial
	w.crowd = fresh
	return fresh, nil
}

// load reads the people of a domain and their memberships.
func (c *crowds) load(ctx context.Context, domain string, providers func(string) bool) (*crowd, error) {
	fresh := &crowd{byID: map[string]*member{}}
	direct := map[string][]string{}
	err := c.store.Users().Sketches(ctx, domain, nil, func(s *store.Sketch) {
		m := sketch(s)
		fresh.people = append(fresh.people, m)
		fresh.byID[m.id] = m
		if groups := asserted(s, providers); len(groups) > 0 {
			direct[m.id] = groups
		}
	})
	if err != nil {
		return nil, err
	}
	err = c.store.Memberships().Each(ctx, domain, func(group, user string) { direct[user] = append(direct[user], group) })
	if err != nil {
		return nil, err
	}
	shared := map[string]*membership{}
	for _, m := range fresh.people {
		m.in = share(shared, direct[m.id])
	}
	slices.SortFunc(fresh.people, byName)
	fresh.at = c.now() // a picture that took long to make is not stale at once
	return fresh, nil
}

// mend returns a picture with what has become of some people.
func (c *crowds) mend(ctx context.Context, domain string, old *crowd, dirty map[string]bool, providers func(string) bool) (*crowd, error) {
	ids := make([]string, 0, len(dirty))
	for id := range dirty {
		ids = append(ids, id)
	}
	var changed []*member
	direct := map[string][]string{}
	err := c.store.Users().Sketches(ctx, domain, ids, func(s *store.Sketch) {
		changed = append(changed, sketch(s))
		direct[s.ID] = asserted(s, providers)
	})
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(ids, 500) {
		groups, err := c.store.Memberships().OfUsers(ctx, domain, part)
		if err != nil {
			return nil, err
		}
		for user, in := range groups {
			direct[user] = append(direct[user], in...)
		}
	}
	shared := map[string]*membership{}
	fresh := &crowd{people: make([]*member, 0, len(old.people)+len(changed)), byID: make(map[string]*member, len(old.people)+len(changed)), at: old.at}
	for _, m := range old.people {
		if !dirty[m.id] {
			fresh.people = append(fresh.people, m)
			fresh.byID[m.id] = m
			shared[key(m.in.groups)] = m.in
		}
	}
	for _, m := range changed {
		m.in = share(shared, direct[m.id])
		fresh.byID[m.id] = m
		at, _ := slices.BinarySearchFunc(fresh.people, m, byName)
		fresh.people = slices.Insert(fresh.people, at, m)
	}
	return fresh, nil
}

func sketch(s *store.Sketch) *member {
	m := &member{id: s.ID, username: s.Username, email: s.Email, enabled: s.Enabled == nil || *s.Enabled, loggedAt: s.LoggedAt}
	if m.name = s.DisplayName; m.name == "" {
		m.name = strings.TrimSpace(s.FirstName + " " + s.LastName)
	}
	return m
}

// asserted returns the groups that providers give somebody, as far as the providers exist.
func asserted(s *store.Sketch, providers func(string) bool) []string {
	var groups []string
	for _, a := range s.Asserted {
		if providers(a.Source) {
			groups = append(groups, a.Groups...)
		}
	}
	return groups
}

func share(shared map[string]*membership, groups []string) *membership {
	slices.Sort(groups)
	groups = slices.Compact(groups)
	k := key(groups)
	if shared[k] == nil {
		shared[k] = &membership{groups: slices.Clip(groups)}
	}
	return shared[k]
}

func key(groups []string) string { return strings.Join(groups, "\x00") }

func byName(a, b *member) int {
	return cmp.Or(strings.Compare(strings.ToLower(a.username), strings.ToLower(b.username)), strings.Compare(a.id, b.id))
}

// finds reports whether a search finds somebody: by a part of a name or of the address, in any case; `*` stands for any text.
func (m *member) finds(words []string) bool {
	if len(words) == 0 {
		return true
	}
	for _, text := range []string{m.username, m.name, m.email, m.id} {
		rest, found := strings.ToLower(text), true
		for _, word := range words {
			i := strings.Index(rest, word)
			if i < 0 {
				found = false
				break
			}
			rest = rest[i+len(word):]
		}
		if found {
			return true
		}
	}
	return false
}

// words cuts a search at its stars.
func words(q string) []string {
	return slices.DeleteFunc(strings.Split(strings.ToLower(q), "*"), func(s string) bool { return s == "" })
}

// tree is how the groups of a domain contain one another.
type tree struct {
	byID map[string]*configv1.Group
	// within are the groups that contain one directly.
	within map[string][]string
}

func newTree(groups []*configv1.Group) *tree {
	t := &tree{byID: make(map[string]*configv1.Group, len(groups)), within: map[string][]string{}}
	for _, g := range groups {
		t.byID[g.GetId()] = g
		for _, inner := range g.GetGroups() {
			t.within[inner] = append(t.within[inner], g.GetId())
		}
	}
	return t
}

// above returns the groups that membership of some comes to: themselves and all that contain them, at any depth.
func (t *tree) above(direct []string) map[string]bool {
	all := map[string]bool{}
	next := slices.Clone(direct)
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		if !all[id] && t.byID[id] != nil {
			all[id] = true
			next = append(next, t.within[id]...)
		}
	}
	return all
}

// way returns the groups by which somebody is in a group in which they are not directly, from one of their own to one that it
// contains.
func (t *tree) way(direct []string, to string) []string {
	chain := t.chain(direct, to)
	if len(chain) < 2 {
		return nil
	}
	return chain[:len(chain)-1]
}

// chain returns the shortest way from one of somebody's own groups to a group, both included; nil if there is none.
func (t *tree) chain(direct []string, to string) []string {
	from := map[string]string{}
	next := []string{}
	for _, id := range direct {
		if _, seen := from[id]; !seen && t.byID[id] != nil {
			from[id] = ""
			next = append(next, id)
		}
	}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if id == to {
			var way []string
			for at := id; at != ""; at = from[at] {
				way = append(way, at)
			}
			slices.Reverse(way)
			return way
		}
		for _, outer := range t.within[id] {
			if _, seen := from[outer]; !seen {
				from[outer] = id
				next = append(next, outer)
			}
		}
	}
	return nil
}

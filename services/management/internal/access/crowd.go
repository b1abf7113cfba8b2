package access

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// staleAfter is when a picture is made anew beside the questions, which mends what a log that was lost would have said, and oldest
	// the age at which nobody is shown it any more.
	staleAfter = 10 * time.Minute
	oldest     = 30 * time.Minute
	// forgotten is when a picture that nobody looked at is dropped.
	forgotten = 15 * time.Minute
	// followed is how often the log is read of pictures that nobody asks for at this moment.
	followed = 15 * time.Second
)

// crowd is a picture of the people of a domain, in the order of their names. It is not changed once it is published.
type crowd struct {
	people []*member
	// known are the people by identifier, but for those in since, where nil is nobody any more.
	known, since map[string]*member
	// shared are the memberships there are. Only whoever makes pictures of the domain uses them.
	shared map[string]*membership
	// providers are those whose groups count.
	providers map[string]bool
	// at is when the directory was last read as a whole, position the newest entry of the log of touches that the picture knows.
	at       time.Time
	position int64
}

// find returns somebody, or nil.
func (c *crowd) find(id string) *member {
	if m, changed := c.since[id]; changed {
		return m
	}
	return c.known[id]
}

// crowds keeps pictures of domains.
type crowds struct {
	store *store.Store
	now   func() time.Time

	mu sync.Mutex
	of map[string]*watched
}

// watched is a domain's picture and how to keep it.
type watched struct {
	// making guards the picture and what is known of those who are being written: one maker at a time.
	making sync.Mutex
	crowd  *crowd
	recent []recent

	mu    sync.Mutex // guards asked
	asked time.Time
}

// recent are people whom the log has named, to be looked at again until then.
type recent struct {
	store.Touched
	until time.Time
}

func newCrowds(s *store.Store, now func() time.Time) *crowds {
	return &crowds{store: s, now: now, of: map[string]*watched{}}
}

func (w *watched) lastAsked() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// watch returns what is kept of a domain, and forgets domains about which nobody asks any more.
func (c *crowds) watch(domain string, now time.Time) *watched {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, other := range c.of {
		if id != domain && now.Sub(other.lastAsked()) > forgotten {
			delete(c.of, id)
		}
	}
	w := c.of[domain]
	if w == nil {
		w = &watched{}
		c.of[domain] = w
	}
	w.mu.Lock()
	w.asked = now
	w.mu.Unlock()
	return w
}

// get returns a picture of a domain with everything that any process has changed before the question.
func (c *crowds) get(ctx context.Context, domain string, providers map[string]bool) (*crowd, error) {
	w := c.watch(domain, c.now())
	w.making.Lock()
	defer w.making.Unlock()
	return c.follow(ctx, domain, w, providers)
}

// follow brings a picture up to date. It is called by whoever makes pictures of the domain.
func (c *crowds) follow(ctx context.Context, domain string, w *watched, providers map[string]bool) (*crowd, error) {
	old := w.crowd
	if old == nil || c.now().Sub(old.at) > oldest || !maps.Equal(old.providers, providers) {
		return c.anew(ctx, domain, w, providers)
	}
	touched, err := c.store.TouchedAfter(ctx, domain, old.position)
	if err != nil {
		return nil, err
	}
	now := c.now()
	recents := slices.DeleteFunc(slices.Clone(w.recent), func(r recent) bool { return now.After(r.until) })
	dirty := map[string]bool{}
	for _, r := range append(w.recent, recent{Touched: touched}) {
		if r.All {
			return c.anew(ctx, domain, w, providers)
		}
		maps.Copy(dirty, r.Users)
	}
	if len(touched.Users) > 0 {
		recents = append(recents, recent{touched, now.Add(store.Settling)})
	}
	fresh := old
	switch {
	case len(dirty) > 1000 && len(dirty) > len(old.people)/2:
		return c.anew(ctx, domain, w, providers)
	case len(dirty) > 0:
		if fresh, err = c.mend(ctx, domain, old, dirty); err != nil {
			return nil, err // the log is read from where it was
		}
	}
	if fresh == old && touched.Last != old.position {
		moved := *old
		fresh = &moved
	}
	if fresh != old {
		fresh.position = touched.Last
	}
	w.crowd, w.recent = fresh, recents
	return fresh, nil
}

// anew takes a new picture.
func (c *crowds) anew(ctx context.Context, domain string, w *watched, providers map[string]bool) (*crowd, error) {
	fresh, touched, err := c.load(ctx, domain, providers)
	if err != nil {
		return nil, err
	}
	w.crowd, w.recent = fresh, []recent{{touched, c.now().Add(store.Settling)}}
	return fresh, nil
}

// refresh keeps the pictures current that are in use. One that is old is made anew beside the questions.
func (c *crowds) refresh(ctx context.Context, providers func(ctx context.Context, domain string) (map[string]bool, error)) error {
	now := c.now()
	c.mu.Lock()
	used := maps.Clone(c.of)
	c.mu.Unlock()
	maps.DeleteFunc(used, func(_ string, w *watched) bool { return now.Sub(w.lastAsked()) > forgotten })
	var failed error
	for domain, w := range used {
		known, err := providers(ctx, domain)
		if err == nil {
			err = c.renew(ctx, domain, w, known)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func (c *crowds) renew(ctx context.Context, domain string, w *watched, providers map[string]bool) error {
	w.making.Lock()
	held := w.crowd
	var err error
	if held != nil && c.now().Sub(held.at) <= staleAfter {
		_, err = c.follow(ctx, domain, w, providers)
		held = nil
	}
	w.making.Unlock()
	if held == nil || err != nil {
		return err
	}
	fresh, touched, err := c.load(ctx, domain, providers)
	if err != nil {
		return err
	}
	w.making.Lock()
	defer w.making.Unlock()
	if w.crowd == held || w.crowd.at.Before(fresh.at) {
		// The log says since when the old one knew more.
		w.crowd, w.recent = fresh, []recent{{touched, c.now().Add(store.Settling)}}
	}
	return nil
}

// load reads the people of a domain and their memberships, and who is being written meanwhile.
func (c *crowds) load(ctx context.Context, domain string, providers map[string]bool) (*crowd, store.Touched, error) {
	touched, err := c.store.TouchedLately(ctx, domain)
	if err != nil {
		return nil, touched, err
	}
	fresh := &crowd{known: map[string]*member{}, shared: map[string]*membership{}, providers: providers, position: touched.Last}
	var reading sync.WaitGroup
	var peopleErr, groupsErr error
	given, direct := map[string][]string{}, map[string][]string{}
	reading.Go(func() {
		peopleErr = c.store.Users().Sketches(ctx, domain, nil, func(s *store.Sketch) {
			m := sketch(s)
			fresh.people = append(fresh.people, m)
			fresh.known[m.id] = m
			if groups := asserted(s, providers); len(groups) > 0 {
				given[m.id] = groups
			}
		})
		slices.SortFunc(fresh.people, byName)
	})
	reading.Go(func() {
		names := map[string]string{} // one text for each group
		groupsErr = c.store.Memberships().Each(ctx, domain, func(group, user string) {
			one, known := names[group]
			if !known {
				one, names[group] = group, group
			}
			direct[user] = append(direct[user], one)
		})
	})
	reading.Wait()
	if err := errors.Join(peopleErr, groupsErr); err != nil {
		return nil, touched, err
	}
	for _, m := range fresh.people {
		m.in = share(fresh.shared, append(direct[m.id], given[m.id]...))
	}
	fresh.at = c.now() // a picture that took long to make is not stale at once
	return fresh, touched, nil
}

// layered is how many people may be beside those whom a picture has known from the beginning.
const layered = 1000

// mend returns a picture with what has become of some people: the old one where that is what it was.
func (c *crowds) mend(ctx context.Context, domain string, old *crowd, dirty map[string]bool) (*crowd, error) {
	ids := slices.Collect(maps.Keys(dirty))
	read := map[string]*member{}
	direct := map[string][]string{}
	err := c.store.Users().Sketches(ctx, domain, ids, func(s *store.Sketch) {
		read[s.ID] = sketch(s)
		direct[s.ID] = asserted(s, old.providers)
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
	changed := map[string]*member{}
	var come []*member
	for _, id := range ids {
		was, m := old.find(id), read[id]
		if m == nil {
			if was != nil {
				changed[id] = nil
			}
			continue
		}
		m.in = share(old.shared, direct[id])
		if was == nil || !was.same(m) {
			changed[id] = m
			come = append(come, m)
		}
	}
	if len(changed) == 0 {
		return old, nil
	}
	fresh := *old
	slices.SortFunc(come, byName)
	fresh.people = make([]*member, 0, len(old.people)+len(come))
	for _, m := range old.people {
		if _, other := changed[m.id]; other {
			continue
		}
		for len(come) > 0 && byName(come[0], m) < 0 {
			fresh.people, come = append(fresh.people, come[0]), come[1:]
		}
		fresh.people = append(fresh.people, m)
	}
	fresh.people = append(fresh.people, come...)
	if fresh.since = maps.Clone(old.since); fresh.since == nil {
		fresh.since = map[string]*member{}
	}
	maps.Copy(fresh.since, changed)
	if len(fresh.since) > layered {
		fresh.known, fresh.since = make(map[string]*member, len(fresh.people)), nil
		for _, m := range fresh.people {
			fresh.known[m.id] = m
		}
	}
	return &fresh, nil
}

package domain

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/launch"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// App is an application as people see it: in My applications, and behind its launch link. A bookmark is one too, although it is no
// client. It is safe for concurrent use because nothing in it changes.
type App struct {
	ID, Slug, Name         string
	Description, Publisher string
	// Group is the id of its heading; it may be that of none.
	Group string
	// Light and Dark are the digests of its pictures; empty where there is none.
	Light, Dark string
	NewTab      bool
	// Enabled and Launches tell whether it can be opened now, and whether it leads anywhere at all.
	Enabled, Launches bool
	// Message is what it was made from, for those who ask by its slug; nil in lists. It must not be changed.
	Message *configv1.Application
	// Client is the application as the decision knows it. Only what decides is set of it: it signs nobody in.
	Client *Client
}

// Heading is a heading of My applications.
type Heading struct {
	ID, Name, Description string
	Order                 int32
}

// listing is an application that people may see or launch, and what it compiles to once somebody asks.
type listing struct {
	entry  *entry
	slug   string
	former []*configv1.FormerSlug
	shown  bool
	// icons are the digests of its pictures.
	icons []string
	// compiled is made with the core of its mark.
	compiled atomic.Pointer[listed]
}

type listed struct {
	core *mark
	app  *App
	err  error
}

// newListing returns nil for what nobody sees and no link names.
func newListing(e *entry, app *configv1.Application) *listing {
	if app.GetSlug() == "" || app.GetTemplate() || app.GetPart() == configv1.Application_PROVIDER {
		return nil
	}
	l := &listing{entry: e, slug: within(e.encoded, app.GetSlug()), former: app.GetFormerSlugs(), shown: shows(app)}
	for _, digest := range []string{app.GetIcon().GetLight(), app.GetIcon().GetDark()} {
		if digest != "" && !slices.Contains(l.icons, digest) {
			l.icons = append(l.icons, digest)
		}
	}
	return l
}

func enabled(app *configv1.Application) bool { return app.Enabled == nil || app.GetEnabled() }

// shows reports whether My applications may show an application to those who may use it.
func shows(app *configv1.Application) bool {
	return enabled(app) && !app.GetHidden() && launches(app)
}

// launches reports whether an application leads anywhere.
func launches(app *configv1.Application) bool {
	target, err := launch.Target(app, "https://issuer.example") // whether there is one does not depend on the issuer
	return err == nil && target != nil && !target.Blank()
}

// apps are the applications of a domain as people see them: by the slugs that they have and had, and those that are shown; and how
// many have a picture.
type apps struct {
	bySlug table[[]*listing]
	shown  table[*listing]
	icons  table[int]
}

type appsEdit struct {
	bySlug *tableEdit[[]*listing]
	shown  *tableEdit[*listing]
	icons  *tableEdit[int]
}

func (a *apps) edit() *appsEdit { return &appsEdit{a.bySlug.edit(), a.shown.edit(), a.icons.edit()} }

func (e *appsEdit) apps() apps { return apps{e.bySlug.next, e.shown.next, e.icons.next} }

func (e *appsEdit) put(l *listing) {
	for slug := range l.slugs() {
		held, _ := e.bySlug.next.get(slug)
		e.bySlug.put(slug, append(slices.Clone(held), l)) // others see the list
	}
	if l.shown {
		e.shown.put(l.entry.id, l)
	}
	for _, digest := range l.icons {
		n, _ := e.icons.next.get(digest)
		e.icons.put(digest, n+1)
	}
}

func (e *appsEdit) remove(l *listing) {
	for slug := range l.slugs() {
		held, _ := e.bySlug.next.get(slug)
		rest := slices.DeleteFunc(slices.Clone(held), func(other *listing) bool { return other == l })
		if len(rest) == 0 {
			e.bySlug.remove(slug)
		} else {
			e.bySlug.put(slug, rest)
		}
	}
	if l.shown {
		e.shown.remove(l.entry.id)
	}
	for _, digest := range l.icons {
		if n, _ := e.icons.next.get(digest); n > 1 {
			e.icons.put(digest, n-1)
		} else {
			e.icons.remove(digest)
		}
	}
}

// slugs are those that the application has and had, each once.
func (l *listing) slugs() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(l.slug) {
			return
		}
		for i, f := range l.former {
			again := f.GetSlug() == l.slug || slices.ContainsFunc(l.former[:i], func(o *configv1.FormerSlug) bool { return o.GetSlug() == f.GetSlug() })
			if !again && !yield(f.GetSlug()) {
				return
			}
		}
	}
}

// until is when the application loses a slug that it has no more; zero if it never had it.
func (l *listing) until(slug string) (at time.Time) {
	for _, f := range l.former {
		if f.GetSlug() == slug && f.GetUntil().AsTime().After(at) {
			at = f.GetUntil().AsTime()
		}
	}
	return at
}

// relist puts an application in the place of what it was; either may be nil.
func (src *source) relist(old, fresh *entry) {
	src.lockouts.replace(old, fresh)
	if (old == nil || old.listing == nil) && (fresh == nil || fresh.listing == nil) {
		return
	}
	if src.listing == nil {
		src.listing = src.seen.edit()
	}
	if old != nil && old.listing != nil {
		src.listing.remove(old.listing)
	}
	if fresh != nil && fresh.listing != nil {
		src.listing.put(fresh.listing)
	}
}

// BySlug returns the application that has a slug, or else the last that had it, until that ends. It may be disabled. ErrNoClient
// means that there is none; any other error that it cannot be read.
func (d *Domain) BySlug(slug string, now time.Time) (*App, error) {
	if !IsSlug(slug) {
		return nil, ErrNoClient
	}
	claims, _ := d.seen.bySlug.get(slug)
	var found *listing
	var last time.Time
	for _, l := range claims {
		if d.passesBy(l.entry) {
			continue
		}
		if l.slug == slug {
			found = l
			break
		}
		if until := l.until(slug); until.After(now) && until.After(last) {
			found, last = l, until
		}
	}
	if found == nil {
		return nil, ErrNoClient
	}
	message, err := found.entry.application()
	if err != nil {
		return nil, fmt.Errorf("decode application %q: %w", found.entry.id, err)
	}
	app, err := d.listed(found)
	if err != nil {
		return nil, fmt.Errorf("decode application %q: %w", found.entry.id, err)
	}
	asked := *app
	asked.Message = message
	return &asked, nil
}

// HasIcon reports whether an application of the domain has a picture of this digest.
func (d *Domain) HasIcon(digest string) bool {
	_, ok := d.seen.icons.get(digest)
	return ok
}

// Shown returns the applications that My applications may show, in no order: they are enabled, not hidden and have a target. Whoever
// shows them asks first who may use them. One that cannot be read is left out.
func (d *Domain) Shown() []*App {
	all := make([]*App, 0, d.seen.shown.size)
	for l := range d.seen.shown.all() {
		if d.passesBy(l.entry) {
			continue
		}
		if app, err := d.listed(l); err == nil {
			all = append(all, app)
		}
	}
	return all
}

func (d *Domain) listed(l *listing) (*App, error) {
	made := l.compiled.Load()
	if made == nil || made.core != d.mark {
		made = &listed{core: d.mark}
		var message *configv1.Application
		if message, made.err = l.entry.application(); made.err == nil {
			made.app = d.compileApp(message)
		}
		l.compiled.Store(made)
	}
	return made.app, made.err
}

func (d *Domain) compileApp(m *configv1.Application) *App {
	app := &App{
		ID: m.GetId(), Slug: m.GetSlug(), Name: cmp.Or(strings.TrimSpace(m.GetName()), m.GetSlug()),
		Description: m.GetDescription(), Publisher: m.GetPublisher(), Group: m.GetGroup(),
		Light: m.GetIcon().GetLight(), Dark: m.GetIcon().GetDark(), NewTab: m.GetOpenInNewTab(), Enabled: enabled(m), Launches: launches(m),
		Client: &Client{
			ID: m.GetId(), ClientID: m.GetSettings().GetOauth().GetClientId(), Name: m.GetName(), Type: m.GetType(), Revision: m.GetRevision(),
		},
	}
	d.compileRule(app.Client, m)
	return app
}

// IsSlug reports whether a text has the form of a slug.
func IsSlug(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		inner := (c == '-' || c == '_') && i > 0 && i < len(s)-1
		if !inner && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// compileHeadings puts the headings of My applications in their order. Those of one order keep none among themselves: it depends on
// who reads them.
func (core *Core) compileHeadings(headings map[string]*configv1.ApplicationGroup) {
	core.Headings = make(map[string]*Heading, len(headings))
	for id, h := range headings {
		core.Headings[id] = &Heading{ID: id, Name: h.GetName(), Description: h.GetDescription(), Order: h.GetOrder()}
	}
}

package portal

import (
	"net/http"
	"strconv"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
)

// page shows My applications, after a sign-in where nobody is signed in.
func (e *Endpoint) page(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	v, err := e.member(w, r, d)
	if err != nil {
		return err
	}
	params, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return err
	}
	wanted, err := wishOf(params)
	if err != nil {
		return err
	}
	if v.Session == nil {
		query := browser.With(wanted.query(wanted.page), browser.PortalParam, "1")
		if locales := params.Get("ui_locales"); locales != "" {
			query = browser.With(query, "ui_locales", locales)
		}
		return e.signIn(w, r, d, d.Portal, query, false)
	}
	l, err := e.list(r, d, v.Session, wanted)
	if err != nil {
		return err
	}
	return e.Pages.Portal(w, r, d, e.shown(d, v, l))
}

// query is the query of a page of the same list.
func (w wish) query(page int) string {
	q := ""
	if w.search != "" {
		q = browser.With(q, "search", w.search)
	}
	if w.group != "" {
		q = browser.With(q, "group", w.group)
	}
	if w.size != usualSize {
		q = browser.With(q, "size", strconv.Itoa(w.size))
	}
	if page > 0 {
		q = browser.With(q, "page", strconv.Itoa(page))
	}
	return q
}

// shown is a list as the page has it.
func (e *Endpoint) shown(d *domain.Domain, v *browser.Visit, l *list) pages.Portal {
	at := func(w wish, page int) string { return browser.URL(d, browser.PortalPage, w.query(page)) }
	out := pages.Portal{
		Name: d.Portal.Name, Username: whoever(v).Username, Search: l.search, Group: l.group, Total: l.total, Any: l.any,
		All: at(wish{search: l.search, size: l.size}, 0), Clear: at(wish{group: l.group, size: l.size}, 0), Page: l.page + 1, Pages: l.pages(),
		Action: browser.URL(d, browser.PortalPage, ""), Consents: browser.URL(d, consentsPage, ""),
		Sessions: browser.URL(d, sessionsPage, ""), Logout: browser.URL(d, logoutPage, ""),
	}
	if l.heading != nil {
		out.Heading = l.heading.Name
	}
	if l.page > 0 {
		out.Previous = at(l.wish, min(l.page, out.Pages)-1)
	}
	if l.page+1 < out.Pages {
		out.Next = at(l.wish, l.page+1)
	}
	for _, g := range l.groups {
		out.Groups = append(out.Groups, pages.PortalGroup{
			Name: g.heading.Name, Count: g.count, Current: g.heading == l.heading,
			URL: at(wish{search: l.search, group: g.heading.ID, size: l.size}, 0),
		})
	}
	var above *domain.Heading
	for i, f := range l.data {
		if i == 0 || l.search == "" && f.heading != above {
			section := pages.PortalSection{}
			if l.search == "" && f.heading != nil {
				section.Name, section.Description = f.heading.Name, f.heading.Description
			}
			out.Sections, above = append(out.Sections, section), f.heading
		}
		card := pages.PortalCard{
			ID: f.app.ID, Name: f.app.Name, Publisher: f.app.Publisher, Description: f.app.Description, URL: here(launchURL(d, f.app)),
			Light: assetURL(d, f.app.Light), Dark: assetURL(d, f.app.Dark), Locked: f.locked, NewTab: f.app.NewTab,
		}
		if card.Light == "" {
			card.Light, card.Dark = card.Dark, ""
		}
		if l.search != "" && f.heading != nil {
			card.Group = f.heading.Name
		}
		last := &out.Sections[len(out.Sections)-1]
		last.Cards = append(last.Cards, card)
	}
	return out
}

// The other pages of somebody's account.
const (
	consentsPage = "/account/applications"
	sessionsPage = "/account/sessions"
	logoutPage   = "/logout"
)

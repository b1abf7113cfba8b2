package pages

import (
	"hash/fnv"
	"net/http"
	"strings"
	"unicode"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Portal is My applications.
type Portal struct {
	// Name is what the page is called by the domain; Username who reads it.
	Name, Username string
	// Search is the text that was looked for; empty if none was. Heading names the one heading that is shown; may be empty.
	Search, Heading string
	// Group is the identifier of that heading, which the form of the search repeats.
	Group string
	// Total is how many applications there are that fit, on all pages.
	Total int
	// Any tells that there are applications beside what fits.
	Any bool
	// Sections are those of this page of the list, Groups all headings with how many fit.
	Sections []PortalSection
	Groups   []PortalGroup
	// All leads to everything, Clear to what is shown without the search, Previous and Next to other pages; empty where there is none.
	All, Clear, Previous, Next string
	// Page counts from one, and Pages is how many there are.
	Page, Pages int
	// Action is where the search goes. Consents, Sessions and Logout are the addresses of those pages.
	Action, Consents, Sessions, Logout string
}

// PortalGroup leads to the applications of one heading.
type PortalGroup struct {
	Name, URL string
	Count     int
	Current   bool
}

// PortalSection is a heading with its applications; the first has no name where they have no heading.
type PortalSection struct {
	Name, Description string
	Cards             []PortalCard
}

// PortalCard is one application.
type PortalCard struct {
	ID, Name, Publisher, Description, URL string
	// Light and Dark are addresses of pictures; empty where there is none.
	Light, Dark string
	// Group is the name of its heading where that is not said above it.
	Group string
	// Locked tells that it wants a stronger sign-in first.
	Locked, NewTab bool
}

// Initials are what stands in the place of a picture: the first letters of at most two words.
func (c PortalCard) Initials() string {
	var out []rune
	for word := range strings.FieldsFuncSeq(c.Name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) }) {
		for _, r := range word {
			out = append(out, unicode.ToUpper(r))
			break
		}
		if len(out) == 2 {
			break
		}
	}
	if len(out) == 0 {
		return initial(c.Name)
	}
	return string(out)
}

// colours is how many colours the style sheet has for initials.
const colours = 8

// Colour is one of the colours of initials, always the same for an application.
func (c PortalCard) Colour() int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.ID))
	return int(h.Sum32() % colours)
}

// Portal answers the page.
func (p *Pages) Portal(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Portal) error {
	policy := p.wide + "; img-src 'self'" + forms(r, d)
	return p.write(w, r, http.StatusOK, "portal", policy, view{
		d: d, base: d.Base, Title: "portal.title", Domain: d.Name, Page: page, Wide: true,
		Compress: page.Search == "", // what is looked for comes with the request
	})
}

// PortalURL is where My applications is.
func (v view) PortalURL() string { return v.d.Base + "/portal" }

// Opening is a page about an application that cannot be opened.
type Opening struct {
	// Client is the application, for its name and looks; nil where the page must not tell which it is.
	Client *domain.Client
	Kind   OpeningKind
	// Field is what the person's account lacks.
	Field string
	// Back leads to My applications.
	Back string
}

// OpeningKind is what such a page says: the keys of its texts, and the status of the answer.
type OpeningKind struct {
	status      int
	Title, Text string
}

// What such pages say.
var (
	OpeningDisabled   = OpeningKind{http.StatusNotFound, "opening.disabled-title", "opening.disabled"}
	OpeningIncomplete = OpeningKind{http.StatusConflict, "opening.incomplete-title", "opening.incomplete"}
)

// Opening answers the page.
func (p *Pages) Opening(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Opening) error {
	return p.write(w, r, page.Kind.status, "opening", p.with(page.Client)+noForms,
		view{d: d, base: d.Base, Title: page.Kind.Title, Domain: d.Name, Page: page, app: page.Client})
}

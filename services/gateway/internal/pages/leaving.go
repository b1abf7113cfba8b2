package pages

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Leaving is the page of somebody who has signed out, while the applications they used forget them (OpenID Connect
// Front-Channel Logout 1.0 §3).
type Leaving struct {
	// Frames are the applications' pages that are loaded out of sight, Next where the person goes then. Next must have been
	// checked: its scheme is not looked at here.
	Frames []string
	Next   string
}

// leavingFor is how long the frames have, in seconds, before the person goes on by themselves.
const leavingFor = "3"

// Leaving answers the page. It works without script: the browser goes on after a moment, or by a link at once. Frames may
// come from the applications' origins and from nowhere else.
func (p *Pages) Leaving(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Leaving) error {
	var origins []string
	for _, frame := range page.Frames {
		if u, err := url.Parse(frame); err == nil && !slices.Contains(origins, u.Scheme+"://"+u.Host) {
			origins = append(origins, u.Scheme+"://"+u.Host)
		}
	}
	next := template.URL(page.Next) //nolint:gosec // a target that was matched
	return p.write(w, r, http.StatusOK, "leaving", p.policy+noForms+"; frame-src "+strings.Join(origins, " "), view{
		d: d, Title: "leaving.title", Domain: d.Name, Onward: &onward{leavingFor, next},
		Page: struct {
			Frames []string
			Next   template.URL
		}{page.Frames, next},
	})
}

// onward is where a page leads by itself.
type onward struct {
	Seconds string
	URL     template.URL
}

package pages

import (
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Applications is the page on which somebody sees what they allowed which applications, and withdraws it.
type Applications struct {
	// Action is the absolute URL the forms go to.
	Action string
	Token  string
	// Username is who is signed in; empty if nobody is, who is told so.
	Username string
	Message  Message
	List     []Allowed
}

// Allowed is what somebody allowed one application.
type Allowed struct {
	ClientID, Name string
	// Since is when the first of the scopes was allowed.
	Since  time.Time
	Scopes []Scope
}

// Applications answers the page.
func (p *Pages) Applications(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Applications) error {
	status := http.StatusOK
	if page.Username == "" {
		status = http.StatusForbidden
	}
	return p.write(w, r, status, "applications", p.policy+forms(r, d), view{d: d, Title: "applications.title", Domain: d.Name, Page: page})
}

package pages

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Device is the page that asks for the code that a device shows.
type Device struct {
	// Action is the absolute URL the form goes to.
	Action  string
	Token   string
	Message Message
	// Code fills the field in.
	Code string
}

// Device answers the page that asks for the code that a device shows.
func (p *Pages) Device(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Device) error {
	return p.write(w, r, http.StatusOK, "device", p.policy+forms(r, d), view{d: d, Title: "device.title", Domain: d.Name, Page: page})
}

// DeviceQuestion is the page that asks whether a device may have access.
type DeviceQuestion struct {
	Action   string
	Client   *domain.Client
	Token    string
	Username string
	Message  Message
	// Code is what the device shows, as people compare it.
	Code      string
	Scopes    []Scope
	Resources []string
}

// DeviceQuestion answers the page that asks whether a device may have access.
func (p *Pages) DeviceQuestion(w http.ResponseWriter, r *http.Request, d *domain.Domain, page DeviceQuestion) error {
	return p.write(w, r, http.StatusOK, "device-question", p.policy+forms(r, d), view{d: d, Title: "device.title", Domain: d.Name, Page: page, app: page.Client})
}

// DeviceDone answers the page after the decision.
func (p *Pages) DeviceDone(w http.ResponseWriter, r *http.Request, d *domain.Domain, c *domain.Client, allowed bool) error {
	title := "device.denied"
	if allowed {
		title = "device.allowed"
	}
	return p.write(w, r, http.StatusOK, "device-done", p.policy+noForms, view{
		d: d, Title: title, Domain: d.Name, Page: struct{ Allowed bool }{allowed}, app: c,
	})
}

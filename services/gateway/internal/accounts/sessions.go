package accounts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// sessionsForm is the purpose of the page's forms.
const sessionsForm = "end sessions"

// listed is a session as the page tells of it in JSON.
type listed struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	Browser    string    `json:"browser,omitempty"`
	System     string    `json:"system,omitempty"`
	Address    string    `json:"address,omitempty"`
	Provider   string    `json:"identityProvider"`
	Since      time.Time `json:"signedInAt"`
	Seen       time.Time `json:"lastSeenAt"`
	Ends       time.Time `json:"endsAt"`
	Remembered bool      `json:"rememberMe"`
}

func (e *Endpoint) showSessions(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	v := browser.Open(w, r, d)
	if err := v.Find(r.Context(), e.Store, e.People); err != nil {
		return err
	}
	asJSON := strings.Contains(r.Header.Get("Accept"), "application/json")
	if v.Session == nil && asJSON {
		endpoint.ErrorJSON(w, r, d, oauth2.LoginRequired.Errorf("Nobody is signed in"))
		return nil
	}
	if v.Session == nil {
		return e.Pages.Sessions(w, r, d, pages.Sessions{})
	}
	params, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return err
	}
	all, err := e.sessions(r, d, v)
	if err != nil {
		return err
	}
	token := v.FormToken(sessionsForm, e.Now())
	if asJSON {
		body, err := json.Marshal(struct {
			Sessions []listed `json:"sessions"`
			Token    string   `json:"xsrfToken"`
		}{all, token})
		if err != nil {
			return fmt.Errorf("encode sessions: %w", err)
		}
		endpoint.JSON(w, http.StatusOK, body)
		return nil
	}
	out := pages.Sessions{
		Action: browser.URL(d, SessionsPath, ""), Token: token, Username: v.Session.Person.Username,
		Message: pages.Message(v.Error(params).Description),
	}
	for _, one := range all {
		out.Others = out.Others || !one.Current
		out.List = append(out.List, pages.Session{
			ID: one.ID, Current: one.Current, Browser: one.Browser, System: one.System, Address: one.Address, Provider: one.Provider,
			Since: one.Since, Seen: one.Seen, Remembered: one.Remembered,
		})
	}
	return e.Pages.Sessions(w, r, d, out)
}

// sessions are those of the person, the one of this browser first.
func (e *Endpoint) sessions(r *http.Request, d *domain.Domain, v *browser.Visit) ([]listed, error) {
	all, err := e.Store.PersonSessions(r.Context(), d.ID, v.Session.Person.Subject)
	if err != nil {
		return nil, fmt.Errorf("sessions of person: %w", err)
	}
	out := make([]listed, 0, len(all))
	for _, one := range all {
		line := tell(d, one)
		if line.Current = one.ID == v.Session.ID; line.Current {
			out = append([]listed{line}, out...)
			continue
		}
		out = append(out, line)
	}
	return out, nil
}

func tell(d *domain.Domain, one state.PersonSession) listed {
	name, system := software(one.Agent)
	line := listed{
		ID: one.ID, Browser: name, System: system, Address: one.Address, Provider: one.Provider, Remembered: one.Remembered,
		Since: time.Unix(one.AuthTime, 0).UTC(), Seen: one.Seen.UTC().Truncate(time.Second), Ends: time.Unix(one.Ends, 0).UTC(),
	}
	if p := d.Providers[one.Provider]; p != nil && p.Name != "" {
		line.Provider = p.Name
	}
	return line
}

// endSessions ends one session of the person, or all but the one of this browser. Their clients are told as by a logout. What has
// ended already is no error.
func (e *Endpoint) endSessions(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	v := browser.Open(w, r, d)
	ctx := r.Context()
	if err := v.Find(ctx, e.Store, e.People); err != nil {
		return err
	}
	form, err := browser.Form(w, r)
	if err != nil {
		return err
	}
	back := func(query string) error {
		browser.Go(w, r, d, nil, browser.URL(d, SessionsPath, query))
		return nil
	}
	s := v.Session
	switch {
	case s == nil:
		return back("")
	case !v.Sent(r, form, sessionsForm, e.Now()):
		return back(v.WithError("", browser.Expired))
	}
	named := form.Get("session")
	switch {
	case form.Get("others") == "true":
		err = browser.CloseAll(ctx, e.Store, d, s.Person.Subject, func(id string) bool { return id == s.ID })
	case named == "":
		return oauth2.InvalidRequest.Errorf("Missing parameter: session")
	case named == s.ID:
		return oauth2.InvalidRequest.Errorf("The session of this browser is ended by signing out")
	default:
		err = browser.CloseAll(ctx, e.Store, d, s.Person.Subject, func(id string) bool { return id != named })
	}
	if err != nil {
		return err
	}
	return back("")
}

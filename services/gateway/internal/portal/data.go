package portal

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// application is one of the list in JSON.
type application struct {
	ID          string     `json:"id"`
	Slug        string     `json:"slug"`
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Publisher   string     `json:"publisher,omitempty"`
	Group       *reference `json:"group,omitempty"`
	Icon        *icon      `json:"icon,omitempty"`
	LaunchURL   string     `json:"launchUrl"`
	NewTab      bool       `json:"openInNewTab"`
	StepUp      bool       `json:"stepUp"`
}

type reference struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type icon struct {
	Light string `json:"light,omitempty"`
	Dark  string `json:"dark,omitempty"`
}

type counted struct {
	reference
	Count int `json:"count"`
}

// data answers the list.
func (e *Endpoint) data(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	v, err := e.member(w, r, d)
	switch {
	case err != nil:
		return err
	case v.Session == nil:
		return signedOut(w, r)
	}
	params, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return err
	}
	wanted, err := wishOf(params)
	if err != nil {
		return err
	}
	l, err := e.list(r, d, v.Session, wanted)
	if err != nil {
		return err
	}
	out := struct {
		Data        []application `json:"data"`
		CurrentPage int           `json:"currentPage"`
		TotalCount  int           `json:"totalCount"`
		Groups      []counted     `json:"groups"`
	}{make([]application, 0, len(l.data)), l.page, l.total, make([]counted, 0, len(l.groups))}
	for _, f := range l.data {
		out.Data = append(out.Data, tell(d, f))
	}
	for _, g := range l.groups {
		out.Groups = append(out.Groups, counted{reference{g.heading.ID, g.heading.Name}, g.count})
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode applications: %w", err)
	}
	w.Header().Add("Vary", "Accept-Language, Cookie")
	endpoint.JSON(w, http.StatusOK, body)
	return nil
}

func tell(d *domain.Domain, f found) application {
	a := application{
		ID: f.app.ID, Slug: f.app.Slug, Name: f.app.Name, Description: f.app.Description, Publisher: f.app.Publisher,
		LaunchURL: launchURL(d, f.app), NewTab: f.app.NewTab, StepUp: f.locked,
	}
	if f.heading != nil {
		a.Group = &reference{f.heading.ID, f.heading.Name}
	}
	if f.app.Light != "" || f.app.Dark != "" {
		a.Icon = &icon{assetURL(d, f.app.Light), assetURL(d, f.app.Dark)}
	}
	return a
}

// own answers whether the person who asks may use an application, and what they are told if not.
func (e *Endpoint) own(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	v, err := e.member(w, r, d)
	switch {
	case err != nil:
		return err
	case v.Session == nil:
		return signedOut(w, r)
	}
	app, err := d.BySlug(r.PathValue("rest"), e.Now())
	switch {
	case errors.Is(err, domain.ErrNoClient), err == nil && !(app.Enabled && app.Launches): // as its launch link
		return oauth2.NotFound.Errorf("There is no such application")
	case err != nil:
		return err
	}
	decided, err := e.Judge.Decide(r.Context(), d, app.Client, &v.Session.Person, access.Browsing(r, e.Proxies, v.Session, access.Portal))
	if err != nil {
		return err
	}
	out := struct {
		Verdict  string   `json:"verdict"`
		Messages []string `json:"messages"`
	}{e.verdict(d, app, &decided).String(), []string{}}
	if decided.Verdict == rule.Denied {
		out.Messages = append(out.Messages, e.Pages.Said(r, decided.Messages)...)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode verdict: %w", err)
	}
	w.Header().Add("Vary", "Accept-Language, Cookie")
	endpoint.JSON(w, http.StatusOK, body)
	return nil
}

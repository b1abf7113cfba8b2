// Package consents is the page on which people see what they allowed which applications, and withdraw it.
package consents

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
)

// Path is where the page lies below a domain.
const Path = "/account/applications"

// Directory keeps the decisions; *upstream.Directory does.
type Directory interface {
	ListConsents(ctx context.Context, domain, user string) ([]*directoryv1.ListConsentsResponse_Client, error)
	// WithdrawConsent also ends what the client was given, as far as gateways ask the directory.
	WithdrawConsent(ctx context.Context, domain, user, clientID string) error
}

// Store keeps sessions and revocations; *state.Store does.
type Store interface {
	browser.Sessions
	RevokeConsent(ctx context.Context, domain, subject, clientID string, until time.Time) error
}

// Endpoint is the page. It is safe for concurrent use.
type Endpoint struct {
	store     Store
	directory Directory
	people    browser.People
	pages     *pages.Pages
	now       func() time.Time
}

// New returns the page.
func New(store Store, directory Directory, people browser.People, p *pages.Pages, now func() time.Time) *Endpoint {
	return &Endpoint{store: store, directory: directory, people: people, pages: p, now: now}
}

// Routes returns the page's route.
func (e *Endpoint) Routes() []endpoint.Route {
	return []endpoint.Route{{Name: "account-applications", Path: Path, Get: e.show, Post: e.withdraw, Errors: e.pages.Errors}}
}

// form is the purpose of the page's forms.
const form = "withdraw consent"

// remembered is how long gateways hold the withdrawal against a client by themselves, at least, and for as long as its access
// tokens live. The directory remembers it for good, and whoever redeems a refresh token asks there.
const remembered = 24 * time.Hour

// visit finds out who is signed in. Nobody is somebody who was deleted or disabled meanwhile, or has another password.
func (e *Endpoint) visit(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*browser.Visit, error) {
	v := browser.Open(w, r, d)
	return v, v.Find(r.Context(), e.store, e.people)
}

func (e *Endpoint) show(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	v, err := e.visit(w, r, d)
	if err != nil {
		return err
	}
	if v.Session == nil {
		return e.pages.Applications(w, r, d, pages.Applications{})
	}
	params, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return err
	}
	list, err := e.directory.ListConsents(r.Context(), d.ID, v.Session.Person.UserID)
	if err != nil {
		return fmt.Errorf("list consents: %w", err)
	}
	page := pages.Applications{
		Action: browser.URL(d, Path, ""), Token: v.FormToken(form, e.now()), Username: v.Session.Person.Username,
		Message: pages.Message(v.Error(params).Description),
	}
	for _, one := range list {
		if allowed, ok := e.allowed(r.Context(), d, one); ok {
			page.List = append(page.List, allowed)
		}
	}
	slices.SortStableFunc(page.List, func(a, b pages.Allowed) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return e.pages.Applications(w, r, d, page)
}

// allowed is what the page says of a client; nothing where everything was denied or has expired, or the client is gone.
func (e *Endpoint) allowed(ctx context.Context, d *domain.Domain, one *directoryv1.ListConsentsResponse_Client) (pages.Allowed, bool) {
	out := pages.Allowed{ClientID: one.GetClientId(), Name: one.GetClientId()}
	c, err := d.Client(ctx, one.GetClientId())
	if errors.Is(err, domain.ErrNoClient) {
		return out, false
	}
	if err == nil && c.Name != "" {
		out.Name = c.Name
	}
	for _, consent := range one.GetConsents() {
		if !consent.GetApproved() || consent.GetExpiresAt() != nil && !e.now().Before(consent.GetExpiresAt().AsTime()) {
			continue
		}
		key, parameter, _ := strings.Cut(consent.GetScope(), ":")
		scope := d.Scopes[consent.GetScope()]
		if scope == nil {
			scope = d.Scopes[key]
		} else {
			parameter = ""
		}
		line := pages.Scope{Key: consent.GetScope(), Name: scope.GetName(), Description: scope.GetDescription()}
		if line.Name == "" {
			line.Name = consent.GetScope()
		} else if parameter != "" {
			line.Name += ": " + parameter
		}
		out.Scopes = append(out.Scopes, line)
		if at := consent.GetUpdatedAt().AsTime(); out.Since.IsZero() || at.Before(out.Since) {
			out.Since = at
		}
	}
	return out, len(out.Scopes) > 0
}

// withdraw takes back what the person allowed one client. The gateways hear of it at once, those that do not by the
// directory within half a minute.
func (e *Endpoint) withdraw(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	v, err := e.visit(w, r, d)
	if err != nil {
		return err
	}
	params, err := browser.Form(w, r)
	if err != nil {
		return err
	}
	s, clientID := v.Session, params.Get("client_id")
	switch {
	case s == nil:
		return e.back(w, d, "")
	case !v.Sent(r, params, form, e.now()):
		return e.back(w, d, v.WithError("", browser.Expired))
	case clientID == "":
		return oauth2.InvalidRequest.Errorf("Missing parameter: client_id")
	}
	ctx := r.Context()
	list, err := e.directory.ListConsents(ctx, d.ID, s.Person.UserID)
	if err != nil {
		return fmt.Errorf("list consents: %w", err)
	}
	if !slices.ContainsFunc(list, func(one *directoryv1.ListConsentsResponse_Client) bool { return one.GetClientId() == clientID }) {
		return e.back(w, d, "") // withdrawn already, by another tab
	}
	until := e.now().Add(remembered)
	if c, err := d.Client(ctx, clientID); err == nil {
		until = e.now().Add(max(remembered, c.AccessTTL))
	}
	if err := e.directory.WithdrawConsent(ctx, d.ID, s.Person.UserID, clientID); err != nil && !fault.Is(err, fault.NotFound) {
		return fmt.Errorf("withdraw consent: %w", err)
	}
	if err := e.store.RevokeConsent(ctx, d.ID, s.Person.Subject, clientID, until); err != nil {
		return fmt.Errorf("revoke tokens: %w", err)
	}
	return e.back(w, d, "")
}

// back shows the page again.
func (e *Endpoint) back(w http.ResponseWriter, d *domain.Domain, query string) error {
	endpoint.Redirect(w, browser.URL(d, Path, query))
	return nil
}

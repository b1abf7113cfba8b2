package accounts

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/admission"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Directory keeps the accounts; *upstream.Directory does.
type Directory interface {
	Register(ctx context.Context, in *directoryv1.RegisterRequest) error
	ForgotPassword(ctx context.Context, in *directoryv1.ForgotPasswordRequest) error
	// Ticket and UseTicket return fault.NotFound for a link that is for nothing any more.
	Ticket(ctx context.Context, domain, token string) (*directoryv1.Ticket, error)
	UseTicket(ctx context.Context, domain, token, password string) (*directoryv1.Ticket, *directoryv1.User, error)
}

// Store keeps sessions and what is counted; *state.Store does.
type Store interface {
	browser.Sessions
	EnterWindows(ctx context.Context, windows ...state.Window) (wait time.Duration, err error)
	ForgetAttempts(ctx context.Context, accounts ...state.Account) error
	RevokeSubject(ctx context.Context, domain, subject string, until time.Time) error
}

// Parts are what the pages work with. All are needed, but for Book, without which no flows run, and Proxies.
type Parts struct {
	Store     Store
	Requests  *authorization.Resolver
	Directory Directory
	Door      *admission.Door
	Book      *underway.Book
	People    browser.People
	Proxies   *observe.Proxies
	Pages     *pages.Pages
	Now       func() time.Time
}

// Endpoint is the pages. It is safe for concurrent use.
type Endpoint struct{ Parts }

// New returns the pages.
func New(p Parts) *Endpoint { return &Endpoint{p} }

// Where the pages lie below a domain.
const (
	RegisterPath = browser.RegisterPage
	ForgotPath   = browser.ForgotPage
	ConfirmPath  = "/confirmRegistration"
	ResetPath    = "/resetPassword"
	SessionsPath = "/account/sessions"
)

// Routes returns the pages' routes.
func (e *Endpoint) Routes() []endpoint.Route {
	failed := e.Pages.Errors
	return []endpoint.Route{
		{Name: "register", Path: RegisterPath, Get: e.showRegister, Post: e.register, Errors: failed},
		{Name: "forgot-password", Path: ForgotPath, Get: e.showForgot, Post: e.forgot, Errors: failed},
		{Name: "confirm-registration", Path: ConfirmPath, Get: e.showTicket, Post: e.useTicket, Errors: failed},
		{Name: "reset-password", Path: ResetPath, Get: e.showTicket, Post: e.useTicket, Errors: failed},
		{Name: "account-sessions", Path: SessionsPath, Get: e.showSessions, Post: e.endSessions, Errors: failed},
	}
}

// expired is said above a form that was sent too late, or without the cookie it was made for.
const expired = pages.Message(browser.ExpiredText)

// How often accounts may be asked for from one network within requestPeriod, in one domain and in all together; and links for
// one name, whoever asks for them.
const (
	maxRequests      = 60
	maxRequestsInAll = 180
	maxLinks         = 5
	requestPeriod    = time.Hour
)

// page is one request for a page.
type page struct {
	w http.ResponseWriter
	r *http.Request
	d *domain.Domain
	// c is nil where the page belongs to no application.
	c            *domain.Client
	visit        *browser.Visit
	params, form oauth2.Params
	// query leads to the authorization request.
	query string
}

func (e *Endpoint) open(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*page, error) {
	p := &page{w: w, r: r, d: d, visit: browser.Open(w, r, d), query: browser.Without(browser.Request(r.URL.RawQuery), "token", markField)}
	var err error
	if p.params, err = oauth2.ParseParams(browser.Without(r.URL.RawQuery, markField), ""); err != nil {
		return nil, err
	}
	clientID := p.params.Get("client_id")
	if r.Method == http.MethodPost {
		if p.form, err = browser.Form(w, r); err != nil {
			return nil, err
		}
		if clientID == "" {
			clientID = p.form.Get("client_id")
		}
	}
	if browser.Direct(p.params) {
		p.c, err = browser.Entrance(d, p.params, e.Now())
		return p, err
	}
	return p, p.find(clientID, true)
}

// find looks for the application. One that has gone since a link was sent is no error: the link is still good.
func (p *page) find(clientID string, needed bool) error {
	if clientID == "" {
		return nil
	}
	observe.Annotate(p.r.Context(), slog.String("client_id", clientID))
	c, err := p.d.Client(p.r.Context(), clientID)
	switch {
	case errors.Is(err, domain.ErrNoClient) && needed:
		return oauth2.InvalidRequest.Errorf("No client found for client_id %s", clientID)
	case err != nil && !errors.Is(err, domain.ErrNoClient):
		return err
	}
	p.c = c
	return nil
}

// login are the settings that count.
func (p *page) login() *configv1.LoginSettings {
	if p.c != nil {
		return p.c.Login
	}
	return p.d.Login
}

func (p *page) account() *configv1.AccountSettings {
	if p.c != nil {
		return p.c.Account
	}
	return p.d.Settings.GetAccountSettings()
}

// back is the sign-in page that the person came from; empty where there is none.
func (p *page) back() string {
	if (p.c == nil || !p.params.Has("client_id")) && !browser.Direct(p.params) {
		return ""
	}
	return browser.URL(p.d, "/login", p.query)
}

func (p *page) sender() *directoryv1.Sender {
	s := &directoryv1.Sender{BaseUrl: p.d.Base, Query: p.query, Locales: pages.Locales(p.r)}
	if p.c != nil {
		s.Application = p.c.ID
	}
	return s
}

// off is the answer where a page is switched off: there is none.
func off() error { return oauth2.NotFound.Errorf("This page is switched off.") }

// limit counts a request for something, and answers it where there were too many. It reports whether it did.
func (e *Endpoint) limit(p *page, purpose string) (bool, error) {
	from := e.Proxies.ClientIP(p.r)
	if !from.IsValid() {
		return false, nil
	}
	network := observe.Network(from).String()
	wait, err := e.Store.EnterWindows(p.r.Context(),
		state.Window{Purpose: purpose, Domain: p.d.ID, By: network, Max: maxRequests, Period: requestPeriod},
		state.Window{Purpose: purpose, By: network, Max: maxRequestsInAll, Period: requestPeriod})
	if err != nil || wait == 0 {
		return false, err
	}
	p.w.Header().Set("Retry-After", strconv.FormatInt(int64(wait/time.Second)+1, 10))
	return true, e.notice(p, pages.NoticeTooMany, "")
}

func (e *Endpoint) notice(p *page, kind pages.NoticeKind, next string) error {
	return e.Pages.Notice(p.w, p.r, p.d, pages.Notice{Client: p.c, Kind: kind, Next: next})
}

// refused reads what the directory says of what was entered. It reports false for any other error.
func refused(err error) (pages.Problems, bool) {
	var f *fault.Error
	if !fault.Is(err, fault.Invalid) || !errors.As(err, &f) {
		return nil, false
	}
	var problems pages.Problems
	for _, one := range f.Details {
		problems = append(problems, pages.Problem{Field: one.Path, Text: one.Detail})
	}
	return problems, len(problems) > 0
}

// target is where the settings send people afterwards: an address on the web, or one of the application's own. It is empty for
// any other.
func (p *page) target(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case uri == "" || err != nil || u.User != nil || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return ""
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host != "":
		return uri
	case p.c != nil && slices.Contains(p.c.RedirectURIs, uri):
		return uri
	}
	return ""
}

package device

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// What the purposes of forms are called. The question's is followed by the code and by who is asked.
const (
	codeForm     = "device"
	questionForm = "device question "
)

// What a page says above its form.
const (
	wrongCode = "This code is not known, or its time is over. Look at your device again."
	tooMany   = "Too many codes were tried. Wait ten minutes and try again."
	expired   = browser.ExpiredText
)

// A code can be guessed for ten minutes by one browser and by one address. A code that is known does not count.
var (
	perBrowser = state.AttemptLimit{Max: 10, Reset: CodeLife, Block: CodeLife}
	perAddress = state.AttemptLimit{Max: 100, Reset: CodeLife, Block: CodeLife}
)

// page is one request for the page.
type page struct {
	w     http.ResponseWriter
	r     *http.Request
	d     *domain.Domain
	visit *browser.Visit
}

func (h *Handler) show(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p := &page{w, r, d, browser.Open(w, r, d)}
	params, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return err
	}
	if !params.Has("user_code") {
		return h.enter(p, "", "")
	}
	return h.ask(p, params.Get("user_code"))
}

func (h *Handler) post(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p := &page{w, r, d, browser.Open(w, r, d)}
	form, err := browser.Form(w, r)
	if err != nil {
		return err
	}
	if form.Sent("user_oauth_approval") {
		return h.decide(p, form)
	}
	typed := form.Get("user_code")
	switch code, ok := state.ReadUserCode(typed); {
	case !p.visit.Sent(r, form, codeForm, h.now()):
		return h.enter(p, typed, expired)
	case !ok:
		return h.enter(p, typed, wrongCode)
	default:
		endpoint.Redirect(w, browser.URL(d, browser.DevicePage, browser.With("", "user_code", state.ShowUserCode(code))))
		return nil
	}
}

// enter shows the form for the code.
func (h *Handler) enter(p *page, typed string, message pages.Message) error {
	if len(typed) > 32 {
		typed = ""
	}
	return h.pages.Device(p.w, p.r, p.d, pages.Device{
		Action: browser.URL(p.d, browser.DevicePage, ""), Token: p.visit.FormToken(codeForm, h.now()), Code: typed, Message: message,
	})
}

// ask leads to the question about a code: by way of the sign-in, unless somebody is signed in whom the application lets in.
func (h *Handler) ask(p *page, typed string) error {
	q, err := h.find(p, typed)
	if q == nil {
		return err
	}
	if err := h.before(q); err != nil {
		return h.stop(q, err)
	}
	if q.person == nil {
		return q.signIn()
	}
	if done, err := h.admit(q); done || err != nil {
		return err
	}
	return h.question(q, "")
}

// question is a request that somebody may decide about.
type question struct {
	*page
	code    string
	pending state.PendingDevice
	client  *domain.Client
	// person is who is asked; nil if they must sign in first.
	person *state.Session
	// login is the login under way; nil where the client has no flows.
	login *underway.Login
}

// find looks a code up. Without a question the answer, or its error, has been given.
func (h *Handler) find(p *page, typed string) (*question, error) {
	ctx := p.r.Context()
	if err := p.visit.Find(ctx, h.store, h.people); err != nil {
		return nil, err
	}
	code, ok := state.ReadUserCode(typed)
	if !ok {
		return nil, h.enter(p, typed, wrongCode)
	}
	attempts := h.attempts(p)
	for i, limit := range []state.AttemptLimit{perBrowser, perAddress} {
		allowed, err := h.store.BeginAttempt(ctx, attempts[i], limit)
		switch {
		case err != nil:
			return nil, err
		case !allowed:
			return nil, h.enter(p, typed, tooMany)
		}
	}
	pending, err := h.store.Device(ctx, p.d.ID, code)
	if errors.Is(err, state.ErrUnknown) {
		return nil, h.enter(p, typed, wrongCode)
	}
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		if err := h.store.ReturnAttempt(ctx, a); err != nil {
			return nil, err
		}
	}
	observe.Annotate(ctx, slog.String("client_id", pending.ClientID))
	c, err := p.d.Client(ctx, pending.ClientID)
	switch {
	case errors.Is(err, domain.ErrNoClient), err == nil && (c.ID != pending.ApplicationID || !c.HasGrant(oauth2.GrantDeviceCode)):
		return nil, h.enter(p, typed, wrongCode) // the application has gone or changed since
	case err != nil:
		return nil, err
	}
	q := &question{page: p, code: code, pending: pending, client: c}
	if s := p.visit.Session; s != nil && lets(c, s.Provider) {
		q.person = s
	}
	return q, nil
}

// attempts are what tries of codes are counted for: the browser, and the address it is seen from.
func (h *Handler) attempts(p *page) [2]state.Account {
	who := state.Account{Domain: p.d.ID, Application: "/device"}
	browser, address := who, who
	browser.Provider, browser.Username = "browser", p.visit.Key()
	address.Provider, address.Username = "address", h.proxies.ClientIP(p.r).String()
	return [2]state.Account{browser, address}
}

func lets(c *domain.Client, provider string) bool {
	return slices.ContainsFunc(c.Providers, func(p domain.ClientProvider) bool { return p.ID == provider })
}

// query is that of the sign-in for a device.
func (q *question) query() string {
	return browser.With("", "client_id", q.client.ClientID, "user_code", state.ShowUserCode(q.code))
}

// signIn sends the person to the ordinary sign-in of the application, which comes back here.
func (q *question) signIn() error {
	path := "/login"
	if q.client.IdentifierFirst {
		path = "/login/identifier"
	}
	endpoint.Redirect(q.w, browser.URL(q.d, path, q.query()))
	return nil
}

// purpose binds the form of the question to what is asked and who is.
func (q *question) purpose() string { return questionForm + q.code + " " + q.person.ID }

// question shows who asks for what. It is shown although the code came by a link, and whatever was allowed before: the device
// may be somebody else's (RFC 8628 §5.4).
func (h *Handler) question(q *question, message pages.Message) error {
	out := pages.DeviceQuestion{
		Action: browser.URL(q.d, browser.DevicePage, ""), Client: q.client, Code: state.ShowUserCode(q.code),
		Username: q.person.Person.Username, Message: message, Token: q.visit.FormToken(q.purpose(), h.now()),
	}
	for _, key := range q.pending.Scopes {
		out.Scopes = append(out.Scopes, line(q.d, key))
	}
	out.Resources = q.pending.Resources
	return h.pages.DeviceQuestion(q.w, q.r, q.d, out)
}

// line is a scope as the page names it.
func line(d *domain.Domain, key string) pages.Scope {
	scope, parameter := d.Scopes[key], ""
	if scope == nil {
		key, parameter, _ = strings.Cut(key, ":")
		scope = d.Scopes[key]
	}
	l := pages.Scope{Key: key, Name: scope.GetName(), Description: scope.GetDescription()}
	if l.Name == "" {
		l.Name = key
	}
	if parameter != "" {
		l.Name += ": " + parameter
	}
	return l
}

// decide records the person's decision.
func (h *Handler) decide(p *page, form oauth2.Params) error {
	q, err := h.find(p, form.Get("user_code"))
	switch {
	case q == nil:
		return err
	case q.person == nil:
		return q.signIn()
	case !q.visit.Sent(q.r, form, q.purpose(), h.now()):
		return h.question(q, expired)
	}
	if done, err := h.admit(q); done || err != nil {
		return err
	}
	var allowed *state.Authorization
	if form.Get("user_oauth_approval") == "true" {
		set, err := h.after(q, form)
		if err != nil {
			return h.stop(q, err)
		}
		s := q.person
		allowed = &state.Authorization{
			Domain: q.d.ID, ApplicationID: q.client.ID, ClientID: q.client.ClientID, Scopes: q.pending.Scopes,
			Resources: q.pending.Resources, Person: s.Person, AuthTime: s.AuthTime, ACR: s.ACR, AMR: s.AMR, SessionID: s.ID,
			Grant: secret.NewToken()[:22], AuthFlow: set, Situation: h.situation(q).Kept(),
		}
		switch err := h.record(q); {
		case errors.Is(err, state.ErrUnknown):
			return q.signIn() // signed out meanwhile
		case err != nil:
			return err
		}
	}
	err = h.store.DecideDevice(q.r.Context(), q.pending, allowed)
	if errors.Is(err, state.ErrUnknown) {
		return h.enter(p, "", wrongCode)
	}
	if err != nil {
		return err
	}
	// Until now the same step could be made once more. A login that cannot be forgotten ends by itself.
	_ = q.login.Forget(q.r.Context())
	return h.pages.DeviceDone(q.w, q.r, q.d, q.client, allowed != nil)
}

// record notes what is being allowed where it can be taken back: in the directory, whose page of applications withdraws it,
// and in the session, which ends it when the person signs out. It comes before the decision, so that no device holds what
// nobody can take back. It returns state.ErrUnknown if the session has ended.
func (h *Handler) record(q *question) error {
	ctx, scopes := q.r.Context(), q.pending.Scopes
	if len(scopes) > 0 {
		list := authorization.Decisions(q.d, q.client, scopes, scopes, h.now())
		if err := h.consents.SaveConsents(ctx, q.d.ID, q.person.Person.UserID, q.client.ClientID, list); err != nil {
			return fmt.Errorf("save consents: %w", err)
		}
	}
	return q.visit.Settle(ctx, h.store, "", q.client.ClientID)
}

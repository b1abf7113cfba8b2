package portal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/launch"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// passed are the parameters of a launch link that count, all of them for the sign-in. Where the link leads is the configuration's to say.
var passed = []string{"prompt", "acr_values", "login_hint", "ui_locales"}

// opening is one request for a launch link.
type opening struct {
	w     http.ResponseWriter
	r     *http.Request
	d     *domain.Domain
	app   *domain.App
	c     *domain.Client
	visit *browser.Visit
	// params are those of the sign-in that the link may need, query the same as a text.
	params oauth2.Params
	query  string
}

// nothing is the answer to a link that leads nowhere, the same whoever asks and whatever the reason.
func nothing() error { return oauth2.NotFound.Errorf("") }

// launch opens an application.
func (e *Endpoint) launch(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	app, err := d.BySlug(r.PathValue("rest"), e.Now())
	switch {
	case errors.Is(err, domain.ErrNoClient), err == nil && !app.Launches:
		return nothing()
	case err != nil:
		return err
	}
	observe.Annotate(r.Context(), slog.String("application", app.ID))
	if !app.Enabled {
		return e.Pages.Opening(w, r, d, pages.Opening{Kind: pages.OpeningDisabled, Back: browser.URL(d, browser.PortalPage, "")})
	}
	sent, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return err
	}
	if !sent.Has(browser.ReturnedParam) {
		w = pages.Straight(w)
	}
	o := &opening{w: w, r: r, d: d, app: app, c: d.Entrance(app.Message)}
	o.params = o.params.With(browser.LaunchParam, app.Slug)
	for _, name := range passed {
		if sent.Has(name) {
			o.params = o.params.With(name, sent.Get(name))
		}
	}
	o.query = o.params.Values().Encode()
	if o.visit, err = e.visitor(w, r, d); err != nil {
		return err
	}
	return e.proceed(o)
}

// proceed goes on with a link: to a sign-in, to why somebody gets no further, or to the application.
func (e *Endpoint) proceed(o *opening) error {
	asked := authorization.Opening(o.d, o.c, o.params)
	s := o.visit.Session
	if asked.MustSignIn(s, e.Now()) {
		if asked.Prompt.Has(oauth2.PromptNone) {
			return oauth2.LoginRequired.Errorf("Login required")
		}
		return e.signIn(o.w, o.r, o.d, o.c, o.query, o.params.Has("login_hint"))
	}
	verdict, err := e.Judge.Now(o.r, o.d, o.app, s)
	switch {
	case err != nil:
		return err
	case verdict.Allowed && verdict.StepUp && !asked.Answered(s, e.Now()):
		return e.stepUp(o, verdict)
	case !verdict.Allowed, verdict.StepUp:
		return e.deny(o, verdict)
	}
	if err := e.settle(o, asked.Digest); err != nil {
		return err
	}
	return e.leave(o)
}

// settle forgets that the link's own sign-in was asked for, so that the same link, opened again, asks again.
func (e *Endpoint) settle(o *opening, digest string) error {
	err := o.visit.Settle(o.r.Context(), e.Store, digest, o.visit.Session.Client)
	if errors.Is(err, state.ErrUnknown) {
		return nil // they have just signed out elsewhere, and were allowed before
	}
	return err
}

// stepUp asks for a stronger sign-in, once. Whoever comes back from it without what is needed is refused.
func (e *Endpoint) stepUp(o *opening, v Verdict) error {
	if o.params.Get("prompt") == "none" {
		return oauth2.InteractionRequired.Errorf("Interaction required")
	}
	p := o.params.With("prompt", "login")
	if len(v.ACRValues) > 0 {
		p = p.With("acr_values", strings.Join(v.ACRValues, " "))
	}
	return e.signIn(o.w, o.r, o.d, o.c, p.Values().Encode(), p.Has("login_hint"))
}

// leave sends the browser to the application.
func (e *Endpoint) leave(o *opening) error {
	ctx := o.r.Context()
	template, err := launch.Target(o.app.Message, o.d.Issuer)
	if err != nil {
		return fmt.Errorf("launch URL of application %q: %w", o.app.ID, err)
	}
	if template == nil || template.Blank() {
		return nothing()
	}
	target, err := template.Render(e.values(ctx, o))
	if missing, ok := errors.AsType[*launch.ValueError](err); ok {
		observe.RecordError(ctx, err)
		return e.Pages.Opening(o.w, o.r, o.d, pages.Opening{
			Client: o.c, Kind: pages.OpeningIncomplete, Field: missing.Field, Back: browser.URL(o.d, browser.PortalPage, ""),
		})
	}
	if err != nil {
		return fmt.Errorf("launch URL of application %q: %w", o.app.ID, err)
	}
	e.Log.InfoContext(ctx, "application launched", "domain", o.d.ID, "application", o.app.ID, "user", whoever(o.visit).UserID)
	o.w.Header().Set("Referrer-Policy", "no-referrer")
	endpoint.Redirect(o.w, target)
	return nil
}

// recent is how old what is said of a person may be in the address of an application.
const recent = 5 * time.Second

// values are what a launch URL may say of the person: what the directory says now, or what it said at the sign-in while it is away.
func (e *Endpoint) values(ctx context.Context, o *opening) launch.Values {
	person := whoever(o.visit)
	if known, err := e.People.Find(ctx, o.d.ID, person.Subject, recent); err == nil {
		person = &known.Person
	}
	text := func(claim string) string { s, _ := person.Profile[claim].(string); return s }
	given := strings.TrimSpace(text("given_name") + " " + text("family_name"))
	attributes, _ := person.Profile[state.AdditionalInformation].(map[string]any)
	return launch.Values{
		Username: person.Username, Email: text("email"), Name: cmp.Or(text("name"), given), ID: person.UserID,
		Attributes: attributes, AppSlug: o.app.Slug, DomainID: o.d.ID,
	}
}

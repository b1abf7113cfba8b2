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

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/launch"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
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
		return e.Pages.Opening(w, r, d, pages.Opening{Kind: pages.OpeningDisabled, Back: browser.PortalURL(d)})
	}
	sent, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return err
	}
	if !sent.Has(browser.ReturnedParam) {
		w = pages.Straight(w)
	}
	o := &opening{w: w, r: r, d: d, app: app, c: d.Entrance(app)}
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
	decided, err := e.Judge.Decide(o.r.Context(), o.d, o.c, &s.Person, access.Browsing(o.r, e.Proxies, s, access.Launch))
	if err != nil {
		return err
	}
	switch decided.Verdict {
	case rule.Allowed:
		if err := e.settle(o, asked.Digest); err != nil {
			return err
		}
		return e.leave(o)
	case rule.StepUp:
		// A stronger sign-in that nobody can make here, or that was made for this link and did not help, is no way out.
		curing := authorization.Curing(o.d, o.c, decided.Step)
		if s.Stepped != asked.Digest && len(curing) > 0 {
			return e.stepUp(o, asked, curing)
		}
	}
	return e.deny(o, decided)
}

// deny shows why somebody may not use the application.
func (e *Endpoint) deny(o *opening, decided access.Outcome) error {
	browser.Refused(o.r, oauth2.AccessDenied.Errorf("The person may not use this application"))
	return e.Pages.Denied(o.w, pages.WithLocales(o.r, o.params.Get("ui_locales")), o.d, pages.Denied{
		Client: o.c, Username: whoever(o.visit).Username, Messages: decided.Messages,
		Portal: browser.PortalURL(o.d), Other: browser.OtherAccount(o.d, o.c, o.query),
	})
}

// settle forgets that the link's own sign-in was asked for, so that the same link, opened again, asks again.
func (e *Endpoint) settle(o *opening, digest string) error {
	err := o.visit.Settle(o.r.Context(), e.Store, digest, o.visit.Session.Client)
	if errors.Is(err, state.ErrUnknown) {
		return nil // they have just signed out elsewhere, and were allowed before
	}
	return err
}

// stepUp asks for another sign-in, once, by a provider by which that can help.
func (e *Endpoint) stepUp(o *opening, asked *authorization.Request, curing []domain.ClientProvider) error {
	if asked.Prompt.Has(oauth2.PromptNone) {
		return oauth2.InteractionRequired.Errorf("The application needs another sign-in")
	}
	if s := o.visit.Session; s.Stepping != asked.Digest {
		s.Stepping = asked.Digest
		if err := o.visit.Save(o.r.Context(), e.Store); err != nil && !errors.Is(err, state.ErrUnknown) {
			return err
		}
	}
	browser.Go(o.w, o.r, o.d, o.c, browser.URL(o.d, browser.StepUpPage(curing), o.query))
	return nil
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
			Client: o.c, Kind: pages.OpeningIncomplete, Field: missing.Field, Back: browser.PortalURL(o.d),
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

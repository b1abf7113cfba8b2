package authflow

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// siteSkew is how far a site's clock may be off where it says when somebody signed in.
const siteSkew = 30 * time.Second

// unknownLeg tells somebody whose journey is not known: it was never begun, is over, or took too long.
var unknownLeg = oauth2.InvalidRequest.Errorf("This sign-in has expired or was finished before. Go back to the application and sign in again")

// arrive takes the answer of a site: in the query, or in a posted form (OAuth 2.0 Form Post Response Mode).
func (f *Flow) arrive(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	provider, answer, err := answerOf(w, r)
	if err != nil {
		return (&page{w: w, r: r, d: d}).refuse(err)
	}
	if again, needed := sameSite(r, d, answer); needed {
		browser.Go(w, r, d, nil, again)
		return nil
	}
	leg, err := f.legs.EndLeg(r.Context(), d.ID, answer.Get("state"))
	switch {
	case errors.Is(err, state.ErrUnknown):
		browser.Open(w, r, d)
		return (&page{w: w, r: r, d: d}).refuse(unknownLeg)
	case err != nil:
		return err
	}
	p, err := f.resume(w, r, d, leg)
	if err != nil {
		return p.refuse(err)
	}
	observe.Annotate(r.Context(), slog.String("idp", leg.Provider))
	from, there := external(p.c, leg.Provider)
	switch {
	case p.c.ID != leg.ApplicationID, !there:
		return f.failed(p, leg.Origin, notAuthenticated)
	case !p.visit.Is(leg.Browser):
		return f.failed(p, leg.Origin, otherBrowser)
	case provider != leg.Provider:
		return f.failed(p, leg.Origin, notAuthenticated)
	}
	return f.finish(p, from, leg, answer)
}

// finish asks the provider who came back, and lets them in.
func (f *Flow) finish(p *page, from domain.ClientProvider, leg state.Leg, answer url.Values) error {
	ctx := p.r.Context()
	assertion, err := from.Federation.Finish(ctx, idp.Leg{
		Callback: callback(p.d, leg.Provider), State: answer.Get("state"), LoginHint: leg.LoginHint, Locales: leg.Locales,
		Again: leg.Again, MaxAge: time.Duration(leg.MaxAge) * time.Second,
	}, answer, leg.Memo)
	switch {
	case err != nil:
		return f.turnBack(p, leg.Origin, err)
	case tooEarly(leg, assertion.AuthTime):
		// The site did not do what it was asked for. To ask again would be to ask for ever.
		return f.answerClient(p, oauth2.LoginRequired.Errorf("Login required"))
	case !whitelisted(from.Config, assertion):
		return f.failed(p, leg.Origin, notAuthenticated)
	}
	result, err := f.signIn.WithAssertion(ctx, p.d, p.c, from.Provider, assertion)
	switch {
	case errors.Is(err, signin.ErrBlocked):
		observe.RecordError(ctx, err)
		return f.failed(p, leg.Origin, blockedAccount)
	case fault.Is(err, fault.Invalid):
		observe.RecordError(ctx, err) // something that the directory cannot keep
		return f.failed(p, leg.Origin, notAuthenticated)
	case err != nil:
		return err
	}
	return f.admit(p, result)
}

// answerOf reads a site's answer, and which provider it is for. That stands in the query of the redirect URI, where sites leave
// it.
func answerOf(w http.ResponseWriter, r *http.Request) (provider string, answer url.Values, err error) {
	query, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return "", nil, err
	}
	provider = query.Get("provider")
	if r.Method == http.MethodPost {
		form, err := browser.Form(w, r)
		if err != nil {
			return "", nil, err
		}
		return provider, form.Values(), nil
	}
	answer = query.Values()
	delete(answer, "provider")
	return provider, answer, nil
}

// sameSite returns where a posted answer goes once more as a GET, where the cookie did not come along: over plain http browsers send
// it with no post of another site. Over https it comes, and an answer stays out of the URL.
func sameSite(r *http.Request, d *domain.Domain, answer url.Values) (again string, needed bool) {
	if r.Method != http.MethodPost || d.SecureCookies || r.Header.Get("Cookie") != "" {
		return "", false
	}
	return browser.URL(d, callbackPath, r.URL.RawQuery+"&"+answer.Encode()), true
}

// resume opens the page that the journey began at.
func (f *Flow) resume(w http.ResponseWriter, r *http.Request, d *domain.Domain, leg state.Leg) (*page, error) {
	at := r.Clone(r.Context())
	at.Method, at.Body = http.MethodGet, http.NoBody
	at.URL = &url.URL{Path: d.Path + leg.Origin, RawQuery: leg.Query}
	p, err := f.open(w, at, d)
	p.r.Method = r.Method // a post is answered as one
	p.remember = leg.Remember
	return p, err
}

// tooEarly reports whether a site says that somebody signed in there longer ago than it was asked for.
func tooEarly(leg state.Leg, at time.Time) bool {
	if at.IsZero() || !leg.Again && leg.MaxAge == 0 {
		return false
	}
	most := time.Duration(leg.MaxAge) * time.Second
	return at.Before(time.Unix(leg.Began, 0).Add(-most - siteSkew))
}

package authorization

import (
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Opening is what somebody asks for who opens something of the domain itself: of an authorization request it has prompt and acr_values,
// and nobody to answer. The client is the one as which they are let in.
func Opening(d *domain.Domain, c *domain.Client, p oauth2.Params) *Request {
	r := &Request{Client: c, Digest: Digest(p), MaxAge: -1, domain: d, contexts: contextsOf(p, claim{}, nil)}
	r.Prompt, _ = oauth2.ParsePrompt(p.Get("prompt")) // what it does not understand asks for nothing
	return r
}

// MustSignIn reports whether somebody has to sign in, or to do so again, before an Opening goes on. A sign-in that was made for this
// very opening satisfies it. A session of a provider by which nobody signs in here is none.
func (r *Request) MustSignIn(s *state.Session, now time.Time) bool {
	return s == nil || !Takes(r.domain, r.Client, s) || r.mustSignIn(r.domain, s, now)
}

// Takes reports whether the session of somebody who signed in elsewhere counts for a client: its provider is one of the client's. My
// applications takes every session unless the domain says by which providers people sign in there.
func Takes(d *domain.Domain, c *domain.Client, s *state.Session) bool {
	if c.Everywhere && len(d.Settings.GetPortalSettings().GetIdentityProviders()) == 0 {
		return true
	}
	return uses(c, s.Provider)
}

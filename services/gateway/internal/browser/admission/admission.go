// Package admission is the one door by which a person who has proved who they are becomes a signed-in browser, whatever the proof
// was: a password, another site's word, or the link of an e-mail.
//
//	signin.Result ──▶ Admit ──▶ session under a new cookie ──▶ back to the authorization request
package admission

import (
	"context"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Door admits people. It is safe for concurrent use.
type Door struct {
	sessions browser.Sessions
	proxies  *observe.Proxies
	now      func() time.Time
}

// New returns a Door.
func New(sessions browser.Sessions, now func() time.Time) *Door {
	return &Door{sessions: sessions, now: now}
}

// Behind returns the door as it stands behind proxies: where a browser is, is what they say.
func (o *Door) Behind(proxies *observe.Proxies) *Door {
	return &Door{sessions: o.sessions, proxies: proxies, now: o.now}
}

// Entry is somebody who wants in.
type Entry struct {
	Visit  *browser.Visit
	Domain *domain.Domain
	// Client is nil where somebody signs in without an application.
	Client *domain.Client
	// Params are those of the authorization request that the sign-in was for.
	Params oauth2.Params
	Result signin.Result
	// Remember is the person's wish that the browser remembers them. It counts where the client's settings offer that.
	Remember bool
}

// Admit signs the browser in, under a new cookie. Where it goes next is browser.Return's to say.
func (o *Door) Admit(ctx context.Context, e Entry) error {
	now, r := o.now(), e.Result
	at := now
	if !r.AuthTime.IsZero() && r.AuthTime.Before(now) {
		at = r.AuthTime
	}
	s := state.Session{
		ID: secret.NewID(), Domain: e.Domain.ID, Person: r.Person, Provider: r.Provider, AMR: r.AMR, ACR: r.ACR,
		AuthTime: at.Unix(), Began: now.Unix(), Ends: now.Add(e.Domain.SessionMaxAge).Unix(),
	}
	if e.Client != nil && authorization.AsksAnew(e.Params, e.Client) {
		s.Answered = authorization.Digest(e.Params)
	}
	if e.Remember && e.Client != nil && e.Client.Remember > 0 {
		s.Remembered = int64(e.Client.Remember / time.Second)
		s.Ends = now.Add(e.Client.Remember).Unix()
	}
	e.Visit.From(o.proxies)
	return e.Visit.SignIn(ctx, o.sessions, s)
}

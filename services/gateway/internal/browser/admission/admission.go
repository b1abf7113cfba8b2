// Package admission is the one door by which a person who has proved who they are becomes a signed-in browser, whatever the proof
// was: a password, another site's word, or the link of an e-mail.
//
//	signin.Result ──▶ Admit: flows of LOGIN post ──▶ session under a new cookie ──▶ back to the authorization request
package admission

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Door admits people. It is safe for concurrent use.
type Door struct {
	sessions browser.Sessions
	proxies  *observe.Proxies
	book     *underway.Book
	failures *ruleerrors.Reporter
	now      func() time.Time
}

// New returns a Door.
func New(sessions browser.Sessions, now func() time.Time) *Door {
	return &Door{sessions: sessions, now: now}
}

// Behind returns the door as it stands behind proxies: where a browser is, is what they say.
func (o *Door) Behind(proxies *observe.Proxies) *Door {
	made := *o
	made.proxies = proxies
	return &made
}

// Running returns the door as it runs the flows of logins that are under way, and reports rules that fail.
func (o *Door) Running(book *underway.Book, failures *ruleerrors.Reporter) *Door {
	made := *o
	made.book, made.failures = book, failures
	return &made
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
	// Login is the login under way where somebody has opened it, HTTP the request and Form what it posts; flows see them.
	Login *underway.Login
	HTTP  *http.Request
	Form  oauth2.Params
}

// Admit signs the browser in, under a new cookie. Where it goes next is browser.Return's to say. Before that the flows of LOGIN post run:
// if they refuse, the error is a *flows.Denied, nobody is signed in, and the page of the sign-in is to be shown with the message.
func (o *Door) Admit(ctx context.Context, e Entry) error {
	now, r := o.now(), e.Result
	at, came := now, time.Time{}
	if !r.AuthTime.IsZero() && r.AuthTime.Before(now) {
		at, came = r.AuthTime, now
	}
	s := state.Session{
		ID: secret.NewID(), Domain: e.Domain.ID, Person: r.Person, Provider: r.Provider, AMR: r.AMR, ACR: r.ACR,
		AuthTime: at.Unix(), Began: now.Unix(), Ends: now.Add(e.Domain.SessionMaxAge).Unix(),
	}
	if !came.IsZero() {
		s.Came = came.Unix()
	}
	if e.Client != nil && authorization.AsksAnew(e.Params, e.Client) {
		s.Answered = authorization.Digest(e.Params)
	}
	if e.Remember && e.Client != nil && e.Client.Remember > 0 {
		s.Remembered = int64(e.Client.Remember / time.Second)
		s.Ends = now.Add(e.Client.Remember).Unix()
	}
	if e.Client != nil && e.Client.Flows.InLogins() {
		if err := o.pass(ctx, &e, &s); err != nil {
			return err
		}
	}
	e.Visit.From(o.proxies)
	return e.Visit.SignIn(ctx, o.sessions, s)
}

// pass runs the flows, and hands the login over to the session that is about to be made.
func (o *Door) pass(ctx context.Context, e *Entry, s *state.Session) error {
	login := e.Login
	if login == nil {
		var err error
		if login, err = o.book.Open(ctx, e.Visit, e.Domain, e.Client, e.Params); err != nil {
			return err
		}
	}
	in := underway.Step{
		HTTP: e.HTTP, Proxies: o.proxies, Domain: e.Domain, Client: e.Client, Params: e.Params, Form: e.Form, Person: &s.Person, Login: login,
	}.Input()
	if err := login.Post(ctx, flows.Login, &in); err != nil {
		return err
	}
	if login != nil && login.Reevaluate && !o.takesPart(ctx, e, in) {
		return &flows.Denied{Code: string(oauth2.AccessDenied), Message: "This way of signing in is not open to you"}
	}
	id, err := e.Visit.Successor(ctx, o.sessions, s)
	if err != nil {
		return err
	}
	return login.HandOver(ctx, id)
}

// takesPart looks once more at the rule of the provider that somebody came by.
func (o *Door) takesPart(ctx context.Context, e *Entry, in rules.Input) bool {
	for _, p := range e.Client.Providers {
		if p.ID != e.Result.Provider || p.Rule == nil {
			continue
		}
		in.IdentityProvider = p.Rules
		holds, err := p.Rule.Holds(ctx, &in)
		if err != nil {
			o.failures.Report(ctx, e.Client.Expression(e.Domain.ID, ruleerrors.Selection, p.ID), err,
				slog.String("client_id", e.Client.ClientID), slog.String("idp", p.ID))
		}
		return holds
	}
	return true
}

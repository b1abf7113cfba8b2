package accounts

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// What the purposes of forms are called.
const (
	registerForm = "register"
	forgotForm   = "forgot password"
)

// markField is the parameter that a registration adds to what comes back with its link: the mark of the browser that it was made in.
const markField = "registered_in"

func (e *Endpoint) showRegister(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := e.open(w, r, d)
	switch {
	case err != nil:
		return err
	case !p.login().GetRegisterEnabled():
		return off()
	}
	if err := e.before(p); err != nil {
		return err
	}
	return e.askRegister(p, pages.Register{})
}

// askRegister shows the form, with what was entered before.
func (e *Endpoint) askRegister(p *page, out pages.Register) error {
	out.Action, out.Client, out.Back = browser.URL(p.d, RegisterPath, p.query), p.c, p.back()
	out.FirstName, out.LastName, out.Email, out.Username =
		p.form.Get("firstName"), p.form.Get("lastName"), p.form.Get("email"), p.form.Get("username")
	out.Token = p.visit.FormToken(registerForm, e.Now())
	return e.Pages.Register(p.w, p.r, p.d, out)
}

func (e *Endpoint) register(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := e.open(w, r, d)
	switch {
	case err != nil:
		return err
	case !p.login().GetRegisterEnabled():
		return off()
	case !p.visit.Sent(r, p.form, registerForm, e.Now()):
		return e.askRegister(p, pages.Register{Message: expired})
	}
	var missing pages.Problems
	for _, field := range []string{"email", "username", "password"} {
		if strings.TrimSpace(p.form.Get(field)) == "" {
			missing = append(missing, pages.Problem{Field: field, Text: "must not be blank"})
		}
	}
	if len(missing) > 0 {
		return e.askRegister(p, pages.Register{Problems: missing})
	}
	if limited, err := e.limit(p, "register"); limited || err != nil {
		return err
	}
	if err := e.after(p); err != nil {
		if denied, ok := errors.AsType[*flows.Denied](err); ok {
			browser.Refused(r, problem(denied))
			return e.askRegister(p, pages.Register{Message: pages.Message(denied.Message)})
		}
		return err
	}
	sender := p.sender()
	if p.account().GetAutoLoginAfterRegistration() {
		sender.Query = browser.With(sender.GetQuery(), markField, p.visit.Mark(registerForm))
	}
	err = e.Directory.Register(r.Context(), &directoryv1.RegisterRequest{
		Domain: d.ID, Sender: sender, Username: p.form.Get("username"), Password: p.form.Get("password"), Email: p.form.Get("email"),
		FirstName: p.form.Get("firstName"), LastName: p.form.Get("lastName"),
	})
	if problems, ok := refused(err); ok {
		return e.askRegister(p, pages.Register{Problems: problems})
	}
	switch {
	case fault.Is(err, fault.Unmet):
		return e.notice(p, pages.NoticeOff, "")
	case err != nil:
		return fmt.Errorf("register: %w", err)
	}
	return e.Pages.Notice(w, r, d, pages.Notice{Client: p.c, Kind: pages.NoticeRegistered, Email: strings.TrimSpace(p.form.Get("email"))})
}

func (e *Endpoint) showForgot(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := e.open(w, r, d)
	switch {
	case err != nil:
		return err
	case !p.login().GetForgotPasswordEnabled():
		return off()
	}
	return e.askForgot(p, p.params.Get("login_hint"), "")
}

func (e *Endpoint) askForgot(p *page, email string, m pages.Message) error {
	return e.Pages.Forgot(p.w, p.r, p.d, pages.Forgot{
		Action: browser.URL(p.d, ForgotPath, p.query), Client: p.c, Back: p.back(), Email: email, Message: m,
		Token: p.visit.FormToken(forgotForm, e.Now()),
	})
}

// forgot answers the same whoever asks for whom: also for a name for which links were asked too often, so that nobody's mailbox
// is filled.
func (e *Endpoint) forgot(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := e.open(w, r, d)
	switch {
	case err != nil:
		return err
	case !p.login().GetForgotPasswordEnabled():
		return off()
	}
	login := strings.TrimSpace(p.form.Get("email"))
	switch {
	case !p.visit.Sent(r, p.form, forgotForm, e.Now()):
		return e.askForgot(p, login, expired)
	case login == "" || len(login) > maxLogin:
		return e.askForgot(p, login, "Enter your address or your name.")
	}
	if limited, err := e.limit(p, "forgot password"); limited || err != nil {
		return err
	}
	wait, err := e.Store.EnterWindows(r.Context(), state.Window{
		Purpose: "links", Domain: d.ID, By: strings.ToLower(login), Max: maxLinks, Period: requestPeriod,
	})
	if err != nil {
		return err
	}
	if sources, all := p.sources(); wait == 0 && (all || len(sources) > 0) {
		err = e.Directory.ForgotPassword(r.Context(), &directoryv1.ForgotPasswordRequest{Domain: d.ID, Login: login, Sender: p.sender(), Sources: sources})
		if fault.Is(err, fault.Unmet) {
			return e.notice(p, pages.NoticeOff, "")
		}
		if err != nil && !fault.Is(err, fault.Invalid) { // nobody has a name that the directory does not take for one
			return fmt.Errorf("forgot password: %w", err)
		}
	}
	return e.notice(p, pages.NoticeForgot, "")
}

// maxLogin bounds a name or an address in bytes.
const maxLogin = 1024

// sources are the application's own providers: whoever forgot a password gets no link for an account by which they cannot sign in
// there. Without an application they are all of the domain.
func (p *page) sources() (list []string, all bool) {
	if p.c == nil {
		return nil, true
	}
	for _, one := range p.c.Providers {
		if !one.External {
			list = append(list, one.ID)
		}
	}
	return list, false
}

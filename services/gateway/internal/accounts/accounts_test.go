package accounts_test

import (
	"bytes"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

var ann = []string{"firstName", "Ann", "lastName", "Doe", "email", "Ann@Example.com", "username", "anna", "password", "long enough"}

func TestRegistration(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, gatewaytest.Options{Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	b := r.Browser("/acme")
	login := b.Follow(b.Get("/oauth/authorize?" + query))
	register := base + "/register?" + strings.ReplaceAll(query, "&", "&amp;")
	wants(t, login, 200, `<a href="`+register+`" id="register">Create an account</a>`, `id="forgot-password"`)

	page := b.Get("/register?" + query)
	wants(t, page, 200, `autocomplete="new-password"`, `autocomplete="email"`, `autocomplete="given-name"`, `to continue to <strong>web</strong>`)
	f := b.Form(page)
	if f.Action != base+"/register?"+query {
		t.Errorf("action %s", f.Action)
	}
	for _, name := range []string{"X-XSRF-TOKEN", "client_id", "firstName", "lastName", "email", "username", "password"} {
		if !f.Values.Has(name) {
			t.Errorf("the form has no %s", name)
		}
	}

	page = send(b, page, append(ann, "password", "short")...)
	wants(t, page, 400, `role="alert"`, `<a href="#password">Password</a>: must have at least 8 characters`, `id="password-problem"`, `aria-invalid="true"`)
	if f := b.Form(page); f.Values.Get("firstName") != "Ann" || f.Values.Get("email") != "Ann@Example.com" || f.Values.Get("username") != "anna" || f.Values.Get("password") != "" {
		t.Errorf("kept values %v", f.Values)
	}
	wants(t, send(b, page, append(ann, "email", " ")...), 400, `<a href="#email">E-mail address</a>: is needed`)
	if len(r.Directory.Mails()) != 0 {
		t.Fatal("something was sent")
	}
	wants(t, send(b, page, ann...), 200, "We have sent a message to Ann@Example.com.")
	mail := r.one()
	want := &directoryv1.Sender{BaseUrl: base, Query: query, Application: "app-web"}
	if mail.Sender.GetBaseUrl() != want.GetBaseUrl() || mail.Sender.GetQuery() != want.GetQuery() || mail.Sender.GetApplication() != want.GetApplication() {
		t.Errorf("sender %v", mail.Sender)
	}

	again := send(b, b.Get("/register?"+query), append(ann, "email", "Ann@Example.com")...)
	wants(t, again, 200, "We have sent a message to Ann@Example.com.")
	if len(r.Directory.Mails()) != 0 {
		t.Error("the test directory sends nothing for a taken name")
	}
	if res := r.signIn(b, "anna", "long enough"); strings.Contains(res.Location(), "code=") {
		t.Error("signed in before the address is confirmed")
	}

	// On another device, after a mail scanner.
	phone := r.Browser("/acme")
	for range 3 {
		wants(t, phone.Get(link("/confirmRegistration", mail.Token)), 200, "Confirm your address", "anna", `id="verify-submit"`)
	}
	form := phone.Form(phone.Get(link("/confirmRegistration", mail.Token)))
	if form.Action != base+"/confirmRegistration" || form.Values.Get("token") != mail.Token {
		t.Errorf("form %+v", form)
	}
	// Who reads the mailbox and did not choose the password gets no further, and the link stays good for who did.
	for _, wrong := range []string{"", "another password"} {
		form.Values.Set("password", wrong)
		text := "is not the one that was chosen at registration"
		wants(t, phone.Post(form.Action, form.Values), 400, text, "Enter the password that you chose", `autocomplete="current-password"`, `aria-invalid="true"`)
	}
	if res := r.signIn(b, "anna", "long enough"); strings.Contains(res.Location(), "code=") {
		t.Error("signed in after somebody else opened the link")
	}
	form.Values.Set("password", "long enough")
	res := phone.Post(form.Action, form.Values)
	wants(t, res, 200, "Your registration is complete", `id="notice-next" href="`+base+"/oauth/authorize?"+strings.ReplaceAll(query, "&", "&amp;")+`"`)
	if r.signedIn(phone) {
		t.Error("signed in without having been asked to")
	}
	wants(t, phone.Get(link("/confirmRegistration", mail.Token)), 410, "This link is no longer valid")
	wants(t, phone.Post(form.Action, form.Values), 410, "This link is no longer valid")
	if res := r.signIn(b, "anna", "long enough"); !strings.HasPrefix(res.Location(), "https://web.example/cb?code=") {
		t.Errorf("cannot sign in: %s", res.Location())
	}
	for _, secret := range []string{mail.Token, "long enough", url.QueryEscape("Ann@Example.com")} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log contains %q", secret)
		}
	}
}

func TestForgottenPassword(t *testing.T) {
	r := newRig(t, gatewaytest.Options{}, func(_ *configv1.LoginSettings, a *configv1.AccountSettings) { a.ResetPasswordInvalidateTokens = true })
	r.Follow()
	r.Directory.Person(r.domain, gatewaytest.DirectoryProvider, "carl")
	b, other := r.Browser("/acme"), r.Browser("/acme")
	r.signIn(other, "carl", gatewaytest.Password)
	for range 4 { // locks the account
		r.signIn(b, "carl", "wrong")
	}
	if res := r.signIn(b, "carl", gatewaytest.Password); !strings.Contains(res.Text, "The account is locked") {
		t.Fatalf("not locked:\n%s", res.Text)
	}

	known := send(b, b.Get("/forgotPassword?"+query), "email", "Carl@acme.example")
	mail := r.one()
	unknown := send(b, b.Get("/forgotPassword?"+query), "email", "nobody@acme.example")
	if len(r.Directory.Mails()) != 0 {
		t.Error("somebody unknown got a message")
	}
	wants(t, known, 200, "If there is an account, a message is on its way.")
	if diff := cmp.Diff(known.Text, unknown.Text); diff != "" {
		t.Errorf("answers differ (-known +unknown):\n%s", diff)
	}
	wants(t, send(b, b.Get("/forgotPassword?"+query), "email", " "), 400, "Enter your address or your name.")

	page := b.Get(link("/resetPassword", mail.Token))
	wants(t, page, 200, "for <strong>carl</strong>", `autocomplete="new-password"`)
	page = send(b, page, "password", "short")
	wants(t, page, 400, `<a href="#password">Password</a>: must have at least 8 characters`)
	r.Clock.Forward(time.Second)
	res := send(b, page, "password", "another password")
	wants(t, res, 200, "Your password is saved", `id="notice-next"`)
	if r.signedIn(b) {
		t.Error("signed in without having been asked to")
	}
	if r.signedIn(other) {
		t.Error("the session of before the new password still is one")
	}
	if res := r.signIn(b, "carl", "another password"); !strings.Contains(res.Location(), "code=") {
		t.Errorf("the account is locked still: %s", res.Location())
	}
	wants(t, b.Get(link("/resetPassword", mail.Token)), 410, "This link is no longer valid")
	wants(t, b.Get(link("/resetPassword", mail.Token)+"&client_id=web"), 410, base+"/forgotPassword?client_id=web")

	t.Run("a name is sent few links", func(t *testing.T) {
		r.Directory.Person(r.domain, gatewaytest.DirectoryProvider, "dora")
		for range 8 {
			wants(t, send(r.Browser("/acme"), b.Get("/forgotPassword?"+query), "email", "dora"), 400, "Your session expired")
			wants(t, send(b, b.Get("/forgotPassword?"+query), "email", "dora"), 200, "If there is an account")
		}
		if n := len(r.Directory.Mails()); n != 5 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("a network asks for few links, and is told when to come again", func(t *testing.T) {
		b := r.Browser("/acme")
		page := b.Get("/forgotPassword?" + query)
		for range 60 {
			send(b, page, "email", "nobody")
		}
		res := send(b, page, "email", "nobody")
		wants(t, res, 429, "Wait a while, then try again.")
		if res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		wants(t, send(b, b.Get("/register?"+query), ann...), 200, "We have sent a message")
	})
}

func TestAutomaticSignIn(t *testing.T) {
	r := newRig(t, gatewaytest.Options{}, func(_ *configv1.LoginSettings, a *configv1.AccountSettings) {
		a.AutoLoginAfterRegistration, a.AutoLoginAfterResetPassword = true, true
	})
	b := r.Browser("/acme")
	b.Get("/login?client_id=web")
	planted := b.Cookies["GATEHOUSE_SESSION"]
	send(b, b.Get("/register?"+query), ann...)
	mail := r.one()
	res := send(b, b.Get(link("/confirmRegistration", mail.Token)), "password", "long enough")
	if res.StatusCode != 302 || res.Location() != base+"/oauth/authorize?"+query {
		t.Fatalf("status %d, %s", res.StatusCode, res.Location())
	}
	if b.Cookies["GATEHOUSE_SESSION"] == planted {
		t.Error("the cookie stayed")
	}
	answer := b.Follow(res)
	a, err := r.Store.Redeem(t.Context(), r.domain, "app-web", answer.Query().Get("code"))
	if err != nil {
		t.Fatalf("%v: %s", err, answer.Location())
	}
	if !slices.Equal(a.AMR, []string{"pwd"}) || a.ACR != "urn:gatehouse:acr:password" || a.AuthTime != r.Clock.Now().Unix() {
		t.Errorf("amr %v, acr %q, auth_time %d", a.AMR, a.ACR, a.AuthTime)
	}

	send(b, b.Get("/forgotPassword?"+query), "email", "anna")
	mail = r.one()
	r.Clock.Forward(time.Second)
	page := b.Get(link("/resetPassword", mail.Token))
	old := b.Cookies["GATEHOUSE_SESSION"]
	res = send(b, page, "password", "another password")
	if res.Location() != base+"/oauth/authorize?"+query || b.Cookies["GATEHOUSE_SESSION"] == old || !r.signedIn(b) {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
	// A class of authentication that a mailbox does not meet asks for the password.
	res = b.Follow(b.Get("/oauth/authorize?" + query + "&acr_values=urn:gatehouse:acr:password"))
	wants(t, res, 200, `id="login-submit"`)
}

func TestAfterwardsTheSettingsSendPeople(t *testing.T) {
	for uri, want := range map[string]string{
		"https://welcome.example/hello?x=1": "https://welcome.example/hello?x=1",
		"javascript:alert(1)":               "",
		"//evil.example":                    "",
		"https://user@evil.example/":        "",
		"https://evil.example/\r\nX: y":     "",
	} {
		r := newRig(t, gatewaytest.Options{}, func(_ *configv1.LoginSettings, a *configv1.AccountSettings) {
			a.RedirectUriAfterRegistration, a.RedirectUriAfterResetPassword = uri, uri
		})
		b := r.Browser("/acme")
		u := r.Directory.Person(r.domain, gatewaytest.DirectoryProvider, "carl")
		for _, purpose := range []directoryv1.Ticket_Purpose{directoryv1.Ticket_RESET_PASSWORD, directoryv1.Ticket_CONFIRM_REGISTRATION, directoryv1.Ticket_UNLOCK} {
			token := r.Directory.Invite(u, purpose)
			ticket, err := r.Directory.Ticket(t.Context(), r.domain, token)
			if err != nil {
				t.Fatal(err)
			}
			ticket.ClientId = "web"
			r.Directory.Retarget(token, "web", "")
			res := send(b, b.Get(link("/resetPassword", token)), "password", "another password")
			if got := res.Location(); got != want {
				t.Errorf("%s: %q leads to %q, want %q", purpose, uri, got, want)
			}
		}
	}
}

func TestLinksWithoutAnApplication(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	b := r.Browser("/acme")
	u := r.Directory.Person(r.domain, gatewaytest.DirectoryProvider, "carl")
	wants(t, send(b, b.Get(link("/resetPassword", r.Directory.Invite(u, directoryv1.Ticket_RESET_PASSWORD))), "password", "another password"), 200, "Your password is saved")
	wants(t, send(b, b.Get(link("/confirmRegistration", r.Directory.Invite(u, directoryv1.Ticket_CONFIRM_REGISTRATION))), "password", "another password"), 200, "Your registration is complete")
	token := r.Directory.Invite(u, directoryv1.Ticket_RESET_PASSWORD)
	r.Directory.Retarget(token, "gone", "client_id=gone&response_type=code&%zz")
	wants(t, send(b, b.Get(link("/resetPassword", token)), "password", "another password"), 200, "Your password is saved")
}

func TestWhatIsSwitchedOffIsNotThere(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	b := r.Browser("/acme")
	for _, target := range []string{"/register?client_id=plain", "/forgotPassword?client_id=plain", "/register", "/forgotPassword"} {
		wants(t, b.Get(target), 404, "Page not found")
		wants(t, b.Post(target, url.Values{"email": {"x"}}), 404, "Page not found")
	}
	if page := b.Get("/login?client_id=plain"); strings.Contains(page.Text, "forgot-password") || strings.Contains(page.Text, `id="register"`) {
		t.Error("the login page links to what is switched off")
	}
	wants(t, b.Get("/register?client_id=nobody"), 400)
	for _, bad := range []string{"", "?token=", "?token=unknown", "?token=" + strings.Repeat("x", 3000), "?token=a%00b", "?client_id=gone&token=x"} {
		for _, path := range []string{"/resetPassword", "/confirmRegistration"} {
			if res := b.Get(path + bad); res.StatusCode != 410 && res.StatusCode != 400 {
				t.Errorf("%s%s: status %d", path, bad, res.StatusCode)
			}
		}
	}
	r.Directory.Away(fault.Unavailablef("away"))
	wants(t, b.Get("/resetPassword?token=x"), 503, "Try again shortly")
}

// TestFormsAreBound sends forms that were made for something else.
func TestFormsAreBound(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	b, attacker := r.Browser("/acme"), r.Browser("/acme")
	carl := r.Directory.Person(r.domain, gatewaytest.DirectoryProvider, "carl")
	eve := r.Directory.Person(r.domain, gatewaytest.DirectoryProvider, "eve")
	tokens := []string{r.Directory.Invite(carl, directoryv1.Ticket_RESET_PASSWORD), r.Directory.Invite(eve, directoryv1.Ticket_RESET_PASSWORD)}
	const expired = "Your session expired, please try again."
	form := b.Form(b.Get(link("/resetPassword", tokens[0]))).Values
	form.Set("password", "another password")
	try := func(what string, b *browsertest.Browser, form url.Values, headers ...string) {
		t.Helper()
		for i := 0; i+1 < len(headers); i += 2 {
			b.Headers[headers[i]] = headers[i+1]
		}
		res := b.Post("/resetPassword", form)
		b.Headers = map[string]string{}
		if res.StatusCode != 400 || !strings.Contains(res.Text, expired) {
			t.Errorf("%s: status %d", what, res.StatusCode)
		}
	}
	with := func(pairs ...string) url.Values {
		changed := url.Values{}
		for name, v := range form {
			changed[name] = v
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			changed.Set(pairs[i], pairs[i+1])
		}
		return changed
	}
	try("by another browser", attacker, form)
	try("for another link", b, with("token", tokens[1]))
	try("without a token", b, with("X-XSRF-TOKEN", ""))
	try("with the token of the sign-in page", b, with("X-XSRF-TOKEN", b.Form(b.Get("/login?client_id=web")).Values.Get("X-XSRF-TOKEN")))
	try("by another site", b, form, "Origin", "https://evil.example")
	try("by another site, as the browser says", b, form, "Sec-Fetch-Site", "cross-site")
	r.Clock.Forward(16 * time.Minute)
	try("too late", b, form)
	for _, path := range []string{"/register?" + query, "/forgotPassword?" + query} {
		f := attacker.Form(attacker.Get(path))
		for i := 0; i+1 < len(ann); i += 2 {
			f.Values.Set(ann[i], ann[i+1])
		}
		wants(t, b.Post(path, f.Values), 400, expired)
	}
	if len(r.Directory.Mails()) != 2 {
		t.Error("a form of another browser sent something")
	}
}

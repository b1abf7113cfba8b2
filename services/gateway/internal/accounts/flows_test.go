package accounts_test

import (
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// run serves flows of the application web.
func (r *rig) run(list ...*configv1.Flow) {
	r.t.Helper()
	for i, f := range list {
		f.Id, f.Domain, f.Application, f.Level = "flow-"+f.GetType().String(), r.domain, "app-web", "app-web"
		r.Apply(gatewaytest.Upserts(int64(i+2), f))
	}
}

func refuses(condition, message string) *configv1.FlowStep {
	return &configv1.FlowStep{Name: "deny", Condition: condition, Config: &configv1.FlowStep_Deny{Deny: &configv1.DenyStep{Error: "access_denied", Message: message}}}
}

func sets(name, expression string) *configv1.FlowStep {
	return &configv1.FlowStep{Name: "set", Config: &configv1.FlowStep_SetAttributes{
		SetAttributes: &configv1.SetAttributesStep{Attributes: map[string]string{name: expression}},
	}}
}

func TestFlowsOfARegistration(t *testing.T) {
	const seesRoot = "{#context.attributes['partner'] == 'x'}"
	r := newRig(t, gatewaytest.Options{})
	r.run(
		&configv1.Flow{Type: configv1.Flow_ROOT, Pre: []*configv1.FlowStep{sets("partner", "{#request.params['partner'][0]}")}},
		&configv1.Flow{
			Type: configv1.Flow_REGISTER,
			Pre:  []*configv1.FlowStep{refuses("{#request.params['partner'][0] == 'closed'}", "Nobody registers here now.")},
			Post: []*configv1.FlowStep{refuses(seesRoot, "Partners are invited.")},
		},
	)
	b := r.Browser("/acme")
	wants(t, b.Get("/register?"+query+"&partner=closed"), 403, "Nobody registers here now.", "access_denied")

	page := b.Get("/register?" + query + "&partner=x")
	wants(t, page, 200)
	wants(t, send(b, page, ann...), 400, `role="alert"`, "Partners are invited.", `value="anna"`)
	if n := len(r.Directory.Mails()); n != 0 {
		t.Errorf("%d messages after a refusal", n)
	}
	wants(t, send(b, b.Get("/register?"+query+"&partner=y"), ann...), 200, "We have sent a message")
	r.one()
}

func TestFlowsOfASignInByLink(t *testing.T) {
	r := newRig(t, gatewaytest.Options{}, func(_ *configv1.LoginSettings, a *configv1.AccountSettings) { a.AutoLoginAfterResetPassword = true })
	r.run(&configv1.Flow{Type: configv1.Flow_LOGIN, Post: []*configv1.FlowStep{
		refuses("{#request.headers['x-risk'][0] == 'high'}", "Come by another way."),
	}})
	b := r.Browser("/acme")
	u := r.Directory.Person(r.domain, gatewaytest.DirectoryProvider, "carl")
	for _, risk := range []string{"high", "low"} {
		token := r.Directory.Invite(u, directoryv1.Ticket_RESET_PASSWORD)
		r.Directory.Retarget(token, "web", query)
		page := b.Get(link("/resetPassword", token))
		b.Headers["X-Risk"] = risk
		res := send(b, page, "password", "another password")
		if risk == "high" {
			wants(t, res, 403, "Come by another way.")
		} else if res.StatusCode != 302 {
			t.Errorf("status %d", res.StatusCode)
		}
		if got := r.signedIn(b); got != (risk == "low") {
			t.Errorf("risk %s: signed in %t", risk, got)
		}
	}
}

// TestARegistrationSignsInOnlyWhereItWasMade has a stranger register somebody else's address, with a password of their own.
func TestARegistrationSignsInOnlyWhereItWasMade(t *testing.T) {
	r := newRig(t, gatewaytest.Options{}, func(_ *configv1.LoginSettings, a *configv1.AccountSettings) { a.AutoLoginAfterRegistration = true })
	stranger, owner := r.Browser("/acme"), r.Browser("/acme")
	owner.Get("/register?" + query)
	send(stranger, stranger.Get("/register?"+query+"&registered_in=x"), ann...)
	mail := r.one()
	if got := strings.Count(mail.Sender.GetQuery(), "registered_in="); got != 1 {
		t.Errorf("query %s", mail.Sender.GetQuery())
	}
	page := owner.Get(link("/confirmRegistration", mail.Token))
	wants(t, send(owner, page, "password", "long enough"), 200, "Your registration is complete", `id="notice-next"`)
	if r.signedIn(owner) {
		t.Error("signed in by a registration of another browser")
	}
}

func TestAnApplicationWithoutPeopleOfTheDirectorySendsNoLinks(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	r.Directory.Person(r.domain, gatewaytest.DirectoryProvider, "carl")
	b := r.Browser("/acme")
	bare := b.Get("/forgotPassword?client_id=bare")
	wants(t, send(b, bare, "email", "carl"), 200, "If there is an account, a message is on its way.")
	if n := len(r.Directory.Mails()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestThePageThatAsksForTheNameFirstLeadsToAccounts(t *testing.T) {
	on := newRig(t, gatewaytest.Options{}, func(l *configv1.LoginSettings, _ *configv1.AccountSettings) { l.IdentifierFirstEnabled = true })
	wants(t, on.Browser("/acme").Get("/login/identifier?client_id=web&login_hint=ann"), 200,
		`<a href="`+base+`/register?client_id=web" id="register">`, `<a href="`+base+`/forgotPassword?client_id=web&amp;login_hint=ann" id="forgot-password">`)
	off := newRig(t, gatewaytest.Options{}, func(l *configv1.LoginSettings, _ *configv1.AccountSettings) {
		l.IdentifierFirstEnabled, l.RegisterEnabled, l.ForgotPasswordEnabled = true, false, false
	})
	page := off.Browser("/acme").Get("/login/identifier?client_id=web")
	if wants(t, page, 200); strings.Contains(page.Text, "forgot-password") || strings.Contains(page.Text, `id="register"`) {
		t.Error("the page links to what is switched off")
	}
}

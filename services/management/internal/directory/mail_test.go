package directory_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer/mailtest"
)

const gatewayURL = "https://auth.example.com"

// post is a house with a mail server.
type post struct {
	*house
	mails  *mailtest.Server
	mailer *mailer.Mailer
}

func newPost(t *testing.T) *post {
	t.Helper()
	p := &post{house: newHouse(t), mails: mailtest.New(t, mailtest.Options{})}
	settings, err := mailer.Configured{
		URL: "smtp://" + p.mails.Address(), From: "Gatehouse <no-reply@example.com>", Auth: "auto", Insecure: true, Timeout: 5 * time.Second,
	}.Read()
	if err != nil {
		t.Fatal(err)
	}
	log := observe.NewLogger(p.log, slog.LevelDebug, observe.JSON)
	recorder := audit.New(audit.Options{Audits: p.store.Audits(), Logger: log})
	p.mailer = mailer.New(mailer.Options{Mails: p.store.Mails(), Settings: settings, Recorder: recorder, Logger: log, Now: p.clock})
	p.people = directory.New(directory.Options{
		Store: p.store, Hasher: p.hasher, Recorder: recorder, Logger: log, Now: p.clock, Post: p.mailer, GatewayURL: gatewayURL,
	})
	p.patch(prototree.Object{
		"loginSettings":   prototree.Object{"inherited": false, "registerEnabled": true, "forgotPasswordEnabled": true},
		"accountSettings": prototree.Object{"inherited": false, "sendRecoverAccountEmail": true},
	})
	return p
}

func (p *post) patch(body prototree.Object) {
	p.Helper()
	if _, err := editor.Patch(p.Context(), p.editor, catalog.Domains, p.place(""), p.domain, body, 0); err != nil {
		p.Fatal(err)
	}
}

// arrived works out every errand, and returns the letters that came of it since the last time.
func (p *post) arrived() []*mailtest.Letter {
	p.Helper()
	before := len(p.mails.Letters())
	for {
		n, err := p.mailer.Round(p.Context(), p.people)
		if err != nil {
			p.Fatal(err)
		}
		if n == 0 {
			return p.mails.Letters()[before:]
		}
	}
}

// only returns the one letter that has arrived.
func (p *post) only() *mailtest.Letter {
	p.Helper()
	got := p.arrived()
	if len(got) != 1 {
		p.Fatalf("%d letters arrived, want 1\n%s", len(got), p.log)
	}
	return got[0]
}

func tokenOf(t testing.TB, l *mailtest.Letter) string {
	t.Helper()
	u, err := url.Parse(l.Link())
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("no link with a token in %q", l.Text)
	}
	return u.Query().Get("token")
}

func sender() *directoryv1.Sender {
	return &directoryv1.Sender{BaseUrl: gatewayURL + "/people", Query: "client_id=app&state=x%20y"}
}

func registration(name string) *directoryv1.RegisterRequest {
	return &directoryv1.RegisterRequest{
		Username: name, Password: password, Email: name + "@example.com", FirstName: "Ann", LastName: "Example", Sender: sender(),
	}
}

func (p *post) register(r *directoryv1.RegisterRequest) {
	p.Helper()
	r.Domain = p.domain
	if err := p.people.Enroll(p.Context(), r); err != nil {
		p.Fatal(err)
	}
}

func (p *post) forgot(login string) {
	p.Helper()
	if err := p.people.Forgot(p.Context(), &directoryv1.ForgotPasswordRequest{Domain: p.domain, Login: login, Sender: sender()}); err != nil {
		p.Fatal(err)
	}
}

func (p *post) signsIn(name, with string) error {
	_, err := p.people.Authenticate(p.Context(), p.domain, catalog.DefaultProviderID(p.domain), name, with)
	return err
}

func TestSomebodyRegisters(t *testing.T) {
	p := newPost(t)
	p.register(registration("ann"))
	if n := p.count(p.domain); n != 0 {
		t.Errorf("%d people before anybody looked", n)
	}
	l := p.only()
	if l.To[0] != "ann@example.com" || !strings.HasPrefix(l.Link(), gatewayURL+"/people/confirmRegistration?token=") {
		t.Errorf("to %v: %s", l.To, l.Link())
	}
	wantKind(t, "sign-in before the address is shown", p.signsIn("ann", password), fault.Denied)
	token := tokenOf(t, l)
	ticket, err := p.people.GetTicket(t.Context(), p.domain, token)
	if err != nil || ticket.GetPurpose() != directoryv1.Ticket_VERIFY_REGISTRATION || ticket.GetUsername() != "ann" || ticket.GetQuery() != "client_id=app&state=x%20y" {
		t.Fatalf("ticket %v, %v", ticket, err)
	}
	_, user, err := p.people.UseTicket(t.Context(), p.domain, token, password)
	if err != nil || !user.GetEmailVerified() || !user.GetRegistrationCompleted() {
		t.Fatalf("user %v, %v", user, err)
	}
	wantKind(t, "sign-in", p.signsIn("ann", password), fault.Internal)
	_, _, err = p.people.UseTicket(t.Context(), p.domain, token, password)
	wantKind(t, "the second use", err, fault.NotFound)
}

func TestWhoConfirmsAnAddressKnowsThePassword(t *testing.T) {
	p := newPost(t)
	use := func(token, with string) error {
		_, _, err := p.people.UseTicket(t.Context(), p.domain, token, with)
		return err
	}
	p.register(registration("ann"))
	token := tokenOf(t, p.only())
	for _, tt := range []struct{ name, password, text string }{
		{"no password", "", "must not be blank"},
		{"another password", "not what was chosen", "is not the one that was chosen at registration"},
		{"a password that is too long to be one", strings.Repeat("x", 10_000), "is not the one that was chosen at registration"},
	} {
		f := asFault(use(token, tt.password))
		if f.Kind != fault.Invalid || len(f.Details) != 1 || f.Details[0].Path != "password" || f.Details[0].Detail != tt.text {
			t.Errorf("%s: %+v", tt.name, f)
		}
		wantKind(t, tt.name, p.signsIn("ann", password), fault.Denied)
	}
	if err := use(token, password); err != nil {
		t.Errorf("the right password after wrong ones: %v", err)
	}

	p.register(registration("bob"))
	token = tokenOf(t, p.only())
	var refused, over atomic.Int32
	var racers sync.WaitGroup
	for i := range 32 {
		racers.Go(func() {
			switch err := use(token, fmt.Sprintf("guess %d of bob's password", i)); {
			case fault.Is(err, fault.Invalid):
				refused.Add(1)
			case fault.Is(err, fault.NotFound):
				over.Add(1)
			default:
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	racers.Wait()
	if refused.Load() == 0 || refused.Load() > 10 {
		t.Errorf("%d guesses were looked at, %d were not", refused.Load(), over.Load())
	}
	wantKind(t, "the right password after too many wrong ones", use(token, password), fault.NotFound)
	wantKind(t, "sign-in", p.signsIn("bob", password), fault.Denied)
	p.register(registration("bob"))
	if err := use(tokenOf(t, p.only()), password); err != nil {
		t.Errorf("registered once more: %v", err)
	}
}

func TestRegistrationTellsNothing(t *testing.T) {
	p := newPost(t)
	bob := p.newUser("bob")
	for _, tt := range []struct {
		name    string
		request *directoryv1.RegisterRequest
		to      string
		says    []string
		silent  []string // what must not be told
		link    string
	}{
		{"a free name", registration("ann"), "ann@example.com", nil, nil, "/people/confirmRegistration?token="},
		{"a name of somebody else", &directoryv1.RegisterRequest{Username: "BOB", Password: password, Email: "eve@example.com", Sender: sender()},
			"eve@example.com", []string{"BOB", "not available"}, []string{"bob@example.com", "You have one"}, "/people/register?client_id=app"},
		{"an address that has an account", &directoryv1.RegisterRequest{Username: "robert", Password: password, Email: "Bob@example.com", Sender: sender()},
			"bob@example.com", []string{"You have one already", "bob"}, []string{"robert"}, "/people/forgotPassword?client_id=app"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.register(tt.request)
			l := p.only()
			if l.To[0] != tt.to || !strings.Contains(l.Link(), tt.link) {
				t.Errorf("to %v, link %s", l.To, l.Link())
			}
			for _, text := range tt.says {
				if !strings.Contains(l.Text, text) {
					t.Errorf("%q is not in\n%s", text, l.Text)
				}
			}
			for _, text := range tt.silent {
				if strings.Contains(l.Raw, text) || strings.Contains(l.Text, text) {
					t.Errorf("%q is in\n%s", text, l.Text)
				}
			}
		})
	}
	if got := p.stored(bob.GetId()); got.GetRevision() != bob.GetRevision() {
		t.Error("bob was changed")
	}
	if n := p.count(p.domain); n != 2 {
		t.Errorf("%d people, want ann and bob", n)
	}
}

func TestWhatIsWrongWithARegistration(t *testing.T) {
	p := newPost(t)
	p.patch(prototree.Object{"passwordSettings": prototree.Object{"minLength": 12, "excludeUserProfileInfoInPassword": true}})
	inline := p.newInline(p.domain)
	for _, tt := range []struct {
		name   string
		change func(*directoryv1.RegisterRequest)
		place  string
	}{
		{"no name", func(r *directoryv1.RegisterRequest) { r.Username = " " }, "username"},
		{"no address", func(r *directoryv1.RegisterRequest) { r.Email = "" }, "email"},
		{"no password", func(r *directoryv1.RegisterRequest) { r.Password = "" }, "password"},
		{"a short password", func(r *directoryv1.RegisterRequest) { r.Password = "short" }, "password"},
		{"a password with the name in it", func(r *directoryv1.RegisterRequest) { r.Password = "annabelle-annabelle" }, "password"},
		{"an address that is none", func(r *directoryv1.RegisterRequest) { r.Email = "ann" }, "email"},
		{"an address with another header", func(r *directoryv1.RegisterRequest) { r.Email = "ann@example.com\r\nBcc: bob@example.com" }, "email"},
		{"two addresses", func(r *directoryv1.RegisterRequest) { r.Email = "ann@example.com, bob@example.com" }, "email"},
		{"an address that not every server takes", func(r *directoryv1.RegisterRequest) { r.Email = "änn@example.com" }, "email"},
		{"a link for a name", func(r *directoryv1.RegisterRequest) { r.FirstName = "win at https://evil.example" }, "firstName"},
		{"a page that is none", func(r *directoryv1.RegisterRequest) { r.Sender.BaseUrl = "javascript:alert(1)" }, "sender.baseUrl"},
		{"no page", func(r *directoryv1.RegisterRequest) { r.Sender = nil }, "sender.baseUrl"},
		{"a provider that is not there", func(r *directoryv1.RegisterRequest) { r.Source = "nobody" }, "source"},
		{"a provider that keeps its people elsewhere", func(r *directoryv1.RegisterRequest) { r.Source = inline }, "source"},
	} {
		r := registration("annabelle")
		r.Domain = p.domain
		tt.change(r)
		err := p.people.Enroll(t.Context(), r)
		var f *fault.Error
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", tt.name, err)
		} else if f = asFault(err); len(f.Details) == 0 || f.Details[0].Path != tt.place {
			t.Errorf("%s: %+v, want %s", tt.name, f.Details, tt.place)
		}
	}
	if got := p.arrived(); len(got) > 0 {
		t.Errorf("%d letters", len(got))
	}
	r := registration("ann")
	r.Domain = "nowhere"
	wantKind(t, "an unknown domain", p.people.Enroll(t.Context(), r), fault.NotFound)
}

func TestRegistrationAndForgottenPasswordsAreOff(t *testing.T) {
	p := newPost(t)
	p.patch(prototree.Object{"loginSettings": prototree.Object{"inherited": false, "registerEnabled": false, "forgotPasswordEnabled": false}})
	ask := func(people *directory.Service) (register, forgot error) {
		r := registration("ann")
		r.Domain = p.domain
		return people.Enroll(t.Context(), r), people.Forgot(t.Context(), &directoryv1.ForgotPasswordRequest{Domain: p.domain, Login: "ann", Sender: sender()})
	}
	register, forgot := ask(p.people)
	wantKind(t, "registration that is off", register, fault.Unmet)
	wantKind(t, "forgotten passwords that are off", forgot, fault.Unmet)
	p.patch(prototree.Object{"loginSettings": prototree.Object{"inherited": false, "registerEnabled": true, "forgotPasswordEnabled": true}})
	_, mute := p.replica()
	register, forgot = ask(mute)
	wantKind(t, "registration without a mail server", register, fault.Unmet)
	wantKind(t, "forgotten passwords without a mail server", forgot, fault.Unmet)
}

func TestARegistrationThatWasNotConfirmed(t *testing.T) {
	p := newPost(t)
	p.now = time.Now().UTC().Truncate(time.Second)
	p.register(registration("ann"))
	first := tokenOf(t, p.only())

	again := registration("ann")
	again.Password = "another password than before"
	p.register(again)
	second := tokenOf(t, p.only())
	_, err := p.people.GetTicket(t.Context(), p.domain, first)
	wantKind(t, "the first link after the same address registered again", err, fault.NotFound)

	other := registration("ann")
	other.Email = "eve@example.com"
	p.register(other)
	if l := p.only(); l.To[0] != "eve@example.com" || !strings.Contains(l.Text, "not available") {
		t.Errorf("a name that waits for its owner: to %v\n%s", l.To, l.Text)
	}
	if _, _, err := p.people.UseTicket(t.Context(), p.domain, second, again.GetPassword()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "sign-in with the last password", p.signsIn("ann", again.GetPassword()), fault.Internal)

	p.register(registration("carl"))
	old := tokenOf(t, p.only())
	p.now = p.now.Add(25 * time.Hour)
	_, err = p.people.GetTicket(t.Context(), p.domain, old)
	wantKind(t, "a link after its time", err, fault.NotFound)
	late := registration("carl")
	late.Email = "other@example.com"
	p.register(late)
	if l := p.only(); !strings.Contains(l.Link(), "/confirmRegistration?token=") {
		t.Errorf("a name whose link has expired is not free: %s", l.Text)
	}

	p.register(registration("dora"))
	dora := tokenOf(t, p.only())
	rival := registration("dora2")
	rival.Email = "dora@example.com"
	p.register(rival)
	p.arrived()
	if _, _, err := p.people.UseTicket(t.Context(), p.domain, dora, password); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "a registration of another name with an address that is somebody's now", p.signsIn("dora2", password), fault.Unauthenticated)
}

func TestSomebodyIsInvited(t *testing.T) {
	p := newPost(t)
	p.rest()
	made := p.call("POST", "/domains/"+p.domain+"/users", `{"username":"ann","email":"ann@example.com","preRegistration":true}`)
	if made.status != 201 || made.body["notices"] != nil {
		t.Fatalf("%d: %s", made.status, made.text)
	}
	l := p.only()
	if !strings.HasPrefix(l.Link(), gatewayURL+"/people/confirmRegistration?token=") {
		t.Errorf("link %s", l.Link())
	}
	path := "/domains/" + p.domain + "/users/" + made.body["id"].(string) + "/sendRegistrationConfirmation"
	if got := p.call("POST", path, ""); got.status != 204 {
		t.Fatalf("%d: %s", got.status, got.text)
	}
	first, second := tokenOf(t, l), tokenOf(t, p.only())
	_, err := p.people.GetTicket(t.Context(), p.domain, first)
	wantKind(t, "the first invitation", err, fault.NotFound)
	if _, user, err := p.people.UseTicket(t.Context(), p.domain, second, "the first password of ann"); err != nil || !user.GetRegistrationCompleted() {
		t.Fatal(user, err)
	}
	wantKind(t, "sign-in", p.signsIn("ann", "the first password of ann"), fault.Internal)
	p.refused("an invitation of somebody who came", p.call("POST", path, ""), 400, "User [ann] has nothing to confirm.", "")
}

func TestARegistrationIsCompletedByAnotherPasswordWhereThatIsWanted(t *testing.T) {
	p := newPost(t)
	p.register(registration("ann"))
	p.only()
	p.forgot("ann")
	if l := p.only(); !strings.Contains(l.Link(), "/confirmRegistration") {
		t.Errorf("not wanted: %s", l.Link())
	}
	p.patch(prototree.Object{"accountSettings": prototree.Object{"inherited": false, "completeRegistrationWhenResetPassword": true}})
	p.forgot("ann")
	token := tokenOf(t, p.only())
	if _, user, err := p.people.UseTicket(t.Context(), p.domain, token, "another password of ann"); err != nil || !user.GetRegistrationCompleted() {
		t.Fatal(user, err)
	}
	wantKind(t, "sign-in", p.signsIn("ann", "another password of ann"), fault.Internal)
}

func TestWhichTextIsSent(t *testing.T) {
	p := newPost(t)
	p.now = time.Now()
	p.newUser("ann")
	app := p.newApplication(p.domain, "app")
	write := func(application, subject string, enabled bool, more prototree.Object) {
		t.Helper()
		at := p.place(p.domain)
		at.Application = application
		body := prototree.Object{
			"template": "forgot_password", "enabled": enabled, "from": "help@example.org", "fromName": "Help", "subject": subject,
			"content": `<p>{{.user.username}} of {{.application.name}}: <a href="{{.url}}">go</a> within {{duration .expiresAfter}}</p>`,
		}
		for k, v := range more {
			body[k] = v
		}
		if _, _, err := editor.Create(t.Context(), p.editor, catalog.Emails, at, body); err != nil {
			t.Fatal(err)
		}
	}
	letter := func(application string) *mailtest.Letter {
		t.Helper()
		p.now = p.now.Add(2 * time.Hour)
		s := sender()
		s.Application = application
		if err := p.people.Forgot(t.Context(), &directoryv1.ForgotPasswordRequest{Domain: p.domain, Login: "ann", Sender: s}); err != nil {
			t.Fatal(err)
		}
		return p.only()
	}
	want := func(what string, l *mailtest.Letter, subject, from string) {
		t.Helper()
		if l.Subject() != subject || l.Header.Get("From") != from {
			t.Errorf("%s: %q from %s", what, l.Subject(), l.Header.Get("From"))
		}
	}
	const own, ours = "Choose a new password for People", `"Gatehouse" <no-reply@example.com>`
	const help = `"Help" <help@example.org>`
	want("nobody wrote a text", letter(app.GetId()), own, ours)
	write(app.GetId(), "of the application", false, nil)
	want("the application's is off", letter(app.GetId()), own, ours)
	write("", "of {{.domain.name}}", true, prototree.Object{"expiresAfter": 7200})
	want("the domain's is on", letter(app.GetId()), "of People", help)
	l := letter("")
	want("no application is known", l, "of People", help)
	if l.Text != "ann of : go\n"+l.Link()+"\nwithin 2 hours\n" {
		t.Errorf("text %q", l.Text)
	}
	ticket, err := p.people.GetTicket(t.Context(), p.domain, tokenOf(t, l))
	if err != nil || ticket.GetExpiresAt().AsTime().Sub(p.now.Truncate(time.Millisecond)) != 2*time.Hour {
		t.Errorf("ticket %v, %v", ticket, err)
	}
	other := p.newApplication(p.domain, "other")
	write(other.GetId(), "of the other application", true, nil)
	want("the other application's is on", letter(other.GetId()), "of the other application", help)
	want("an application that is gone", letter("gone"), "of People", help)
}

func TestNoSecretOfAnEmailIsTold(t *testing.T) {
	p := newPost(t)
	p.rest()
	p.newUser("ann")
	p.register(registration("bea"))
	p.forgot("ann")
	var secrets []string
	for _, l := range p.arrived() {
		secrets = append(secrets, tokenOf(t, l))
	}
	if len(secrets) != 2 {
		t.Fatalf("%d letters", len(secrets))
	}
	for _, token := range secrets {
		ticket, err := p.people.GetTicket(t.Context(), p.domain, token)
		if err != nil {
			t.Fatal(err)
		}
		chosen := "a very new password"
		if ticket.GetPurpose() == directoryv1.Ticket_VERIFY_REGISTRATION {
			chosen = registration("bea").Password
		}
		if _, _, err := p.people.UseTicket(t.Context(), p.domain, token, chosen); err != nil {
			t.Fatal(err)
		}
	}
	secrets = append(secrets, password, "a very new password", "$argon2id$")
	told := p.log.String() + p.call("GET", "/domains/"+p.domain+"/users", "").text
	audits := p.call("GET", "/domains/"+p.domain+"/audits?size=100", "")
	for _, entry := range audits.body["data"].([]any) {
		told += p.call("GET", "/domains/"+p.domain+"/audits/"+entry.(map[string]any)["id"].(string), "").text
	}
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			t.Errorf("%.10s… is told", secret)
		}
	}
	for _, action := range []string{"register", "verify_registration", "forgot_password", "reset_password", "send_email"} {
		if !strings.Contains(audits.text, `"`+action+`"`) {
			t.Errorf("no record of %s in %s", action, audits.text)
		}
	}
}

func TestWhoseAccountARegistrationBecomes(t *testing.T) {
	p := newPost(t)
	own, inline := catalog.DefaultProviderID(p.domain), p.newInline(p.domain)
	app := p.newApplication(p.domain, "app")
	made, _, err := editor.Create(t.Context(), p.editor, catalog.IdentityProviders, p.place(p.domain), prototree.Object{
		"name": "Partners", "type": "mongo-am-idp", "configuration": prototree.Object{},
	})
	if err != nil {
		t.Fatal(err)
	}
	partners := made.GetId()
	uses := func(providers ...string) {
		t.Helper()
		list := make([]any, len(providers))
		for i, id := range providers {
			list[i] = prototree.Object{"identity": id, "priority": i}
		}
		if _, err := editor.Patch(t.Context(), p.editor, catalog.Applications, p.place(p.domain), app.GetId(), prototree.Object{"identityProviders": list}, 0); err != nil {
			t.Fatal(err)
		}
	}
	for i, tt := range []struct {
		name        string
		application bool
		preferred   string
		uses        []string
		want        string
	}{
		{"nothing said", false, "", nil, own},
		{"the settings' provider", false, partners, nil, partners},
		{"an application without the domain's own people", true, "", []string{inline, partners}, partners},
		{"an application with the settings' provider", true, own, []string{partners, own}, own},
		{"an application without the settings' provider", true, own, []string{partners}, partners},
		{"an application without people of the directory", true, own, []string{inline}, ""},
		{"an application without providers", true, "", nil, ""},
	} {
		p.patch(prototree.Object{"accountSettings": prototree.Object{"inherited": false, "defaultIdentityProviderForRegistration": tt.preferred}})
		uses(tt.uses...)
		r := registration(fmt.Sprintf("ann%d", i))
		if r.Domain = p.domain; tt.application {
			r.Sender.Application = app.GetId()
		}
		err := p.people.Enroll(t.Context(), r)
		if tt.want == "" {
			wantKind(t, tt.name, err, fault.Unmet)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		p.only()
		if u, err := p.store.Users().FindByUsername(t.Context(), p.domain, tt.want, r.GetUsername()); err != nil {
			t.Errorf("%s: nobody at %s: %v, %v", tt.name, tt.want, u, err)
		}
	}
}

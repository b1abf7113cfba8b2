package directory_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer/mailtest"
)

func TestSomebodyForgetsTheirPassword(t *testing.T) {
	p := newPost(t)
	ann := p.newUser("ann")
	p.forgot("ANN")
	l := p.only()
	if l.To[0] != "ann@example.com" || !strings.HasPrefix(l.Link(), gatewayURL+"/people/resetPassword?token=") {
		t.Errorf("to %v: %s", l.To, l.Link())
	}
	token := tokenOf(t, l)
	_, _, err := p.people.UseTicket(t.Context(), p.domain, token, "")
	wantKind(t, "without a password", err, fault.Invalid)
	p.patch(prototree.Object{"passwordSettings": prototree.Object{"minLength": 12}})
	_, _, err = p.people.UseTicket(t.Context(), p.domain, token, "short")
	wantKind(t, "with a password that breaks the rules", err, fault.Invalid)
	const fresh = "a password that nobody had before"
	ticket, user, err := p.people.UseTicket(t.Context(), p.domain, token, fresh)
	if err != nil || ticket.GetPurpose() != directoryv1.Ticket_RESET_PASSWORD || !user.GetEmailVerified() || user.GetLastPasswordReset() == nil {
		t.Fatalf("%v, %v, %v", ticket, user, err)
	}
	wantKind(t, "sign-in with the new password", p.signsIn("ann", fresh), fault.Internal)
	wantKind(t, "sign-in with the old password", p.signsIn("ann", password), fault.Unauthenticated)
	_, _, err = p.people.UseTicket(t.Context(), p.domain, token, fresh+"!")
	wantKind(t, "the second use", err, fault.NotFound)

	for _, tt := range []struct {
		name string
		end  func() error
	}{
		{"another password", func() error { _, err := p.people.SetPassword(t.Context(), p.domain, ann.GetId(), fresh); return err }},
		{"a lock", func() error {
			if err := p.people.Lock(t.Context(), p.domain, ann.GetId(), 0); err != nil {
				return err
			}
			return p.people.Unlock(t.Context(), p.domain, ann.GetId(), 0)
		}},
		{"disabling", func() error {
			if _, err := p.people.SetEnabled(t.Context(), p.domain, ann.GetId(), false, 0); err != nil {
				return err
			}
			_, err := p.people.SetEnabled(t.Context(), p.domain, ann.GetId(), true, 0)
			return err
		}},
		{"a newer link", func() error { p.forgot("ann"); p.only(); return nil }},
		{"another address", func() error {
			_, err := p.people.Patch(t.Context(), p.domain, ann.GetId(), prototree.Object{"email": "ann@example.net"}, 0)
			return err
		}},
		{"deletion", func() error { return p.people.Delete(t.Context(), p.domain, ann.GetId(), 0) }},
	} {
		// Every link in this test is the first of its hour.
		if p.now.IsZero() {
			p.now = time.Now()
		}
		p.now = p.now.Add(2 * time.Hour)
		p.forgot("ann")
		token := tokenOf(t, p.only())
		if err := tt.end(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		_, _, err := p.people.UseTicket(t.Context(), p.domain, token, fresh+"!")
		wantKind(t, "a link after "+tt.name, err, fault.NotFound)
	}
}

func TestWhoIsSentALinkForAnotherPassword(t *testing.T) {
	p := newPost(t)
	p.newUser("ann")
	disabled := p.newUser("dis")
	if _, err := p.people.SetEnabled(t.Context(), p.domain, disabled.GetId(), false, 0); err != nil {
		t.Fatal(err)
	}
	locked := p.newUser("loc")
	if err := p.people.Lock(t.Context(), p.domain, locked.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := p.people.Create(t.Context(), p.domain, &directoryv1.NewUser{Username: fmt.Sprintf("many%d", i), Password: password, Email: "many@example.com"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.people.Create(t.Context(), p.domain, &directoryv1.NewUser{Username: "silent", Password: password}); err != nil {
		t.Fatal(err)
	}
	inline := p.newInline(p.domain)
	if _, err := p.people.SignIn(t.Context(), p.domain, "", &directoryv1.Identity{Source: inline, ExternalId: "out", Username: "outsider", Email: "out@example.com"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, login string
		letters     int
	}{
		{"a name", "ann", 1},
		{"a name in another case and with blanks", " Ann ", 1},
		{"an address", "ANN@example.com", 1},
		{"nobody", "nobody", 0},
		{"nobody's address", "nobody@example.com", 0},
		{"a disabled account", "dis", 0},
		{"a locked account", "loc", 0},
		{"an account without an address", "silent", 0},
		{"somebody whose password is kept elsewhere", "out@example.com", 0},
		{"an address of many", "many@example.com", 3},
		{"a header", "ann@example.com, bob@example.com", 0},
	} {
		p.forgot(tt.login)
		if got := p.arrived(); len(got) != tt.letters {
			t.Errorf("%s: %d letters, want %d", tt.name, len(got), tt.letters)
		}
	}
	none := &directoryv1.ForgotPasswordRequest{Domain: p.domain, Login: "ann", Sender: sender(), Sources: []string{inline}}
	if err := p.people.Forgot(t.Context(), none); err != nil {
		t.Fatal(err)
	}
	if got := p.arrived(); len(got) != 0 {
		t.Errorf("somebody of another source was sent %d letters", len(got))
	}
}

func TestOneMailboxIsNotFlooded(t *testing.T) {
	p := newPost(t)
	p.now = time.Now()
	p.newUser("ann")
	for range 8 {
		p.forgot("ann")
	}
	if got := p.arrived(); len(got) != 5 {
		t.Errorf("%d letters within an hour, want 5", len(got))
	}
	p.now = p.now.Add(61 * time.Minute)
	p.forgot("ann")
	p.only()
}

func TestOneOfManyUsesALink(t *testing.T) {
	p := newPost(t)
	p.newUser("ann")
	p.forgot("ann")
	token := tokenOf(t, p.only())
	const racers = 32
	won := make(chan error, racers)
	for i := range racers {
		go func() {
			_, _, err := p.people.UseTicket(t.Context(), p.domain, token, fmt.Sprintf("password of racer %d", i))
			won <- err
		}()
	}
	winners := 0
	for range racers {
		switch err := <-won; {
		case err == nil:
			winners++
		case !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Unavailable):
			t.Error(err)
		}
	}
	if winners != 1 {
		t.Errorf("%d winners", winners)
	}
}

func TestALockedAccount(t *testing.T) {
	p := newPost(t)
	p.newUser("ann")
	notify := func(name string) []*mailtest.Letter {
		t.Helper()
		if err := p.people.NotifyLocked(t.Context(), &directoryv1.NotifyLockedRequest{
			Domain: p.domain, Source: catalog.DefaultProviderID(p.domain), Username: name, Sender: sender(),
		}); err != nil {
			t.Fatal(err)
		}
		return p.arrived()
	}
	for _, nobody := range []string{"nobody", "", strings.Repeat("x", 300)} {
		if got := notify(nobody); len(got) != 0 {
			t.Errorf("%.10q: %d letters", nobody, len(got))
		}
	}
	got := notify("ann")
	if len(got) != 1 || !strings.Contains(got[0].Link(), "/resetPassword?token=") {
		t.Fatalf("%d letters", len(got))
	}
	ticket, user, err := p.people.UseTicket(t.Context(), p.domain, tokenOf(t, got[0]), "a password after the lock")
	if err != nil || ticket.GetPurpose() != directoryv1.Ticket_UNLOCK || user.GetSource() != catalog.DefaultProviderID(p.domain) || user.GetUsername() != "ann" {
		t.Fatalf("%v, %v, %v", ticket, user, err)
	}
	p.patch(prototree.Object{"accountSettings": prototree.Object{"inherited": false, "sendRecoverAccountEmail": false}})
	if got := notify("ann"); len(got) != 0 {
		t.Errorf("switched off: %d letters", len(got))
	}
}

func TestAPasswordWhoseTimeIsOver(t *testing.T) {
	p := newPost(t)
	p.now = time.Now().UTC().Truncate(time.Second)
	ann := p.newUser("ann")
	p.patch(prototree.Object{"passwordSettings": prototree.Object{"expiryDuration": 30}})
	p.now = p.now.Add(29 * 24 * time.Hour)
	wantKind(t, "in time", p.signsIn("ann", password), fault.Internal)
	p.now = p.now.Add(25 * time.Hour)
	wantKind(t, "too late", p.signsIn("ann", password), fault.Denied)
	wantKind(t, "too late with a wrong password", p.signsIn("ann", "wrong"), fault.Unauthenticated)
	token, err := p.people.WayOut(t.Context(), ann, sender())
	if err != nil {
		t.Fatal(err)
	}
	_, user, err := p.people.UseTicket(t.Context(), p.domain, token, "a password for the next month")
	if err != nil || user.GetEmailVerified() {
		t.Fatalf("%v, %v: the mailbox was not read", user, err)
	}
	wantKind(t, "with another password", p.signsIn("ann", "a password for the next month"), fault.Internal)
}

func TestPeopleChooseNoShortPasswordsWhereNothingIsSaid(t *testing.T) {
	p := newPost(t)
	r := registration("ann")
	r.Domain, r.Password = p.domain, "7 chars"
	err := p.people.Enroll(t.Context(), r)
	if f := asFault(err); !fault.Is(err, fault.Invalid) || f.Details[0].Path != "password" || f.Details[0].Detail != "must have at least 8 characters" {
		t.Errorf("registration: %v", err)
	}
	p.newUser("bob")
	p.forgot("bob")
	token := tokenOf(t, p.only())
	_, _, err = p.people.UseTicket(t.Context(), p.domain, token, "7 chars")
	wantKind(t, "a link", err, fault.Invalid)
	if _, _, err = p.people.UseTicket(t.Context(), p.domain, token, "8 chars!"); err != nil {
		t.Errorf("a link: %v", err)
	}
	p.patch(prototree.Object{"passwordSettings": prototree.Object{"minLength": 6}})
	r.Password = "6chars"
	if err := p.people.Enroll(t.Context(), r); err != nil {
		t.Errorf("settings that name a number: %v", err)
	}
	if _, err := p.people.Create(t.Context(), p.domain, &directoryv1.NewUser{Username: "eve", Password: "6chars", Email: "eve@example.com"}); err != nil {
		t.Errorf("an operator: %v", err)
	}
}

package gatewaytest

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// DirectoryProvider is the provider whose people those become who register.
const DirectoryProvider = "people"

// People adds the provider DirectoryProvider, whose people the directory keeps.
func (c *Config) People() {
	c.parts = append(c.parts, &configv1.IdentityProvider{
		Id: DirectoryProvider, Domain: c.Domain.GetId(), Name: "Own accounts",
		Config: &configv1.IdentityProvider_Directory{Directory: &configv1.DirectoryProvider{}},
	})
}

// Mail is an e-mail that the directory has sent.
type Mail struct {
	To, Token string
	Ticket    *directoryv1.Ticket
	Sender    *directoryv1.Sender
}

// accounts are what people make and repair themselves.
type accounts struct {
	passwords map[string]string // by domain, provider and name
	tickets   map[string]*ticket
	mails     []Mail
	locked    []*directoryv1.NotifyLockedRequest
}

type ticket struct {
	domain, subject string
	ticket          *directoryv1.Ticket
}

// Mails returns what was sent since the last call.
func (d *Directory) Mails() []Mail {
	d.mu.Lock()
	defer d.mu.Unlock()
	sent := d.accounts.mails
	d.accounts.mails = nil
	return sent
}

// Locked returns the locks of which owners were told since the last call.
func (d *Directory) Locked() []*directoryv1.NotifyLockedRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	told := d.accounts.locked
	d.accounts.locked = nil
	return told
}

// Person adds somebody of a provider of the directory, with Password.
func (d *Directory) Person(domain, source, username string) *directoryv1.User {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.person(domain, source, username, username+"@acme.example", Password)
}

func (d *Directory) person(domain, source, username, email, password string) *directoryv1.User {
	u := &directoryv1.User{
		Id: "user-" + username, Domain: domain, Username: username, Source: source, ExternalId: username, Email: email,
		Subject: Subject(source, username),
	}
	d.users[domain+"/"+u.Subject] = u
	d.accounts.passwords[domain+"/"+source+"/"+username] = password
	return u
}

// Invite sends somebody a link of a purpose without being asked for it, as operators do.
func (d *Directory) Invite(u *directoryv1.User, purpose directoryv1.Ticket_Purpose) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.send(u, purpose, "", &directoryv1.Sender{})
}

func (d *Directory) send(u *directoryv1.User, purpose directoryv1.Ticket_Purpose, clientID string, sender *directoryv1.Sender) string {
	token := secret.NewToken()
	made := &directoryv1.Ticket{Purpose: purpose, Username: u.GetUsername(), Email: u.GetEmail(), ClientId: clientID, Query: sender.GetQuery()}
	d.accounts.tickets[token] = &ticket{u.GetDomain(), u.GetSubject(), made}
	d.accounts.mails = append(d.accounts.mails, Mail{To: u.GetEmail(), Token: token, Ticket: made, Sender: sender})
	return token
}

// clientOf is the client_id of an application of these tests.
func clientOf(application string) string { return strings.TrimPrefix(application, "app-") }

func weak(password string) error {
	if len(password) < 8 {
		return fault.Invalidf("the password is refused").At("password", "must have at least 8 characters")
	}
	return nil
}

// Register makes an account whose address is to be shown to be the person's. A name that is taken sends nothing.
func (d *Directory) Register(_ context.Context, in *directoryv1.RegisterRequest) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	switch {
	case d.away != nil:
		return d.away
	case !strings.Contains(in.GetEmail(), "@"):
		return fault.Invalidf("the account is refused").At("email", "must be an e-mail address")
	}
	if err := weak(in.GetPassword()); err != nil {
		return err
	}
	if _, taken := d.accounts.passwords[in.GetDomain()+"/"+DirectoryProvider+"/"+in.GetUsername()]; taken {
		return nil
	}
	u := d.person(in.GetDomain(), DirectoryProvider, in.GetUsername(), in.GetEmail(), in.GetPassword())
	u.FirstName, u.LastName, u.Enabled = in.GetFirstName(), in.GetLastName(), proto.Bool(false)
	d.send(u, directoryv1.Ticket_VERIFY_REGISTRATION, clientOf(in.GetSender().GetApplication()), in.GetSender())
	return nil
}

// ForgotPassword sends a link to whoever has the name or the address.
func (d *Directory) ForgotPassword(_ context.Context, in *directoryv1.ForgotPasswordRequest) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.away != nil {
		return d.away
	}
	for _, u := range d.users {
		if u.GetDomain() == in.GetDomain() && (strings.EqualFold(u.GetUsername(), in.GetLogin()) || strings.EqualFold(u.GetEmail(), in.GetLogin())) {
			d.send(u, directoryv1.Ticket_RESET_PASSWORD, clientOf(in.GetSender().GetApplication()), in.GetSender())
		}
	}
	return nil
}

// Ticket says what a link is for.
func (d *Directory) Ticket(_ context.Context, domain, token string) (*directoryv1.Ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	t := d.accounts.tickets[token]
	switch {
	case d.away != nil:
		return nil, d.away
	case t == nil || t.domain != domain:
		return nil, fault.NotFoundf("the link is unknown, used or expired")
	}
	return proto.CloneOf(t.ticket), nil
}

// UseTicket does what a link is for, once.
func (d *Directory) UseTicket(_ context.Context, domain, token, password string) (*directoryv1.Ticket, *directoryv1.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	t := d.accounts.tickets[token]
	switch {
	case d.away != nil:
		return nil, nil, d.away
	case t == nil || t.domain != domain:
		return nil, nil, fault.NotFoundf("the link is unknown, used or expired")
	}
	u := d.users[domain+"/"+t.subject]
	if t.ticket.GetPurpose() == directoryv1.Ticket_VERIFY_REGISTRATION {
		if password == "" || d.accounts.passwords[domain+"/"+u.GetSource()+"/"+u.GetUsername()] != password {
			return nil, nil, fault.Invalidf("the password is refused").At("password", "is not the one that was chosen at registration")
		}
		u.Enabled, u.EmailVerified = nil, true
	} else {
		if err := weak(password); err != nil {
			return nil, nil, err
		}
		d.accounts.passwords[domain+"/"+u.GetSource()+"/"+u.GetUsername()] = password
		u.LastPasswordReset = timestamppb.New(d.now())
	}
	delete(d.accounts.tickets, token)
	return proto.CloneOf(t.ticket), proto.CloneOf(u), nil
}

// NotifyLocked notes that the owner of an account was told.
func (d *Directory) NotifyLocked(_ context.Context, domain, source, username string, sender *directoryv1.Sender) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.away != nil {
		return d.away
	}
	d.accounts.locked = append(d.accounts.locked, &directoryv1.NotifyLockedRequest{Domain: domain, Source: source, Username: username, Sender: sender})
	return nil
}

// Retarget makes a link one that was asked for at an application, with a query.
func (d *Directory) Retarget(token, clientID, query string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accounts.tickets[token].ticket.ClientId, d.accounts.tickets[token].ticket.Query = clientID, query
}

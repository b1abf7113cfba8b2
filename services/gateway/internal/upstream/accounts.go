package upstream

import (
	"context"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Register makes an account for somebody. What is wrong with what was entered is fault.Invalid, with the places; that accounts
// cannot be made here is fault.Unmet.
func (d *Directory) Register(ctx context.Context, in *directoryv1.RegisterRequest) error {
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	_, err := d.client.Register(ctx, in)
	return translate(err, d.failed)
}

// ForgotPassword sends somebody a link for a new password. That this is not possible here is fault.Unmet.
func (d *Directory) ForgotPassword(ctx context.Context, in *directoryv1.ForgotPasswordRequest) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := d.client.ForgotPassword(ctx, in)
	return translate(err, d.failed)
}

// Ticket says what the link of an e-mail is for; fault.NotFound if it is for nothing any more.
func (d *Directory) Ticket(ctx context.Context, domain, token string) (*directoryv1.Ticket, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := d.client.GetTicket(ctx, &directoryv1.GetTicketRequest{Domain: domain, Token: token})
	return answer.GetTicket(), translate(err, d.failed)
}

// UseTicket does what the link of an e-mail is for. A password that breaks the rules is fault.Invalid and can be followed by
// another; a link that is for nothing any more is fault.NotFound, an account that may not sign in fault.Denied.
func (d *Directory) UseTicket(ctx context.Context, domain, token, password string) (*directoryv1.Ticket, *directoryv1.User, error) {
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	answer, err := d.client.UseTicket(ctx, &directoryv1.UseTicketRequest{Domain: domain, Token: token, Password: password})
	return answer.GetTicket(), answer.GetUser(), translate(err, d.failed)
}

// NotifyLocked tells the owner of an account, if there is one, that it is locked.
func (d *Directory) NotifyLocked(ctx context.Context, domain, source, username string, sender *directoryv1.Sender) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := d.client.NotifyLocked(ctx, &directoryv1.NotifyLockedRequest{Domain: domain, Source: source, Username: username, Sender: sender})
	return translate(err, d.failed)
}

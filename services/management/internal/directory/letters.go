package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// writer makes the letters of one errand.
type writer struct {
	*Service
	at     *setting
	sender *directoryv1.Sender
	seed   []byte
}

// token is that of somebody's ticket. It follows from the errand, so that an errand that is worked out twice makes one ticket.
func (w *writer) token(purpose directoryv1.Ticket_Purpose, u *directoryv1.User) string {
	sum := hmac.New(sha256.New, w.seed)
	sum.Write([]byte(purpose.String() + "\n" + u.GetId()))
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

// withTicket issues a ticket and writes the letter that its link stands in.
func (w *writer) withTicket(ctx context.Context, purpose directoryv1.Ticket_Purpose, u *directoryv1.User) (mailer.Letter, error) {
	kind := ticketKinds[purpose]
	own, err := w.ownText(ctx, kind.template)
	if err != nil {
		return mailer.Letter{}, err
	}
	lifetime := kind.lifetime
	if seconds := own.GetExpiresAfter(); seconds > 0 {
		lifetime = time.Duration(seconds) * time.Second
	}
	token := w.token(purpose, u)
	if err := w.issue(ctx, purpose, u, w.sender, token, true, lifetime); err != nil {
		return mailer.Letter{}, err
	}
	l := w.letter(ctx, kind.template, own, u, map[string]any{
		"url": linkWith(w.sender, kind.page, token), "expiresAfter": int64(lifetime / time.Second),
	})
	l.Until = w.now().Add(lifetime)
	return l, nil
}

// letter writes to somebody: with the text of an administrator or, where there is none or it fails, the product's own.
func (w *writer) letter(ctx context.Context, template string, own *configv1.Email, u *directoryv1.User, values map[string]any) mailer.Letter {
	values["domain"] = map[string]any{"name": w.at.domain.GetName()}
	values["user"] = map[string]any{
		"username": u.GetUsername(), "firstName": u.GetFirstName(), "lastName": u.GetLastName(), "email": u.GetEmail(),
	}
	if app := w.at.app; app != nil {
		client := app.GetSettings().GetOauth()
		values["application"] = map[string]any{
			"name": app.GetName(), "clientId": client.GetClientId(), "logoUri": client.GetLogoUri(), "policyUri": client.GetPolicyUri(),
			"tosUri": client.GetTosUri(),
		}
	}
	l := mailer.Letter{User: u.GetId(), Name: u.GetUsername(), Template: template, To: u.GetEmail()}
	if own != nil {
		subject, content, err := catalog.RenderEmail(template, own.GetSubject(), own.GetContent(), values)
		if err == nil {
			l.Subject, l.HTML, l.From, l.FromName = subject, content, own.GetFrom(), own.GetFromName()
			return l
		}
		w.log.ErrorContext(ctx, "the text of an e-mail fails, the product's own is sent", "domain", w.at.domain.GetId(),
			"template", template, "email", own.GetId(), "err", err)
	}
	content, subject, language := pagetext.Email(template).StandardIn(w.languages(u)...)
	var err error
	if l.Subject, l.HTML, err = catalog.RenderEmail(template, subject, content, values); err != nil {
		// A name that is far too long, or holds control characters, fits no subject.
		w.log.ErrorContext(ctx, "an e-mail cannot be written as usual", "domain", w.at.domain.GetId(), "template", template, "err", err)
		delete(values, "user")
		values["domain"] = map[string]any{"name": w.at.domain.GetId()}
		l.Subject, l.HTML, _ = catalog.RenderEmail(template, subject, content, values)
	}
	l.Language = language
	return l
}

// languages are those that somebody reads: what their browser says, or else what is known of them.
func (w *writer) languages(u *directoryv1.User) []string {
	return append(append([]string(nil), w.sender.GetLocales()...), u.GetPreferredLanguage(), u.GetLocale())
}

// ownText returns the text that stands in the place of the product's own: that of the application or else of the domain, if it
// is switched on; nil for none.
func (w *writer) ownText(ctx context.Context, template string) (*configv1.Email, error) {
	levels := []string{""}
	if w.at.app != nil {
		levels = []string{w.at.app.GetId(), ""}
	}
	for _, application := range levels {
		key := catalog.TemplateKey(w.at.domain.GetId(), application, template)
		own, err := store.FindByUnique(ctx, w.store, catalog.Emails, catalog.UniqueTemplate, key)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, err
		case own.GetEnabled():
			return own, nil
		}
	}
	return nil, nil
}

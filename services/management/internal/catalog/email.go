package catalog

import (
	"net/mail"
	"strings"
	"unicode"

	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Emails are the messages that people receive, where they replace the product's own.
var Emails = &Kind[*configv1.Email]{
	Arm:    "email",
	Title:  "Email",
	Path:   "emails",
	Parent: Domains,
	List:   Bare,
	Name:   func(m *configv1.Email) string { return EmailTemplate(m.GetTemplate()) },
	Unique: []Unique[*configv1.Email]{{
		Name:  UniqueTemplate,
		Value: func(m *configv1.Email) string { return levelKey(m, EmailTemplate(m.GetTemplate())) },
		Taken: func(_, m *configv1.Email) error {
			return exists("email with template", EmailTemplate(m.GetTemplate()))
		},
	}},
	Validate: func(_ *Scene, _, m *configv1.Email) error { return validateEmail(m) },
}

// EmailTemplate returns the word of a template, in lower case; none is empty.
func EmailTemplate(t configv1.Email_Template) string {
	if t == configv1.Email_TEMPLATE_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(t.String())
}

const (
	maxSenderName   = 256
	maxExpiresAfter = 365 * 24 * 60 * 60
)

func validateEmail(m *configv1.Email) error {
	template := EmailTemplate(m.GetTemplate())
	if err := required("template", template, "from", m.GetFrom(), "subject", m.GetSubject(), "content", m.GetContent()); err != nil {
		return err
	}
	// A line break in a header would begin another one.
	if a, err := mail.ParseAddress(m.GetFrom()); err != nil || a.Address != m.GetFrom() || a.Name != "" ||
		strings.ContainsFunc(m.GetFrom(), unicode.IsControl) {
		return broken("from", m.GetFrom(), "must be an address such as no-reply@example.com")
	}
	if len(m.GetFromName()) > maxSenderName || strings.ContainsFunc(m.GetFromName(), unicode.IsControl) {
		return broken("fromName", "", "must be at most 256 bytes without control characters")
	}
	if m.GetExpiresAfter() < 0 || m.GetExpiresAfter() > maxExpiresAfter {
		return broken("expiresAfter", "", "must be between 0 and 31536000")
	}
	v := pagetext.Email(template)
	if _, err := pagetext.CompileLine(v, m.GetSubject()); err != nil {
		return badText("subject", err)
	}
	_, err := pagetext.Compile(v, m.GetContent())
	return badText("content", err)
}

// RenderEmail renders a message for the values of its template. Faults are those of a text: fault.Invalid.
func RenderEmail(template, subject, content string, values map[string]any) (renderedSubject, renderedContent string, err error) {
	v := pagetext.Email(template)
	if renderedSubject, err = filled(v, "subject", subject, values, pagetext.CompileLine); err != nil {
		return "", "", err
	}
	renderedContent, err = filled(v, "content", content, values, pagetext.Compile)
	return renderedSubject, renderedContent, err
}

// PreviewEmail renders a message with sample data. What is empty is taken from the product's own message.
func PreviewEmail(template, subject, content string) (renderedSubject, renderedContent string, err error) {
	v := pagetext.Email(template)
	if v == nil {
		return "", "", required("template", "")
	}
	ownContent, ownSubject := v.Standard()
	if subject == "" {
		subject = ownSubject
	}
	if content == "" {
		content = ownContent
	}
	return RenderEmail(template, subject, content, v.Sample())
}

package mailer

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// Letter is one e-mail to one person.
type Letter struct {
	// ID is the same in every attempt: the Message-ID is made of it.
	ID string `json:"id"`
	// User is the identifier of who receives it, Name what they are called in audit records; empty where nobody is known.
	User string `json:"user,omitempty"`
	Name string `json:"name,omitempty"`
	// Template is the word of its text, for records.
	Template string `json:"template"`
	To       string `json:"to"`
	// From and FromName are empty where the installation's own count.
	From     string `json:"from,omitempty"`
	FromName string `json:"fromName,omitempty"`
	Subject  string `json:"subject"`
	HTML     string `json:"html"`
	// Language is that of the text (BCP 47); empty where it is not known.
	Language string `json:"language,omitempty"`
	// Until is when the letter is worth nothing any more; zero means never.
	Until time.Time `json:"until"`
}

// errHeader says that a letter would have another header than it was given.
var errHeader = errors.New("a line break in a header")

// message writes a letter down as RFC 5322 and MIME want it: text and HTML, and a header field by which programs that answer
// by themselves stay silent (RFC 3834 §5). Every member may come from somebody who wants another header.
func (l *Letter) message(s *Settings, now time.Time) (*gomail.Msg, error) {
	for _, text := range []string{l.To, l.From, l.FromName, l.Subject, l.Language, l.ID} {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return nil, errHeader
		}
	}
	to, err := Deliverable(l.To)
	if err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	from := s.From
	if l.From != "" {
		if from.Address, err = Deliverable(l.From); err != nil {
			return nil, fmt.Errorf("sender: %w", err)
		}
		from.Name = ""
	}
	if l.FromName != "" {
		from.Name = l.FromName
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&from)
	m.ToMailAddress(&mail.Address{Address: to})
	m.Subject(l.Subject)
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(l.ID + "@" + domain)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	if l.Language != "" {
		m.SetGenHeader(gomail.HeaderContentLang, l.Language)
	}
	m.SetBodyString(gomail.TypeTextPlain, PlainText(l.HTML))
	m.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	return m, nil
}

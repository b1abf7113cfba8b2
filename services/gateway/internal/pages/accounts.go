package pages

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Problem is what is wrong with one field of a form.
type Problem struct {
	// Field is the name of the input, and its id.
	Field string
	// Text ends the sentence that begins with the field's label, in English. Those of problems are shown in the language of the
	// page, all others as they are.
	Text string
}

// Problems are shown above a form and beside its fields.
type Problems []Problem

// Of are the problems of one field.
func (p Problems) Of(field string) Problems {
	return slices.DeleteFunc(slices.Clone(p), func(one Problem) bool { return one.Field != field })
}

// Register is the page on which people make accounts.
type Register struct {
	// Action is the absolute URL the form goes to.
	Action string
	// Client is nil where the page was opened without an application.
	Client   *domain.Client
	Token    string
	Message  Message
	Problems Problems
	// What was entered before.
	FirstName, LastName, Email, Username string
	// Back is the URL of the sign-in page; may be empty.
	Back string
}

// Register answers the page on which people make accounts.
func (p *Pages) Register(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Register) error {
	return p.account(w, r, "register", "register.title", d, page.Client, len(page.Problems) > 0 || page.Message != "", page,
		&custom{"registration", func(l *language) map[string]any {
			return form(l, page.Action, page.Token, l.summary(page.Message, page.Problems), map[string]any{
				"firstName": page.FirstName, "lastName": page.LastName, "email": page.Email, "username": page.Username, "back": page.Back,
			})
		}})
}

// Forgot is the page on which people ask for a link by which they choose another password.
type Forgot struct {
	Action  string
	Client  *domain.Client
	Token   string
	Message Message
	// Email is what was entered before: an address or a user name.
	Email string
	Back  string
}

// Forgot answers the page.
func (p *Pages) Forgot(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Forgot) error {
	return p.account(w, r, "forgot", "forgot.title", d, page.Client, page.Message != "", page,
		&custom{"forgot_password", func(l *language) map[string]any {
			return form(l, page.Action, page.Token, page.Message, map[string]any{"email": page.Email, "back": page.Back, "sent": false})
		}})
}

// Password is the page behind the link of an e-mail: a new password, or the one that was chosen at registration.
type Password struct {
	Action   string
	Client   *domain.Client
	Token    string
	Message  Message
	Problems Problems
	Username string
	// Ticket is the secret of the link, which the form repeats.
	Ticket string
	// Verifies asks for the password that was chosen before: who reads the mailbox may be somebody else than who chose it.
	Verifies bool
	// Form names the page of administrators that takes its place: registration_confirmation, reset_password or blocked_account;
	// empty if none can.
	Form string
}

// Password answers the page.
func (p *Pages) Password(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Password) error {
	title := "password.title"
	if page.Verifies {
		title = "password.verify-title"
	}
	var own *custom
	if page.Form != "" {
		own = &custom{page.Form, func(l *language) map[string]any {
			return form(l, page.Action, page.Token, l.summary(page.Message, page.Problems), map[string]any{"username": page.Username, "ticket": page.Ticket})
		}}
	}
	return p.account(w, r, "password", title, d, page.Client, len(page.Problems) > 0 || page.Message != "", page, own)
}

// Notice is a page that says one thing.
type Notice struct {
	Client *domain.Client
	Kind   NoticeKind
	// Email is the address that the text names; may be empty.
	Email string
	// Next is where a link leads; empty where there is none.
	Next string
}

// NoticeKind is what a notice says: the keys of its title, its text and its link, and the status of the answer.
type NoticeKind struct {
	status            int
	Title, Text, Link string
	Bad               bool
}

// The notices.
var (
	NoticeRegistered      = NoticeKind{http.StatusOK, "notice.registered-title", "notice.registered", "", false}
	NoticeForgot          = NoticeKind{http.StatusOK, "notice.forgot-title", "notice.forgot", "", false}
	NoticeVerified        = NoticeKind{http.StatusOK, "notice.verified-title", "notice.verified", "notice.sign-in", false}
	NoticePasswordChanged = NoticeKind{http.StatusOK, "notice.changed-title", "notice.changed", "notice.sign-in", false}
	NoticeSignedIn        = NoticeKind{http.StatusOK, "notice.signed-in-title", "notice.signed-in", "common.continue", false}
	NoticeLinkOver        = NoticeKind{http.StatusGone, "notice.over-title", "notice.over", "notice.another-link", true}
	NoticeDisabled        = NoticeKind{http.StatusForbidden, "notice.disabled-title", "notice.disabled", "", true}
	NoticeTooMany         = NoticeKind{http.StatusTooManyRequests, "notice.too-many-title", "notice.too-many", "", true}
	NoticeOff             = NoticeKind{http.StatusServiceUnavailable, "notice.off-title", "notice.off", "", true}
)

// Notice answers a notice.
func (p *Pages) Notice(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Notice) error {
	return p.write(w, r, page.Kind.status, "notice", p.with(page.Client)+noForms,
		view{d: d, base: d.Base, Title: page.Kind.Title, Domain: d.Name, Page: page, app: page.Client})
}

// Sessions is the page on which somebody sees where they are signed in, and ends that.
type Sessions struct {
	Action string
	Token  string
	// Username is who is signed in; empty if nobody is, who is told so.
	Username string
	Message  Message
	List     []Session
	// Others says that there are sessions beside the one of this browser.
	Others bool
}

// Session is one of them.
type Session struct {
	ID string
	// Current is the session of the browser that is shown the page.
	Current bool
	// Browser and System may be empty where they are not known.
	Browser, System string
	Address         string
	Provider        string
	Since, Seen     time.Time
	Remembered      bool
}

// Sessions answers the page.
func (p *Pages) Sessions(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Sessions) error {
	status := http.StatusOK
	if page.Username == "" {
		status = http.StatusForbidden
	}
	return p.write(w, r, status, "sessions", p.policy+forms(r, d), view{d: d, Title: "sessions.title", Domain: d.Name, Page: page})
}

func (p *Pages) account(w http.ResponseWriter, r *http.Request, name, title string, d *domain.Domain, c *domain.Client, refused bool, page any, own *custom) error {
	status := http.StatusOK
	if refused {
		status = http.StatusBadRequest
	}
	return p.write(w, r, status, name, p.with(c)+formsOf(r, d, c), view{d: d, base: d.Base, Title: title, Domain: d.Name, Page: page, app: c, custom: own})
}

// problems are what the directory says of what was entered, by the English text with {n} in the place of a number.
var problems = map[string]string{
	"must not be blank":                            "problem.blank",
	"is too long":                                  "problem.too-long",
	"must have at least {n} characters":            "problem.min",
	"must have at most {n} characters":             "problem.max",
	"must contain a number":                        "problem.number",
	"must contain a special character":             "problem.special",
	"must contain letters in upper and lower case": "problem.case",
	"must not contain more than {n} equal or neighbouring characters in a row": "problem.row",
	"must not be a common password":                                            "problem.common",
	"must not contain the user's names or e-mail address":                      "problem.profile",
	"must not be one of the last {n} passwords":                                "problem.history",
	"must be an e-mail address":                                                "problem.email",
	"must be an e-mail address that every mail server understands":             "problem.email",
	"must not contain a web address":                                           "problem.link",
	"is not the one that was chosen at registration":                           "problem.not-chosen",
	"already exists": "problem.taken",
}

var number = regexp.MustCompile(`[0-9]+`)

// labels are the keys of the labels of fields.
var labels = map[string]string{
	"firstName": "register.first-name", "lastName": "register.last-name", "email": "register.email",
	"username": "login.username", "password": "login.password",
}

// problem is a problem as people read it.
func (l *language) problem(p Problem) string {
	n := number.FindString(p.Text)
	key, ok := problems[strings.Replace(p.Text, n, "{n}", 1)]
	if n == "" {
		key, ok = problems[p.Text]
	}
	if !ok {
		return p.Text
	}
	return strings.ReplaceAll(l.texts[key].other, "{n}", n)
}

// label is the label of a field.
func (l *language) label(field string) string {
	if key, ok := labels[field]; ok {
		return l.texts[key].other
	}
	return field
}

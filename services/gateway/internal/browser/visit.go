package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// The cookies' names.
const (
	SessionCookie = "GATEHOUSE_SESSION"
	FormCookie    = "XSRF-TOKEN"
)

// maxValues is how many cookies of one name are looked at. A browser sends several where another site under the same
// host has set one as well.
const maxValues = 3

// Sessions keeps signed-in browsers; *state.Store does.
type Sessions interface {
	// Session returns state.ErrUnknown if there is none.
	Session(ctx context.Context, cookie, domain string, idle time.Duration) (state.Session, error)
	// SucceedSession begins a session, in the place of one of the same name and person under the cookie old, if any. It returns
	// sessions of the same person that are too many now.
	SucceedSession(ctx context.Context, old, cookie string, v state.Session, idle time.Duration, d state.Device) ([]state.PersonSession, error)
	// UpdateSession returns state.ErrUnknown if the session has ended since it was read.
	UpdateSession(ctx context.Context, cookie string, v state.Session, idle time.Duration) error
	// NoteClient is UpdateSession for a session that signs in to a client.
	NoteClient(ctx context.Context, cookie string, v state.Session, c state.SessionClient, refresh, idle time.Duration) error
	EndSession(ctx context.Context, cookie, domain string) error
	SessionClients(ctx context.Context, cookie, domain string) (state.SessionClients, error)
	ListedClients(ctx context.Context, one state.PersonSession) (state.SessionClients, error)
	CloseSession(ctx context.Context, cookie string, v *state.Session, known state.SessionClients, notices []state.Notice) (state.SessionClients, error)
	QueueNotices(ctx context.Context, list []state.Notice) error
	// PersonSessions lists the sessions of a person in a domain, ListedSession returns one of them, or state.ErrUnknown.
	PersonSessions(ctx context.Context, domain, subject string) ([]state.PersonSession, error)
	ListedSession(ctx context.Context, domain string, one state.PersonSession) (state.Session, error)
	CloseListed(ctx context.Context, one state.PersonSession, v *state.Session, known state.SessionClients, notices []state.Notice) (state.SessionClients, error)
}

// Visit is one request of one browser. It is used by one goroutine.
type Visit struct {
	// Session is who is signed in, nil if nobody is or nobody has looked.
	Session *state.Session
	// Device is what is remembered of the browser when somebody signs in.
	Device state.Device

	w      http.ResponseWriter
	r      *http.Request
	d      *domain.Domain
	cookie string
	// sent are the well-formed values of the session cookie in the order of the request, at most maxValues.
	sent []string
	form string
	// looked is set once the session was looked for or ended, watched if the browser holds a state cookie.
	looked, watched bool
}

// Open begins a visit. The answer will set the session cookie again, whatever it is: simple clients return only the last
// cookie they saw.
func Open(w http.ResponseWriter, r *http.Request, d *domain.Domain) *Visit {
	v := &Visit{w: w, r: r, d: d, sent: values(r), Device: state.Device{Agent: r.UserAgent()}}
	if d.WatchesSessions {
		v.watched = watched(r)
	}
	if i := slices.IndexFunc(v.sent, isSession); i >= 0 {
		v.cookie = v.sent[i]
	} else if len(v.sent) > 0 {
		v.cookie = v.sent[0]
	} else {
		v.cookie = newVisitor()
	}
	v.set()
	return v
}

// Key names the browser, by a hash of its cookie, to whoever counts what it does. It changes when somebody signs in.
func (v *Visit) Key() string { return secret.HashToken(v.cookie) }

// From notes where the browser is, as proxies tell.
func (v *Visit) From(proxies *observe.Proxies) {
	if addr := proxies.ClientIP(v.r); addr.IsValid() {
		v.Device.Address = addr.String()
	}
}

// Is reports whether this is the browser that a Key named.
func (v *Visit) Is(key string) bool {
	return slices.ContainsFunc(v.sent, func(cookie string) bool { return secret.Equal(secret.HashToken(cookie), key) })
}

// Load looks for the session. A browser that is not signed in is no error.
func (v *Visit) Load(ctx context.Context, sessions Sessions) error {
	v.looked = true
	for _, value := range v.sent {
		if !isSession(value) {
			continue
		}
		s, err := sessions.Session(ctx, value, v.d.ID, v.idle(value))
		switch {
		case errors.Is(err, state.ErrUnknown):
			continue
		case err != nil:
			return fmt.Errorf("load session: %w", err)
		}
		v.Session, v.cookie = &s, value
		v.set()
		return nil
	}
	if isSession(v.cookie) {
		v.become(newVisitor())
	} else {
		v.set()
	}
	return nil
}

// Look is Load for those who do not know whether somebody has looked before.
func (v *Visit) Look(ctx context.Context, sessions Sessions) error {
	if v.looked || v.Session != nil {
		return nil
	}
	return v.Load(ctx, sessions)
}

// Successor is the identifier that a session will have once SignIn has stored it. It looks for the one that is there now.
func (v *Visit) Successor(ctx context.Context, sessions Sessions, s *state.Session) (string, error) {
	if err := v.Look(ctx, sessions); err != nil {
		return "", err
	}
	if old := v.Session; old != nil && old.Person.Subject == s.Person.Subject {
		return old.ID, nil
	}
	return s.ID, nil
}

// SignIn stores a new session under a new cookie. The one that was there goes on in it if it was the same person's: clients
// know it by the same name. Another person's ends, and its clients are told.
func (v *Visit) SignIn(ctx context.Context, sessions Sessions, s state.Session) error {
	if v.Session == nil {
		if err := v.Load(ctx, sessions); err != nil {
			return err
		}
	}
	old, oldCookie := v.Session, v.cookie
	same := old != nil && old.Person.Subject == s.Person.Subject
	switch {
	case same:
		s.ID, s.Client, s.Began, s.Stepped = old.ID, old.Client, old.Began, old.Stepping
	case old != nil:
		if _, err := v.Close(ctx, sessions); err != nil {
			return err
		}
	}
	if s.Began == 0 {
		s.Began = s.AuthTime
	}
	value, replaced := newSession(&s), ""
	if same {
		replaced = oldCookie
	}
	crowded, err := sessions.SucceedSession(ctx, replaced, value, s, v.idle(value), v.Device)
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	v.Session = &s
	v.become(value)
	for _, one := range crowded {
		if err := CloseListed(ctx, sessions, v.d, one); err != nil {
			return err
		}
	}
	return nil
}

// Save stores what was changed in the session. It returns state.ErrUnknown if the person has signed out meanwhile; the
// next step is then the authorization endpoint's to find.
func (v *Visit) Save(ctx context.Context, sessions Sessions) error {
	if err := sessions.UpdateSession(ctx, v.cookie, *v.Session, v.idle(v.cookie)); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// Settle forgets what the session remembers of a request that is being answered, so that the same request, sent again,
// asks again; and notes the client that the session is used for. It writes only if that changes anything.
func (v *Visit) Settle(ctx context.Context, sessions Sessions, digest, clientID string) error {
	s := v.Session
	stepped := digest != "" && (s.Stepping == digest || s.Stepped == digest)
	if s.Answered != digest && s.Consented != digest && s.Client == clientID && !stepped {
		return nil
	}
	if stepped {
		s.Stepping, s.Stepped = "", ""
	}
	if s.Answered == digest {
		s.Answered = ""
	}
	if s.Consented == digest {
		s.Consented = ""
	}
	if s.Client == clientID {
		return v.Save(ctx, sessions)
	}
	s.Client = clientID
	c, err := v.d.Client(ctx, clientID)
	if err != nil {
		return err
	}
	err = sessions.NoteClient(ctx, v.cookie, *s, state.SessionClient{ClientID: clientID, ApplicationID: c.ID}, refreshLife(c), v.idle(v.cookie))
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// refreshLife is how long a client's refresh tokens live; 0 if it gets none.
func refreshLife(c *domain.Client) time.Duration {
	if !c.HasGrant(oauth2.GrantRefreshToken) {
		return 0
	}
	return c.RefreshTTL
}

// SignOut forgets the session that the browser's cookie names, if there is one. Nobody is told: Close does that.
func (v *Visit) SignOut(ctx context.Context, sessions Sessions) error {
	if !isSession(v.cookie) {
		return nil
	}
	if err := sessions.EndSession(ctx, v.cookie, v.d.ID); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	v.Session, v.looked = nil, true
	v.become(newVisitor())
	return nil
}

// Forget makes the browser drop its cookies, once the person is signed out.
func (v *Visit) Forget() {
	v.write(v.header(SessionCookie, "", "; Max-Age=0"))
}

func (v *Visit) become(value string) {
	v.cookie = value
	v.set()
}

// set writes the cookies of the answer.
func (v *Visit) set() {
	more := ""
	if life := remembered(v.cookie); life > 0 {
		more = "; Max-Age=" + strconv.FormatInt(int64(life/time.Second), 10)
	}
	v.write(v.header(SessionCookie, v.cookie, more))
}

// idle is after which time without a request the session of a cookie ends.
func (v *Visit) idle(cookie string) time.Duration {
	if life := remembered(cookie); life > 0 {
		return life
	}
	return v.d.SessionIdle
}

// write writes the cookies of the answer, the session's last.
func (v *Visit) write(session string) {
	var fields []string
	if v.form != "" {
		fields = append(fields, v.header(FormCookie, v.form, ""))
	}
	if field := v.stateHeader(); field != "" {
		fields = append(fields, field)
	}
	v.w.Header()["Set-Cookie"] = append(fields, session)
}

// header is the value of a Set-Cookie field. The path is the domain's; over https the cookie goes along with requests
// that other sites cause, which form_post and hidden frames need.
func (v *Visit) header(name, value, more string) string {
	attributes := "; HttpOnly; SameSite=Lax"
	if v.d.SecureCookies {
		attributes = "; HttpOnly; Secure; SameSite=None"
	}
	return name + "=" + value + "; Path=" + Path(v.d) + more + attributes
}

// Path is the path of the domain's public URL.
func Path(d *domain.Domain) string {
	_, rest, _ := strings.Cut(d.Base, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return "/"
}

// Origin is the origin of the domain's public URL.
func Origin(d *domain.Domain) string {
	scheme, rest, _ := strings.Cut(d.Base, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// A session's cookie is a token, a visitor's is a token after a v. That of a session which the browser is to remember is a token
// after an r and the seconds for which it is, in eight hexadecimal digits: so the cookie can be set again, as long-lived as it was,
// before anybody has looked for the session. Whoever changes them has no session.
const (
	tokenLength      = 43
	rememberedLength = 1 + 8 + tokenLength
)

func newVisitor() string { return "v" + secret.NewToken() }

func newSession(s *state.Session) string {
	if s.Remembered > 0 {
		return fmt.Sprintf("r%08x%s", s.Remembered, secret.NewToken())
	}
	return secret.NewToken()
}

func isSession(value string) bool { return len(value) == tokenLength || len(value) == rememberedLength }

// remembered is how long a browser is to keep a cookie; 0 = until it is closed.
func remembered(cookie string) time.Duration {
	if len(cookie) != rememberedLength {
		return 0
	}
	seconds, err := strconv.ParseUint(cookie[1:9], 16, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// values reads the session cookie from a request. Whatever else stands there, such as the attributes of a cookie handed
// back as if they were cookies, is skipped.
func values(r *http.Request) []string {
	var found []string
	for _, field := range r.Header["Cookie"] {
		for pair := range strings.FieldsFuncSeq(field, func(c rune) bool { return c == ';' || c == ',' }) {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			value = strings.Trim(value, `"`)
			if name != SessionCookie || !wellFormed(value) || slices.Contains(found, value) {
				continue
			}
			if found = append(found, value); len(found) == maxValues {
				return found
			}
		}
	}
	return found
}

func wellFormed(value string) bool {
	switch {
	case len(value) == tokenLength:
	case len(value) == tokenLength+1 && value[0] == 'v':
	case value != "" && value[0] == 'r' && remembered(value) > 0:
	default:
		return false
	}
	for i := range len(value) {
		c := value[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

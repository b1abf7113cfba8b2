package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

//go:embed templates
var files embed.FS

// submit is the one line of script: it sends the form of FormPost.
const submit = "document.forms[0].submit()"

// Pages renders pages. It is safe for concurrent use.
type Pages struct {
	// Failures hears of pages of administrators that cannot be rendered; may be nil. It is set before the first request.
	Failures *ruleerrors.Reporter

	style     template.CSS
	styleHash string
	policy    string
	// portal is the further style sheet of My applications, wide the policy of a page with it.
	portal    template.CSS
	wide      string
	languages []*language
	// templates are the pages by language and name.
	templates map[*language]map[string]*template.Template
}

// New reads the templates. That they are sound is a matter of the program's own files.
func New() *Pages {
	languages, err := readTexts(textFiles)
	if err != nil {
		panic(err)
	}
	p := &Pages{
		style: styled("base.css", "cards.css"), portal: styled("base.css", "portal.css"),
		languages: languages, templates: map[*language]map[string]*template.Template{},
	}
	p.styleHash = hash(string(p.style))
	p.policy = "default-src 'none'; style-src " + p.styleHash + "; base-uri 'none'; frame-ancestors 'none'"
	p.wide = strings.Replace(p.policy, p.styleHash, hash(string(p.portal)), 1)
	for _, l := range languages {
		p.templates[l] = parse(l)
	}
	return p
}

// styled is a style sheet made of several files, without what only people who read it need.
func styled(names ...string) template.CSS {
	var all strings.Builder
	for _, name := range names {
		text, err := files.ReadFile("templates/" + name)
		if err != nil {
			panic(err)
		}
		for line := range strings.Lines(string(text)) {
			all.WriteString(tight.Replace(strings.TrimSpace(line)))
		}
	}
	return template.CSS(all.String()) //nolint:gosec // our own files
}

// tight leaves out space that means nothing. Our style sheets have none of these in texts.
var tight = strings.NewReplacer("; }", "}", ";}", "}", " { ", "{", " {", "{", "; ", ";", ": ", ":", ", ", ",")

// parse reads all pages in a language. Each is a file below templates; layout.html is what they have in common.
func parse(l *language) map[string]*template.Template {
	pages, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err)
	}
	own := template.FuncMap{"initial": initial, "product": func() string { return "Gatehouse" }}
	layout := template.Must(template.New("").Funcs(own).Funcs(l.functions()).ParseFS(files, "templates/layout.html"))
	out := map[string]*template.Template{}
	for _, file := range pages {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name != "layout" && name != "check-session" {
			out[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, file))
		}
	}
	return out
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Message is an error that a page shows above its form, in English. Those of texts/messages.txt are shown in the language of the
// page, all others as they are.
type Message string

// Login is the sign-in page.
type Login struct {
	// Action is the absolute URL the form goes to.
	Action string
	Client *domain.Client
	Token  string
	// Username fills the field in.
	Username string
	Message  Message
	// Current is who is signed in already, where the person may go on as them.
	Current string
	// Again tells that the person is signed in, and has to sign in once more for this application.
	Again bool
	// Remember offers that the browser remembers the person; Remembered is whether they have asked for it on the page before.
	Remember, Remembered bool
	// Direct tells that the person opens the application itself, which waits for no answer.
	Direct bool
	// HideForm leaves out what a name and a password are typed into: there are nothing but Providers.
	HideForm bool
	// Back is the URL where another name can be given; empty where the name was not asked for before.
	Back string
	// Forgot is where another password can be chosen, Register where an account can be made; empty where that is switched off.
	Forgot, Register string
	// Providers are other sites where the person may sign in, in their order.
	Providers []Provider
}

// Provider is another site where people sign in.
type Provider struct {
	// Type is the word of the provider's type, such as google-am-idp; URL leads there.
	ID, Name, Type, URL string
}

// Login answers the sign-in page.
func (p *Pages) Login(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Login) error {
	return p.write(w, r, http.StatusOK, "login", p.with(page.Client)+formsOf(r, d, page.Client), view{
		d: d, base: d.Base, Title: "login.title", Domain: d.Name, Page: page, app: page.Client,
		custom: &custom{"login", func(l *language) map[string]any {
			return form(l, page.Action, page.Token, page.Message, map[string]any{
				"username": page.Username, "current": page.Current, "back": page.Back, "remember": page.Remember, "hideForm": page.HideForm,
				"forgotPassword": page.Forgot, "register": page.Register, "providers": providerValues(page.Providers),
			})
		}},
	})
}

// Identifier is the page that asks for the name alone.
type Identifier struct {
	Action string
	Client *domain.Client
	Token  string
	// Username fills the field in.
	Username string
	Message  Message
	// Direct is as in Login.
	Direct bool
	// Forgot and Register are the URLs of those pages; empty where there are none.
	Forgot, Register string
	// Remember offers that the browser remembers the person.
	Remember bool
}

// Identifier answers the page that asks for the name alone.
func (p *Pages) Identifier(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Identifier) error {
	return p.write(w, r, http.StatusOK, "identifier", p.with(page.Client)+formsOf(r, d, page.Client), view{
		d: d, base: d.Base, Title: "login.title", Domain: d.Name, Page: page, app: page.Client,
		custom: &custom{"identifier_first_login", func(l *language) map[string]any {
			return form(l, page.Action, page.Token, page.Message, map[string]any{"username": page.Username})
		}},
	})
}

// Consent is the page that asks for approval of scopes.
type Consent struct {
	Action   string
	Client   *domain.Client
	Token    string
	Username string
	Message  Message
	Scopes   []Scope
	// Choice lets the person approve scopes one by one.
	Choice bool
}

// Scope is one line of the consent page.
type Scope struct {
	Key, Name, Description string
	// Required scopes cannot be left out.
	Required bool
}

// Consent answers the consent page.
func (p *Pages) Consent(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Consent) error {
	return p.write(w, r, http.StatusOK, "consent", p.with(page.Client)+formsOf(r, d, page.Client), view{
		d: d, base: d.Base, Title: "consent.title", Domain: d.Name, Page: page, app: page.Client,
		custom: &custom{"oauth2_user_consent", func(l *language) map[string]any {
			return form(l, page.Action, page.Token, page.Message, map[string]any{
				"username": page.Username, "choice": page.Choice, "scopes": scopeValues(l, page.Scopes),
			})
		}},
	})
}

// Logout is the page that asks before somebody is signed out or sent on.
type Logout struct {
	Action string
	Token  string
	// Application is who asks, Host where the person goes afterwards; both may be empty.
	Application, Host string
	Username          string
	// Fields are repeated by the form.
	Fields []Field
}

// Field is a hidden input.
type Field struct{ Name, Value string }

// target is where the person goes afterwards.
func (l Logout) target() string {
	for _, f := range l.Fields {
		if f.Name == "post_logout_redirect_uri" {
			return f.Value
		}
	}
	return ""
}

// Logout answers the logout question.
func (p *Pages) Logout(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Logout) error {
	return p.write(w, r, http.StatusOK, "logout", p.policy+forms(r, d, page.target()), view{d: d, Title: "logout.title", Domain: d.Name, Page: page})
}

// FormPost answers a form that carries fields to a target: by the script, or by its button where there is none (OAuth
// 2.0 Form Post Response Mode §2). Its policy allows that script alone. The target must have been
// checked: its scheme is not looked at here.
func (p *Pages) FormPost(w http.ResponseWriter, r *http.Request, d *domain.Domain, target string, fields []Field) error {
	policy := p.policy + "; script-src " + hash(submit) + "; form-action " + answerAction(target)
	return p.write(w, r, http.StatusOK, "form-post", policy, view{d: d, Title: "onward.title", Domain: d.Name, Page: struct {
		Target template.URL
		Fields []Field
		Script template.JS
	}{template.URL(target), fields, submit}}) //nolint:gosec // a redirect URI that was matched
}

// view is what every template sees.
type view struct {
	// Title is the key of the page's title.
	Title  string
	Domain string
	Style  template.CSS
	Page   any
	// Wide tells that the page is no card.
	Wide bool
	// Compress tells that the page may be compressed.
	Compress bool
	// Onward is nil for pages that stay.
	Onward *onward

	// d and app are whose page it is; nil where they are not known.
	d   *domain.Domain
	app *domain.Client
	// custom is nil for a page that administrators cannot replace.
	custom *custom
	// base is the public URL of the domain.
	base string
}

// App is the name of the application, or its identifier where it has none.
func (v view) App() string {
	switch {
	case v.app == nil:
		return ""
	case v.app.Name != "":
		return v.app.Name
	}
	return v.app.ClientID
}

// initial is the first letter of a name.
func initial(name string) string {
	for _, r := range name {
		return string(r)
	}
	return ""
}

// Policy and Terms are the application's links, where they are links to the web.
func (v view) Policy() string {
	if v.app == nil {
		return ""
	}
	return web(v.app.Application.GetSettings().GetOauth().GetPolicyUri())
}

// Terms is like Policy.
func (v view) Terms() string {
	if v.app == nil {
		return ""
	}
	return web(v.app.Application.GetSettings().GetOauth().GetTosUri())
}

// Logo is where the gateway serves the application's logo again; empty where there is none.
func (v view) Logo() string {
	if !hasLogo(v.app) {
		return ""
	}
	return v.base + "/oauth/logo/" + url.PathEscape(v.app.ClientID)
}

func hasLogo(c *domain.Client) bool {
	return c != nil && web(c.Application.GetSettings().GetOauth().GetLogoUri()) != ""
}

// with returns the policy of a page that shows a client: its logo is the one picture, and it comes from the gateway.
func (p *Pages) with(c *domain.Client) string {
	if !hasLogo(c) {
		return p.policy
	}
	return p.policy + "; img-src 'self'"
}

func web(link string) string {
	u, err := url.Parse(link)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return ""
	}
	return link
}

var (
	typeHTML = []string{"text/html; charset=utf-8"}
	deny     = []string{"DENY"}
)

func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, name, policy string, v view) error {
	v.Style = p.style
	if v.Wide {
		v.Style = p.portal
	}
	var body bytes.Buffer
	l := p.language(r)
	page, own, ok := p.own(r, l, policy, &v)
	switch {
	case ok:
		body.WriteString(page)
		policy = own
	default:
		policy = p.themed(policy, &v)
		if err := p.templates[l][name].ExecuteTemplate(&body, "layout", v); err != nil {
			return fmt.Errorf("render page %s: %w", name, err)
		}
	}
	h := w.Header()
	sent := &body
	if v.Compress {
		sent = compressed(h, r, &body)
	}
	h["Content-Type"] = typeHTML
	h["Content-Length"] = []string{strconv.Itoa(sent.Len())}
	h["Content-Language"] = []string{l.tag}
	h.Add("Vary", "Accept-Language")
	h["Content-Security-Policy"] = []string{policy}
	h["X-Frame-Options"] = deny
	endpoint.NoStore(h)
	w.WriteHeader(status)
	_, _ = w.Write(sent.Bytes())
	return nil
}

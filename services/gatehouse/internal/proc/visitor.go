package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Visitor is a person with a browser that knows cookies, redirects and forms, and no script.
type Visitor struct {
	http *http.Client
	stop string // redirects to URLs that begin so are not followed
}

// NewVisitor returns a visitor with no cookies. Redirects to URLs that begin with callback are not followed: there is
// nobody behind them.
func NewVisitor(callback string) *Visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it has no reason
	}
	v := &Visitor{stop: callback}
	v.http = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), v.stop) {
			return http.ErrUseLastResponse
		}
		if len(via) > 20 {
			return errors.New("too many redirects")
		}
		return nil
	}}
	return v
}

// Page is what a visitor sees: a page, or the callback that the browser was sent to.
type Page struct {
	Status   int
	URL      *url.URL
	Text     string
	Callback *url.URL // nil for a page
	forms    []form
}

type form struct {
	action, method string
	values         url.Values
}

// Open opens a URL.
func (v *Visitor) Open(ctx context.Context, target string) (*Page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, err
	}
	return v.send(r)
}

// Submit fills in and sends the page's only form. Fields keep what the page says where values names nothing else.
func (v *Visitor) Submit(ctx context.Context, p *Page, values url.Values) (*Page, error) {
	if len(p.forms) != 1 {
		return nil, fmt.Errorf("%s has %d forms: %d %s", p.URL, len(p.forms), p.Status, p.Text)
	}
	f := p.forms[0]
	filled := maps.Clone(f.values)
	maps.Copy(filled, values)
	action, err := p.URL.Parse(f.action)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, strings.ToUpper(f.method), action.String(), strings.NewReader(filled.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.URL.Scheme+"://"+p.URL.Host)
	return v.send(r)
}

// LogIn opens an authorization request, signs in, allows everything it is asked for, and returns the callback.
func (v *Visitor) LogIn(ctx context.Context, authorize, name, password string) (*url.URL, error) {
	p, err := v.Open(ctx, authorize)
	for range 4 {
		switch {
		case err != nil:
			return nil, err
		case p.Callback != nil:
			return p.Callback, nil
		case len(p.forms) == 1 && p.forms[0].values.Has("password"):
			p, err = v.Submit(ctx, p, url.Values{"username": {name}, "password": {password}})
			if err == nil && p.Callback == nil && len(p.forms) == 1 && p.forms[0].values.Has("password") {
				return nil, fmt.Errorf("not signed in: %s", p.URL)
			}
		default:
			p, err = v.Allow(ctx, p)
		}
	}
	return nil, fmt.Errorf("no end at %s", p.URL)
}

// ApproveDevice opens the page where a device is allowed (RFC 8628 §3.3), signs in, and allows it. The code is typed where the
// page asks for it.
func (v *Visitor) ApproveDevice(ctx context.Context, target, userCode, name, password string) error {
	p, err := v.Open(ctx, target)
	for range 6 {
		switch {
		case err != nil:
			return err
		case len(p.forms) == 0:
			if p.Status != http.StatusOK {
				return fmt.Errorf("not allowed: %s: %d %s", p.URL, p.Status, p.Text)
			}
			return nil
		case p.forms[0].values.Has("password"):
			p, err = v.Submit(ctx, p, url.Values{"username": {name}, "password": {password}})
		case strings.Contains(p.Text, `name="user_oauth_approval"`): // the buttons
			p, err = v.Allow(ctx, p)
		default:
			p, err = v.Submit(ctx, p, url.Values{"user_code": {userCode}})
		}
	}
	return fmt.Errorf("no end at %s", p.URL)
}

// Allow answers a consent page with yes to everything.
func (v *Visitor) Allow(ctx context.Context, p *Page) (*Page, error) {
	values := url.Values{"user_oauth_approval": {"true"}}
	if len(p.forms) == 1 {
		for name := range p.forms[0].values {
			if strings.HasPrefix(name, "scope.") {
				values.Set(name, "true")
			}
		}
	}
	return v.Submit(ctx, p, values)
}

func (v *Visitor) send(r *http.Request) (*Page, error) {
	answer, err := v.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if target, err := answer.Location(); err == nil && strings.HasPrefix(target.String(), v.stop) {
		return &Page{Status: answer.StatusCode, URL: answer.Request.URL, Callback: target}, nil
	}
	var text strings.Builder
	root, err := html.Parse(io.TeeReader(answer.Body, &text))
	if err != nil {
		return nil, err
	}
	p := &Page{Status: answer.StatusCode, URL: answer.Request.URL, Text: text.String()}
	p.collect(root)
	if len(p.forms) == 1 && strings.HasPrefix(p.forms[0].action, v.stop) { // an answer by form_post: its fields, as a query
		target, err := url.Parse(p.forms[0].action)
		if err != nil {
			return nil, err
		}
		target.RawQuery = p.forms[0].values.Encode()
		p.Callback = target
	}
	return p, nil
}

// collect finds the forms of a page.
func (p *Page) collect(n *html.Node) {
	if n.Type == html.ElementNode {
		switch n.Data {
		case "form":
			method := attribute(n, "method")
			if method == "" {
				method = "get"
			}
			p.forms = append(p.forms, form{action: attribute(n, "action"), method: method, values: url.Values{}})
		case "input":
			if name := attribute(n, "name"); name != "" && len(p.forms) > 0 {
				p.forms[len(p.forms)-1].values.Add(name, attribute(n, "value"))
			}
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.collect(c)
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// Cookies are what the visitor would send to a URL.
func (v *Visitor) Cookies(target string) []*http.Cookie {
	u, err := url.Parse(target)
	if err != nil {
		return nil
	}
	return v.http.Jar.Cookies(u)
}

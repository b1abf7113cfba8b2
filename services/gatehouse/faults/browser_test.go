package faults

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/html"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// browser is a person's browser that is in front of a load balancer: it asks for the public URL, and the test says which
// gateway gets the request. It follows redirects within the public URL and shows the first answer that is none.
type browser struct {
	http   *http.Client
	behind atomic.Pointer[string] // host:port of the gateway
}

func newBrowser(t *testing.T, g *proc.Gateway) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{}
	b.send(g)
	b.http = &http.Client{
		Jar:     jar,
		Timeout: soon,
		Transport: &http.Transport{
			DisableKeepAlives: true, // every request goes where the test says
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, *b.behind.Load())
			},
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if !strings.HasPrefix(r.URL.String(), publicURL+"/") || len(via) > 10 {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	return b
}

// send makes a gateway answer from now on.
func (b *browser) send(g *proc.Gateway) {
	address := strings.TrimPrefix(g.URL, "http://")
	b.behind.Store(&address)
}

// page is what the browser shows.
type page struct {
	Status   int
	URL      *url.URL
	Location *url.URL // where else it was sent; nil if nowhere
	Text     string
	action   string
	fields   url.Values
}

// String describes a page by its address, title and message.
func (p *page) String() string {
	text := fmt.Sprintf("%d at %s", p.Status, p.URL)
	if p.Location != nil {
		text += fmt.Sprintf(", sent to %s", p.Location)
	}
	if _, body, ok := strings.Cut(p.Text, "<body>"); ok {
		text += ": " + strings.Join(strings.Fields(tag.ReplaceAllString(body, " ")), " ")
	}
	return text
}

var tag = regexp.MustCompile(`<[^>]*>`)

func (b *browser) open(ctx context.Context, target string) (*page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, err
	}
	return b.do(r)
}

// submit sends the form of a page with what a person filled in.
func (b *browser) submit(ctx context.Context, p *page, filled url.Values) (*page, error) {
	if p.action == "" {
		return nil, fmt.Errorf("no form: %s", p)
	}
	values := url.Values{}
	for name, v := range p.fields {
		values[name] = v
	}
	for name, v := range filled {
		values[name] = v
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.action, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", publicURL)
	return b.do(r)
}

// logIn fills in a login page.
func (b *browser) logIn(ctx context.Context, p *page, name, password string) (*page, error) {
	if !p.fields.Has("password") {
		return nil, fmt.Errorf("no login page: %s", p)
	}
	return b.submit(ctx, p, url.Values{"username": {name}, "password": {password}})
}

// allow says yes to everything on a consent page.
func (b *browser) allow(ctx context.Context, p *page) (*page, error) {
	yes := url.Values{"user_oauth_approval": {"true"}}
	for name := range p.fields {
		if strings.HasPrefix(name, "scope.") {
			yes.Set(name, "true")
		}
	}
	return b.submit(ctx, p, yes)
}

func (b *browser) do(r *http.Request) (*page, error) {
	answer, err := b.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	p := &page{Status: answer.StatusCode, URL: answer.Request.URL, Text: string(text), fields: url.Values{}}
	if target, err := answer.Location(); err == nil {
		p.Location = target
	}
	root, err := html.Parse(strings.NewReader(p.Text))
	if err != nil {
		return nil, err
	}
	p.read(root)
	return p, nil
}

// read finds the form and its fields.
func (p *page) read(n *html.Node) {
	switch {
	case n.Type == html.ElementNode && n.Data == "form" && p.action == "":
		p.action = attribute(n, "action")
	case n.Type == html.ElementNode && n.Data == "input" && attribute(n, "name") != "":
		p.fields.Add(attribute(n, "name"), attribute(n, "value"))
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.read(c)
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

// code is what the callback was given.
func (p *page) code() (string, error) {
	if p.Location == nil || !strings.HasPrefix(p.Location.String(), callback) || p.Location.Query().Get("code") == "" {
		return "", fmt.Errorf("no code: %s", p)
	}
	return p.Location.Query().Get("code"), nil
}

const verifier = "a-verifier-that-is-long-enough-for-RFC-7636-section-4.1"

// authorization is the URL of an authorization request; more are further parameters.
func (w *world) authorization(a app, more url.Values) string {
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {a.ClientID}, "redirect_uri": {callback}, "scope": {"openid profile"},
		"state": {"of the test"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
	for name, v := range more {
		query[name] = v
	}
	return publicURL + w.path + "/oauth/authorize?" + query.Encode()
}

func codeOf(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}
}

// signedIn returns a browser in which alice has signed in to web at a gateway, and the code that she brought.
func (w *world) signedIn(g *proc.Gateway) (*browser, string) {
	w.t.Helper()
	b, code, err := w.signsIn(w.t.Context(), g)
	if err != nil {
		w.t.Fatal(err)
	}
	return b, code
}

func (w *world) signsIn(ctx context.Context, g *proc.Gateway) (*browser, string, error) {
	b := newBrowser(w.t, g)
	p, err := b.open(ctx, w.authorization(w.web, nil))
	if err == nil {
		p, err = b.logIn(ctx, p, alice, alicesPassword)
	}
	if err != nil {
		return nil, "", err
	}
	code, err := p.code()
	return b, code, err
}

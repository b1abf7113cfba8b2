package browsertest

import (
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Browser is an HTTP client that keeps cookies and follows no redirect by itself.
type Browser struct {
	t       testing.TB
	handler http.Handler
	// Cookies are what it holds. It sends them with every request.
	Cookies map[string]string
	// Headers are sent with every request.
	Headers map[string]string
	// RawCookie, where it is set, is sent instead of Cookies.
	RawCookie string
	// Address is where it is, with a port: one of its own, so that what is counted by address is not that of other tests.
	Address string
	// Base is the URL of the domain whose pages Follow stays on, and that targets without a host are below.
	Base string
}

// NewBrowser returns a browser without cookies.
func NewBrowser(t testing.TB, handler http.Handler) *Browser {
	address := fmt.Sprintf("10.%d.%d.%d:4711", rand.IntN(256), rand.IntN(256), rand.IntN(256))
	return &Browser{t: t, handler: handler, Base: Base, Address: address, Cookies: map[string]string{}, Headers: map[string]string{}}
}

// Response is an answer with its body read.
type Response struct {
	*http.Response
	Text string
}

// Location is the header Location.
func (r *Response) Location() string { return r.Header.Get("Location") }

// Query returns the parameters of Location's query, with its fragment's.
func (r *Response) Query() url.Values {
	u, err := url.Parse(r.Location())
	if err != nil {
		return url.Values{}
	}
	q := u.Query()
	fragment, _ := url.ParseQuery(u.EscapedFragment())
	for name, v := range fragment {
		q[name] = append(q[name], v...)
	}
	return q
}

// Get asks for a URL, absolute or below Base.
func (b *Browser) Get(target string) *Response { return b.do(http.MethodGet, target, "", "") }

// Head asks for the header of a URL.
func (b *Browser) Head(target string) *Response { return b.do(http.MethodHead, target, "", "") }

// Post sends a form.
func (b *Browser) Post(target string, form url.Values) *Response {
	return b.do(http.MethodPost, target, "application/x-www-form-urlencoded", form.Encode())
}

// PostBody sends a body of any kind.
func (b *Browser) PostBody(target, contentType, body string) *Response {
	return b.do(http.MethodPost, target, contentType, body)
}

// Follow goes on along redirects within the gateway until something else is answered.
func (b *Browser) Follow(r *Response) *Response {
	b.t.Helper()
	for range 10 {
		if (r.StatusCode != http.StatusFound && r.StatusCode != http.StatusSeeOther) || !strings.HasPrefix(r.Location(), b.Base) {
			return r
		}
		r = b.Get(r.Location())
	}
	b.t.Fatalf("redirects without end, last to %s", r.Location())
	return nil
}

func (b *Browser) do(method, target, contentType, body string) *Response {
	b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = b.Base + target
	}
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	r.RemoteAddr = b.Address
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if b.RawCookie != "" {
		r.Header.Set("Cookie", b.RawCookie)
	} else {
		for name, value := range b.Cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	for name, value := range b.Headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	res := &Response{Response: w.Result(), Text: w.Body.String()}
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.Cookies, c.Name)
		} else {
			b.Cookies[c.Name] = c.Value
		}
	}
	return res
}

// Form is the form of a page.
type Form struct {
	Action string
	// Values are those of the inputs and of checked boxes.
	Values url.Values
}

var (
	formTag  = regexp.MustCompile(`<form [^>]*action="([^"]*)"`)
	inputTag = regexp.MustCompile(`<input ([^>]*)>`)
	nameAttr = regexp.MustCompile(`name="([^"]*)"`)
	valAttr  = regexp.MustCompile(`value="([^"]*)"`)
)

// Form reads the one form of a page, as simple clients do.
func (b *Browser) Form(page *Response) Form {
	b.t.Helper()
	forms := formTag.FindAllStringSubmatch(page.Text, -1)
	if len(forms) != 1 {
		b.t.Fatalf("status %d, %d forms on the page:\n%s", page.StatusCode, len(forms), page.Text)
	}
	f := Form{Action: html.UnescapeString(forms[0][1]), Values: url.Values{}}
	for _, input := range inputTag.FindAllStringSubmatch(page.Text, -1) {
		name := nameAttr.FindStringSubmatch(input[1])
		if name == nil {
			continue
		}
		value := ""
		if v := valAttr.FindStringSubmatch(input[1]); v != nil {
			value = html.UnescapeString(v[1])
		}
		f.Values.Set(html.UnescapeString(name[1]), value)
	}
	return f
}

// SignIn fills in the sign-in page and sends it.
func (b *Browser) SignIn(page *Response, username, password string) *Response {
	b.t.Helper()
	f := b.Form(page)
	f.Values.Set("username", username)
	f.Values.Set("password", password)
	return b.Post(f.Action, f.Values)
}

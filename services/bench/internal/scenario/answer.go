package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
)

// ask sends a request and refuses an answer with another status.
func ask(ctx context.Context, c *load.Conn, request []byte, status int) (*load.Response, error) {
	got, err := c.Do(ctx, request)
	if err != nil {
		return nil, err
	}
	if got.Status != status {
		return nil, fmt.Errorf("status %d instead of %d: %.300s %s", got.Status, status, got.Body, got.Header("Location"))
	}
	return got, nil
}

// member returns the value of a text member of a JSON object as it stands there. It reads only values without escapes and
// is cheap: what is checked in every respect is decoded with encoding/json.
func member(body []byte, name string) (string, error) {
	_, rest, found := bytes.Cut(body, []byte(`"`+name+`":`))
	rest = bytes.TrimLeft(rest, " ")
	if !found || len(rest) == 0 || rest[0] != '"' {
		return "", fmt.Errorf("the answer has no text %s: %.300s", name, body)
	}
	value, _, found := bytes.Cut(rest[1:], []byte{'"'})
	if !found || len(value) == 0 || bytes.IndexByte(value, '\\') >= 0 {
		return "", fmt.Errorf("the answer's %s is not plain: %.300s", name, body)
	}
	return string(value), nil
}

// tokenAnswer is the answer of a token endpoint.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

func decodeToken(body []byte) (tokenAnswer, error) {
	var a tokenAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("the answer is not JSON: %w", err)
	}
	if a.AccessToken == "" || !strings.EqualFold(a.TokenType, "bearer") || a.ExpiresIn <= 0 {
		return a, fmt.Errorf("the answer has no access token: %.300s", body)
	}
	return a, nil
}

// localPart returns path and query of an absolute URL of the gateway, or what was given if it is one already.
func localPart(location, publicURL string) (string, error) {
	if rest, ok := strings.CutPrefix(location, publicURL); ok {
		location = rest
	}
	if !strings.HasPrefix(location, "/") {
		return "", fmt.Errorf("a redirect to %.200q leaves the gateway", location)
	}
	return location, nil
}

// formOf returns where the only form of a page is sent and the value of one of its inputs.
func formOf(page []byte, input string) (action, value string, err error) {
	action, err = attribute(page, "<form", "", "action")
	if err != nil {
		return "", "", err
	}
	value, err = attribute(page, "<input", `name="`+input+`"`, "value")
	return action, value, err
}

// attribute returns an attribute of the first tag that begins so and contains marker.
func attribute(page []byte, tag, marker, name string) (string, error) {
	for rest := page; ; {
		at := bytes.Index(rest, []byte(tag))
		if at < 0 {
			return "", fmt.Errorf("the page has no %s with %s: %.300s", tag, marker, page)
		}
		rest = rest[at+len(tag):]
		inside, _, closed := bytes.Cut(rest, []byte{'>'})
		if !closed || !bytes.Contains(inside, []byte(marker)) {
			continue
		}
		_, value, found := bytes.Cut(inside, []byte(" "+name+`="`))
		value, _, ended := bytes.Cut(value, []byte{'"'})
		if !found || !ended {
			return "", fmt.Errorf("%s with %s has no %s", tag, marker, name)
		}
		return html.UnescapeString(string(value)), nil
	}
}

// browser keeps cookies from answer to answer.
type browser struct {
	names, values []string
}

func (b *browser) forget() { b.names, b.values = b.names[:0], b.values[:0] }

// take keeps what an answer sets, and forgets what it ends.
func (b *browser) take(r *load.Response) {
	for line := range r.Headers("Set-Cookie") {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		if value == "" || strings.Contains(attributes, "Max-Age=0") {
			b.set(name, "")
			continue
		}
		b.set(name, value)
	}
}

func (b *browser) set(name, value string) {
	for i, n := range b.names {
		if n == name {
			b.values[i] = value
			return
		}
	}
	b.names, b.values = append(b.names, name), append(b.values, value)
}

// header returns the header line, or none.
func (b *browser) header() []string {
	var line strings.Builder
	for i, name := range b.names {
		if b.values[i] == "" {
			continue
		}
		if line.Len() == 0 {
			line.WriteString("Cookie: ")
		} else {
			line.WriteString("; ")
		}
		line.WriteString(name + "=" + b.values[i])
	}
	if line.Len() == 0 {
		return nil
	}
	return []string{line.String()}
}

// Package http authenticates people at a site that knows them: a request made of templates, and conditions that say which of its
// answers are refusals.
//
//	name, password ──▶ URL, headers, body, with values escaped ──▶ guarded request ──▶ conditions ──▶ JSON ──▶ assertion
//
// What is typed stays where an expression stands: it becomes no other path, parameter, header or member.
package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Limits of a request.
const (
	maxBody   = 64 << 10
	maxAnswer = 256 << 10
	maxTime   = 5 * time.Second
)

// Sender makes requests; *outbound.Client does.
type Sender interface {
	Send(r *http.Request, l outbound.Limits) (*outbound.Answer, error)
}

// Provider is one site.
type Provider struct {
	id, identifier, username string
	method                   string
	address, body            *rules.Template
	escape                   rules.Escape // of the body
	headers                  []header
	conditions               []condition
	out                      Sender
}

type header struct {
	name  string
	value *rules.Template
}

type condition struct {
	rule *rules.Rule
	err  error
}

// New compiles the configuration. What cannot be used is an error that names the member.
func New(id string, config *configv1.HTTPProvider, out Sender) (*Provider, error) {
	r := config.GetAuthenticationResource()
	p := &Provider{
		id: id, method: strings.ToUpper(r.GetHttpMethod()), out: out,
		identifier: config.GetUserResource().GetIdentifierAttribute(), username: config.GetUserResource().GetUsernameAttribute(),
	}
	if p.method == "" {
		p.method = http.MethodPost
	}
	if p.identifier == "" {
		p.identifier = "sub"
	}
	if p.username == "" {
		p.username = "preferred_username"
	}
	var err error
	if err = rules.CheckURL(r.GetBaseUrl()); err == nil {
		p.address, err = rules.CompileTemplate(rules.ProviderRequest, r.GetBaseUrl())
	}
	if err != nil || r.GetBaseUrl() == "" {
		return nil, fmt.Errorf("authenticationResource.baseURL: %w", orMissing(err))
	}
	contentType := ""
	for i, h := range r.GetHttpHeaders() {
		value, err := rules.CompileTemplate(rules.ProviderRequest, h.GetValue())
		if err != nil {
			return nil, fmt.Errorf("authenticationResource.httpHeaders[%d].value: %w", i, err)
		}
		p.headers = append(p.headers, header{h.GetName(), value})
		if strings.EqualFold(h.GetName(), "Content-Type") {
			contentType = h.GetValue()
		}
	}
	if text := r.GetHttpBody(); text != "" {
		if err = rules.CheckBody(text, contentType); err == nil {
			p.body, err = rules.CompileTemplate(rules.ProviderRequest, text)
		}
		if err != nil {
			return nil, fmt.Errorf("authenticationResource.httpBody: %w", err)
		}
		p.escape, _ = rules.EscapeFor(contentType)
		if contentType == "" {
			json, _ := rules.CompileTemplate(rules.ProviderRequest, "application/json")
			p.headers = append(p.headers, header{"Content-Type", json})
		}
	}
	for i, c := range r.GetHttpResponseErrorConditions() {
		rule, err := rules.CompileRule(rules.ProviderAnswer, c.GetValue())
		if err != nil || rule == nil {
			return nil, fmt.Errorf("authenticationResource.httpResponseErrorConditions[%d].value: %w", i, orMissing(err))
		}
		p.conditions = append(p.conditions, condition{rule, meaning(c.GetException())})
	}
	return p, nil
}

func orMissing(err error) error {
	if err == nil {
		return errors.New("must not be blank")
	}
	return err
}

// meaning reads the word that says what a condition means, in any case, with or without `Exception` behind it.
func meaning(word string) error {
	word, _ = strings.CutSuffix(strings.ToLower(word), "exception")
	switch word {
	case "accountdisabled", "accountlocked", "accountexpired", "accountstatus", "blocked":
		return idp.ErrBlocked
	case "internalauthenticationservice", "authenticationservice", "unavailable":
		return idp.ErrUnavailable
	}
	return idp.ErrRefused
}

// Authenticate implements idp.PasswordAuthenticator.
func (p *Provider) Authenticate(ctx context.Context, c idp.Credentials) (*idp.Assertion, error) {
	if !c.Plausible() {
		return nil, idp.ErrRefused
	}
	var in rules.Input
	if c.Input != nil {
		in = *c.Input
	}
	in.Login, in.Password = c.Username, c.Password
	request, err := p.request(ctx, &in)
	if err != nil {
		return nil, err
	}
	answer, err := p.out.Send(request, outbound.Limits{Bytes: maxAnswer, Timeout: maxTime})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	in.Password = ""
	in.Response = responseOf(answer)
	if err := p.judge(ctx, &in); err != nil {
		return nil, err
	}
	return p.assert(in.Response, c.Username)
}

// request fills in the templates. A value that would not stay in its place is somebody's whom nobody knows.
func (p *Provider) request(ctx context.Context, in *rules.Input) (*http.Request, error) {
	address, err := p.address.Escaped(ctx, in, rules.EscapeURL)
	if err != nil {
		return nil, fmt.Errorf("%w: authenticationResource.baseURL: %w", idp.ErrUnavailable, err)
	}
	u, err := url.Parse(address)
	if err != nil || rules.Climbs(u.EscapedPath()) {
		return nil, fmt.Errorf("%w: the URL cannot be made of what was typed", idp.ErrRefused)
	}
	var body []byte
	if p.body != nil {
		text, err := p.body.Escaped(ctx, in, p.escape)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: authenticationResource.httpBody: %w", idp.ErrUnavailable, err)
		case len(text) > maxBody:
			return nil, fmt.Errorf("%w: authenticationResource.httpBody: has more than %d bytes", idp.ErrUnavailable, maxBody)
		}
		body = []byte(text)
	}
	request, err := http.NewRequestWithContext(ctx, p.method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: the request cannot be made", idp.ErrUnavailable)
	}
	if len(body) == 0 {
		request.Body, request.ContentLength = http.NoBody, 0
	}
	request.Header.Set("Accept", "application/json")
	for i, h := range p.headers {
		value, err := h.value.Escaped(ctx, in, func(s string) string { return s })
		if err != nil {
			return nil, fmt.Errorf("%w: authenticationResource.httpHeaders[%d].value: %w", idp.ErrUnavailable, i, err)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, fmt.Errorf("%w: a header cannot be made of what was typed", idp.ErrRefused)
		}
		request.Header.Set(h.name, value)
	}
	return request, nil
}

func responseOf(a *outbound.Answer) *rules.Response {
	r := &rules.Response{Status: a.Status, Headers: a.Header, Body: string(a.Body)}
	decoder := json.NewDecoder(bytes.NewReader(a.Body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err == nil {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			r.JSON = value
		}
	}
	return r
}

// judge reads the answer: the first condition that holds decides, and without one the status does. A condition that cannot be
// evaluated admits nobody.
func (p *Provider) judge(ctx context.Context, in *rules.Input) error {
	for i, c := range p.conditions {
		holds, err := c.rule.Holds(ctx, in)
		if err != nil {
			return fmt.Errorf("%w: authenticationResource.httpResponseErrorConditions[%d].value: %w", idp.ErrUnavailable, i, err)
		}
		if holds {
			return c.err
		}
	}
	switch status := in.Response.Status; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusNotFound, status == http.StatusUnprocessableEntity:
		return idp.ErrRefused
	default:
		return fmt.Errorf("%w: the site answers with status %d", idp.ErrUnavailable, status)
	}
}

// assert makes an assertion of the answer.
func (p *Provider) assert(r *rules.Response, typed string) (*idp.Assertion, error) {
	profile, _ := r.JSON.(map[string]any)
	identifier := text(profile, p.identifier)
	if identifier == "" {
		return nil, fmt.Errorf("%w: the site's answer is no JSON object with the member %q, which says who somebody is", idp.ErrUnavailable, p.identifier)
	}
	username := text(profile, p.username)
	if username == "" {
		username = strings.ToLower(typed)
	}
	verified, _ := profile["email_verified"].(bool)
	return &idp.Assertion{AMR: []string{idp.MethodPassword}, Profile: profile, Identity: &idp.Identity{
		Source: p.id, ExternalId: identifier, Username: username, Email: text(profile, "email"), EmailVerified: verified,
		FirstName: text(profile, "given_name"), LastName: text(profile, "family_name"), DisplayName: text(profile, "name"),
	}}, nil
}

// text returns a member as text: its own name first, then a way through objects such as data.id.
func text(profile map[string]any, name string) string {
	switch v := idp.Member(profile, name).(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// callout asks another site. The call fails if no whole answer comes in time, or one whose status is not 2xx; redirects are not followed.
type callout struct {
	method      string
	url, body   *rules.Template // body is nil if there is none
	escape      rules.Escape    // of the body
	contentType string          // of a body where no header says so
	headers     []header
	timeout     time.Duration
	attributes  *assign
	goesOn      bool
}

type header struct {
	name  string
	value *rules.Template
}

// The limits of a call.
const (
	maxTimeout     = 10 * time.Second
	defaultTimeout = 2 * time.Second
	maxAnswer      = 64 << 10
	jsonType       = "application/json"
)

func newCallout(config *configv1.HTTPCalloutStep) (*callout, error) {
	c := &callout{method: strings.ToUpper(config.GetMethod()), timeout: time.Duration(config.GetTimeoutMillis()) * time.Millisecond}
	if c.method == "" {
		c.method = http.MethodPost
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	c.timeout = min(c.timeout, maxTimeout)
	switch config.GetOnFailure() {
	case "", "deny":
	case "continue":
		c.goesOn = true
	default:
		return nil, fmt.Errorf("onFailure %q is not known to this gateway", config.GetOnFailure())
	}
	if err := rules.CheckURL(config.GetUrl()); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	var err error
	if c.url, err = rules.CompileTemplate(rules.FlowText, config.GetUrl()); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	contentType := ""
	for _, h := range config.GetHeaders() {
		value, err := rules.CompileTemplate(rules.FlowText, h.GetValue())
		if err != nil {
			return nil, fmt.Errorf("header %q: %w", h.GetName(), err)
		}
		c.headers = append(c.headers, header{h.GetName(), value})
		if strings.EqualFold(h.GetName(), "Content-Type") {
			contentType = h.GetValue()
		}
	}
	if err := c.compileBody(config.GetBody(), contentType); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if c.attributes, err = newAssign(rules.FlowResponse, config.GetAttributes()); err != nil {
		return nil, err
	}
	return c, nil
}

// compileBody prepares the body. Values in it are escaped for its type, so that nobody adds members to what the site is told.
func (c *callout) compileBody(text, contentType string) (err error) {
	if text == "" {
		return nil
	}
	if err := rules.CheckBody(text, contentType); err != nil {
		return err
	}
	if contentType == "" {
		c.contentType = jsonType
	}
	c.escape, _ = rules.EscapeFor(contentType) // nothing is to be escaped where the type is not known
	if c.escape == nil {
		c.escape = plainText
	}
	c.body, err = rules.CompileTemplate(rules.FlowText, text)
	return err
}

// failedCall is what a person is told where a call that must succeed did not.
var failedCall = Denied{Code: defaultCode, Message: "A check that is required did not succeed. Try again later."}

func (c *callout) do(ctx context.Context, r *run) *Denied {
	answer, err := c.call(ctx, r)
	if answer != nil {
		r.in.Response = answer
		c.attributes.assign(ctx, r)
		r.in.Response = nil
	}
	if err == nil || c.goesOn {
		return nil
	}
	denied := failedCall
	return &denied
}

// call makes the call. The answer is there with whatever status it has; the error says that the call failed.
func (c *callout) call(ctx context.Context, r *run) (*rules.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	got, err := r.engine.out.Send(request, outbound.Limits{Bytes: maxAnswer, Timeout: c.timeout})
	if err != nil {
		r.tell(ctx, "host", request.URL.Host, "err", err)
		return nil, err
	}
	answer := &rules.Response{Status: got.Status, Headers: got.Header, Body: string(got.Body)}
	if json.Unmarshal(got.Body, &answer.JSON) != nil {
		answer.JSON = nil
	}
	if got.Status < 200 || got.Status > 299 {
		err := fmt.Errorf("status %d", got.Status)
		r.tell(ctx, "host", request.URL.Host, "err", err)
		return answer, err
	}
	return answer, nil
}

// tell logs a callout that failed, unless it was the caller who went away.
func (r *run) tell(ctx context.Context, facts ...any) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	facts = append([]any{"domain", r.scope.Domain, "client_id", r.scope.ClientID, "flow", r.at.id, "step", r.step}, facts...)
	r.engine.log.WarnContext(ctx, "callout of a flow failed", facts...)
}

// request makes the request. An expression of it that fails is a call that fails: half a request is worse than none.
func (c *callout) request(ctx context.Context, r *run) (*http.Request, error) {
	address, err := c.url.Escaped(ctx, r.in, rules.EscapeURL)
	if err != nil {
		r.failed(ctx, "url", err)
		return nil, err
	}
	var body io.Reader
	if c.body != nil {
		text, err := c.body.Escaped(ctx, r.in, c.escape)
		if err != nil {
			r.failed(ctx, "body", err)
			return nil, err
		}
		body = strings.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, c.method, address, body)
	switch {
	case err != nil:
		err = errors.New("the text does not become a URL") // the cause repeats what was put into it
	case rules.Climbs(request.URL.EscapedPath()):
		err = errors.New("the path has a segment of dots")
	}
	if err != nil {
		r.failed(ctx, "url", err)
		return nil, err
	}
	if c.contentType != "" {
		request.Header.Set("Content-Type", c.contentType)
	}
	for _, h := range c.headers {
		value, err := h.value.Escaped(ctx, r.in, plainText)
		if err == nil && strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			err = errors.New("the value has control characters")
		}
		if err != nil {
			r.failed(ctx, "header "+h.name, err)
			return nil, err
		}
		request.Header.Set(h.name, value)
	}
	return request, nil
}

package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
)

const (
	// maxAnswer bounds what a token endpoint or UserInfo may say, in bytes.
	maxAnswer = 128 << 10
	// maxTimeout is the longest that one request may take.
	maxTimeout = 5 * time.Second
)

// calls are requests to one site. Redirects are not followed: a code, a secret or a token goes to the configured address and to no
// other.
type calls struct {
	fetch   *outbound.Client
	timeout time.Duration
}

func newCalls(fetch *outbound.Client, timeout time.Duration, addresses ...string) (*calls, error) {
	var allow []string
	for _, address := range addresses {
		if place := allowance(address); place != "" {
			allow = append(allow, place)
		}
	}
	own, err := fetch.With(allow...)
	if err != nil {
		return nil, err
	}
	if timeout <= 0 || timeout > maxTimeout {
		timeout = maxTimeout
	}
	return &calls{own, timeout}, nil
}

// answer is what an endpoint said.
type answer struct {
	status int
	kind   string // the media type, in lower case, without parameters
	body   []byte
}

// postForm posts a form. change may add headers.
func (c *calls) postForm(ctx context.Context, address string, form url.Values, change func(*http.Request)) (*answer, error) {
	return c.do(ctx, http.MethodPost, address, []byte(form.Encode()), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "application/json")
		change(r)
	})
}

// get asks for a resource with an access token (RFC 6750 §2.1).
func (c *calls) get(ctx context.Context, address, accept, token string) (*answer, error) {
	return c.do(ctx, http.MethodGet, address, nil, func(r *http.Request) {
		r.Header.Set("Accept", accept)
		r.Header.Set("Authorization", "Bearer "+token)
	})
}

func (c *calls) do(ctx context.Context, method, address string, body []byte, change func(*http.Request)) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address is malformed")
	}
	change(r)
	got, err := c.fetch.Send(r, outbound.Limits{Bytes: maxAnswer, Timeout: c.timeout})
	if err != nil {
		return nil, err
	}
	kind, _, _ := strings.Cut(got.Header.Get("Content-Type"), ";")
	return &answer{got.Status, strings.ToLower(strings.TrimSpace(kind)), got.Body}, nil
}

// Asker asks a site with somebody's access token.
type Asker struct {
	calls *calls
	token string
}

// Get returns the answer of an address in JSON. The address must be below one that was configured or is the site's own.
func (a *Asker) Get(ctx context.Context, address, accept string) ([]byte, error) {
	got, err := a.calls.get(ctx, address, accept, a.token)
	switch {
	case err != nil:
		return nil, unavailable("the site", err)
	case got.status != http.StatusOK:
		return nil, statusError("the site", got.status)
	}
	return got.body, nil
}

// status is an answer with another status than 200.
type status struct {
	what string
	code int
}

func (s *status) Error() string { return fmt.Sprintf("%s answers with status %d", s.what, s.code) }

// Status is the status of an answer that was an error; 0 for other errors.
func Status(err error) int {
	var s *status
	if errors.As(err, &s) {
		return s.code
	}
	return 0
}

// statusError is the error for a status. One that says that the site has trouble is no word about the person.
func statusError(what string, code int) error {
	err := &status{what, code}
	if code >= 500 || code == http.StatusTooManyRequests {
		return unavailable(what, err)
	}
	return err
}

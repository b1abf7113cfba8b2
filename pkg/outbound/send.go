package outbound

import (
	"context"
	"io"
	"net/http"
)

// Send makes a request whose method, headers and body are the caller's, and returns the answer with whatever status it has.
// Redirects are not followed: their answer is the answer. Of the limits Redirects and Accept do not count, and the most time is ten
// seconds: an administrator chose who is called. Errors are *Error.
func (c *Client) Send(r *http.Request, l Limits) (*Answer, error) {
	timeout := wholeTimeout
	if l.Timeout > 0 {
		timeout = min(l.Timeout, sendTimeout)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	answer, err := c.send(r.WithContext(ctx), l.Bytes)
	if err != nil {
		e := wrap(r.URL.Host, err)
		c.report(r.Context(), e)
		return nil, e
	}
	return answer, nil
}

func (c *Client) send(r *http.Request, limit int64) (*Answer, error) {
	response, err := c.roundTrip(r, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err == nil {
		err = r.Context().Err() // an answer that a server gives because its caller hangs up is none
	}
	if err != nil {
		return nil, err
	}
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: content}, nil
}

package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// RequestLife is how long a kept request stays after each look at it: as long as a page of the login may wait for its reader.
const RequestLife = 15 * time.Minute

// maxRequestLife ends a kept request however often it is looked at.
const maxRequestLife = 2 * time.Hour

// RequestPrefix is what the request_uri of every kept request begins with (RFC 9126 §2.2).
const RequestPrefix = "urn:ietf:params:oauth:request_uri:"

// Request is an authorization request that does not travel through the browser: it was pushed, or stood in a request object
// whose signature was checked when it arrived.
type Request struct {
	Domain string `json:"domain"`
	// ApplicationID is whose request it is. In the hands of anybody else it is unknown.
	ApplicationID string `json:"application"`
	// Params are the parameters as the client meant them, without what it authenticated with.
	Params url.Values `json:"params"`
	// Pushed tells that the client sent it itself (RFC 9126). Signed tells that the parameters stood in a signed request object.
	Pushed bool `json:"pushed,omitempty"`
	Signed bool `json:"signed,omitempty"`
	// Confirmation is the key to which the code will be bound (RFC 9449 §10.1).
	Confirmation Confirmation `json:"cnf,omitzero"`
	// Ends is when nobody can open it any more, in seconds since the epoch. The store sets it.
	Ends int64 `json:"ends"`
}

// KeepRequest stores a request and returns its request_uri, with 256 random bits. Until it is opened for the first time it
// lives for ttl.
func (s *Store) KeepRequest(ctx context.Context, r Request, ttl time.Duration) (string, error) {
	id := secret.NewToken()
	r.Ends = s.now().Add(maxRequestLife).Unix()
	record, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.client.Set(ctx, requestKey(r.Domain, r.ApplicationID, id), record, ttl).Err(); err != nil {
		return "", s.unavailable(err)
	}
	return RequestPrefix + id, nil
}

// OpenRequest returns the request behind a request_uri and lets it live for RequestLife from now on. It returns ErrUnknown if
// this application never got such a request_uri, or if it has expired or was finished.
func (s *Store) OpenRequest(ctx context.Context, domain, application, uri string) (Request, error) {
	id, ok := requestID(uri)
	if !ok {
		return Request{}, ErrUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	record, err := s.client.GetEx(ctx, requestKey(domain, application, id), RequestLife).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return Request{}, ErrUnknown
	case err != nil:
		return Request{}, s.unavailable(err)
	}
	var r Request
	if err := json.Unmarshal([]byte(record), &r); err != nil {
		return Request{}, fmt.Errorf("decode request: %w", err)
	}
	if s.now().Unix() >= r.Ends {
		return Request{}, ErrUnknown
	}
	return r, nil
}

// FinishRequest takes a request away, in one atomic command over all gateways: of several who finish it, one gets nil and the
// others ErrUnknown.
func (s *Store) FinishRequest(ctx context.Context, domain, application, uri string) error {
	id, ok := requestID(uri)
	if !ok {
		return ErrUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	taken, err := s.client.Del(ctx, requestKey(domain, application, id)).Result()
	switch {
	case err != nil:
		return s.unavailable(err)
	case taken == 0:
		return ErrUnknown
	}
	return nil
}

// requestID is the random part of a request_uri. Its length is checked so that nobody makes us hash what cannot be one.
func requestID(uri string) (string, bool) {
	id, ok := strings.CutPrefix(uri, RequestPrefix)
	return id, ok && len(id) == 43
}

// requestKey names a request in the hands of one application, as codeKey does a code.
func requestKey(domain, application, id string) string {
	return "request:" + secret.HashToken(owner(domain, application)+secret.HashToken(id))
}

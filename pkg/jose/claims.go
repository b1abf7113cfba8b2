package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Errors of Claims.Validate.
var (
	ErrExpired     = errors.New("the token is expired")
	ErrNotYetValid = errors.New("the token is not valid yet")
	ErrNoExpiry    = errors.New("the token has no expiry")
)

// Claims are the claims of a JWT (RFC 7519 §4): those that the protocols check by name, and all of them as they were
// sent. An absent text is "", an absent time the zero time. Names are compared exactly.
type Claims struct {
	Issuer    string    // iss
	Subject   string    // sub
	Audience  []string  // aud: one text or several
	ExpiresAt time.Time // exp
	IssuedAt  time.Time // iat
	NotBefore time.Time // nbf
	AuthTime  time.Time // auth_time
	ID        string    // jti
	Scope     string    // scope
	ClientID  string    // client_id
	Nonce     string    // nonce
	SessionID string    // sid
	Domain    string    // domain

	raw map[string]json.RawMessage
}

// ParseClaims decodes a payload. It returns ErrMalformed for anything but a JSON object whose named claims have the
// types of their specification.
func ParseClaims(payload []byte) (*Claims, error) {
	c := &Claims{}
	if err := json.Unmarshal(payload, &c.raw); err != nil || c.raw == nil {
		return nil, ErrMalformed
	}
	for name, raw := range c.raw {
		if err := c.set(name, raw); err != nil {
			return nil, fmt.Errorf("%w: claim %s", ErrMalformed, name)
		}
	}
	return c, nil
}

func (c *Claims) set(name string, raw json.RawMessage) (err error) {
	text := func(into *string) error {
		if string(raw) == "null" {
			return errNull
		}
		return json.Unmarshal(raw, into)
	}
	switch name {
	case "iss":
		return text(&c.Issuer)
	case "sub":
		return text(&c.Subject)
	case "aud":
		c.Audience, err = audience(raw)
	case "exp":
		c.ExpiresAt, err = numericDate(raw)
	case "iat":
		c.IssuedAt, err = numericDate(raw)
	case "nbf":
		c.NotBefore, err = numericDate(raw)
	case "auth_time":
		c.AuthTime, err = numericDate(raw)
	case "jti":
		return text(&c.ID)
	case "scope":
		return text(&c.Scope)
	case "client_id":
		return text(&c.ClientID)
	case "nonce":
		return text(&c.Nonce)
	case "sid":
		return text(&c.SessionID)
	case "domain":
		return text(&c.Domain)
	}
	return err
}

var errNull = errors.New("null")

func audience(raw json.RawMessage) ([]string, error) {
	if raw[0] != '[' {
		raw = slices.Concat([]byte("["), raw, []byte("]"))
	}
	var values []*string
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, err
	}
	all := make([]string, len(values))
	for i, v := range values {
		if v == nil {
			return nil, errNull
		}
		all[i] = *v
	}
	return all, nil
}

// maxDate is the last second that a NumericDate may name: the end of the year 9999.
const maxDate = 253402300799

var errDate = errors.New("not a NumericDate")

// numericDate reads seconds since 1970, with or without a fraction (RFC 7519 §2).
func numericDate(raw json.RawMessage) (time.Time, error) {
	if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		if i < 0 || i > maxDate {
			return time.Time{}, errDate
		}
		return time.Unix(i, 0), nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(f >= 0 && f <= maxDate) {
		return time.Time{}, errDate
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}

// Validate checks exp, nbf and iat against now, with a tolerance for clocks that differ. A token without exp is
// refused. It returns ErrExpired, ErrNotYetValid or ErrNoExpiry.
func (c *Claims) Validate(now time.Time, skew time.Duration) error {
	switch {
	case c.ExpiresAt.IsZero():
		return ErrNoExpiry
	case !now.Before(c.ExpiresAt.Add(skew)):
		return ErrExpired
	case !c.NotBefore.IsZero() && c.NotBefore.After(now.Add(skew)):
		return ErrNotYetValid
	case !c.IssuedAt.IsZero() && c.IssuedAt.After(now.Add(skew)):
		return ErrNotYetValid
	}
	return nil
}

// HasAudience reports whether aud names the given audience.
func (c *Claims) HasAudience(aud string) bool { return slices.Contains(c.Audience, aud) }

// Has reports whether the token has a claim of this name, whatever its value.
func (c *Claims) Has(name string) bool {
	_, ok := c.raw[name]
	return ok
}

// Decode reads one claim into v, as encoding/json does. It reports false if the claim is absent.
func (c *Claims) Decode(name string, v any) (bool, error) {
	raw, ok := c.raw[name]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return true, fmt.Errorf("%w: claim %s", ErrMalformed, name)
	}
	return true, nil
}

// Raw returns all claims as they were sent. The caller must not change them.
func (c *Claims) Raw() map[string]json.RawMessage { return c.raw }

// Map returns all claims as plain values, numbers as json.Number.
func (c *Claims) Map() map[string]any {
	all := make(map[string]any, len(c.raw))
	for name, raw := range c.raw {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) == nil { // the whole object was valid JSON, so each value is
			all[name] = v
		}
	}
	return all
}

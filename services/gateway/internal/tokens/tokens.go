// Package tokens mints access and ID tokens, and reads access tokens back.
//
// Access tokens are self-contained: issuing one writes nothing anywhere. A token that belongs to a grant names it in its
// jti, as <grant>.<unique>, so that revoking the grant ends the token without a record of each.
package tokens

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Authorization is what a token request is worth.
type Authorization struct {
	Client *domain.Client
	Scopes []string
	// Person is nil where the client acts for itself.
	Person *state.Person
	// Subject is who the tokens are about where that is another client; empty for all others.
	Subject string
	// Grant is the grant the tokens belong to; empty for clients that act for themselves.
	Grant string
	// AuthTime is in seconds since the epoch; 0 = unknown.
	AuthTime int64
	Nonce    string
	// SessionID, ACR and AMR describe the sign-in, where known.
	SessionID, ACR string
	AMR            []string
	// RefreshToken is sent along if not empty.
	RefreshToken string
	// Code and State, where they are set, are hashed into the ID token (c_hash, s_hash).
	Code, State string
	// Confirmation is the key to which the access token is bound, if any.
	Confirmation state.Confirmation
	// Resources are what the access token is for (RFC 8707); none means the client's, or the domain's default.
	Resources []string
	// Claims, ClaimsLocales, Actor and AuthFlow are those of state.Authorization.
	Claims        json.RawMessage
	ClaimsLocales []string
	Actor         json.RawMessage
	AuthFlow      json.RawMessage
	// Situation is that of state.Authorization, Whom the person as rules know them, where somebody has asked; nil leaves it to the minter
	// to ask, where a claim depends on it.
	Situation state.Situation
	Whom      *access.Person
	// NotAfter is when the tokens end at the latest; zero means that the client's lifetimes count.
	NotAfter time.Time
	// AlwaysID makes an ID token although the scope openid was not granted: the response type asked for one.
	AlwaysID bool
	// Without leaves one kind of token out, for answers of the authorization endpoint and exchanges.
	Without Without
	// Issue is the kind of token that an exchange asks for (RFC 8693 §2.2.1); empty for all other grants.
	Issue oauth2.TokenType
}

// Without names tokens that are not made.
type Without uint8

// The kinds of token that can be left out.
const (
	WithoutAccessToken Without = 1 << iota
	WithoutIDToken
)

// Response is the successful answer of the token endpoint (RFC 6749 §5.1).
type Response struct {
	AccessToken  string
	ExpiresIn    time.Duration
	Scopes       []string
	RefreshToken string
	IDToken      string
	// DPoP says that the access token is bound to a key, whose proof must come with it (RFC 9449 §5).
	DPoP bool
	// Issued is the kind of token that AccessToken is after an exchange; empty otherwise.
	Issued oauth2.TokenType
}

// Minter makes tokens. It is safe for concurrent use.
type Minter struct {
	now func() time.Time
	// failures is told of a custom claim that could not be computed.
	failures  *ruleerrors.Reporter
	encrypter Encrypter
	// people are asked where claims depend on groups; nil knows nobody.
	people *People
	// places knows where addresses are; nil knows nothing.
	places Places
}

// Places knows where addresses are; *geo.Database does.
type Places interface {
	// Place writes where the situation's address is.
	Place(s *access.Situation)
}

// Placing returns the minter as it knows where addresses are: mappings that read the country of the sign-in fail without.
func (m *Minter) Placing(places Places) *Minter {
	made := *m
	made.places = places
	return &made
}

// Encrypter encrypts what only a client may read; *clientkeys.Keys does. An empty enc is the usual one; cty is jose.ContentJWT for a
// payload that is a JWT itself.
type Encrypter interface {
	Encrypt(ctx context.Context, c *domain.Client, alg, enc string, payload []byte, cty string) (string, error)
}

// Knowing returns the minter as it knows people: claims that depend on their groups are those of the moment.
func (m *Minter) Knowing(people *People) *Minter {
	made := *m
	made.people = people
	return &made
}

// NewMinter returns a Minter. It reports each custom claim that could not be computed; nil reports nothing.
func NewMinter(encrypter Encrypter, now func() time.Time, failures *ruleerrors.Reporter) *Minter {
	return &Minter{now: now, failures: failures, encrypter: encrypter}
}

// Mint makes the tokens of an authorization, except those it is without: an access token, and an ID token if the scope openid
// was granted to a person or the authorization always has one.
func (m *Minter) Mint(ctx context.Context, d *domain.Domain, a Authorization) (Response, error) {
	r := Response{ExpiresIn: a.Client.AccessTTL, Scopes: a.Scopes, RefreshToken: a.RefreshToken, DPoP: a.Confirmation.JKT != ""}
	var err error
	if a.Without&WithoutAccessToken == 0 {
		var expires time.Time
		if expires, r.ExpiresIn, err = m.ends(&a, a.Client.AccessTTL); err != nil {
			return Response{}, fmt.Errorf("access token: %w", err)
		}
		of := &a
		if len(a.Resources) > 0 {
			narrow := a
			narrow.Scopes = limited(d, a.Resources, a.Scopes)
			of, r.Scopes = &narrow, narrow.Scopes
		}
		if r.AccessToken, err = m.access(ctx, d, of, expires); err != nil {
			return Response{}, fmt.Errorf("access token: %w", err)
		}
	}
	if a.identifies() {
		expires, left, err := m.ends(&a, a.Client.IDTTL)
		if err != nil {
			return Response{}, fmt.Errorf("ID token: %w", err)
		}
		if a.Issue == oauth2.TypeIDToken {
			r.ExpiresIn = left
		}
		if r.IDToken, err = m.id(ctx, d, &a, r.AccessToken, expires); err != nil {
			return Response{}, fmt.Errorf("ID token: %w", err)
		}
	}
	if a.Issue == oauth2.TypeRefreshToken {
		if _, r.ExpiresIn, err = m.ends(&a, a.Client.RefreshTTL); err != nil {
			return Response{}, fmt.Errorf("refresh token: %w", err)
		}
	}
	if a.Issue != "" {
		return r.exchanged(a.Issue), nil
	}
	return r, nil
}

var errOver = errors.New("what the token is made from is over")

// ends returns when a token of an authorization that would live for ttl ends, and how long that is from now.
func (m *Minter) ends(a *Authorization, ttl time.Duration) (time.Time, time.Duration, error) {
	now := m.now()
	at := now.Add(ttl)
	if !a.NotAfter.IsZero() && a.NotAfter.Before(at) {
		at, ttl = a.NotAfter, a.NotAfter.Sub(now)
	}
	if ttl <= 0 {
		return time.Time{}, 0, errOver
	}
	return at, ttl, nil
}

// access mints an access token in the form of its client: the compatible one, or that of RFC 9068, which says nothing about a
// person beyond what its resource needs. Custom claims come last.
func (m *Minter) access(ctx context.Context, d *domain.Domain, a *Authorization, expires time.Time) (string, error) {
	c, now := a.Client, m.now()
	sub := c.ClientID
	if a.Person != nil {
		sub = Subject(d, c, a.Person)
	} else if a.Subject != "" {
		sub = a.Subject
	}
	custom := m.custom(ctx, d, c, a.Person, a.AuthFlow, c.AccessClaims)
	if c.Mappings != nil {
		mapped, err := m.mapped(ctx, d, a, claims.AccessToken, a.Scopes)
		if err != nil {
			return "", err
		}
		if custom, err = overlay(custom, mapped); err != nil {
			return "", err
		}
	}
	var buf [1024]byte
	b := append(buf[:0], `{"iss":`...)
	b = appendString(b, d.Issuer)
	b = append(b, `,"sub":`...)
	b = appendString(b, sub)
	b = append(b, `,"aud":`...)
	b = appendAudience(b, c.Audience, a.Resources, custom)
	if !c.JWTProfile {
		b = append(b, `,"domain":`...)
		b = appendString(b, d.ID)
	}
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, expires.Unix(), 10)
	b = append(b, `,"jti":"`...)
	idAt := len(b)
	b = appendID(b, a.Grant, now)
	id := b[idAt:]
	b = append(b, '"')
	if len(a.Scopes) > 0 {
		b = append(b, `,"scope":`...)
		b = appendScopes(b, a.Scopes)
	}
	b = append(b, `,"client_id":`...)
	b = appendString(b, c.ClientID)
	typ := jose.TypeJWT
	if c.JWTProfile {
		typ = jose.TypeAccessToken
		b = appendSignIn(b, a)
	} else if a.Person != nil && c.Sector == "" {
		b = append(b, `,"gis":`...)
		b = appendString(b, a.Person.Source+":"+a.Person.ExternalID)
	}
	b = appendConfirmation(b, a.Confirmation)
	if len(a.Actor) > 0 {
		b = append(append(b, `,"act":`...), a.Actor...)
	}
	if sealed, err := seal(d, a, id); err != nil {
		return "", err
	} else if sealed != "" {
		b = append(b, `,"`+sealedClaim+`":`...)
		b = appendString(b, sealed)
	}
	b = appendCustom(b, custom)
	return c.AccessKey.Sign(typ, append(b, '}'))
}

// appendSignIn appends what RFC 9068 §2.2.1 has of the sign-in, with a comma before each claim.
func appendSignIn(b []byte, a *Authorization) []byte {
	if a.Person == nil {
		return b
	}
	if a.AuthTime > 0 {
		b = append(b, `,"auth_time":`...)
		b = strconv.AppendInt(b, a.AuthTime, 10)
	}
	if a.ACR != "" {
		b = append(b, `,"acr":`...)
		b = appendString(b, a.ACR)
	}
	if len(a.AMR) > 0 {
		encoded, _ := json.Marshal(a.AMR) // strings always have a JSON form
		b = append(append(b, `,"amr":`...), encoded...)
	}
	return b
}

// A token's identifier ends in 8 characters of time and 22 of randomness: 48 bits of milliseconds, 128 random bits. The
// time makes "everything issued up to now" exact within a second.
const idTime, idRandom = 6, 16

func appendID(b []byte, grant string, now time.Time) []byte {
	if grant != "" {
		b = append(b, grant...)
		b = append(b, '.')
	}
	var raw [8 + idRandom]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(now.UnixMilli()))
	_, _ = rand.Read(raw[8:]) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.AppendEncode(b, raw[8-idTime:])
}

// issuedAt returns the time in a token's identifier, and the end of the second iat if there is none.
func issuedAt(id string, iat time.Time) int64 {
	raw, err := base64.RawURLEncoding.DecodeString(id[strings.LastIndexByte(id, '.')+1:])
	if err != nil || len(raw) != idTime+idRandom {
		return iat.UnixMilli() + 999
	}
	var wide [8]byte
	copy(wide[8-idTime:], raw[:idTime])
	return int64(binary.BigEndian.Uint64(wide[:]))
}

// appendScopes appends the scopes as one JSON string.
func appendScopes(b []byte, list []string) []byte {
	if !slices.ContainsFunc(list, func(s string) bool { return !plain(s) }) {
		b = append(b, '"')
		for i, s := range list {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, s...)
		}
		return append(b, '"')
	}
	return appendString(b, oauth2.JoinScope(list))
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	if !plain(s) {
		encoded, _ := json.Marshal(s) // strings always have a JSON form
		return append(b, encoded...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// plain reports whether a string is its own JSON form.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}

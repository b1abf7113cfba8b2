package state

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// SpentFor is how long a redeemed code is remembered, so that a second use can revoke what the first one made
// (RFC 6749 §4.1.2; RFC 9700 §4.2.4).
const SpentFor = 10 * time.Minute

// spent is the marker that a redeemed code leaves behind. A record is a JSON object and never begins so.
const spent = "spent"

// ErrSpent means that the code was redeemed before.
var ErrSpent = errors.New("redeemed before")

// Authorization is what a person (or, for a password grant, the client on their behalf) allowed a client. It is behind
// a code first and behind a grant's refresh tokens afterwards.
type Authorization struct {
	Domain string `json:"domain"`
	// ApplicationID is whom the authorization belongs to. ClientID is what the application was called at the time: when
	// another application takes the name later, it gets nothing of this one's.
	ApplicationID string   `json:"application"`
	ClientID      string   `json:"client_id"`
	Scopes        []string `json:"scopes,omitempty"`
	Person        Person   `json:"person"`
	// AuthTime is when the person signed in, in seconds since the epoch.
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	Nonce    string   `json:"nonce,omitempty"`
	// SessionID names the session for clients (the `sid` claim); it is not the cookie's value.
	SessionID string `json:"sid,omitempty"`
	// Root is what this grant came of by token exchange, as Line has it: it ends with that. Empty for all others.
	Root string `json:"root,omitempty"`
	// Ends is when the grant ends at the latest, in milliseconds since the epoch; 0 = never.
	Ends int64 `json:"ends,omitempty"`
	// Grant identifies the grant; tokens name it in their jti, so that revoking it ends them.
	Grant string `json:"grant"`
	// Created is when the authorization was first kept, in milliseconds since the epoch. The store sets it.
	Created int64 `json:"created"`

	// What the code is bound to (RFC 6749 §4.1.3, RFC 7636).
	RedirectURI      string `json:"redirect_uri,omitempty"`
	RedirectURISent  bool   `json:"redirect_uri_sent,omitempty"`
	Challenge        string `json:"challenge,omitempty"`
	ChallengeMethod  string `json:"challenge_method,omitempty"`
	AuthTimeRequired bool   `json:"auth_time_required,omitempty"`

	// Confirmation is the key to which tokens of this authorization are bound: that of a code (RFC 9449 §10) first, that of a
	// public client's refresh tokens afterwards.
	Confirmation Confirmation `json:"cnf,omitzero"`
	// Resources are those that the person allowed tokens for (RFC 8707); none means those of requests without a resource.
	Resources []string `json:"resources,omitempty"`
	// Claims is the claims parameter of the request, a JSON object (OpenID Connect Core §5.5); ClaimsLocales the languages it
	// asked for, the preferred one first (§5.2).
	Claims        json.RawMessage `json:"claims,omitempty"`
	ClaimsLocales []string        `json:"claims_locales,omitempty"`
	// AuthFlow is what flows set during the login, a JSON object; empty if nothing.
	AuthFlow json.RawMessage `json:"auth_flow,omitempty"`
	// Situation is from where and how the person came.
	Situation Situation `json:"situation,omitempty"`
	// Actor is the claim act of tokens that somebody else uses for the person, a JSON object (RFC 8693 §4.1).
	Actor json.RawMessage `json:"act,omitempty"`
}

// Confirmation names the key whose possession makes a token worth something (RFC 7800): none, one, or both.
type Confirmation struct {
	// JKT is the thumbprint of the key of DPoP proofs (RFC 9449 §6.1).
	JKT string `json:"jkt,omitempty"`
	// X5T is the SHA-256 thumbprint of the client's certificate (RFC 8705 §3.1).
	X5T string `json:"x5t#S256,omitempty"`
}

// Bound reports whether there is a key at all.
func (c Confirmation) Bound() bool { return c != Confirmation{} }

// Person is the signed-in user as far as tokens speak of them.
type Person struct {
	// UserID is the directory's identifier, Subject the one that clients see.
	UserID     string `json:"id"`
	Subject    string `json:"sub"`
	Source     string `json:"source"`
	ExternalID string `json:"external_id"`
	Username   string `json:"username"`
	// Profile holds claims by their registered names (OpenID Connect Core §5.1), without empty ones, and what is no
	// registered claim under AdditionalInformation.
	Profile map[string]any `json:"profile,omitempty"`
	// Permissions are the scopes of the person's roles, sorted.
	Permissions []string `json:"permissions,omitempty"`
}

// AdditionalInformation is the member of a Person's profile that holds what is no registered claim.
const AdditionalInformation = "additional_information"

// Line is how tokens name the grant in their jti: by itself, after what it came of, with a dot between. Revoking any of them
// ends the tokens.
func (a *Authorization) Line() string {
	if a.Root == "" {
		return a.Grant
	}
	return a.Root + "." + a.Grant
}

// GrantOf is the identifier of the grant that a code leads to. It follows from the code, so that a second use finds what
// to revoke although the first one left only a marker.
func GrantOf(code string) string {
	sum := sha256.Sum256([]byte("grant:" + code))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// NewCode returns a fresh code (256 random bits) and stores the authorization behind it for ttl. The authorization's
// grant is set to GrantOf the code.
func (s *Store) NewCode(ctx context.Context, a Authorization, ttl time.Duration) (string, error) {
	code := secret.NewToken()
	a.Grant, a.Created = GrantOf(code), s.now().UnixMilli()
	record, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encode authorization: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.client.Set(ctx, codeKey(a.Domain, a.ApplicationID, code), record, ttl).Err(); err != nil {
		return "", s.unavailable(err)
	}
	return code, nil
}

// Redeem returns the authorization behind an application's code and makes the code unusable, in one atomic command over all
// gateways. It returns ErrUnknown if this application never got such a code or if it has expired, and ErrSpent together with
// an authorization that holds only domain, application and grant if the code was redeemed before. A code in the hands of
// another client is unknown and stays as it is.
func (s *Store) Redeem(ctx context.Context, domain, application, code string) (Authorization, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	old, err := s.client.SetArgs(ctx, codeKey(domain, application, code), spent, redis.SetArgs{Mode: "XX", Get: true, TTL: SpentFor}).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return Authorization{}, ErrUnknown
	case err != nil:
		return Authorization{}, s.unavailable(err)
	case strings.HasPrefix(old, spent):
		return Authorization{Domain: domain, ApplicationID: application, Grant: GrantOf(code)}, ErrSpent
	}
	var a Authorization
	if err := json.Unmarshal([]byte(old), &a); err != nil {
		return Authorization{}, fmt.Errorf("decode authorization: %w", err)
	}
	if s.ended(&a) {
		return Authorization{}, ErrUnknown
	}
	return a, nil
}

// codeKey names a code in the hands of one application. The inner hash has a fixed length, so that no other pair of
// application and code can have the same key.
func codeKey(domain, application, code string) string {
	return "code:" + secret.HashToken(owner(domain, application)+secret.HashToken(code))
}

// owner names an application of a domain. The identifiers of domains have no slash.
func owner(domain, application string) string { return domain + "/" + application }

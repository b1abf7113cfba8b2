package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// memo is what Begin remembers for Finish.
type memo struct {
	Nonce    string `json:"n,omitempty"`
	Verifier string `json:"v"`
	// Issuer is who was to answer, so that a configuration that changes meanwhile changes nothing for a journey under way.
	Issuer string `json:"i,omitempty"`
}

// maxLocales bounds the languages that a site is asked for.
const maxLocales = 8

// Begin implements idp.Federator.
func (p *Provider) Begin(ctx context.Context, leg idp.Leg) (string, []byte, error) {
	e, err := p.endpoints(ctx)
	if err != nil {
		return "", nil, err
	}
	m := memo{Verifier: secret.NewToken(), Issuer: e.issuer}
	delimiter := p.site.Delimiter
	if delimiter == "" {
		delimiter = " "
	}
	var q query
	q.add("response_type", "code")
	q.add("client_id", p.site.ClientID)
	q.add("redirect_uri", leg.Callback)
	q.add("scope", strings.Join(p.site.Scopes, delimiter))
	q.add("state", leg.State)
	if p.openID {
		m.Nonce = secret.NewToken()
		q.add("nonce", m.Nonce)
	}
	if strings.EqualFold(p.site.Method, "plain") {
		q.add("code_challenge", m.Verifier)
		q.add("code_challenge_method", "plain")
	} else {
		sum := sha256.Sum256([]byte(m.Verifier))
		q.add("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		q.add("code_challenge_method", "S256")
	}
	q.add("response_mode", p.site.Mode)
	q.all(p.site.Extra)
	p.ask(&q, leg)
	if !p.site.NoMaxAge && p.openID {
		switch {
		case leg.Again: // so that the site tells when it was, OpenID Connect Core §3.1.2.1
			q.add("max_age", "0")
		case leg.MaxAge > 0:
			q.add("max_age", strconv.FormatInt(int64(leg.MaxAge/time.Second), 10))
		}
	}
	if p.openID && len(leg.Locales) > 0 {
		q.add("ui_locales", strings.Join(leg.Locales[:min(len(leg.Locales), maxLocales)], " "))
	}
	q.add("login_hint", leg.LoginHint) // the last, as callers expect it
	kept, err := json.Marshal(m)
	if err != nil {
		return "", nil, err
	}
	return q.on(e.authorization), kept, nil
}

// ask asks the site to have the person sign in anew, or choose an account. Without OpenID Connect there is no prompt, except where
// a site documents one.
func (p *Provider) ask(q *query, leg idp.Leg) {
	chooses := p.openID && p.site.Anew == nil || p.site.Anew.Get("prompt") == "select_account"
	switch {
	case leg.Again && p.site.Anew != nil, leg.Choose && p.site.Anew != nil && chooses:
		q.all(p.site.Anew)
	case leg.Again && leg.Choose:
		q.add("prompt", "login select_account")
	case leg.Again:
		q.add("prompt", "login")
	case leg.Choose && chooses:
		q.add("prompt", "select_account")
	}
}

// query is a query in the order in which it was made.
type query struct{ strings.Builder }

// add adds a parameter unless it is empty. A space is %20, which every server reads, and a plus stays a plus.
func (q *query) add(name, value string) {
	if value == "" {
		return
	}
	if q.Len() > 0 {
		q.WriteByte('&')
	}
	q.WriteString(name)
	q.WriteByte('=')
	q.WriteString(strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
}

func (q *query) all(values url.Values) {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		q.add(name, values.Get(name))
	}
}

// on returns an address with the query, behind the one that it may have (RFC 6749 §3.1).
func (q *query) on(address string) string {
	switch {
	case !strings.Contains(address, "?"):
		return address + "?" + q.String()
	case strings.HasSuffix(address, "?"), strings.HasSuffix(address, "&"):
		return address + q.String()
	}
	return address + "&" + q.String()
}

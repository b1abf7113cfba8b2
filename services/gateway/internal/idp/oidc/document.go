package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
)

const (
	leastFresh = 5 * time.Minute
	mostFresh  = 24 * time.Hour
	// keysUsedOn is how long keys are used beyond that while they cannot be fetched.
	keysUsedOn = time.Hour
	// pause lies between two fetches, after a failure as well.
	pause = 10 * time.Second
)

var metadataLimits = outbound.Limits{Bytes: 256 << 10, Redirects: 3, Accept: "application/json"}

// document is something that a site publishes. It is fetched when somebody needs it, and kept. It is safe for concurrent use.
type document[T comparable] struct {
	address string
	limits  outbound.Limits
	usedOn  time.Duration
	now     func() time.Time
	parse   func([]byte) (T, error)

	mu      sync.Mutex
	value   T             // read last
	has     bool          // whether it ever was
	until   time.Time     // when it has to be read again
	asked   time.Time     // when it was read, or could not be
	err     error         // why it could not be read last time
	pending chan struct{} // closed when the fetch that is under way ends; nil if none is
}

// get returns what the document says. Where missed is what it said before, and lacks what was looked for, it is fetched again
// if that may be done now; else the answer is missed again. Callers who need the same fetch wait for it together.
func (d *document[T]) get(ctx context.Context, fetch *outbound.Client, missed *T) (T, error) {
	d.mu.Lock()
	now := d.now()
	fresh := d.has && now.Before(d.until)
	switch {
	case fresh && (missed == nil || d.value != *missed):
		defer d.mu.Unlock()
		return d.value, nil
	case d.pending == nil && now.Before(d.asked.Add(pause)):
		defer d.mu.Unlock()
		return d.best(now)
	case d.pending == nil:
		d.pending = make(chan struct{})
		go d.read(context.WithoutCancel(ctx), fetch) // ends within the time that an outgoing request may take
	}
	pending := d.pending
	d.mu.Unlock()
	select {
	case <-pending:
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.best(d.now())
}

// best is what was read last while it may be used, else why there is nothing.
func (d *document[T]) best(now time.Time) (T, error) {
	if d.has && (d.err == nil || now.Before(d.until.Add(d.usedOn))) {
		return d.value, nil
	}
	var none T
	return none, d.err
}

func (d *document[T]) read(ctx context.Context, fetch *outbound.Client) {
	var value T
	got, err := fetch.Get(ctx, d.address, d.limits)
	if err == nil {
		value, err = d.parse(got.Body)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if d.asked, d.err = now, err; err == nil {
		d.value, d.has, d.until = value, true, now.Add(got.Fresh(now, leastFresh, mostFresh))
	}
	close(d.pending)
	d.pending = nil
}

// metadata is what a site says of itself (OpenID Connect Discovery §3, RFC 8414 §2).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Keys          string   `json:"jwks_uri"`
	ClientAuth    []string `json:"token_endpoint_auth_methods_supported"`
	IssInAnswer   bool     `json:"authorization_response_iss_parameter_supported"`
}

// parseMetadata reads a document that was found at an address. Endpoints are https, or http where the document itself is: it may
// not lead a person's code down to plain http.
func parseMetadata(address string, body []byte) (*metadata, error) {
	m := &metadata{}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, errors.New("the metadata is not a JSON object of the documented form")
	}
	if m.Issuer == "" {
		return nil, errors.New("the metadata names no issuer")
	}
	plain := strings.HasPrefix(strings.ToLower(address), "http:")
	for name, endpoint := range map[string]string{
		"authorization_endpoint": m.Authorization, "token_endpoint": m.Token, "userinfo_endpoint": m.UserInfo, "jwks_uri": m.Keys,
	} {
		if endpoint == "" {
			continue
		}
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && !(plain && u.Scheme == "http") {
			return nil, fmt.Errorf("the metadata's %s is not an https URL", name)
		}
	}
	return m, nil
}

// keySource is the published keys of a site, whose address the metadata may change.
type keySource struct {
	now func() time.Time

	mu  sync.Mutex
	doc *document[*jose.KeySet]
}

func (k *keySource) at(address string) *document[*jose.KeySet] {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.doc == nil || k.doc.address != address {
		k.doc = &document[*jose.KeySet]{address: address, limits: outbound.JWKS, now: k.now, usedOn: keysUsedOn, parse: jose.ParseJWKS}
	}
	return k.doc
}

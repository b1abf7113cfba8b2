package authorization

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Fetcher reads documents from outside; *outbound.Client does.
type Fetcher interface {
	Get(ctx context.Context, address string, l outbound.Limits) (*outbound.Answer, error)
}

// maxRequestURI is the longest request_uri in bytes. RFC 9101 §5.2 expects 512 at most.
const maxRequestURI = 2 << 10

// fetch returns the request object behind a reference (RFC 9101 §5.2.2, OpenID Connect Core §6.2).
func (o *Objects) fetch(ctx context.Context, d *domain.Domain, c *domain.Client, uri string) (string, error) {
	if o.Fetch == nil || o.Keys == nil {
		return "", oauth2.RequestURINotSupported.Errorf("The parameter request_uri is not supported")
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil, len(uri) > maxRequestURI, u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.User != nil:
		return "", oauth2.InvalidRequestURI.Errorf("The request_uri is not an https URL").WithCause(err)
	case !registeredReference(d, c, uri):
		return "", oauth2.InvalidRequestURI.Errorf("The request_uri is not registered")
	}
	if body, ok := o.cache.get(uri); ok {
		return body, nil
	}
	answer, err := o.Fetch.Get(ctx, uri, outbound.RequestObject)
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("status %d", answer.Status)
	}
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", oauth2.InvalidRequestURI.Errorf("The request object cannot be read from the request_uri").WithCause(err)
	}
	object := strings.TrimSpace(string(answer.Body))
	if hashes(u.Fragment, answer.Body) {
		o.cache.put(uri, object)
	}
	return object, nil
}

// registeredReference reports whether a client may refer to a request object. What it registered is exhaustive, and so is
// what the domain names for clients that registered nothing. Without either everything may be used that the guarded client
// reaches, unless the profile wants to know it beforehand (RFC 9101 §10.4).
func registeredReference(d *domain.Domain, c *domain.Client, uri string) bool {
	list := c.RequestURIs
	if len(list) == 0 {
		list = d.Settings.GetOidc().GetRequestUris()
	}
	if len(list) == 0 {
		return !c.Profile.Strict()
	}
	bare, _, _ := strings.Cut(uri, "#")
	return slices.ContainsFunc(list, func(registered string) bool {
		want, _, _ := strings.Cut(registered, "#")
		return bare == want
	})
}

// hashes reports whether a fragment is the SHA-256 of a content, so that another content has another URL
// (OpenID Connect Core §6.2).
func hashes(fragment string, content []byte) bool {
	sum := sha256.Sum256(content)
	return fragment != "" && strings.TrimRight(fragment, "=") == base64.RawURLEncoding.EncodeToString(sum[:])
}

// maxCached bounds the bytes of request objects in memory.
const maxCached = 4 << 20

// objectCache keeps objects whose URL says what they are. When it is full it begins anew.
type objectCache struct {
	mu      sync.Mutex
	objects map[string]string
	size    int
}

func (c *objectCache) get(uri string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, ok := c.objects[uri]
	return body, ok
}

func (c *objectCache) put(uri, body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := len(uri) + len(body)
	if c.objects == nil || c.size+size > maxCached {
		c.objects, c.size = map[string]string{}, 0
	}
	if _, ok := c.objects[uri]; !ok {
		c.objects[uri] = body
		c.size += size
	}
}

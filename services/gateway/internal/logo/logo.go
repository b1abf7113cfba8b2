// Package logo serves the logos of clients and of domains again, from the gateway's own origin: pages show them without telling
// another site who signs in where. A request names a client, never an address; what is fetched is what was configured, by the
// guarded client, and only pictures are passed on.
package logo

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

const (
	// A logo is kept between leastFresh and mostFresh, as its headers say; that there is none, for pause.
	leastFresh = time.Hour
	mostFresh  = 24 * time.Hour
	pause      = time.Minute
	// The bounds of what is kept.
	maxEntries = 1024
	maxBytes   = 32 << 20
	// inBrowsers is how long a browser keeps a logo.
	inBrowsers = "public, max-age=3600"
)

// pictures are the types that are passed on. Others, SVG above all, may hold scripts.
var pictures = []string{"image/png", "image/jpeg", "image/webp", "image/gif", "image/x-icon"}

var errNoPicture = errors.New("the logo is no PNG, JPEG, WebP, GIF or ICO")

// Handler serves logos. It is safe for concurrent use.
type Handler struct {
	fetch *outbound.Client
	now   func() time.Time

	mu    sync.Mutex
	kept  map[key]*entry // guarded by mu
	bytes int            // guarded by mu
}

// key is an address, and whose it is: an application or a domain.
type key struct{ owner, address string }

// entry is one logo; content is nil where there is none.
type entry struct {
	content []byte
	picture string
	until   time.Time
}

// New returns a Handler.
func New(fetch *outbound.Client, now func() time.Time) *Handler {
	return &Handler{fetch: fetch, now: now, kept: map[key]*entry{}}
}

// Routes returns the endpoint's routes. The rest of the path is the client_id, and for pictures of a brand their name, with a slash
// and the client_id behind it where a client is known.
func (h *Handler) Routes() []endpoint.Route {
	return []endpoint.Route{
		{Name: "logo", Path: "/oauth/logo/*", Get: h.serve, Errors: endpoint.ErrorJSON},
		{Name: "brand", Path: "/oauth/brand/*", Get: h.brand, Errors: endpoint.ErrorJSON},
	}
}

// brand serves the pictures of a theme.
func (h *Handler) brand(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	name, clientID, ofClient := strings.Cut(r.PathValue("rest"), "/")
	theme, owner := d.Theme, d.ID
	if ofClient {
		c, err := d.Client(r.Context(), clientID)
		if err != nil && !errors.Is(err, domain.ErrNoClient) {
			return err
		}
		if err == nil {
			theme = c.Theme
		}
	}
	var found *entry
	if theme != nil {
		address := map[string]string{"logo": theme.Logo, "logo-dark": theme.LogoDark, "favicon": theme.Favicon}[name]
		if address != "" {
			found = h.get(r.Context(), key{owner, address})
		}
	}
	show(w, r, found)
	return nil
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	c, err := d.Client(r.Context(), r.PathValue("rest"))
	if err != nil && !errors.Is(err, domain.ErrNoClient) {
		return err
	}
	var found *entry
	if err == nil {
		if address := c.Application.GetSettings().GetOauth().GetLogoUri(); address != "" {
			found = h.get(r.Context(), key{c.ID, address})
		}
	}
	show(w, r, found)
	return nil
}

// show answers a picture; nil is none.
func show(w http.ResponseWriter, r *http.Request, found *entry) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	if found == nil || found.content == nil {
		endpoint.NoStore(header)
		header.Set("Content-Length", "0")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	header.Set("Content-Type", found.picture)
	header.Set("Content-Length", strconv.Itoa(len(found.content)))
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", inBrowsers)
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(found.content)
	}
}

// get returns a logo that is kept, or fetches it. Equal fetches are joined by the guarded client.
func (h *Handler) get(ctx context.Context, k key) *entry {
	now := h.now()
	h.mu.Lock()
	e := h.kept[k]
	h.mu.Unlock()
	if e != nil && now.Before(e.until) {
		return e
	}
	answer, err := h.fetch.Get(ctx, k.address, outbound.Logo)
	if ctx.Err() != nil {
		return nil // the person has left, which says nothing about the logo
	}
	made := &entry{until: now.Add(pause)}
	if err == nil {
		made.picture, err = typeOf(answer.Body)
	}
	if err == nil {
		made.content, made.until = answer.Body, now.Add(answer.Fresh(now, leastFresh, mostFresh))
	}
	h.keep(k, made)
	return made
}

// typeOf tells a picture by its content, whatever its sender called it.
func typeOf(content []byte) (string, error) {
	if t := http.DetectContentType(content); slices.Contains(pictures, t) {
		return t, nil
	}
	return "", errNoPicture
}

// keep remembers an entry and forgets others where there is no room.
func (h *Handler) keep(k key, e *entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(k)
	for other := range h.kept { // the order of a map is random enough
		if len(h.kept) < maxEntries && h.bytes+len(e.content) <= maxBytes {
			break
		}
		h.drop(other)
	}
	h.kept[k] = e
	h.bytes += len(e.content)
}

func (h *Handler) drop(k key) {
	if e, ok := h.kept[k]; ok {
		delete(h.kept, k)
		h.bytes -= len(e.content)
	}
}

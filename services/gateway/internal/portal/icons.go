package portal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
)

// IconSource hands out the pictures of applications; *upstream.Assets does.
type IconSource interface {
	// Icon returns a picture and its type by the SHA-256 of its content. One that is not there is fault.NotFound.
	Icon(ctx context.Context, domain, digest string) (mediaType string, content []byte, err error)
}

// The bounds of the pictures that are kept in memory.
const (
	maxIcons     = 2048
	maxIconBytes = 32 << 20
)

// iconTypes are the types that are passed on.
var iconTypes = []string{"image/png", "image/jpeg", "image/webp", "image/svg+xml"}

// Icons serves the pictures of applications under their digests, which never mean another picture. It is safe for concurrent use.
type Icons struct {
	source IconSource
	joined singleflight.Group

	mu    sync.Mutex
	kept  map[string]*kept // by digest; guarded by mu
	bytes int              // guarded by mu
}

// kept is one picture.
type kept struct {
	mediaType string
	content   []byte
}

// NewIcons returns an empty memory before a source.
func NewIcons(source IconSource) *Icons { return &Icons{source: source, kept: map[string]*kept{}} }

// Routes returns the endpoint's route.
func (i *Icons) Routes() []endpoint.Route {
	return []endpoint.Route{{Name: "asset", Path: pages.AssetPath + "*", Get: i.serve, Errors: endpoint.ErrorJSON}}
}

var errWrongIcon = errors.New("the picture is not what its digest says")

// serve answers a picture that an application of the domain has. Nobody can make the gateway ask for any other.
func (i *Icons) serve(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	digest := r.PathValue("rest")
	if !d.HasIcon(digest) {
		return nothing()
	}
	h := w.Header()
	tag := `"` + digest + `"`
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		h.Set("ETag", tag)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	icon, err := i.get(r.Context(), d.ID, digest)
	switch {
	case fault.Is(err, fault.NotFound):
		return nothing()
	case err != nil:
		return err
	}
	h.Set("ETag", tag)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", icon.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(icon.content)))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(icon.content)
	}
	return nil
}

// get returns a picture that is kept, or asks for it. Equal questions are joined.
func (i *Icons) get(ctx context.Context, domainID, digest string) (*kept, error) {
	i.mu.Lock()
	held := i.kept[digest]
	i.mu.Unlock()
	if held != nil {
		return held, nil
	}
	answers := i.joined.DoChan(domainID+"/"+digest, func() (any, error) {
		mediaType, content, err := i.source.Icon(context.WithoutCancel(ctx), domainID, digest)
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != digest || !slices.Contains(iconTypes, mediaType) {
			return nil, errWrongIcon
		}
		made := &kept{mediaType, content}
		i.keep(digest, made)
		return made, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case answer := <-answers:
		if answer.Err != nil {
			return nil, answer.Err
		}
		return answer.Val.(*kept), nil
	}
}

// keep remembers a picture and forgets others where there is no room.
func (i *Icons) keep(digest string, made *kept) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for other, old := range i.kept { // the order of a map is random enough
		if len(i.kept) < maxIcons && i.bytes+len(made.content) <= maxIconBytes {
			break
		}
		delete(i.kept, other)
		i.bytes -= len(old.content)
	}
	if old := i.kept[digest]; old != nil {
		i.bytes -= len(old.content)
	}
	i.kept[digest] = made
	i.bytes += len(made.content)
}

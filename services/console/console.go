package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

// "all:" because bundlers also name files with a leading underscore, which a plain pattern would leave out.
//
//go:embed all:dist
var embedded embed.FS

const (
	index = "index.html"
	// hashed is the folder whose file names change with their content.
	hashed = "assets/"
)

// Handler serves the console. Files below assets/ are cached for good, because their names carry a hash of their
// content; the start page is never stored, so a new release shows at the next visit; other files are revalidated.
// A path that names no file and has no file extension is a route inside the console and answers the start page;
// a missing file is 404. Only GET and HEAD are answered.
func Handler() http.Handler {
	dist, err := fs.Sub(embedded, "dist")
	if err != nil {
		panic(err) // the pattern above is a constant
	}
	s, err := load(dist)
	if err != nil {
		panic(err) // what was embedded at build time is complete, or the tests of this package fail
	}
	return s
}

// site is every file in memory, ready to be sent. Nothing in it changes after load.
type site struct {
	files  map[string]file
	policy string
}

type file struct {
	body        []byte
	contentType string
	cache       string
	etag        string // empty for what must not be stored
}

func load(dist fs.FS) (*site, error) {
	s := &site{files: make(map[string]file)}
	err := fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		s.files[name] = describe(name, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the console's files: %w", err)
	}
	start, ok := s.files[index]
	if !ok {
		return nil, fmt.Errorf("read the console's files: no %s", index)
	}
	s.policy = policy(start.body)
	return s, nil
}

func describe(name string, body []byte) file {
	f := file{body: body, contentType: contentType(name), cache: "no-cache"}
	if name == index {
		f.cache = "no-store"
		return f
	}
	if strings.HasPrefix(name, hashed) {
		f.cache = "public, max-age=31536000, immutable"
	}
	sum := sha256.Sum256(body)
	f.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	return f
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", s.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this page can only be read", http.StatusMethodNotAllowed)
		return
	}
	f, ok := s.find(r.URL.Path)
	if !ok {
		h.Set("Cache-Control", "no-store")
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cache)
	if f.etag != "" {
		h.Set("ETag", f.etag)
	}
	// The zero time leaves out Last-Modified: embedded files have none.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

func (s *site) find(urlPath string) (file, bool) {
	name := strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	if f, ok := s.files[name]; ok {
		return f, true
	}
	if strings.HasPrefix(name, hashed) || path.Ext(name) != "" {
		return file{}, false
	}
	return s.files[index], true
}

// contentTypes spares us the host's own tables, which differ from machine to machine.
var contentTypes = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
	".woff2":       "font/woff2",
}

func contentType(name string) string {
	ext := path.Ext(name)
	if known, ok := contentTypes[ext]; ok {
		return known
	}
	if known := mime.TypeByExtension(ext); known != "" {
		return known
	}
	return "application/octet-stream"
}

var styleElement = regexp.MustCompile(`(?s)<style[^>]*>(.*?)</style>`)

// policy lets the console load from its own origin only, never run inline script and never be framed. Style elements
// of the start page are allowed by the hash of their content (CSP Level 3 §2.3.1).
func policy(start []byte) string {
	styles := "'self'"
	for _, element := range styleElement.FindAllSubmatch(start, -1) {
		sum := sha256.Sum256(element[1])
		styles += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src " + styles,
		"img-src 'self' data:",
		"font-src 'self'",
		"connect-src 'self'",
		"manifest-src 'self'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; ")
}

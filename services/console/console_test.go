package console

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const startPage = `<!doctype html><style>body{color:red}</style><script src="/assets/main-4f2a.js"></script>`

func built(t *testing.T) http.Handler {
	t.Helper()
	s, err := load(fstest.MapFS{
		"index.html":            {Data: []byte(startPage)},
		"favicon.svg":           {Data: []byte("<svg/>")},
		"assets/main-4f2a.js":   {Data: []byte("start()")},
		"assets/_shared-9c.css": {Data: []byte("a{}")},
		"assets/blob-1.unknown": {Data: []byte{0, 1, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(b.String(), "\r\n\r\n")
	return text
}

func TestFiles(t *testing.T) {
	const (
		forever    = "public, max-age=31536000, immutable"
		revalidate = "no-cache"
		never      = "no-store"
	)
	tests := []struct {
		name        string
		path        string
		status      int
		contentType string
		cache       string
		body        string
	}{
		{"the root is the start page, never stored", "/", 200, "text/html; charset=utf-8", never, startPage},
		{"the start page has a name too", "/index.html", 200, "text/html; charset=utf-8", never, startPage},
		{"a route inside the console is the start page", "/domains/acme/applications", 200, "text/html; charset=utf-8", never, startPage},
		{"a route with a final slash is the start page", "/domains/", 200, "text/html; charset=utf-8", never, startPage},
		{"script with a hash in its name is kept for good", "/assets/main-4f2a.js", 200, "text/javascript; charset=utf-8", forever, "start()"},
		{"a file with a leading underscore is served", "/assets/_shared-9c.css", 200, "text/css; charset=utf-8", forever, "a{}"},
		{"a file of an unknown kind is only bytes", "/assets/blob-1.unknown", 200, "application/octet-stream", forever, "\x00\x01\x02"},
		{"a file without a hash is revalidated", "/favicon.svg", 200, "image/svg+xml", revalidate, "<svg/>"},
		{"an asset of an older release is missing, not the start page", "/assets/main-0000.js", 404, "text/plain; charset=utf-8", never, "there is no such file\n"},
		{"an asset folder is not listed", "/assets/", 200, "text/html; charset=utf-8", never, startPage},
		{"a missing file outside assets is missing", "/robots.txt", 404, "text/plain; charset=utf-8", never, "there is no such file\n"},
		{"dots do not leave the folder", "/../../go.mod", 404, "text/plain; charset=utf-8", never, "there is no such file\n"},
	}
	h := built(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := ask(h, http.MethodGet, tt.path)
			if r.StatusCode != tt.status {
				t.Errorf("status = %d, want %d", r.StatusCode, tt.status)
			}
			if got := r.Header.Get("Content-Type"); got != tt.contentType {
				t.Errorf("Content-Type = %q, want %q", got, tt.contentType)
			}
			if got := r.Header.Get("Cache-Control"); got != tt.cache {
				t.Errorf("Cache-Control = %q, want %q", got, tt.cache)
			}
			if got := body(t, r); got != tt.body {
				t.Errorf("body = %q, want %q", got, tt.body)
			}
		})
	}
}

func TestUnchangedFileIsNotSentAgain(t *testing.T) {
	h := built(t)
	etag := ask(h, http.MethodGet, "/favicon.svg").Header.Get("ETag")
	if etag == "" {
		t.Fatal("no ETag")
	}
	if r := ask(h, http.MethodGet, "/favicon.svg", "If-None-Match", etag); r.StatusCode != http.StatusNotModified {
		t.Errorf("status = %d, want 304", r.StatusCode)
	}
	if got := ask(h, http.MethodGet, "/").Header.Get("ETag"); got != "" {
		t.Errorf("the start page, which must not be stored, has ETag %s", got)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	h := built(t)
	for _, path := range []string{"/", "/assets/main-4f2a.js", "/missing.js"} {
		r := ask(h, http.MethodGet, path)
		if got := r.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options = %q", path, got)
		}
		policy := r.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %q", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe-") {
			t.Errorf("%s: policy %q allows unsafe sources", path, policy)
		}
	}
}

func TestOnlyTheStartPagesOwnStyleIsAllowedInline(t *testing.T) {
	sum := sha256.Sum256([]byte("body{color:red}"))
	want := "style-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"
	if got := ask(built(t), http.MethodGet, "/").Header.Get("Content-Security-Policy"); !strings.Contains(got, want) {
		t.Errorf("policy %q lacks %q", got, want)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	h := built(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		r := ask(h, method, "/")
		if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s = %d, Allow %q", method, r.StatusCode, r.Header.Get("Allow"))
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/", nil))
	if w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD = %d with %d bytes, want 200 with none", w.Code, w.Body.Len())
	}
}

func TestMountedBelowAPath(t *testing.T) {
	h := http.StripPrefix("/console", built(t))
	for _, path := range []string{"/console", "/console/", "/console/domains/acme"} {
		if r := ask(h, http.MethodGet, path); r.StatusCode != http.StatusOK || body(t, r) != startPage {
			t.Errorf("%s = %d, not the start page", path, r.StatusCode)
		}
	}
}

func TestFilesWithoutAStartPageAreRefused(t *testing.T) {
	if _, err := load(fstest.MapFS{"assets/main-4f2a.js": {Data: []byte("start()")}}); err == nil {
		t.Error("loaded without index.html")
	}
}

func TestEmbeddedStartPage(t *testing.T) {
	r := ask(Handler(), http.MethodGet, "/")
	page := body(t, r)
	for _, want := range []string{`<html lang="en">`, "<title>", "<h1>", "/management"} {
		if !strings.Contains(page, want) {
			t.Errorf("the start page lacks %q", want)
		}
	}
	// An inline script or a style attribute would be blocked by the policy above and silently not work.
	for _, refused := range []string{"<script>", ` style="`, " onclick="} {
		if strings.Contains(page, refused) {
			t.Errorf("the start page holds %q, which its own policy blocks", refused)
		}
	}
}

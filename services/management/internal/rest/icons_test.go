package rest

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/icon"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestIcons(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Acme")
	id := h.application(domain, `{"name":"Payroll","type":"SERVICE"}`)["id"].(string)
	path := "/management/domains/" + domain + "/applications/" + id + "/icon"
	put := func(query, mediaType string, content []byte) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, h.server.URL+path+query, bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+h.token)
		r.Header.Set("Content-Type", mediaType)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	h.send("GET", path, "").refused(404, "The application has no icon for this theme")
	if got := put("", "image/jpeg", picture.Bytes()); got.StatusCode != http.StatusOK {
		t.Fatalf("a picture under another name: %d", got.StatusCode)
	}
	svg := `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><path d="M0 0"/></svg>`
	if got := put("?theme=dark", "image/svg+xml", []byte(svg)); got.StatusCode != http.StatusOK {
		t.Fatalf("an SVG picture: %d", got.StatusCode)
	}
	light := h.send("GET", path, "").status(http.StatusOK)
	if light.header.Get("Content-Type") != "image/png" || !bytes.Equal(light.body, picture.Bytes()) {
		t.Errorf("the light one is %s", light.header.Get("Content-Type"))
	}
	dark := h.send("GET", path+"?theme=dark", "").status(http.StatusOK)
	if strings.Contains(string(dark.body), "script") || !strings.Contains(dark.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the dark one: %s", dark.body)
	}
	app := h.send("GET", strings.TrimSuffix(path, "/icon"), "").tree()["icon"]
	if tree, ok := app.(map[string]any); !ok || len(tree) != 2 {
		t.Errorf("the application names %v", app)
	}
	for name, got := range map[string]*http.Response{
		"another type of picture": put("", "image/gif", []byte("GIF89a")),
		"another theme":           put("?theme=grey", "image/png", picture.Bytes()),
		"one that is too large":   put("", "image/png", append(picture.Bytes(), make([]byte, 512<<10)...)),
	} {
		if got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	if got := put("", "text/html", picture.Bytes()); got.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a body that is no picture: %d", got.StatusCode)
	}
	h.send("PUT", path, `{"url":"javascript:alert(1)"}`).refused(400, "[url: must be an http or https URL]", "url")
	h.send("PUT", path, `{"url":"http://127.0.0.1/x.png"}`).refused(400, "The icon could not be fetched", "url")
	h.send("DELETE", path, "").status(http.StatusNoContent)
	h.send("GET", path, "").status(http.StatusNotFound)
	if app := h.send("GET", strings.TrimSuffix(path, "/icon"), "").tree()["icon"].(map[string]any); app["light"] != nil || app["dark"] == nil {
		t.Errorf("the application names %v", app)
	}
}

func TestAPictureIsNotStoredForAChangeThatIsRefused(t *testing.T) {
	g := newGuarded(t)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewNRGBA(image.Rect(0, 0, 3, 3))); err != nil {
		t.Fatal(err)
	}
	p, err := icon.Check(picture.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	id := g.a[len(g.d+"/applications/"):]
	at := editor.Place{Organization: "DEFAULT", Environment: "DEFAULT", Domain: g.domain}
	ed := editor.New(editor.Options{Store: g.store, Hasher: g.hasher, Logger: slog.New(slog.DiscardHandler)})
	if _, err := ed.SetIcon(t.Context(), at, id, editor.Light, 999, p); !fault.Is(err, fault.Stale) {
		t.Fatalf("set: %v", err)
	}
	if _, err := g.store.Icons().Get(t.Context(), g.domain, p.Digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("stored: %v", err)
	}
	if _, err := ed.SetIcon(t.Context(), at, id, editor.Light, 0, p); err != nil {
		t.Fatal(err)
	}
	if _, err := g.store.Icons().Get(t.Context(), g.domain, p.Digest); err != nil {
		t.Error(err)
	}
}

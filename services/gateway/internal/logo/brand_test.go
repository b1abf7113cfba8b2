package logo

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/branding"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

func TestThePicturesOfABrandAreServedByTheirNames(t *testing.T) {
	h := New(nil, time.Now)
	d := &domain.Domain{Core: &domain.Core{ID: "acme", Theme: branding.Compile(&configv1.Branding{LogoUri: "https://a.example/l", FaviconUri: "https://a.example/i"}, nil)}}
	until := time.Now().Add(time.Hour)
	h.keep(key{"acme", "https://a.example/l"}, &entry{content: []byte("logo"), picture: "image/png", until: until})
	h.keep(key{"acme", "https://a.example/i"}, &entry{content: []byte("icon"), picture: "image/x-icon", until: until})
	for rest, want := range map[string]string{"logo": "logo", "favicon": "icon", "logo-dark": "", "other": "", "": ""} {
		r, w := httptest.NewRequest(http.MethodGet, "/acme/oauth/brand/"+rest, nil), httptest.NewRecorder()
		r.SetPathValue("rest", rest)
		if err := h.brand(w, r, d); err != nil {
			t.Fatal(err)
		}
		if w.Body.String() != want || (w.Code == http.StatusOK) != (want != "") {
			t.Errorf("%s: status %d, %q", rest, w.Code, w.Body.String())
		}
	}
	bare := &domain.Domain{Core: &domain.Core{ID: "bare"}}
	r, w := httptest.NewRequest(http.MethodGet, "/bare/oauth/brand/logo", nil), httptest.NewRecorder()
	r.SetPathValue("rest", "logo")
	if err := h.brand(w, r, bare); err != nil || w.Code != http.StatusNotFound {
		t.Errorf("a domain without a brand: status %d, %v", w.Code, err)
	}
}

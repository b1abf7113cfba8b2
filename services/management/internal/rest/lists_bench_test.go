package rest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// BenchmarkLists asks for lists of a domain with 100,000 applications through the whole API, beside one read of the
// database by identifier in the same run: each request makes such reads to know who asks.
func BenchmarkLists(b *testing.B) {
	const many = 100_000
	h := newHouse(b)
	made := h.send(http.MethodPost, short+"/domains", `{"name": "many"}`, bearerOf(h.token))
	made.status(http.StatusCreated)
	domain := made.tree()["id"].(string)
	one := h.send(http.MethodPost, short+"/domains/"+domain+"/applications", `{"name": "a", "type": "service"}`, bearerOf(h.token))
	one.status(http.StatusCreated)
	like, err := store.Get(b.Context(), h.store, catalog.Applications, one.tree()["id"].(string))
	if err != nil {
		b.Fatal(err)
	}
	stored, err := h.store.Load(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	all := stored.Resources
	for i := range many {
		a := proto.CloneOf(like)
		a.Name, a.Settings.Oauth.ClientId = fmt.Sprintf("Application %06d", i), fmt.Sprintf("client-%06d", i)
		a.Type = configv1.Application_Type(1 + i%4)
		resource.Stamp(a, resource.Stamps{ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", i)})
		all = append(all, a)
	}
	img := image.New()
	img.Load(img.Begin(), stored.Revision, all)
	o := h.api.Options
	o.Metrics, o.Editor = nil, editor.New(editor.Options{Store: h.store, Image: img, Hasher: h.hasher})
	api := New(o)

	measure := func(name string, ask func() error) {
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				start := time.Now()
				if err := ask(); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(times[len(times)/2].Seconds()*1000, "p50-ms")
			b.ReportMetric(times[len(times)*95/100].Seconds()*1000, "p95-ms")
		})
	}
	measure("database, one by _id", func() error {
		_, err := store.Get(b.Context(), h.store, catalog.Applications, like.GetId())
		return err
	})
	for _, tt := range []struct{ name, query string }{
		{"page", ""}, {"deep page", "page=1900"}, {"name", "q=APPLICATION+004711"}, {"client id", "q=client-004711"},
		{"wildcard", "q=*4711*"}, {"type", "type=web"}, {"type and wildcard", "type=web&q=*7*"},
	} {
		measure(tt.name, func() error {
			r := httptest.NewRequest(http.MethodGet, short+"/domains/"+domain+"/applications?"+tt.query, nil)
			r.Header.Set("Authorization", "Bearer "+h.token)
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				return fmt.Errorf("%d %s", w.Code, w.Body)
			}
			return nil
		})
	}
}

func bearerOf(token string) option { return header("Authorization", "Bearer "+token) }

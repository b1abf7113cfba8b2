package image

import (
	"fmt"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// many is how many applications the domain of the benchmarks has.
const many = 100_000

func manyApplications() *Image {
	all := make([]resource.Resource, many)
	for i := range all {
		a := application("d", fmt.Sprintf("00000000-0000-7000-8000-%012d", i), fmt.Sprintf("Application %d of team %d", i, i%97), fmt.Sprintf("client-%d-of-%d", i*7919%many, many))
		a.Type = configv1.Application_Type(1 + i%5)
		enabled := i%3 > 0
		a.Enabled = &enabled
		all[i] = a
	}
	img := New()
	img.Load(img.Begin(), 1, all)
	return img
}

func BenchmarkList(b *testing.B) {
	img := manyApplications()
	allowed := map[string]bool{}
	for i := range many / 2 {
		allowed[fmt.Sprintf("00000000-0000-7000-8000-%012d", i*2)] = true
	}
	for _, bb := range []struct {
		name string
		q    Query
		want int
	}{
		{"page", Query{}, many},
		{"deep page", Query{Page: 1900}, many},
		{"name", Query{Search: "Application 4711 of team 55"}, 1},
		{"client id", Query{Search: "CLIENT-4711-of-100000"}, 1},
		{"wildcard at the end", Query{Search: "application 4711*"}, 11},
		{"wildcards around", Query{Search: "*77 of*"}, 1000},
		{"wildcard in front, nearly all", Query{Search: "*-of-100000"}, many},
		{"type", Query{Where: func(r resource.Resource) bool {
			return r.(*configv1.Application).GetType() == configv1.Application_WEB
		}}, many / 5},
		{"half of them allowed", Query{Only: allowed}, many / 2},
		{"scope", Query{Where: must(Having(catalog.Applications, "settings.oauth.scopeSettings.scope", "x"))}, 0},
	} {
		bb.q.Domain, bb.q.Size = "d", 50
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				v, _ := img.View()
				if _, total := List(v, catalog.Applications, bb.q); total != bb.want {
					b.Fatalf("found %d", total)
				}
			}
		})
	}
}

func must(where func(resource.Resource) bool, err error) func(resource.Resource) bool {
	if err != nil {
		panic(err)
	}
	return where
}

// BenchmarkApply is the cost of taking over one change.
func BenchmarkApply(b *testing.B) {
	img := manyApplications()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		id := i * 7919 % many
		img.Apply(int64(2+i), []resource.Resource{
			application("d", fmt.Sprintf("00000000-0000-7000-8000-%012d", id), fmt.Sprintf("Renamed %d", i), fmt.Sprint("client-", id)),
		}, nil)
	}
}

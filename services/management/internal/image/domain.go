package image

import (
	"iter"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Of yields a domain and everything in it, in the order of catalog.All; sign-in settings that wait come before the applications.
// Nothing of it must be changed.
func (v View) Of(domain string) iter.Seq[resource.Resource] {
	return func(yield func(resource.Resource) bool) {
		if d, ok := v.Get(catalog.Domains, "", domain); !ok || !yield(d) {
			return
		}
		for _, k := range catalog.All {
			if k.Descriptor().Parent == nil {
				continue
			}
			for _, waiting := range []bool{true, false} {
				p, ok := v.parts.get(partOf(k, resource.Key{Domain: domain}, waiting))
				if !ok || waiting && k.Descriptor().Arm != catalog.Applications.Arm {
					continue
				}
				for e := range p.inOrder.all() {
					if !yield(e.get()) {
						return
					}
				}
			}
		}
	}
}

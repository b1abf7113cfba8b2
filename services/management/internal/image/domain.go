package image

import (
	"iter"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// OfApplication yields what there is of a kind that belongs to an application, in no order. Nothing of it must be changed.
func (v View) OfApplication(k catalog.Any, domain, application string) iter.Seq[resource.Resource] {
	return func(yield func(resource.Resource) bool) {
		if v.parts.size == 0 || application == "" || !catalog.IsLeveled(k) {
			return
		}
		p, ok := v.parts.get(partOf(k, resource.Key{Domain: domain}, false))
		if !ok {
			return
		}
		for e := range p.byHandle.from(&entry{handle: application}) {
			if e.handle != application || !yield(e.get()) {
				return
			}
		}
	}
}

// OfDomain yields what there is of a kind in a domain, in the order of its lists. Nothing of it must be changed.
func (v View) OfDomain(k catalog.Any, domain string) iter.Seq[resource.Resource] {
	return func(yield func(resource.Resource) bool) {
		p, ok := v.parts.get(partOf(k, resource.Key{Domain: domain}, false))
		if !ok {
			return
		}
		for e := range p.inOrder.all() {
			if !yield(e.get()) {
				return
			}
		}
	}
}

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

package domain

import (
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// prepared is an upsert with all that can be made of it alone.
type prepared struct {
	key resource.Key
	// resource is nil of a kind that only later gateways know.
	resource resource.Resource
	// entry is that of an application, err why there is none.
	entry *entry
	err   error
	// unreadable says that it is no message at all.
	unreadable error
}

// prepare makes what can be made of a resource without the set. Its protobuf form may be given if it is known.
func prepare(r resource.Resource, form []byte) prepared {
	p := prepared{key: resource.KeyOf(r), resource: r}
	if app, ok := r.(*configv1.Application); ok {
		if p.entry, p.err = newEntry(app, form); p.err != nil {
			p.err = fmt.Errorf("encode: %w", p.err)
		}
	}
	return p
}

func prepareArrived(a configsync.Arrived) prepared {
	w, err := a.Resource()
	if err != nil {
		return prepared{unreadable: err}
	}
	r := resource.Unwrap(w)
	if r == nil {
		return prepared{}
	}
	return prepare(r, a.Message())
}

const (
	// atOnce is how many upserts are prepared before the first is put in effect.
	atOnce = 512
	// perWorker is how many are worth another goroutine.
	perWorker = 128
)

// prepareAll yields upserts in their order, prepared. Of a start with very many applications this is most of the work, so all processors
// prepare some hundred of them while those before are put in effect, and what is decoded is garbage soon.
func prepareAll(arrived []configsync.Arrived) iter.Seq[prepared] {
	return func(yield func(prepared) bool) {
		next := begin(arrived)
		for len(arrived) > 0 {
			made := next()
			if arrived = arrived[len(made):]; len(arrived) > 0 {
				next = begin(arrived)
			}
			for _, p := range made {
				if !yield(p) {
					next()
					return
				}
			}
		}
	}
}

// begin prepares the first of some upserts, and returns how to wait for them.
func begin(arrived []configsync.Arrived) (wait func() []prepared) {
	arrived = arrived[:min(atOnce, len(arrived))]
	made := make([]prepared, len(arrived))
	workers := min(runtime.GOMAXPROCS(0), len(arrived)/perWorker)
	if workers <= 1 {
		for i, a := range arrived {
			made[i] = prepareArrived(a)
		}
		return func() []prepared { return made }
	}
	var working sync.WaitGroup
	for w := range workers {
		working.Go(func() {
			for i := w * len(arrived) / workers; i < (w+1)*len(arrived)/workers; i++ {
				made[i] = prepareArrived(arrived[i])
			}
		})
	}
	return func() []prepared {
		working.Wait()
		return made
	}
}

package image

import (
	"fmt"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// TestReadersWhileItChanges: whoever reads sees one moment, in order and complete, whatever follower and writers do.
func TestReadersWhileItChanges(t *testing.T) {
	const there, changes, readers = 2000, 1000, 4
	var first []resource.Resource
	for i := range there {
		first = append(first, stamped(application("d", fmt.Sprint(i), fmt.Sprintf("name %04d", i), "c"), 1))
	}
	i := New()
	i.Load(i.Begin(), 1, first)
	over := make(chan struct{})
	var reading, changing sync.WaitGroup
	for range readers {
		reading.Go(func() {
			for revision := int64(0); ; {
				select {
				case <-over:
					return
				default:
				}
				v, _ := i.View()
				if v.Revision < revision {
					t.Errorf("revision %d after %d", v.Revision, revision)
				}
				revision = v.Revision
				all, total := List(v, catalog.Applications, Query{Domain: "d", Search: "name *"})
				// Every change renames one of them, so that their number stays.
				if total != there || len(all) != there {
					t.Errorf("%d of %d are listed", len(all), total)
				}
				for n := 1; n < len(all); n++ {
					if all[n-1].GetName() > all[n].GetName() {
						t.Errorf("%s stands before %s", all[n-1].GetName(), all[n].GetName())
					}
				}
			}
		})
	}
	changing.Go(func() { // the follower
		for n := range changes {
			id := fmt.Sprint(n % there)
			i.Apply(int64(2+n), []resource.Resource{stamped(application("d", id, fmt.Sprintf("name %04d", n*7919%there), "c"), int64(2+n))}, nil)
		}
	})
	changing.Go(func() { // this process's own writes, of others
		for n := range changes {
			id := fmt.Sprint(changes + n%(there-changes))
			i.Wrote(int64(10_000+n), []resource.Resource{stamped(application("d", id, fmt.Sprintf("name %04d", n*104729%there), "c"), int64(10_000+n))}, nil)
		}
	})
	changing.Wait()
	close(over)
	reading.Wait()
}

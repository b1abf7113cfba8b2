package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Group runs the parts of a service together. The zero value is empty and usable; it runs once.
type Group struct {
	parts []part
}

type part struct {
	name string
	run  func(context.Context) error
}

// Add appends a part. run must return soon after its context ends. Parts that others depend on come first: parts start
// in the order of addition and stop in the reverse order, one after the other.
func (g *Group) Add(name string, run func(ctx context.Context) error) {
	g.parts = append(g.parts, part{name: name, run: run})
}

// Run starts all parts and returns when every one of them is over. If a part fails, or ctx ends, the parts are stopped:
// the context of the last one ends, Run waits for it, then comes the one before. A part that returns nil is done; the
// others go on. The result is the first failure, with the part's name; a part that ends with [context.Canceled] after it
// was told to stop has not failed.
//
// The contexts of the parts carry the values of ctx, not its end, so that a part is told only when its turn has come.
func (g *Group) Run(ctx context.Context) error {
	var (
		mu    sync.Mutex
		first error
	)
	failed := make(chan struct{})
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
			close(failed)
		}
	}

	var all sync.WaitGroup
	stops := make([]context.CancelFunc, len(g.parts))
	dones := make([]chan struct{}, len(g.parts))
	for i, p := range g.parts {
		life, stop := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		stops[i], dones[i] = stop, done
		all.Go(func() {
			defer close(done)
			err := p.run(life)
			if err == nil || life.Err() != nil && errors.Is(err, context.Canceled) {
				return
			}
			fail(fmt.Errorf("%s: %w", p.name, err))
		})
	}

	finished := make(chan struct{})
	go func() { // ends with the parts, for which Run waits below
		all.Wait()
		close(finished)
	}()
	select {
	case <-ctx.Done():
	case <-failed:
	case <-finished:
	}
	for i := len(g.parts) - 1; i >= 0; i-- {
		stops[i]()
		<-dones[i]
	}
	<-finished
	return first
}

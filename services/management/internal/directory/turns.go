package directory

import (
	"context"
	"sync"
)

// turns lets those who do the same thing in this process follow each other, so that they do not race in the database.
// The zero value is ready.
type turns struct {
	mu   sync.Mutex
	held map[string]*turn // guarded by mu
}

type turn struct {
	free  chan struct{} // holds one token while nobody has the turn
	users int           // guarded by turns.mu: who has it and who waits
}

// take waits for a key's turn and returns what ends it, or why ctx ended.
func (t *turns) take(ctx context.Context, key string) (end func(), err error) {
	t.mu.Lock()
	if t.held == nil {
		t.held = map[string]*turn{}
	}
	mine := t.held[key]
	if mine == nil {
		mine = &turn{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		t.held[key] = mine
	}
	mine.users++
	t.mu.Unlock()

	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.users--; mine.users == 0 {
			delete(t.held, key)
		}
	}
	select {
	case <-mine.free:
		return func() {
			mine.free <- struct{}{}
			leave()
		}, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}

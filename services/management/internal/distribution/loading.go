package distribution

import (
	"context"
	"sync/atomic"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// loading gives everything that is loaded to the stream and to the image, which share what they keep of it encoded.
type loading struct {
	d         *Distribution
	ctx       context.Context
	published *configsync.Loading
	image     *image.Loading
	count     atomic.Int64 // of what can travel
}

// Put implements store.Sink.
func (l *loading) Put(r resource.Resource) {
	encoded := ""
	if e, ok := l.d.encode(l.ctx, r); ok {
		l.published.Put(e)
		l.count.Add(1)
		encoded = e.Message()
	}
	l.image.Put(r, encoded)
}

// Apply implements store.Sink.
func (l *loading) Apply(e store.Entry) {
	for _, r := range e.Upserts {
		encoded := ""
		if e, ok := l.d.encode(l.ctx, r); ok {
			l.published.Put(e)
			encoded = e.Message()
		} else {
			l.published.Delete(resource.KeyOf(r)) // its former state is none any more
		}
		l.image.Replace(r, encoded)
	}
	for _, k := range e.Deletes {
		l.published.Delete(k)
		l.image.Remove(k)
	}
}

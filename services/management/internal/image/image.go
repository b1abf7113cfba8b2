package image

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// Image is all configuration, kept current. It is safe for concurrent use; readers take no lock.
type Image struct {
	// current is nil until the first Load.
	current atomic.Pointer[View]
	// moved is when the follower was last known not to be behind, in nanoseconds since 1970.
	moved atomic.Int64

	mu sync.Mutex // held by who makes the next view; guards the rest
	// own are the changes of this process that the follower has not reached.
	own     map[resource.Key]change
	marks   int64         // how often Begin was called
	reached chan struct{} // closed at the next revision; nil while nobody waits
}

// change is what this process did to a resource.
type change struct {
	revision int64
	resource resource.Resource // nil: deleted
	mark     int64             // what was begun when it was done
}

// New returns an image that has not been loaded.
func New() *Image { return &Image{own: map[resource.Key]change{}} }

// View returns what the image holds, and false before the first Load.
func (i *Image) View() (View, bool) {
	if v := i.current.Load(); v != nil {
		return *v, true
	}
	return View{parts: sequence[*part]{rules: partRules}}, false
}

// Begin is called before the database is read for a Load, which is given the mark.
func (i *Image) Begin() (mark int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.marks++
	return i.marks
}

// Load replaces everything by the resources of a revision. What this process wrote before Begin is among them, or is
// gone; what it wrote since is kept. The resources belong to the image from now on.
func (i *Image) Load(mark, revision int64, resources []resource.Resource) {
	i.take(mark, newView(revision, resources))
}

// LoadFrom is Load of what was gathered, which must not be added to any more.
func (i *Image) LoadFrom(mark, revision int64, l *Loading) {
	i.take(mark, l.view(revision)) // putting it in order takes its time: nobody waits for it
}

func (i *Image) take(mark int64, v View) {
	revision := v.Revision
	i.mu.Lock()
	defer i.mu.Unlock()
	for key, c := range i.own {
		if c.revision <= revision || c.mark < mark {
			delete(i.own, key)
			continue
		}
		v = c.on(v, key)
	}
	i.publish(v)
	i.Moved()
}

// Apply takes over one revision of the log. The resources belong to the image from now on. Encoded are their
// protobuf forms, if the caller has them: one for each, empty where there is none.
func (i *Image) Apply(revision int64, upserts []resource.Resource, deletes []resource.Key, encoded ...string) {
	if encoded == nil {
		encoded = make([]string, len(upserts))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	v, loaded := i.View()
	if !loaded {
		return
	}
	for key, c := range i.own {
		if c.revision <= revision {
			delete(i.own, key)
		}
	}
	for n, r := range upserts {
		if _, later := i.own[resource.KeyOf(r)]; !later {
			v = v.with(r, encoded[n])
		}
	}
	for _, key := range deletes {
		if _, later := i.own[key]; !later {
			v = v.without(key)
		}
	}
	v.Revision = max(v.Revision, revision)
	i.publish(v)
}

// Wrote takes over what this process has just written under a revision, all of it at once. The follower will come to it,
// and until then it counts. The resources are copied.
func (i *Image) Wrote(revision int64, upserts []resource.Resource, deletes []resource.Key) {
	copies := make([]resource.Resource, len(upserts))
	for n, r := range upserts {
		copies[n] = proto.Clone(r).(resource.Resource)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	v, loaded := i.View()
	if loaded && revision <= v.Revision {
		return // the follower was faster
	}
	note := func(key resource.Key, r resource.Resource) {
		if i.own[key].revision < revision {
			i.own[key] = change{revision, r, i.marks}
			v = i.own[key].on(v, key)
		}
	}
	for _, r := range copies {
		note(resource.KeyOf(r), r)
	}
	for _, key := range deletes {
		note(key, nil)
	}
	if loaded {
		i.publish(v)
	}
}

func (c change) on(v View, key resource.Key) View {
	if c.resource == nil {
		return v.without(key)
	}
	return v.with(c.resource, "")
}

// publish makes v the present view. The caller holds mu.
func (i *Image) publish(v View) {
	before := i.current.Load()
	i.current.Store(&v)
	if before != nil && before.Revision == v.Revision {
		return
	}
	i.Moved()
	if i.reached != nil {
		close(i.reached)
		i.reached = nil
	}
}

// Moved is called when the follower has found the end of the log, where the image is; Load and Apply call it by
// themselves.
func (i *Image) Moved() { i.moved.Store(time.Now().UnixNano()) }

// Current reports whether the follower was not behind, or at least making progress, a while ago. What other replicas
// wrote before is then in the image, or about to be.
func (i *Image) Current(within time.Duration) bool {
	return time.Since(time.Unix(0, i.moved.Load())) <= within
}

// Wait waits until the image has reached a revision of the log, or for the end of ctx, which is the only error.
func (i *Image) Wait(ctx context.Context, revision int64) error {
	for {
		i.mu.Lock()
		if v, loaded := i.View(); loaded && v.Revision >= revision {
			i.mu.Unlock()
			return nil
		}
		if i.reached == nil {
			i.reached = make(chan struct{})
		}
		reached := i.reached
		i.mu.Unlock()
		select {
		case <-reached:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Revisions returns the revision of each resource that the image holds.
func (i *Image) Revisions() map[resource.Key]int64 {
	v, _ := i.View()
	held := map[resource.Key]int64{}
	for p := range v.parts.all() {
		for e := range p.inOrder.all() {
			if e.resource == nil { // an application: its key needs no decoding
				held[resource.Key{Kind: p.kind, Domain: p.domain, ID: e.id}] = e.revision
				continue
			}
			held[resource.KeyOf(e.resource)] = e.revision
		}
	}
	return held
}

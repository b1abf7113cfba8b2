package editor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Options are what an editor needs.
type Options struct {
	Store  *store.Store
	Hasher catalog.Hasher
	// Image is this process's copy of the configuration, from which lists are answered; it is told of every write. Nil
	// means that there is none and the database is asked.
	Image *image.Image
	// OnWrite is called with the revision of every write; it must not block. It may be nil.
	OnWrite func(revision int64)
	// OnCreate is called with every resource that was created because somebody asked for it; it deals with its own failures.
	// It may be nil.
	OnCreate func(ctx context.Context, r resource.Resource)
	Logger   *slog.Logger
	Now      func() time.Time
	// MaxSecrets is how many client secrets an application may have (10).
	MaxSecrets int
	// KeepSecrets is how long the value of a fresh client secret is kept, sealed, so that its application can be switched
	// to using it as a key. 0 = not at all.
	KeepSecrets time.Duration
	// Count counts whom rules let in. Nil means that policies are counted as if they held.
	Count Counter
}

// Editor changes configuration. It is safe for concurrent use.
type Editor struct {
	opts  Options
	store *store.Store
	locks locks
	count Counter
}

// New returns an editor.
func New(o Options) *Editor {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxSecrets <= 0 {
		o.MaxSecrets = catalog.DefaultMaxSecrets
	}
	if o.Count == nil {
		o.Count = counting{o.Store}
	}
	return &Editor{opts: o, store: o.Store, count: o.Count}
}

// Now is the time by which the editor goes.
func (e *Editor) Now() time.Time { return e.opts.Now() }

// Place is where a resource lies. Domain is a domain's identifier; it is ignored for domains themselves.
type Place struct {
	Organization, Environment, Domain string
	// Application is the identifier of the application whose own is meant, of kinds that a domain and its applications
	// have; empty means the domain's.
	Application string
	// provider says that sign-in settings are meant which wait for an application, not an application.
	provider bool
}

// maxAttempts is how often a change begins again after a lost race: the first time and three more.
const maxAttempts = 4

// again runs a change until it is not stale any more, and tells it whether it has lost a race before. A change that is
// based on a revision of the caller's runs once.
func again(ifMatch int64, change func(lost bool) error) error {
	attempts := maxAttempts
	if ifMatch != 0 {
		attempts = 1
	}
	for lost := false; ; lost = true {
		err := change(lost)
		attempts--
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		if attempts > 0 {
			continue
		}
		if ifMatch != 0 {
			return stale()
		}
		return fault.Conflictf("The resource is being changed by others. Try again").Because(err)
	}
}

func stale() error { return fault.Stalef("The resource has changed since the revision you named") }

// write stores a change of a resource and of what comes along, with the records of all of it, explains a taken value, and
// tells everybody. Who acts is in ctx. A dry run ends here, with ErrDryRun.
func (e *Editor) write(ctx context.Context, meant resource.Resource, action Action, ops []store.Op) (int64, error) {
	if err := e.lastOfItsValue(ctx, meant, ops); err != nil {
		return 0, err
	}
	if DryRun(ctx) {
		return 0, e.rehearse(ctx, meant, ops)
	}
	revision, err := e.store.Write(ctx, store.Change{
		Ops: ops, Action: string(action), Meant: resource.KeyOf(meant), By: audit.AuthorOf(ctx),
	})
	if err != nil {
		return 0, e.explain(meant, ops, err)
	}
	e.show(revision, ops)
	if e.opts.OnWrite != nil {
		e.opts.OnWrite(revision)
	}
	return revision, nil
}

// show lets the lists of this process have what was written.
func (e *Editor) show(revision int64, ops []store.Op) {
	if e.opts.Image == nil {
		return
	}
	var upserts []resource.Resource
	var deletes []resource.Key
	for _, op := range ops {
		if op.New != nil {
			upserts = append(upserts, op.New)
		} else {
			deletes = append(deletes, resource.KeyOf(op.Old))
		}
	}
	e.opts.Image.Wrote(revision, upserts, deletes)
}

// explain gives a taken value its documented text. If it is a value of what only came along, somebody else was faster to
// make the same thing, and the change has to look again.
func (e *Editor) explain(meant resource.Resource, ops []store.Op, err error) error {
	var taken *store.DuplicateError
	if !errors.As(err, &taken) {
		return err
	}
	for _, op := range ops {
		if op.New == nil || op.New.GetId() != taken.ID || resource.KeyOf(op.New).Kind != taken.Kind {
			continue
		}
		if op.New != meant {
			return errors.Join(store.ErrStale, err)
		}
		if k, ok := catalog.ByArm(taken.Kind); ok {
			return k.Taken(op.Old, op.New, taken.Unique)
		}
	}
	return fault.Conflictf("The resource exists already").Because(err)
}

// domain returns the domain of a place. A domain of another environment is as good as none.
func (e *Editor) domain(ctx context.Context, at Place, id string) (*configv1.Domain, error) {
	d, err := store.Get(ctx, e.store, catalog.Domains, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, catalog.Domains.NotFound(id)
	}
	if err != nil {
		return nil, err
	}
	if !at.has(d) {
		return nil, catalog.Domains.NotFound(id)
	}
	return d, nil
}

// parent returns the domain that a resource of the kind lies in, and nil for a domain.
func (e *Editor) parent(ctx context.Context, k catalog.Any, at Place) (*configv1.Domain, error) {
	if k.Descriptor().Parent == nil {
		return nil, nil
	}
	d, err := e.domain(ctx, at, at.Domain)
	if err != nil {
		return nil, err
	}
	return d, e.level(ctx, k, at, d)
}

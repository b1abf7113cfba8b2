package editor

import (
	"context"
	"errors"
	"regexp"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Create makes the resource that the body of a POST asks for. Plain secrets that were made are returned this once.
func Create[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, body prototree.Object) (R, catalog.Issued, error) {
	var none R
	if k.Posted != nil {
		var err error
		if body, err = k.Posted(body); err != nil {
			return none, catalog.Issued{}, err
		}
	}
	draft := k.Draft()
	if err := prototree.Management.Decode(body, draft); err != nil {
		return none, catalog.Issued{}, catalog.TreeError(err)
	}
	return CreateFrom(ctx, e, k, at, draft)
}

// CreateFrom is Create for a draft that is a message already. The draft is not changed.
func CreateFrom[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, draft proto.Message) (R, catalog.Issued, error) {
	r, issued, err := create(ctx, e, k, at, Created, func(ctx context.Context, s *catalog.Scene) (R, catalog.Issued, error) {
		if k.Build != nil {
			asked := proto.Clone(draft)
			if err := resource.Enforce(nil, asked); err != nil {
				return k.New(), catalog.Issued{}, err
			}
			return k.Build(ctx, s, asked)
		}
		r, issued, err := fromDraft(k, draft)
		catalog.SetLevel(r, at.Domain, at.Application)
		return r, issued, err
	})
	if err == nil && catalog.IsLeveled(k) && !DryRun(ctx) {
		err = e.stillThere(ctx, at, r)
	}
	return r, issued, err
}

// fromDraft takes the draft as the resource. What only the server sets is dropped, except an identifier where the kind
// lets the caller choose it.
func fromDraft[R resource.Resource](k *catalog.Kind[R], draft proto.Message) (R, catalog.Issued, error) {
	r := proto.Clone(draft).(R)
	id := r.GetId()
	if err := resource.Enforce(nil, r); err != nil {
		return r, catalog.Issued{}, err
	}
	if k.ChoosesID && id != "" {
		if !mayChoose(id) {
			return r, catalog.Issued{}, fault.Invalidf("[%s: must be at most 64 letters, digits, '-', '.', '_' and '~']", id).
				At("id", "must be at most 64 letters, digits, '-', '.', '_' and '~'")
		}
		resource.Stamp(r, resource.Stamps{ID: id})
	}
	return r, catalog.Issued{}, nil
}

var chosenID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

// mayChoose reports whether somebody may choose an identifier. Two dots, or one, are no segment of a path (RFC 3986 §5.2.4).
func mayChoose(id string) bool { return chosenID.MatchString(id) && id != "." && id != ".." }

// create builds a resource, completes and checks it, and stores it with what comes along.
func create[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, action Action,
	build func(context.Context, *catalog.Scene) (R, catalog.Issued, error),
) (R, catalog.Issued, error) {
	if k.Parent == nil {
		// Much comes along with a domain, keys among it. Whoever is late to a name finds out before that is made.
		defer e.locks.lock(k.Arm + "/")()
	} else {
		defer referring(e, k, at.Domain)()
	}
	var made R
	var issued catalog.Issued
	err := again(0, func(lost bool) error {
		parent, err := e.parent(ctx, k, at)
		if err != nil {
			return err
		}
		var none, r R
		var secrets catalog.Issued
		var companions []resource.Resource
		built := false
		var on *catalog.Scene
		err = e.onScene(ctx, at, parent, k.Needs, lost, func(s *catalog.Scene) error {
			on = s
			var err error
			if r, secrets, err = build(ctx, s); err != nil {
				return err
			}
			built = true
			stamp(s, r, parent)
			if k.Parent == nil {
				if err := e.notTaken(ctx, k, r); err != nil {
					return err
				}
			}
			companions, err = complete(ctx, k, s, none, r)
			return err
		})
		if err != nil && built {
			return e.orTaken(ctx, k, r, err)
		}
		if err != nil {
			return err
		}
		// What comes along is written first: where the resource can be seen, it is complete.
		ops := make([]store.Op, 0, len(companions)+1)
		for _, c := range companions {
			ops = append(ops, store.Op{New: c})
		}
		if _, err := e.write(ctx, r, action, append(ops, store.Op{New: r})); errors.Is(err, ErrDryRun) {
			made = r
			return nil
		} else if err != nil {
			return otherSlug(on, err)
		}
		e.keepFresh(ctx, on, nil, r)
		if e.opts.OnCreate != nil {
			e.opts.OnCreate(ctx, r)
		}
		made, issued = r, secrets
		return nil
	})
	return made, issued, err
}

func stamp(s *catalog.Scene, r resource.Resource, parent *configv1.Domain) {
	id := r.GetId()
	if id == "" {
		id = secret.NewID()
	}
	domain := parent.GetId()
	if parent == nil {
		domain = id
	}
	resource.Stamp(r, resource.Stamps{ID: id, Domain: domain, CreatedAt: s.Now, UpdatedAt: s.Now})
}

// complete normalises and validates a resource and returns what comes into being with it.
func complete[R resource.Resource](ctx context.Context, k *catalog.Kind[R], s *catalog.Scene, old, r R) ([]resource.Resource, error) {
	if k.Normalize != nil {
		if err := k.Normalize(ctx, s, old, r); err != nil {
			return nil, err
		}
	}
	if k.Validate != nil {
		if err := k.Validate(s, old, r); err != nil {
			return nil, err
		}
	}
	if k.Companions == nil {
		return nil, nil
	}
	return k.Companions(ctx, s, old, r)
}

// orTaken answers with the documented text of a taken value if there is one: it comes before other rules.
func (e *Editor) orTaken(ctx context.Context, k catalog.Any, r resource.Resource, why error) error {
	if !fault.Is(why, fault.Invalid) {
		return why
	}
	if err := e.notTaken(ctx, k, r); err != nil {
		if fault.Is(err, fault.Internal) {
			return errors.Join(why, err)
		}
		return err
	}
	return why
}

// notTaken refuses a new resource of which a unique value is taken already.
func (e *Editor) notTaken(ctx context.Context, k catalog.Any, r resource.Resource) error {
	taken, err := e.store.TakenUnique(ctx, k, r)
	if err != nil || taken == "" {
		return err
	}
	return k.Taken(nil, r, taken)
}

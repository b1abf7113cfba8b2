package editor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Newest stands for the newest revision there is.
const Newest = math.MaxInt64

// Versions returns the records of a resource, the newest first, and how many there are on all pages. A resource that was
// deleted has a history too.
func Versions[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, page, size int) ([]*store.AuditRecord, int64, error) {
	key, err := e.pastKey(ctx, k, at, id)
	if err != nil {
		return nil, 0, err
	}
	if catalog.IsLeveled(k) {
		if _, _, err := version(ctx, e, k, at, key, Newest, true); err != nil {
			return nil, 0, err
		}
	}
	found, total, err := e.store.Audits().Versions(ctx, key, page, size)
	if err == nil && total == 0 {
		_, err = Read(ctx, e, k, at, id) // without any record there is a history only of what exists
	}
	return found, total, err
}

// ReadAt returns a resource as it was at a revision of the configuration, and the revision that had made it so. Secrets are
// masked. What did not exist then is not found.
func ReadAt[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, revision int64) (R, int64, error) {
	key, err := e.pastKey(ctx, k, at, id)
	if err != nil {
		var none R
		return none, 0, err
	}
	r, record, err := version(ctx, e, k, at, key, revision, false)
	if err != nil {
		return r, 0, err
	}
	return r, record.Revision, nil
}

// Differences are the members that differ between a resource at two revisions, which may be Newest, and the revisions that
// had made the two states. That a secret changed in between is known from the records of the changes.
func Differences[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, from, to int64) ([]prototree.Change, int64, int64, error) {
	before, was, err := ReadAt(ctx, e, k, at, id, from)
	if err != nil {
		return nil, 0, 0, err
	}
	after, is, err := ReadAt(ctx, e, k, at, id, to)
	if err != nil {
		return nil, 0, 0, err
	}
	compared, err := prototree.Compare(before, after)
	if err != nil {
		return nil, 0, 0, err
	}
	secrets, err := e.changedSecrets(ctx, resource.KeyOf(after), min(was, is)+1, max(was, is))
	if err != nil {
		return nil, 0, 0, err
	}
	for _, s := range secrets {
		if !slices.ContainsFunc(compared.Changes, func(c prototree.Change) bool { return c.Path == s.Path }) {
			compared.Changes = append(compared.Changes, s)
		}
	}
	return compared.Changes, was, is, nil
}

// maxCompared is how many changes lie between two states at most for their secrets to be compared.
const maxCompared = 1000

// changedSecrets returns the secrets that changed under revisions, each once.
func (e *Editor) changedSecrets(ctx context.Context, key resource.Key, from, to int64) ([]prototree.Change, error) {
	if from > to {
		return nil, nil
	}
	records, _, err := e.store.Audits().List(ctx, store.AuditQuery{
		Domain: key.Domain, Kind: key.Kind, ResourceID: key.ID, Result: store.ResultSuccess, FromRevision: from, ToRevision: to, Size: maxCompared,
	})
	if err != nil {
		return nil, err
	}
	var secrets []prototree.Change
	for _, r := range records {
		var changes []prototree.Change
		if r.Changes == "" || r.Result != store.ResultSuccess || json.Unmarshal([]byte(r.Changes), &changes) != nil {
			continue
		}
		for _, c := range changes {
			if c.Secret && !slices.ContainsFunc(secrets, func(s prototree.Change) bool { return s.Path == c.Path }) {
				secrets = append(secrets, prototree.Change{Path: c.Path, Before: prototree.Mask, After: prototree.Mask, Secret: true})
			}
		}
	}
	return secrets, nil
}

// pastKey returns the key of a resource that may be gone. Its domain exists.
func (e *Editor) pastKey(ctx context.Context, k catalog.Any, at Place, id string) (resource.Key, error) {
	d := k.Descriptor()
	if d.Parent == nil {
		at.Domain = id
	}
	if _, err := e.domain(ctx, at, at.Domain); err != nil {
		return resource.Key{}, err
	}
	return resource.Key{Kind: d.Arm, Domain: at.Domain, ID: id}, nil
}

// version returns a state of a resource and its record. Of a resource that is gone it returns the last one if that is
// asked for.
func version[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, key resource.Key, revision int64, orLast bool) (R, *store.AuditRecord, error) {
	var none R
	record, err := e.store.Audits().VersionAt(ctx, key, revision)
	if errors.Is(err, store.ErrNotFound) {
		if revision == Newest {
			return none, nil, k.NotFound(key.ID)
		}
		return none, nil, fault.NotFoundf("%s [%s] can not be found at revision %d.", k.Title, key.ID, revision)
	}
	if err != nil {
		return none, nil, err
	}
	state := record.After
	if record.Action == store.ActionDelete {
		state = record.Before
	}
	r, err := decodeState(k, state)
	if err != nil {
		return none, nil, fmt.Errorf("%s at revision %d: %w", key, record.Revision, err)
	}
	resource.Stamp(r, resource.Stamps{Domain: key.Domain})
	if !atLevel(at, r) {
		return none, nil, k.NotFound(key.ID)
	}
	if record.Action == store.ActionDelete && !orLast {
		return none, nil, fault.NotFoundf("%s [%s] was deleted at revision %d.", k.Title, key.ID, record.Revision)
	}
	return r, record, nil
}

// decodeState reads a recorded state.
func decodeState[R resource.Resource](k *catalog.Kind[R], state string) (R, error) {
	r := k.New()
	tree, err := prototree.Parse([]byte(state))
	if err != nil {
		return r, err
	}
	return r, prototree.Audit.Decode(tree, r)
}

// Put is what Restore did.
type Put[R resource.Resource] struct {
	Resource R
	// Issued are plain secrets that were made because the history holds none.
	Issued catalog.Issued
	// Notices say what is not as it was.
	Notices []string
}

// Restore puts a resource back to what it was at a revision, as an ordinary change: it is checked by today's rules, what
// only the server sets stays, and so do stored secrets. The body is merged into the old state first (RFC 7396); it may
// bring secrets along, which the history does not hold. A resource that is gone comes into being again under its
// identifier, if nobody has taken its name; mayCreate says whether the caller may do that. IfMatch is the revision the
// caller has seen; 0 means any.
func Restore[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, revision int64, body prototree.Object, ifMatch int64, mayCreate bool) (Put[R], error) {
	then, _, err := ReadAt(ctx, e, k, at, id, revision)
	if err != nil {
		return Put[R]{}, err
	}
	tree, err := prototree.Management.Encode(then)
	if err != nil {
		return Put[R]{}, err
	}
	tree = mergepatch.Merge(tree, body)
	changed, err := update(ctx, e, k, at, id, ifMatch, Restored, func(_ context.Context, s *catalog.Scene, old R) (R, error) {
		if a, ok := any(old).(*configv1.Application); ok {
			// The type has a route of its own, and here its own right.
			a = proto.CloneOf(a)
			s.TypeChange = a.GetType() != any(then).(*configv1.Application).GetType()
			a.Type = any(then).(*configv1.Application).GetType()
			old = any(a).(R)
		}
		fresh, err := decoded(k, old, tree)
		return fresh, orMasked(err)
	})
	if !fault.Is(err, fault.NotFound) {
		return Put[R]{Resource: changed}, err
	}
	key, keyErr := e.pastKey(ctx, k, at, id)
	if keyErr != nil {
		return Put[R]{}, keyErr
	}
	last, gone, lastErr := version(ctx, e, k, at, key, Newest, true)
	switch {
	case lastErr != nil:
		return Put[R]{}, lastErr
	case gone.Action != store.ActionDelete:
		return Put[R]{}, err // it is something else that is not found
	case ifMatch != 0:
		return Put[R]{}, stale()
	case !mayCreate:
		return Put[R]{}, fault.Deniedf("Permission denied")
	case k.Arm == catalog.Certificates.Arm:
		return Put[R]{}, fault.Invalidf("A deleted certificate can not be put back: its private key is not in the history. Create a certificate instead")
	}
	put, err := createAgain(ctx, e, k, at, id, then, last, tree)
	if err == nil {
		put.Notices = append(put.Notices, e.notPutBack(ctx, gone)...)
	}
	return put, err
}

// createAgain makes a resource that is gone, with the identifier that it had. Then is the state that is wanted, last the one in
// which it was deleted: an application that would let people in whom it did not let in then is asked for.
func createAgain[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string, then, last R, tree prototree.Object) (Put[R], error) {
	var put Put[R]
	var err error
	put.Resource, put.Issued, err = create(ctx, e, k, at, Restored, func(_ context.Context, s *catalog.Scene) (R, catalog.Issued, error) {
		var none R
		fresh, err := decoded(k, none, tree)
		if err != nil {
			return fresh, catalog.Issued{}, orMasked(err)
		}
		resource.Stamp(fresh, resource.Stamps{ID: id, Domain: at.Domain})
		catalog.SetLevel(fresh, at.Domain, at.Application)
		a, ok := any(fresh).(*configv1.Application)
		if !ok {
			return fresh, catalog.Issued{}, nil
		}
		if err := e.bindAgain(ctx, s, a, any(then).(*configv1.Application)); err != nil {
			return fresh, catalog.Issued{}, err
		}
		if err := e.guardRule(ctx, any(last).(*configv1.Application), a); err != nil {
			return fresh, catalog.Issued{}, err
		}
		_, plain, err := catalog.AddSecret(s, a, "Default")
		return fresh, catalog.Issued{ClientSecret: plain}, err
	})
	if err != nil {
		return put, err
	}
	if put.Issued.ClientSecret != "" {
		put.Notices = append(put.Notices, "the history does not hold secrets: a new client secret was made")
	}
	if catalog.IsLeveled(k) {
		err = e.stillThere(ctx, at, put.Resource)
	}
	return put, err
}

// notPutBack names the resources that named a deleted one until then. A failure costs only the notice.
func (e *Editor) notPutBack(ctx context.Context, deletion *store.AuditRecord) []string {
	if deletion.Revision == 0 || deletion.Domain == "" {
		return nil
	}
	records, _, err := e.store.Audits().List(ctx, store.AuditQuery{
		Domain: deletion.Domain, FromRevision: deletion.Revision, ToRevision: deletion.Revision, Size: maxCompared,
	})
	if err != nil {
		e.opts.Logger.WarnContext(ctx, "references to a resource that was put back are not known", "resource", deletion.ResourceID, "err", err)
		return nil
	}
	var notices []string
	for _, r := range records {
		if r.CauseID == deletion.ResourceID && r.Action == store.ActionUpdate {
			notices = append(notices, fmt.Sprintf("the %s %s [%s] named it until it was deleted, and does not name it again", r.Kind, r.Name, r.ResourceID))
		}
	}
	return notices
}

// orMasked says what to do about a secret that is neither stored nor in the history.
func orMasked(err error) error {
	refusal, ok := errors.AsType[*fault.Error](err)
	if !ok || !resource.IsMasked(refusal) {
		return err
	}
	path := refusal.Details[0].Path
	return fault.Invalidf("[%s: the history does not hold secrets; give the value in the body]", path).
		At(path, "the history does not hold secrets; give the value in the body")
}

// Lately is what changed in a domain: the records of its configuration, the newest first, and how many there are on all
// pages. Deleted selects the deletions of what does not exist today; the number counts those put back as well.
func (e *Editor) Lately(ctx context.Context, at Place, q store.AuditQuery, deleted bool) ([]*store.AuditRecord, int64, error) {
	if _, err := e.domain(ctx, at, at.Domain); err != nil {
		return nil, 0, err
	}
	q.Domain, q.Result = at.Domain, store.ResultSuccess
	if deleted {
		q.Actions = []string{store.ActionDelete}
	}
	found, total, err := e.store.Audits().List(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	found = slices.DeleteFunc(found, func(r *store.AuditRecord) bool { return r.Result != store.ResultSuccess })
	if !deleted {
		return found, total, nil
	}
	exists, err := e.store.Audits().Exist(ctx, found)
	return slices.DeleteFunc(found, func(r *store.AuditRecord) bool { return exists[r.ResourceID] }), total, err
}

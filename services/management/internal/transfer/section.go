package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Times of the lease on a domain that is imported. A client may be silent for a minute.
const (
	leaseTTL   = 3 * time.Minute
	leaseEvery = 30 * time.Second
)

var (
	errImporting = fault.Conflictf("The domain is being imported, or what was left of it cleared away. Try again when that has ended, or in three minutes")
	errLostLease = fault.Unavailablef("The import took too long in one step, and somebody else may have begun it. Try again")
)

// notOurs is said of an identifier that no part of this program makes.
const notOurs = "must be a UUID in lower case"

// section is one domain of an archive.
type section struct {
	original string // its identifier in the archive
	copy     *copying
	rest     editor.Restoration
	// lines are where its resources stand in the archive.
	lines map[string]int64
	// checked says that the configuration is complete, skipped that nothing of the domain is made because it is there.
	checked, skipped, committed bool

	lease store.Lease
	held  bool

	// secrets are the applications of client secrets.
	secrets map[string]string
	// counts are what is, or would be, made of it.
	counts map[string]int64

	// people are the identifiers of everybody, shortened, and names their names, in a dry run only: otherwise the database says
	// which is taken.
	people, names map[[16]byte]bool
	users         []*directoryv1.User
	others        []store.Kept
	otherKind     string
}

func short(s string) [16]byte {
	sum := sha256.Sum256([]byte(s))
	return [16]byte(sum[:16])
}

// id is the identifier that one of the archive has here.
func (sec *section) id(old string) string {
	if sec.copy == nil {
		return old
	}
	return sec.copy.of(sec.original, old)
}

// check looks at the whole configuration, takes the lease of the domain and clears away what an earlier import has left.
func (sec *section) check(ctx context.Context, im *importer) error {
	sec.checked = true
	was := map[string]string{}
	if sec.copy != nil {
		if err := sec.rename(im.as, was); err != nil {
			return err
		}
	}
	d := sec.rest.Domain()
	if !im.dry && !im.refused {
		if err := sec.take(ctx, im.Service); err != nil {
			return err
		}
	}
	alive := func() error { return im.alive(ctx) }
	whole := im.in.Header().Scope == archive.ScopeInstallation
	failed := map[resource.Key]bool{}
	problem := func(p editor.Problem) error {
		at := &managementv1.ArchiveRecord{Kind: p.Key.Kind, Id: p.Key.ID, Name: p.Name, Was: was[p.Key.ID], Line: sec.line(p.Key, was)}
		if p.Dangling && im.dangling || p.Rule && im.rules {
			at.Status = managementv1.ArchiveRecord_WARNING
			return im.tell(at, p.Err)
		}
		if whole && p.Key.Kind == catalog.Domains.Arm && p.Here {
			sec.skipped = true
			at.Status = managementv1.ArchiveRecord_SKIPPED
			return im.tell(at, p.Err)
		}
		failed[p.Key] = true
		return im.refuse(at, p.Err)
	}
	sec.secrets = map[string]string{}
	if err := sec.rest.Each(func(r resource.Resource) error {
		if a, ok := r.(*configv1.Application); ok {
			for i, s := range a.GetSecrets() {
				sec.secrets[s.GetId()] = a.GetId()
				if path := fmt.Sprintf("secrets[%d].id", i); !secret.IsID(s.GetId()) {
					if err := problem(editor.Problem{Key: resource.KeyOf(a), Name: a.GetName(), Err: fault.Invalidf("[%s: %s]", path, notOurs).At(path, notOurs)}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := im.Editor.RestorationTaken(ctx, &sec.rest, problem); err != nil || sec.skipped {
		return err
	}
	// Whoever creates a domain becomes its owner and may make everything in it.
	if err := im.Operators.May(ctx, operator.Place{Organization: im.at.Organization, Environment: im.at.Environment}, "domain:create"); err != nil {
		if err := problem(editor.Problem{Key: resource.KeyOf(d), Name: d.GetName(), Err: err}); err != nil {
			return err
		}
	}
	if err := sec.beside(im, problem); err != nil {
		return err
	}
	if err := im.Editor.CheckRestoration(ctx, im.at, &sec.rest, im.in.Header().Secrets == archive.LeftOut, alive, problem); err != nil {
		return err
	}
	if sec.held && !im.refused {
		if err := im.Store.ClearDomain(ctx, d.GetId()); err != nil {
			return err
		}
	}
	return sec.rest.Each(func(r resource.Resource) error {
		key := resource.KeyOf(r)
		if failed[key] {
			return nil
		}
		if err := alive(); err != nil {
			return err
		}
		sec.count(im, key.Kind)
		k, _ := catalog.ByArm(key.Kind)
		return im.tell(&managementv1.ArchiveRecord{
			Status: managementv1.ArchiveRecord_CREATED, Kind: key.Kind, Id: key.ID, Name: k.NameOf(r), Was: was[key.ID], Line: sec.line(key, was),
		}, nil)
	})
}

func (sec *section) count(im *importer, kind string) {
	im.counts[kind]++
	sec.counts[kind]++
}

// beside refuses what only one may have of what an earlier domain of the archive has: the database does not know that one yet.
func (sec *section) beside(im *importer, problem func(editor.Problem) error) error {
	d := sec.rest.Domain()
	p := editor.Problem{Key: resource.KeyOf(d), Name: d.GetName()}
	for _, u := range catalog.Domains.UniqueValues(d) {
		key := short(catalog.Domains.Arm + "\x00" + u.Name + "\x00" + u.Value)
		if im.taken[key] {
			p.Err = fault.Conflictf("Another domain of the archive has the %s of [%s]", u.Name, d.GetName()).At(u.Name, "is there twice")
			if err := problem(p); err != nil {
				return err
			}
		}
		im.taken[key] = true
	}
	var others []*configv1.Domain
	for _, other := range im.done {
		if !other.skipped {
			others = append(others, other.rest.Domain())
		}
	}
	if p.Err = editor.VirtualHostTaken(d, others); p.Err != nil {
		if err := problem(p); err != nil {
			return err
		}
	}
	return sec.rest.Each(func(r resource.Resource) error {
		key := resource.KeyOf(r)
		at := short(key.Kind + "\x00id\x00" + key.ID)
		if im.taken[at] {
			return problem(editor.Problem{Key: key, Err: fault.Conflictf("%s is in another domain of the archive too", key).At("id", "is there twice")})
		}
		im.taken[at] = true
		return nil
	})
}

// line is where a resource stands in the archive.
func (sec *section) line(key resource.Key, was map[string]string) int64 {
	id := key.ID
	if was[id] != "" {
		id = was[id]
	}
	return sec.lines[key.Kind+"/"+id]
}

// rename gives everything the identifiers of a copy. Was gets the old ones by the new.
func (sec *section) rename(name string, was map[string]string) error {
	c := sec.copy
	err := sec.rest.Each(func(r resource.Resource) error {
		c.ids[r.GetId()] = true
		if a, ok := r.(*configv1.Application); ok {
			for _, s := range a.GetSecrets() {
				c.ids[s.GetId()] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var fresh editor.Restoration
	err = sec.rest.Each(func(r resource.Resource) error {
		one := c.copied(sec.original, r)
		was[one.GetId()] = r.GetId()
		if d, ok := one.(*configv1.Domain); ok {
			catalog.AsCopy(d, name)
		}
		return fresh.Add(one)
	})
	sec.rest = fresh
	return err
}

// take takes the lease of the domain.
func (sec *section) take(ctx context.Context, s *Service) error {
	lease, won, err := s.Store.Leases().Acquire(ctx, store.ImportLease(sec.rest.Domain().GetId()), secret.NewID(), leaseTTL)
	if err != nil {
		return err
	}
	if !won {
		return errImporting
	}
	sec.lease, sec.held = lease, true
	return nil
}

// alive prolongs the lease.
func (sec *section) alive(ctx context.Context, s *Service) error {
	if !sec.held {
		return nil
	}
	lease, won, err := s.Store.Leases().Prolong(ctx, sec.lease, leaseTTL)
	if err != nil {
		return err
	}
	if !won {
		sec.held = false // what was written is the sweep's, or whoever's who began the import again
		return errLostLease
	}
	sec.lease = lease
	return nil
}

// end clears away what came to nothing, and gives the lease back.
func (sec *section) end(ctx context.Context, s *Service) {
	if !sec.held {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if !sec.committed && !sec.skipped {
		if err := s.Store.ClearDomain(ctx, sec.rest.Domain().GetId()); err != nil && !errors.Is(err, store.ErrDuplicate) {
			s.Logger.WarnContext(ctx, "what an import wrote is left to the sweep", "domain", sec.rest.Domain().GetId(), "err", err)
		}
	}
	if err := s.Store.Leases().Release(ctx, sec.lease); err != nil {
		s.Logger.WarnContext(ctx, "lease not given back", "lease", sec.lease.Name, "err", err)
	}
}

// user takes somebody.
func (sec *section) user(ctx context.Context, im *importer, r archive.Record) error {
	if sec.skipped {
		return nil
	}
	u := new(directoryv1.User)
	if err := prototree.Archive(im.in.Sealer()).Decode(r.Data, u); err != nil {
		return im.refuse(&managementv1.ArchiveRecord{Kind: r.Kind, Id: textOf(r.Data["id"])}, unreadable(err))
	}
	at := &managementv1.ArchiveRecord{Kind: r.Kind, Id: u.GetId(), Name: u.GetUsername()}
	var f catalog.Faults
	if u.GetDomain() != sec.original {
		f.Refuse("domain", "is another one")
	}
	if !secret.IsID(u.GetId()) {
		f.Refuse("id", notOurs)
	}
	if strings.TrimSpace(u.GetUsername()) == "" {
		f.Refuse("username", "must not be empty")
	}
	if u.GetPasswordHash() != "" && !secret.Known(u.GetPasswordHash()) {
		f.Refuse("passwordHash", "must be an argon2id or bcrypt hash")
	}
	if sec.people[short(u.GetId())] {
		f.Refuse("id", "is there twice")
	}
	name := short(u.GetSource() + "\x00" + strings.ToLower(u.GetUsername()))
	if sec.names[name] {
		f.Refuse("username", "is there twice")
	}
	subject := short("subject\x00" + u.GetSubject())
	if u.GetSubject() != "" && sec.names[subject] {
		f.Refuse("subject", "is there twice")
	}
	if key := short(kindUser + "\x00id\x00" + u.GetId()); im.dry && im.taken[key] {
		f.Refuse("id", "is there twice")
	} else if im.dry && im.in.Header().Scope == archive.ScopeInstallation {
		im.taken[key] = true
	}
	if err := f.Err(); err != nil {
		return im.refuse(at, err)
	}
	sec.people[short(u.GetId())] = true
	if im.dry {
		sec.names[name], sec.names[subject] = true, true
	}
	if sec.copy != nil {
		u = sec.copy.copied(sec.original, u).(*directoryv1.User)
		sec.people[short(u.GetId())] = true
		at.Status, at.Id, at.Was = managementv1.ArchiveRecord_CREATED, u.GetId(), at.Id
		if err := im.tell(at, nil); err != nil {
			return err
		}
	}
	sec.count(im, kindUser)
	if im.refused {
		return nil
	}
	if sec.users = append(sec.users, u); len(sec.users) < peoplePage {
		return nil
	}
	return sec.flush(ctx, im)
}

// flush writes what has gathered, or in a dry run looks whether it could be written.
func (sec *section) flush(ctx context.Context, im *importer) error {
	users, others := sec.users, sec.others
	sec.users, sec.others = nil, nil
	if im.refused {
		return nil
	}
	if im.dry {
		return sec.compare(ctx, im, users, others)
	}
	if err := im.Store.Users().InsertAll(ctx, users); err != nil {
		var taken *store.DuplicateError
		if errors.As(err, &taken) {
			return im.refuse(&managementv1.ArchiveRecord{Kind: kindUser, Id: taken.ID},
				fault.Conflictf("The %s of a person is there twice, or taken in another domain", taken.Unique).At(taken.Unique, "is taken"))
		}
		return err
	}
	err := im.Store.PutKept(ctx, others)
	var taken *store.DuplicateError
	if errors.As(err, &taken) {
		return im.refuse(&managementv1.ArchiveRecord{Kind: taken.Kind, Id: taken.ID}, errTakenElsewhere)
	}
	return err
}

var errTakenElsewhere = fault.Conflictf("The identifier is taken in another domain. Import the archive as a copy").At("id", "is taken in another domain")

// compare refuses what is here in other domains.
func (sec *section) compare(ctx context.Context, im *importer, users []*directoryv1.User, others []store.Kept) error {
	domain := sec.rest.Domain().GetId()
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.GetId()
	}
	taken, err := im.Store.Users().TakenIDs(ctx, domain, ids)
	if err != nil {
		return err
	}
	kind := kindUser
	if len(taken) == 0 && len(others) > 0 {
		kind = others[0].Kind()
		if taken, err = im.Store.TakenKept(ctx, domain, others); err != nil {
			return err
		}
	}
	for _, id := range taken {
		if err := im.refuse(&managementv1.ArchiveRecord{Kind: kind, Id: id}, errTakenElsewhere); err != nil {
			return err
		}
	}
	return nil
}

// kept takes what is kept beside the configuration. What belongs to nobody any more is left out.
func (sec *section) kept(ctx context.Context, im *importer, r archive.Record) error {
	if sec.skipped {
		return nil
	}
	at := &managementv1.ArchiveRecord{Kind: r.Kind, Id: textOf(r.Data["_id"])}
	if err := opened(im.in.Sealer(), r); err != nil {
		return im.refuse(at, err)
	}
	if textOf(r.Data["domain"]) != sec.original {
		return im.refuse(at, fault.Invalidf("It belongs to another domain").At("domain", "is another one"))
	}
	if r.Kind == store.KeptRegistrationToken && !secret.IsID(at.GetId()) {
		return im.refuse(at, fault.Invalidf("[_id: %s]", notOurs).At("_id", notOurs))
	}
	user := textOf(r.Data["user"])
	if gone := sec.gone(r, user); gone != "" {
		at.Status = managementv1.ArchiveRecord_SKIPPED
		return im.tell(at, fault.Invalidf("It belongs to something that is not in the archive").At(gone, "is not in the archive"))
	}
	if sec.copy != nil {
		sec.copy.tree(sec.original, r.Data)
	}
	one, err := store.ReadKept(r.Kind, r.Data)
	if err != nil {
		return im.refuse(at, fault.Invalidf("%s", capital(err.Error())))
	}
	sec.count(im, r.Kind)
	if im.refused {
		return nil
	}
	if r.Kind != sec.otherKind || len(sec.others) >= peoplePage {
		if err := sec.flush(ctx, im); err != nil {
			return err
		}
		sec.otherKind = r.Kind
	}
	sec.others = append(sec.others, one)
	return nil
}

// gone names the member of a record that leads to nothing.
func (sec *section) gone(r archive.Record, user string) string {
	has := func(kind, id string) bool { return sec.rest.Has(kind, sec.id(id)) }
	switch {
	case user != "" && !sec.people[short(user)]:
		return "user"
	case r.Kind == store.KeptMembership && !has(catalog.Groups.Arm, textOf(r.Data["group"])):
		return "group"
	case r.Kind == store.KeptSecretKey && sec.secrets[sec.id(textOf(r.Data["_id"]))] != sec.id(textOf(r.Data["application"])):
		return "application"
	}
	return ""
}

// orphans marks bindings of people who are not there as those of people who are gone.
func (sec *section) orphans(im *importer) error {
	if sec.skipped {
		return nil
	}
	return sec.rest.Each(func(r resource.Resource) error {
		a, ok := r.(*configv1.Application)
		if !ok {
			return nil
		}
		for _, id := range catalog.PeopleBound(a) {
			if !sec.people[short(id)] {
				catalog.Orphan(a, func(b *configv1.Binding) bool { return b.GetUser() == id })
				at := &managementv1.ArchiveRecord{
					Status: managementv1.ArchiveRecord_WARNING, Kind: catalog.Applications.Arm, Id: a.GetId(), Name: a.GetName(),
				}
				if err := im.tell(at, fault.Invalidf("A binding names the person [%s], who is not there, and is marked so", id)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// opened opens the secrets of a record that is no message.
func opened(s prototree.Sealer, r archive.Record) error {
	for _, name := range store.KeptSecrets(r.Kind) {
		sealed := textOf(r.Data[name])
		if sealed == "" {
			continue
		}
		if s == nil {
			return fault.Invalidf("A secret in an archive without secrets").At(name, "must not be there")
		}
		plain, err := s.Open(place(r.Kind, name), sealed)
		if err != nil {
			return fault.Invalidf("A secret cannot be opened").At(name, "cannot be opened")
		}
		r.Data[name] = string(plain)
	}
	return nil
}

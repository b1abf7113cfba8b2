package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
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
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Times of the lease on a domain that is imported. A client may be silent for a minute.
const (
	leaseTTL   = 3 * time.Minute
	leaseEvery = 30 * time.Second
)

var (
	errImporting = fault.Conflictf("The domain is being imported. Try again when that has ended, or in three minutes")
	errLostLease = fault.Unavailablef("The import took too long in one step, and somebody else may have begun it. Try again")
)

// section is one domain of an archive.
type section struct {
	original string // its identifier in the archive
	copy     *copying
	rest     editor.Restoration
	// lines are where its resources stand in the archive.
	lines map[string]int64
	// checked says that the configuration is complete, skipped that nothing of the domain is made because it is there.
	checked, skipped, committed bool

	lease  store.Lease
	held   bool
	beaten time.Time

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
	whole := im.in.Header().Scope == archive.ScopeInstallation
	failed := map[resource.Key]bool{}
	problem := func(p editor.Problem) error {
		at := &managementv1.ArchiveRecord{Kind: p.Key.Kind, Id: p.Key.ID, Name: p.Name, Was: was[p.Key.ID], Line: sec.line(p.Key, was)}
		sealed := im.in.Header().Secrets == archive.Sealed
		if p.Dangling && im.dangling || p.Rule && sealed {
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
	if err := im.Editor.RestorationTaken(ctx, &sec.rest, problem); err != nil || sec.skipped {
		return err
	}
	if err := im.Editor.CheckRestoration(ctx, im.at, &sec.rest, im.in.Header().Secrets == archive.LeftOut, problem); err != nil {
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
		im.counts[key.Kind]++
		k, _ := catalog.ByArm(key.Kind)
		return im.tell(&managementv1.ArchiveRecord{
			Status: managementv1.ArchiveRecord_CREATED, Kind: key.Kind, Id: key.ID, Name: k.NameOf(r), Was: was[key.ID], Line: sec.line(key, was),
		}, nil)
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
	sec.lease, sec.held, sec.beaten = lease, true, time.Now()
	return nil
}

// alive prolongs the lease now and then.
func (sec *section) alive(ctx context.Context, s *Service) error {
	if !sec.held || time.Since(sec.beaten) < leaseEvery {
		return nil
	}
	lease, won, err := s.Store.Leases().Acquire(ctx, sec.lease.Name, sec.lease.Holder, leaseTTL)
	if err != nil {
		return err
	}
	if !won || lease.Fence != sec.lease.Fence {
		sec.held = false
		return errLostLease
	}
	sec.lease, sec.beaten = lease, time.Now()
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
		return im.refuse(&managementv1.ArchiveRecord{Kind: r.Kind, Id: textOf(r.Data["id"])}, catalog.TreeError(err))
	}
	at := &managementv1.ArchiveRecord{Kind: r.Kind, Id: u.GetId(), Name: u.GetUsername()}
	var f catalog.Faults
	if u.GetDomain() != sec.original {
		f.Refuse("domain", "is another one")
	}
	if u.GetId() == "" {
		f.Refuse("id", "must not be empty")
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
	if err := f.Err(); err != nil {
		return im.refuse(at, err)
	}
	sec.people[short(u.GetId())] = true
	if im.dry {
		sec.names[name] = true
	}
	if sec.copy != nil {
		u = sec.copy.copied(sec.original, u).(*directoryv1.User)
		sec.people[short(u.GetId())] = true
		at.Status, at.Id, at.Was = managementv1.ArchiveRecord_CREATED, u.GetId(), at.Id
		if err := im.tell(at, nil); err != nil {
			return err
		}
	}
	im.counts[kindUser]++
	if im.dry || im.refused {
		return nil
	}
	if sec.users = append(sec.users, u); len(sec.users) < peoplePage {
		return nil
	}
	return sec.flush(ctx, im)
}

// flush writes what has gathered.
func (sec *section) flush(ctx context.Context, im *importer) error {
	users, others := sec.users, sec.others
	sec.users, sec.others = nil, nil
	if im.dry || im.refused {
		return nil
	}
	if err := im.Store.Users().InsertAll(ctx, users); err != nil {
		var taken *store.DuplicateError
		if errors.As(err, &taken) {
			return im.refuse(&managementv1.ArchiveRecord{Kind: kindUser, Id: taken.ID},
				fault.Conflictf("The %s of a person is there twice, or taken in another domain", taken.Unique).At(taken.Unique, "is taken"))
		}
		return err
	}
	return im.Store.PutKept(ctx, others)
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
	im.counts[r.Kind]++
	if im.dry || im.refused {
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
	case r.Kind == store.KeptSecretKey && !has(catalog.Applications.Arm, textOf(r.Data["application"])):
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

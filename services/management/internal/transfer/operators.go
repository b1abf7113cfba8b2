package transfer

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// installed reports whether records of a kind belong to an installation and to no domain.
func installed(kind string) bool { return slices.Contains(store.KeptOfInstallation, kind) }

// operator takes what belongs to operators. It is kept until everything is verified: there are few of them.
func (im *importer) operator(r archive.Record) error {
	at := &managementv1.ArchiveRecord{Kind: r.Kind, Name: textOf(r.Data["name"])}
	if im.in.Header().Scope != archive.ScopeInstallation {
		return fault.Invalidf("Line %d: a %s in the archive of a domain", im.line, r.Kind)
	}
	if r.Kind != store.KeptPersonalToken { // that identifier is a secret
		at.Id = textOf(r.Data["id"])
	}
	if err := opened(im.in.Sealer(), r); err != nil {
		return im.refuse(at, err)
	}
	one, err := store.ReadKept(r.Kind, r.Data)
	if err != nil {
		return im.refuse(at, fault.Invalidf("%s", capital(err.Error())))
	}
	im.operators = append(im.operators, one)
	return nil
}

// planOperators checks what the archive holds of operators, when all domains have been looked at.
func (im *importer) planOperators(ctx context.Context) error {
	if len(im.operators) == 0 {
		return nil
	}
	sections := map[string]*section{}
	for _, sec := range im.done {
		sections[sec.rest.Domain().GetId()] = sec
	}
	there := func(ctx context.Context, at operator.Place) (operator.Place, bool, error) {
		sec := sections[at.Domain]
		if sec == nil {
			return at, false, nil
		}
		at.Environment = sec.rest.Domain().GetEnvironment()
		if at.Application == "" || !sec.skipped {
			return at, at.Application == "" || sec.rest.Has(catalog.Applications.Arm, at.Application), nil
		}
		a, err := store.Get(ctx, im.Store, catalog.Applications, at.Application)
		if errors.Is(err, store.ErrNotFound) {
			return at, false, nil
		}
		return at, err == nil && a.GetDomain() == at.Domain, err
	}
	var from operator.Archived
	from.Roles, from.Operators, from.Members, from.Tokens = store.OperatorsKept(im.operators)
	var err error
	im.plan, err = im.Operators.Restoration(ctx, im.at.Organization, im.at.Environment, from, there, im.found)
	return err
}

// found tells what becomes of something that belongs to operators.
func (im *importer) found(f operator.Finding) error {
	at := &managementv1.ArchiveRecord{Kind: f.Kind, Id: f.ID, Name: f.Name, Was: f.Was}
	switch {
	case f.Err != nil:
		return im.refuse(at, f.Err)
	case f.Left != "":
		at.Status, at.Message = managementv1.ArchiveRecord_SKIPPED, f.Left
		return im.tell(at, nil)
	case f.Warning != "":
		at.Status, at.Message = managementv1.ArchiveRecord_WARNING, f.Warning
	default:
		at.Status = managementv1.ArchiveRecord_CREATED
	}
	im.counts[f.Kind]++
	return im.tell(at, nil)
}

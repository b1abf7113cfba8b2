package transfer

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
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
	im.operators[r.Kind] = append(im.operators[r.Kind], one)
	im.counts[r.Kind]++
	return nil
}

// putOperators stores operators, their roles, memberships and tokens. Whoever is here already stays as they are, and what belongs to
// them in the archive is theirs here; their tokens are not taken.
func (im *importer) putOperators(ctx context.Context) error {
	if len(im.operators) == 0 {
		return nil
	}
	here, err := im.Store.OperatorRoles().List(ctx)
	if err != nil {
		return err
	}
	roles := map[string]string{}
	for _, r := range here {
		roles[strings.ToLower(r.Name)] = r.ID
	}
	there, err := im.Store.Operators().List(ctx)
	if err != nil {
		return err
	}
	operators := map[string]string{}
	for _, o := range there {
		operators[o.Key] = o.ID
	}
	for _, kind := range store.KeptOfInstallation {
		var put []store.Kept
		for _, one := range im.operators[kind] {
			name, id := strings.ToLower(one.Member("name")), one.Member("id")
			taken := operators[name]
			if kind == store.KeptOperatorRole {
				id, taken = one.Member("_id"), roles[name]
			}
			switch {
			case (kind == store.KeptOperatorRole || kind == store.KeptOperator) && taken != "":
				if taken != id {
					im.known[id] = taken
				}
				im.counts[kind]--
				if err := im.tell(&managementv1.ArchiveRecord{
					Status: managementv1.ArchiveRecord_SKIPPED, Kind: kind, Id: taken, Name: one.Member("name"), Message: "It is here already and stays as it is",
				}, nil); err != nil {
					im.Logger.InfoContext(ctx, "nobody reads the answer of an import", "err", err)
				}
				continue
			case kind == store.KeptPersonalToken && im.known[one.Member("operator")] != "":
				im.counts[kind]--
				continue
			}
			if len(im.known) > 0 {
				if one, err = one.With(im.knownHere); err != nil {
					return err
				}
			}
			put = append(put, one)
		}
		if err := im.Store.PutKept(ctx, put); err != nil {
			return err
		}
	}
	return nil
}

// knownHere gives operators and roles in a record the identifiers that they have here.
func (im *importer) knownHere(v any) any {
	switch v := v.(type) {
	case string:
		if here := im.known[v]; here != "" {
			return here
		}
	case prototree.Object:
		for name := range v {
			v[name] = im.knownHere(v[name])
		}
	case []any:
		for i := range v {
			v[i] = im.knownHere(v[i])
		}
	}
	return v
}

package editor

import (
	"context"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// DifferencesFrom returns where each client differs from the template that it was registered from: in its own members, and in the
// forms, e-mails and flows that were copied with it. What belongs to one client alone is not compared.
func (e *Editor) DifferencesFrom(ctx context.Context, template *configv1.Application, clients []*configv1.Application) ([][]catalog.TemplateDifference, error) {
	d, err := Read(ctx, e, catalog.Domains, Place{}, template.GetDomain())
	if err != nil {
		return nil, err
	}
	found := make([][]catalog.TemplateDifference, len(clients))
	levels := []any{catalog.LevelOf(template.GetDomain(), template.GetId())}
	for i, c := range clients {
		own, err := catalog.DifferencesFrom(d, template, c)
		if err != nil {
			return nil, err
		}
		found[i] = own
		levels = append(levels, catalog.LevelOf(c.GetDomain(), c.GetId()))
	}
	for _, k := range catalog.LeveledKinds {
		all, _, err := e.store.ListAny(ctx, k, store.Query{Where: map[string][]any{"level": levels}})
		if err != nil {
			return nil, err
		}
		byLevel := map[string][]resource.Resource{}
		for _, r := range all {
			if l, ok := r.(catalog.Leveled); ok {
				byLevel[l.GetLevel()] = append(byLevel[l.GetLevel()], r)
			}
		}
		if len(byLevel) == 0 {
			continue
		}
		was, err := leveledTree(byLevel[template.GetId()])
		if err != nil {
			return nil, err
		}
		for i, c := range clients {
			is, err := leveledTree(byLevel[c.GetId()])
			if err != nil {
				return nil, err
			}
			more, err := catalog.Compare(k.Descriptor().Path, was, is)
			if err != nil {
				return nil, err
			}
			found[i] = append(found[i], more...)
		}
	}
	return found, nil
}

// particular are the members of a copy that are its own.
var particular = []string{"id", "domain", "application", "revision", "createdAt", "updatedAt"}

// leveledTree is what an application has of a kind, by what it is for: by the page or e-mail that it replaces, or in the order of
// the flows at a point.
func leveledTree(all []resource.Resource) (prototree.Object, error) {
	tree := prototree.Object{}
	for _, r := range all {
		one, err := prototree.Management.Encode(r)
		if err != nil {
			return nil, err
		}
		for _, name := range particular {
			delete(one, name)
		}
		if purpose, ok := one["template"].(string); ok {
			tree[purpose] = one
			continue
		}
		delete(one, "order") // it counts the flows at other points as well; the list says it
		purpose, _ := one["type"].(string)
		list, _ := tree[purpose].([]any)
		tree[purpose] = append(list, any(one))
	}
	return tree, nil
}

package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// checkMappers compiles the expressions with which a provider's people are mapped: values of their profile, roles and
// groups. What stands outside of {#…} names a member of what the provider says, or compares one.
func checkMappers(p *configv1.IdentityProvider) error {
	for _, name := range slices.Sorted(maps.Keys(p.GetMappers())) {
		text := p.GetMappers()[name]
		if !isExpression(text) {
			continue
		}
		if _, err := rules.CompileTemplate(rules.Mapper, text); err != nil {
			return badExpression(prototree.Member("mappers", name), err)
		}
	}
	for _, mapper := range []struct {
		path string
		by   map[string]*configv1.Strings
	}{{"roleMapper", p.GetRoleMapper()}, {"groupMapper", p.GetGroupMapper()}} {
		for _, id := range slices.Sorted(maps.Keys(mapper.by)) {
			path := prototree.Member(mapper.path, id)
			for i, text := range mapper.by[id].GetValues() {
				if err := checkMapperCondition(index(path, i), text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkMapperCondition accepts name=value and {#CEL}.
func checkMapperCondition(path, text string) error {
	if isExpression(text) {
		if _, err := rules.CompileRule(rules.MapperCondition, text); err != nil {
			return badExpression(path, err)
		}
		return nil
	}
	if name, _, ok := strings.Cut(text, "="); !ok || strings.TrimSpace(name) == "" {
		return broken(path, text, "must be name=value or an expression in {#…}")
	}
	return nil
}

// isExpression reports whether a text is meant as an expression.
func isExpression(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "{#") }

// Package mapping makes an identity of what a provider says of a person: members of the profile, roles and groups, by a provider's
// mappers.
//
// It is compiled when the provider is opened. What fails is left out: nobody is kept out because an attribute is missing.
package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Mapping is what a provider's mappers come to. It is safe for concurrent use.
type Mapping struct {
	provider *rules.IdentityProvider
	members  []member
	roles    []grant
	groups   []grant
	failed   func(ctx context.Context, place string, err error)
}

// source is an expression or the name of a member of the profile.
type source struct {
	place    string // for operators: mappers.email
	name     string
	template *rules.Template
}

type member struct {
	*source
	target string
	set    func(*idp.Identity, any) bool // nil: a member of additional_information
}

// grant is a role or a group with conditions, one of which must hold.
type grant struct {
	id         string
	conditions []*condition
}

type condition struct {
	place       string
	name, value string
	rule        *rules.Rule
}

// New compiles the mappers of a provider; nil if it has none. failed is told of every mapper that cannot be evaluated, by its
// place such as mappers.email.
func New(p *configv1.IdentityProvider, provider *rules.IdentityProvider, failed func(ctx context.Context, place string, err error)) (*Mapping, error) {
	if len(p.GetMappers()) == 0 && len(p.GetRoleMapper()) == 0 && len(p.GetGroupMapper()) == 0 {
		return nil, nil
	}
	m := &Mapping{provider: provider, failed: failed}
	for _, target := range slices.Sorted(maps.Keys(p.GetMappers())) {
		text := p.GetMappers()[target]
		s := &source{place: "mappers." + target, name: strings.TrimSpace(text)}
		if isExpression(text) {
			template, err := rules.CompileTemplate(rules.Mapper, text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.place, err)
			}
			s.template = template
		}
		m.members = append(m.members, member{source: s, target: target, set: targets[canonical(target)]})
	}
	// What says whether an address is verified comes after the address.
	slices.SortStableFunc(m.members, func(a, b member) int {
		return rank(a.target) - rank(b.target)
	})
	var err error
	if m.roles, err = grants("roleMapper", p.GetRoleMapper()); err != nil {
		return nil, err
	}
	if m.groups, err = grants("groupMapper", p.GetGroupMapper()); err != nil {
		return nil, err
	}
	return m, nil
}

func rank(target string) int {
	if canonical(target) == "emailverified" {
		return 1
	}
	return 0
}

func grants(path string, mapper map[string]*configv1.Strings) ([]grant, error) {
	var all []grant
	for _, id := range slices.Sorted(maps.Keys(mapper)) {
		g := grant{id: id}
		for i, text := range mapper[id].GetValues() {
			c := &condition{place: fmt.Sprintf("%s.%s[%d]", path, id, i)}
			if isExpression(text) {
				rule, err := rules.CompileRule(rules.MapperCondition, text)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", c.place, err)
				}
				c.rule = rule
			} else {
				name, value, ok := strings.Cut(text, "=")
				if c.name, c.value = strings.TrimSpace(name), strings.TrimSpace(value); !ok || c.name == "" {
					return nil, fmt.Errorf("%s: must be name=value or an expression in {#…}", c.place)
				}
			}
			g.conditions = append(g.conditions, c)
		}
		all = append(all, g)
	}
	return all, nil
}

func isExpression(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "{#") }

// errMissing says that the profile has no member of a name. It is no fault that anybody needs to be told of.
var errMissing = errors.New("the provider does not say it")

// Apply returns the identity of an assertion with what the mappers make of it; the assertion is not changed. A member with a
// mapper is what the mapper says and nothing else, but for the user name, which everybody has. Who somebody is, the source and
// the name there, is never mapped. An address that is not the one which the provider verified is not verified, unless a mapper
// says that it is.
func (m *Mapping) Apply(ctx context.Context, a *idp.Assertion) *idp.Identity {
	if m == nil {
		return a.Identity
	}
	made := proto.CloneOf(a.Identity)
	in := &rules.Input{Profile: a.Profile, IdentityProvider: m.provider}
	if in.Profile == nil {
		in.Profile = profileOf(a.Identity)
	}
	further := map[string]any{}
	for _, f := range m.members {
		v, err := f.value(ctx, in)
		if err == nil && f.set == nil {
			if _, err = structpb.NewValue(v); err == nil {
				further[f.target] = v
			}
		} else if f.set != nil && !f.set(made, v) && err == nil {
			err = errors.New("the value is not of the kind that the member has")
		}
		if err != nil && !errors.Is(err, errMissing) {
			m.failed(ctx, f.place, err)
		}
	}
	if len(further) > 0 {
		if given, err := structpb.NewStruct(further); err == nil {
			if made.AdditionalInformation == nil {
				made.AdditionalInformation = &structpb.Struct{Fields: map[string]*structpb.Value{}}
			}
			proto.Merge(made.AdditionalInformation, given)
		}
	}
	made.Roles = m.granted(ctx, made.GetRoles(), m.roles, in)
	made.Groups = m.granted(ctx, made.GetGroups(), m.groups, in)
	return made
}

func (s *source) value(ctx context.Context, in *rules.Input) (any, error) {
	if s.template != nil {
		v, err := s.template.Value(ctx, in)
		if err == nil && v == nil {
			err = errMissing
		}
		return v, err
	}
	v := idp.Member(in.Profile, s.name)
	if v == nil {
		return nil, errMissing
	}
	return v, nil
}

func (m *Mapping) granted(ctx context.Context, had []string, all []grant, in *rules.Input) []string {
	for _, g := range all {
		if slices.ContainsFunc(g.conditions, func(c *condition) bool { return m.holds(ctx, c, in) }) && !slices.Contains(had, g.id) {
			had = append(had, g.id)
		}
	}
	return had
}

func (m *Mapping) holds(ctx context.Context, c *condition, in *rules.Input) bool {
	if c.rule != nil {
		ok, err := c.rule.Holds(ctx, in)
		if err != nil {
			m.failed(ctx, c.place, err)
			return false
		}
		return ok
	}
	v := idp.Member(in.Profile, c.name)
	if list, ok := v.([]any); ok {
		return slices.ContainsFunc(list, func(v any) bool {
			text, ok := textOf(v)
			return ok && text == c.value
		})
	}
	text, ok := textOf(v)
	return ok && text == c.value
}

// profileOf is the profile of somebody of whom a provider said no more than the identity.
func profileOf(i *idp.Identity) map[string]any {
	profile := map[string]any{"sub": i.GetExternalId(), "username": i.GetUsername(), "email_verified": i.GetEmailVerified()}
	for name, v := range map[string]string{
		"email": i.GetEmail(), "given_name": i.GetFirstName(), "family_name": i.GetLastName(), "name": i.GetDisplayName(),
		"firstname": i.GetFirstName(), "lastname": i.GetLastName(),
	} {
		if v != "" {
			profile[name] = v
		}
	}
	for name, v := range i.GetAdditionalInformation().AsMap() {
		if _, taken := profile[name]; !taken {
			profile[name] = v
		}
	}
	return profile
}

// textOf returns a value as text; a list is its first value.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case json.Number:
		return v.String(), true
	case []any:
		if len(v) > 0 {
			return textOf(v[0])
		}
	}
	return "", false
}

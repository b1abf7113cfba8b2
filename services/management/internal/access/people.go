package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// member is a person of a picture. It is not changed once the picture is published.
type member struct {
	id, username, name, email string
	enabled                   bool
	loggedAt                  time.Time
	in                        *membership
	// order is the name by which lists are ordered.
	order string
}

// membership is a set of groups in which people are directly; everybody with the same shares it.
type membership struct{ groups []string }

func sketch(s *store.Sketch) *member {
	m := &member{
		id: s.ID, username: s.Username, email: s.Email, enabled: s.Enabled == nil || *s.Enabled, loggedAt: s.LoggedAt,
		order: strings.ToLower(s.Username),
	}
	if m.name = s.DisplayName; m.name == "" {
		m.name = strings.TrimSpace(s.FirstName + " " + s.LastName)
	}
	return m
}

// asserted returns the groups that providers give somebody, as far as the providers exist.
func asserted(s *store.Sketch, providers map[string]bool) []string {
	var groups []string
	for _, a := range s.Asserted {
		if providers[a.Source] {
			groups = append(groups, a.Groups...)
		}
	}
	return groups
}

func share(shared map[string]*membership, groups []string) *membership {
	slices.Sort(groups)
	groups = slices.Compact(groups)
	k := key(groups)
	if shared[k] == nil {
		shared[k] = &membership{groups: slices.Clip(groups)}
	}
	return shared[k]
}

func key(groups []string) string { return strings.Join(groups, "\x00") }

func byName(a, b *member) int {
	return cmp.Or(strings.Compare(a.order, b.order), strings.Compare(a.id, b.id))
}

// same reports whether nothing is different that a picture shows, but for when they signed in.
func (m *member) same(other *member) bool {
	return m.username == other.username && m.name == other.name && m.email == other.email && m.enabled == other.enabled && m.in == other.in
}

// finds reports whether a search finds somebody: by a part of a name or of the address, in any case; `*` stands for any text.
func (m *member) finds(words []string) bool {
	if len(words) == 0 {
		return true
	}
	for _, text := range []string{m.username, m.name, m.email, m.id} {
		rest, found := strings.ToLower(text), true
		for _, word := range words {
			i := strings.Index(rest, word)
			if i < 0 {
				found = false
				break
			}
			rest = rest[i+len(word):]
		}
		if found {
			return true
		}
	}
	return false
}

// words cuts a search at its stars.
func words(q string) []string {
	return slices.DeleteFunc(strings.Split(strings.ToLower(q), "*"), func(s string) bool { return s == "" })
}

// tree is how the groups of a domain contain one another.
type tree struct {
	byID map[string]*configv1.Group
	// within are the groups that contain one directly.
	within map[string][]string
}

func newTree(groups []*configv1.Group) *tree {
	t := &tree{byID: make(map[string]*configv1.Group, len(groups)), within: map[string][]string{}}
	for _, g := range groups {
		t.byID[g.GetId()] = g
		for _, inner := range g.GetGroups() {
			t.within[inner] = append(t.within[inner], g.GetId())
		}
	}
	return t
}

// above returns the groups that membership of some comes to: themselves and all that contain them, at any depth.
func (t *tree) above(direct []string) map[string]bool {
	all := map[string]bool{}
	next := slices.Clone(direct)
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		if !all[id] && t.byID[id] != nil {
			all[id] = true
			next = append(next, t.within[id]...)
		}
	}
	return all
}

// way returns the groups by which somebody is in a group in which they are not directly, from one of their own to one that it
// contains.
func (t *tree) way(direct []string, to string) []string {
	chain := t.chain(direct, to)
	if len(chain) < 2 {
		return nil
	}
	return chain[:len(chain)-1]
}

// chain returns the shortest way from one of somebody's own groups to a group, both included; nil if there is none.
func (t *tree) chain(direct []string, to string) []string {
	from := map[string]string{}
	next := []string{}
	for _, id := range direct {
		if _, seen := from[id]; !seen && t.byID[id] != nil {
			from[id] = ""
			next = append(next, id)
		}
	}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if id == to {
			var way []string
			for at := id; at != ""; at = from[at] {
				way = append(way, at)
			}
			slices.Reverse(way)
			return way
		}
		for _, outer := range t.within[id] {
			if _, seen := from[outer]; !seen {
				from[outer] = id
				next = append(next, outer)
			}
		}
	}
	return nil
}

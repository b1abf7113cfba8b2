package gatehouse

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/FerretDB/FerretDB/internal/backends/sqlite/metadata"
	"github.com/FerretDB/FerretDB/internal/types"
)

const (
	identifier = "_id"
	column     = metadata.DefaultColumn // in which documents are
)

// table is where SQLite keeps a collection.
type table struct {
	name    string
	capped  bool
	indexes []index
	kinds   kinds
}

// index is an index of SQLite that queries can use.
type index struct {
	name    string
	members []string
	// replaces says that FerretDB has made an index of this name, which nothing else would use.
	replaces bool
}

// value is what an index keeps of a member: the value, or an empty blob in place of an array, because a filter on an
// array is met by any of its elements. Identifiers are never arrays.
func value(member string) string {
	path := fmt.Sprintf("%s->>'$.%s'", column, member)
	if member == identifier {
		return path
	}
	return fmt.Sprintf("CASE json_type(%s,'$.%s') WHEN 'array' THEN x'' ELSE %s END", column, member, path)
}

// newTable works out which indexes a collection is to have.
func newTable(name string, settings metadata.Settings) *table {
	t := &table{name: name, capped: settings.CappedSize > 0}
	t.indexes = []index{{name: name + "_" + identifier + ".value", members: []string{identifier}}}
	for _, info := range settings.Indexes {
		i := index{name: name + "_" + info.Name, replaces: true}
		if info.Unique { // it has to stay: it is what keeps values apart
			i.name, i.replaces = i.name+".value", false
		}
		for _, pair := range info.Key {
			if !plain(pair.Field) || pair.Field == identifier {
				break // a query that names the identifier is answered by that
			}
			i.members = append(i.members, pair.Field)
		}
		if len(i.members) > 0 {
			t.indexes = append(t.indexes, i)
		}
	}
	return t
}

// statements make the indexes, given the text of those that exist. FerretDB's statements that change and delete find a
// document by the text of its identifier; without an index of that they read the whole table.
func (t *table) statements(existing map[string]string) []string {
	var list []string
	byText := fmt.Sprintf("CREATE INDEX %q ON %q (%s)", t.name+"_"+identifier+".text", t.name, metadata.IDColumn)
	if _, ok := existing[t.name+"_"+identifier+".text"]; !ok {
		list = append(list, byText)
	}
	for _, i := range t.indexes {
		values := make([]string, len(i.members))
		for n, m := range i.members {
			values[n] = value(m)
		}
		wanted := fmt.Sprintf("CREATE INDEX %q ON %q (%s)", i.name, t.name, strings.Join(values, ", "))
		present, ok := existing[i.name]
		if present == wanted {
			continue
		}
		if ok {
			list = append(list, fmt.Sprintf("DROP INDEX %q", i.name))
		}
		list = append(list, wanted)
	}
	return list
}

// wish is what is asked of a table: the documents that meet conditions on members, at most limit if it is not 0. Where
// order is not nil, the first of them are enough.
type wish struct {
	asked map[string]condition
	limit int64
	order *order
}

// search is a statement that finds every document that meets some conditions, and more.
type search struct {
	text      string
	arguments []any
}

// search chooses the index that narrows most: first an identifier that is known, then the most members whose values are
// known, then a bound. Where no index helps,
// SQLite compares every document.
func (t *table) search(w wish) (search, bool) {
	if t.capped {
		return search{}, false
	}
	asked := w.asked
	if w.limit != 0 { // it comes without a filter
		return search{text: t.selected() + " LIMIT ?", arguments: []any{w.limit}}, len(asked) == 0
	}
	if c := asked[identifier]; c.equals != nil {
		return t.find([]string{in(identifier, c.equals)}, c.equals), true
	}
	var best index
	var most rank
	for _, i := range t.indexes {
		if r := i.rank(asked); r.better(most) {
			best, most = i, r
		}
	}
	var where []string
	var arguments []any
	narrow := func(text string, values []any) { where, arguments = append(where, text), append(arguments, values...) }
	rest := maps.Clone(asked)
	for n := range most.known {
		m := best.members[n]
		narrow(in(m, asked[m].equals), asked[m].equals)
		delete(rest, m)
	}
	if most.bound {
		m := best.members[most.known]
		c := asked[m]
		delete(rest, m)
		if most.known > 0 {
			rest[m] = condition{high: c.high, absent: c.absent} // see rank
			c = condition{low: c.low}
		}
		narrow(between(m, c))
	}
	more, values := remaining(rest)
	return t.find(append(where, more...), append(arguments, values...)), true
}

// remaining are conditions for which no index is used. SQLite looks at them faster than FerretDB, which has to decode a
// document first. The sign keeps it from choosing another index for that.
func remaining(rest map[string]condition) (where []string, arguments []any) {
	for _, m := range slices.Sorted(maps.Keys(rest)) {
		c := rest[m]
		if c.equals != nil {
			where, arguments = append(where, "+("+in(m, c.equals)+")"), append(arguments, c.equals...)
		}
		if c.low != nil || c.high != nil || c.absent {
			text, values := between(m, c)
			where, arguments = append(where, "+("+text+")"), append(arguments, values...)
		}
	}
	return where, arguments
}

func (t *table) find(where []string, arguments []any) search {
	text := t.selected()
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	return search{text: text, arguments: slices.Clone(arguments)}
}

func (t *table) selected() string {
	return fmt.Sprintf("SELECT %s FROM %q", column, t.name)
}

// rank is how far an index narrows what is looked for.
type rank struct {
	known int  // members from the first on of which the value is known
	bound bool // the next one has a bound
	rest  int  // members that are not used
	other bool // it is not the index of identifiers
}

// rank of the zero value is that of an index that does not help.
func (i index) rank(asked map[string]condition) rank {
	r := rank{other: i.members[0] != identifier}
	for r.known < len(i.members) && asked[i.members[r.known]].equals != nil {
		r.known++
	}
	if r.known < len(i.members) {
		c := asked[i.members[r.known]]
		// Behind other members only a lower bound is of use: above it are the arrays too, see value.
		r.bound = c.low != nil || (c.high != nil || c.absent) && r.known == 0
	}
	if r.known == 0 && !r.bound {
		return rank{}
	}
	r.rest = len(i.members) - r.known
	return r
}

func (r rank) better(than rank) bool {
	switch {
	case r.known != than.known:
		return r.known > than.known
	case r.bound != than.bound:
		return r.bound
	case than == rank{}, r == rank{}:
		return r != rank{}
	case r.other != than.other:
		return r.other
	default:
		return r.rest < than.rest
	}
}

// in is the condition that a member has one of some values, or any array.
func in(member string, values []any) string {
	places := strings.Repeat("?, ", len(values))
	if member == identifier {
		return fmt.Sprintf("%s IN (%s)", value(member), strings.TrimSuffix(places, ", "))
	}
	return fmt.Sprintf("%s IN (%sx'')", value(member), places)
}

// between is the condition that a member lies within bounds, or is any array. Blobs are above everything.
func between(member string, c condition) (string, []any) {
	v := value(member)
	switch {
	case c.absent:
		return fmt.Sprintf("(%[1]s IS NULL OR %[1]s = x'')", v), nil
	case c.high == nil:
		return v + " >= ?", []any{c.low}
	case c.low == nil && member == identifier:
		return v + " <= ?", []any{c.high}
	case c.low == nil:
		return fmt.Sprintf("(%[1]s <= ? OR %[1]s = x'')", v), []any{c.high}
	case member == identifier:
		return v + " BETWEEN ? AND ?", []any{c.low, c.high}
	default:
		return fmt.Sprintf("(%[1]s BETWEEN ? AND ? OR %[1]s = x'')", v), []any{c.low, c.high}
	}
}

func hexadecimal(id types.ObjectID) string { return hex.EncodeToString(id[:]) }

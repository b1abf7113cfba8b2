package gatehouse

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/FerretDB/wire"

	"github.com/FerretDB/FerretDB/internal/bson"
	"github.com/FerretDB/FerretDB/internal/handler/common"
	"github.com/FerretDB/FerretDB/internal/types"
)

// order is what a find asks for that wants the first few documents in an order. FerretDB tells its backends nothing of
// it and sorts all that the filter leaves; here it travels with the context.
type order struct {
	collection string
	by         []sorting
	// filter is the whole one, and most how many documents are wanted of those that it selects.
	filter *types.Document
	most   int64
}

// sorting is one member that is sorted by.
type sorting struct {
	member     string
	descending bool
}

type orderKey struct{}

type command = func(context.Context, *wire.OpMsg) (*wire.OpMsg, error)

// withOrder is FerretDB's find, whose backend is told of the order.
func withOrder(find command) command {
	return func(ctx context.Context, msg *wire.OpMsg) (*wire.OpMsg, error) {
		if o := orderOf(msg, silent); o != nil {
			ctx = context.WithValue(ctx, orderKey{}, o)
		}
		return find(ctx, msg)
	}
}

// orderOf returns the order of a find, or nothing where it has none, or one that is FerretDB's affair alone.
func orderOf(msg *wire.OpMsg, log *slog.Logger) *order {
	document, err := bson.ToDocument(msg.RawSection0())
	if err != nil || !document.Has("sort") || !document.Has("limit") {
		return nil
	}
	params, err := common.GetFindParams(document, log)
	if err != nil || params.Limit <= 0 || params.Skip < 0 || params.Limit+params.Skip < 0 {
		return nil
	}
	by, err := common.ValidateSortDocument(params.Sort)
	if err != nil || by.Len() == 0 {
		return nil
	}
	o := &order{collection: params.Collection, filter: params.Filter, most: params.Limit + params.Skip}
	for i, name := range by.Keys() {
		direction, ok := by.Values()[i].(int64)
		if !ok || !plain(name) {
			return nil
		}
		o.by = append(o.by, sorting{name, direction < 0})
	}
	return o
}

// orderIn returns the order that a query of a collection is part of.
func orderIn(ctx context.Context, collection string) *order {
	if o, _ := ctx.Value(orderKey{}).(*order); o != nil && o.collection == collection {
		return o
	}
	return nil
}

// inOrder is a search whose documents come in an order, along an index. It is right only while each of some members has
// values of one type, which SQLite sorts as FerretDB does, or none.
func (t *table) inOrder(asked map[string]condition, by []sorting) (s search, members []string, ok bool) {
	if t.capped {
		return search{}, nil, false
	}
	index, known := t.along(asked, by)
	if index == nil {
		return search{}, nil, false
	}
	var where []string
	var arguments []any
	rest := maps.Clone(asked)
	for _, m := range index.members[:known] {
		where, arguments = append(where, value(m)+" = ?"), append(arguments, asked[m].equals[0])
		members = append(members, m)
		delete(rest, m)
	}
	first := by[0].member
	if c := rest[first]; c.low != nil || c.high != nil {
		switch {
		case c.low != nil && c.above: // a domain may have a million documents, and the next one is wanted
			where, arguments = append(where, value(first)+" > ?"), append(arguments, c.low)
		case c.low != nil:
			where, arguments = append(where, value(first)+" >= ?"), append(arguments, c.low)
		}
		if c.high != nil {
			where, arguments = append(where, value(first)+" <= ?"), append(arguments, c.high)
		}
		rest[first] = condition{equals: c.equals, absent: c.absent}
	}
	more, values := remaining(rest)
	where, arguments = append(where, more...), append(arguments, values...)
	var terms []string
	for _, o := range by {
		direction := ""
		if o.descending {
			direction = " DESC"
		}
		terms = append(terms, value(o.member)+direction)
		members = append(members, o.member)
	}
	text := fmt.Sprintf("SELECT %s FROM %q INDEXED BY %q", column, t.name, index.name)
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	return search{text: text + " ORDER BY " + strings.Join(terms, ", "), arguments: arguments}, members, true
}

// along returns the index along which documents stand in an order: behind members whose value is known come those that are
// sorted by, as many as possible. SQLite sorts by the others where these are equal.
func (t *table) along(asked map[string]condition, by []sorting) (best *index, known int) {
	sorted := 0
	for n := range t.indexes {
		i := &t.indexes[n]
		for k := range i.members {
			if s := follow(i.members[k:], by); s > 0 && (best == nil || k > known || k == known && s > sorted) {
				best, known, sorted = i, k, s
			}
			if len(asked[i.members[k]].equals) != 1 || slices.ContainsFunc(by, func(o sorting) bool { return o.member == i.members[k] }) {
				break
			}
		}
	}
	return best, known
}

// follow says how many members of an order an index follows, all of them in one direction.
func follow(members []string, by []sorting) int {
	n := 0
	for n < len(members) && n < len(by) && members[n] == by[n].member && by[n].descending == by[0].descending {
		n++
	}
	return n
}

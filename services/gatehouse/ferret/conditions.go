package gatehouse

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/FerretDB/FerretDB/internal/types"
)

// mostValues is how many values of one $in are looked up one by one. With more, another condition or none is used.
const mostValues = 1000

// exact is the first whole number that not every double can tell from its neighbour. What lies beyond is compared by
// FerretDB alone.
const exact = 1 << 53

// condition is what a filter asks of one member, as values of SQLite. Every document that the filter selects meets it.
type condition struct {
	equals    []any // one of them; nil: any
	low, high any   // bounds, both inclusive; nil: none
	above     bool  // low is not, though, which is used for texts in an order
	absent    bool  // no value, or null
}

// conditions finds what a filter asks of members at the top of a document. What it does not understand it leaves to
// FerretDB.
func conditions(filter *types.Document) map[string]condition {
	found := map[string]condition{}
	gather(filter, found)
	return found
}

func gather(filter *types.Document, found map[string]condition) {
	for i, key := range filter.Keys() {
		value := filter.Values()[i]
		switch {
		case key == "$and":
			all, ok := value.(*types.Array)
			if !ok {
				continue
			}
			for i := range all.Len() {
				v, _ := all.Get(i)
				if part, ok := v.(*types.Document); ok {
					gather(part, found)
				}
			}
		case plain(key):
			if c := one(value); !c.empty() {
				found[key] = found[key].and(c)
			}
		}
	}
}

// one is what a filter asks of a member by the value under its name.
func one(value any) condition {
	operators, ok := value.(*types.Document)
	if !ok {
		return equals(value)
	}
	var c condition
	for i, name := range operators.Keys() {
		value := operators.Values()[i]
		switch name {
		case "$eq":
			c = c.and(equals(value))
		case "$in":
			c = c.and(among(value))
		case "$gt", "$gte":
			_, text := value.(string)
			c = c.and(condition{low: lookup(value), above: text && name == "$gt"})
		case "$lt", "$lte":
			c = c.and(condition{high: lookup(value)})
		case "$exists":
			c.absent = c.absent || value == false
		default:
			// Every other operator narrows further, or is a name of a document that is compared as a whole. Such a
			// document has no operators, MongoDB says, and FerretDB refuses a mixture.
			if !strings.HasPrefix(name, "$") {
				return condition{}
			}
		}
	}
	return c
}

func equals(value any) condition {
	if value == types.Null {
		return condition{absent: true}
	}
	if v := lookup(value); v != nil {
		return condition{equals: []any{v}}
	}
	return condition{}
}

func among(value any) condition {
	list, ok := value.(*types.Array)
	if !ok || list.Len() == 0 || list.Len() > mostValues {
		return condition{}
	}
	c := condition{}
	for i := range list.Len() {
		item, _ := list.Get(i)
		v := lookup(item)
		if v == nil {
			return condition{}
		}
		c.equals = append(c.equals, v)
	}
	return c
}

func (c condition) empty() bool { return c.equals == nil && c.low == nil && c.high == nil && !c.absent }

// and keeps of each sort the first: every single one of them holds for what is looked for.
func (c condition) and(other condition) condition {
	if c.equals == nil {
		c.equals = other.equals
	}
	if c.low == nil {
		c.low, c.above = other.low, other.above
	}
	if c.high == nil {
		c.high = other.high
	}
	c.absent = c.absent || other.absent
	return c
}

// lookup is a value as SQLite's operator ->> returns it for a stored document, or nil where equal values could differ
// there. Texts are compared byte by byte on both sides, numbers by what they amount to.
func lookup(value any) any {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return nil // JSON holds no such bytes, and SQLite's texts may end at a zero
		}
		return v
	case types.ObjectID:
		return hexadecimal(v)
	case int32:
		return int64(v)
	case int64:
		return whole(v)
	case float64:
		if math.IsNaN(v) || math.Abs(v) >= exact {
			return nil
		}
		return v
	case time.Time:
		return whole(v.UnixMilli())
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	default:
		return nil
	}
}

func whole(v int64) any {
	if v <= -exact || v >= exact {
		return nil
	}
	return v
}

// plain says whether a member is named so that its name can stand in a path of SQLite as it is.
func plain(name string) bool {
	for i, r := range name {
		switch {
		case r == '_', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', i > 0 && '0' <= r && r <= '9':
		default:
			return false
		}
	}
	return name != ""
}

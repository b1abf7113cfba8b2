package scim

import (
	"fmt"
	"strings"
	"time"
)

// Filter is an And, an Or, a Not or a Comparison.
type Filter interface{ filter() }

// And holds where all of them do; there are at least two.
type And []Filter

// Or holds where one of them does; there are at least two.
type Or []Filter

// Not holds where its filter does not.
type Not struct{ Filter Filter }

// Comparison compares an attribute of a person with a value.
type Comparison struct {
	Attribute Attribute
	Op        Op
	// Value has the type of the attribute: string, bool or time.Time. It is nil for Present.
	Value any
}

func (And) filter()        {}
func (Or) filter()         {}
func (Not) filter()        {}
func (Comparison) filter() {}

// Op is how a comparison compares.
type Op string

// The operators. Comparisons with null are read as Present or its opposite.
const (
	Equal          Op = "eq"
	NotEqual       Op = "ne"
	Contains       Op = "co"
	StartsWith     Op = "sw"
	EndsWith       Op = "ew"
	Greater        Op = "gt"
	GreaterOrEqual Op = "ge"
	Less           Op = "lt"
	LessOrEqual    Op = "le"
	Present        Op = "pr"
)

// Attribute is something about a person that can be searched for.
type Attribute struct {
	// Name is its name in the management API.
	Name string
	Type Type
}

// Type is what an attribute is compared with.
type Type uint8

// The types of attributes.
const (
	Text  Type = iota // in any case
	Exact             // letter by letter
	Bool
	Time
)

// attributes are those that can be searched for, by their names in lower case: ours first, then those of SCIM's own schema
// (RFC 7643 §4.1).
var attributes = map[string]Attribute{
	"id":         {"id", Exact},
	"username":   {"username", Text},
	"email":      {"email", Text},
	"firstname":  {"firstName", Text},
	"lastname":   {"lastName", Text},
	"enabled":    {"enabled", Bool},
	"source":     {"source", Exact},
	"externalid": {"externalId", Exact},
	"createdat":  {"createdAt", Time},
	"updatedat":  {"updatedAt", Time},

	"emails":            {"email", Text},
	"emails.value":      {"email", Text},
	"name.givenname":    {"firstName", Text},
	"name.familyname":   {"lastName", Text},
	"active":            {"enabled", Bool},
	"meta.created":      {"createdAt", Time},
	"meta.lastmodified": {"updatedAt", Time},
}

// Attributes are the names of what can be searched for, as the management API spells them.
func Attributes() []string {
	return []string{"id", "username", "email", "firstName", "lastName", "enabled", "source", "externalId", "createdAt", "updatedAt"}
}

// schema may stand before an attribute (RFC 7644 §3.10).
const schema = "urn:ietf:params:scim:schemas:core:2.0:user:"

// Limits of a filter. They bound what the database is asked for.
const (
	MaxLength      = 4096 // bytes
	maxComparisons = 64
	maxDepth       = 16
)

// Error says what cannot be read, and where: Column counts characters from 1.
type Error struct {
	Column int
	Detail string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Detail) }

// operator returns how a word compares things of a type.
func operator(word string, t Type) (Op, error) {
	op := Op(strings.ToLower(word))
	switch op {
	case Equal, NotEqual, Present:
		return op, nil
	case Contains, StartsWith, EndsWith:
		if t == Bool || t == Time {
			return "", fmt.Errorf("%s compares texts only", op)
		}
		return op, nil
	case Greater, GreaterOrEqual, Less, LessOrEqual:
		if t == Bool {
			return "", fmt.Errorf("%s does not compare true and false", op)
		}
		return op, nil
	}
	return "", fmt.Errorf("%q is no operator: eq, ne, co, sw, ew, gt, ge, lt, le or pr is needed", clip(word))
}

// valueOf turns what stands behind an operator into what an attribute is compared with.
func valueOf(a Attribute, v any) (any, error) {
	switch a.Type {
	case Bool:
		if on, ok := v.(bool); ok {
			return on, nil
		}
		return nil, fmt.Errorf("%s is compared with true or false", a.Name)
	case Time:
		switch v := v.(type) {
		case string:
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				return at.UTC(), nil
			}
		case int64:
			return time.UnixMilli(v).UTC(), nil
		}
		return nil, fmt.Errorf("%s is compared with a time, such as \"2026-01-31T00:00:00Z\" or milliseconds since 1970", a.Name)
	}
	if text, ok := v.(string); ok {
		return text, nil
	}
	return nil, fmt.Errorf("%s is compared with a text in quotes", a.Name)
}

func clip(word string) string {
	if most := 40; len(word) > most {
		return strings.ToValidUTF8(word[:most], "") + "…"
	}
	return word
}

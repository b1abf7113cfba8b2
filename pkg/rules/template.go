package rules

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
)

// Template is compiled text of a place that gives a value.
type Template struct {
	text    string
	strings bool // the place needs a string
	maps    bool // the place needs a map
	parts   []part
}

// part is literal text or an expression.
type part struct {
	literal string
	program *program
}

// CompileTemplate compiles the text of a place that gives a value.
//
// In [Claim], [RedirectParam] and [FlowText] the text is literal except for expressions inside {#…}. Text that is a
// single {#…}, with nothing but blanks around it, gives the value of the expression; any other text gives a string, in
// which strings, numbers, booleans and times take the place of their expressions. In [FlowValue] and [FlowResponse] all
// of the text is an expression, optionally inside {#…}.
//
// Every error is an [*Error].
func CompileTemplate(p Place, text string) (*Template, error) {
	d := p.definition()
	if d == nil || d.gives == aTruth {
		return nil, start.errorf("%v takes no text", p)
	}
	longest := MaxTemplate
	if d.longest > 0 {
		longest = d.longest
	}
	if n := utf8.RuneCountInString(text); n > longest {
		return nil, start.errorf("the text has %d characters, more than %d", n, longest)
	}
	t := &Template{text: text, strings: d.gives == aString, maps: d.gives == aMap}
	if !d.literal {
		prog, e := compileBare(p, text)
		if e != nil {
			return nil, e
		}
		t.parts = []part{{program: prog}}
	} else {
		fragments, e := split(text)
		if e != nil {
			return nil, e
		}
		fragments = trimAround(fragments)
		n := 0
		for _, f := range fragments {
			if !f.expression {
				t.parts = append(t.parts, part{literal: f.text})
				continue
			}
			if n++; n > MaxFragments {
				return nil, f.origin.errorf("the text has more than %d expressions", MaxFragments)
			}
			prog, e := compile(p, f.text, f.origin)
			if e != nil {
				return nil, e
			}
			t.parts = append(t.parts, part{program: prog})
		}
	}
	if e := t.checkTypes(); e != nil {
		return nil, e
	}
	return t, nil
}

// Literal returns text with something else in the place of each {#…}. Text whose expressions are not closed is returned as
// it is.
func Literal(text, instead string) string {
	fragments, e := split(text)
	if e != nil {
		return text
	}
	var b strings.Builder
	for _, f := range fragments {
		if f.expression {
			b.WriteString(instead)
		} else {
			b.WriteString(f.text)
		}
	}
	return b.String()
}

// single reports whether the template is one expression and nothing else.
func (t *Template) single() bool { return len(t.parts) == 1 && t.parts[0].program != nil }

func (t *Template) checkTypes() *Error {
	for _, part := range t.parts {
		prog := part.program
		if prog == nil {
			continue
		}
		switch k := prog.typ.Kind(); {
		case !t.single():
			if k != types.DynKind && !slices.Contains(printable, k) {
				return prog.origin.errorf("an expression within text must give a string, a number, a boolean or a time; "+
					"it gives %s", prog.typ)
			}
		case t.strings:
			if k != types.DynKind && k != types.StringKind {
				return prog.origin.errorf("the expression must give a string; it gives %s", prog.typ)
			}
		case t.maps && k != types.DynKind && k != types.MapKind:
			return prog.origin.errorf("the expression must give a map; it gives %s", prog.typ)
		case !jsonType(prog.typ):
			return prog.origin.errorf("the expression must give a JSON value; it gives %s", prog.typ)
		}
	}
	return nil
}

// Value evaluates the template. The result consists of nil, bool, int64, float64, string, []any and map[string]any; in
// [RedirectParam] and [FlowText] it is always a string. Times and durations are strings as in JSON, bytes are standard
// base64, an absent optional is nil and is left out of lists and maps by CEL itself.
//
// An error, always an [*Error], means that there is no value; see [Rule.Holds].
func (t *Template) Value(ctx context.Context, in *Input) (any, error) {
	if t.single() {
		return t.singleValue(ctx, in)
	}
	if len(t.parts) == 1 {
		return t.parts[0].literal, nil
	}
	var b strings.Builder
	for _, part := range t.parts {
		if part.program == nil {
			b.WriteString(part.literal)
			continue
		}
		got, err := part.program.eval(ctx, in)
		if err != nil {
			return nil, err
		}
		s, ok := printed(got)
		if !ok {
			return nil, part.program.wrong("a string, a number, a boolean or a time", got)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func (t *Template) singleValue(ctx context.Context, in *Input) (any, error) {
	prog := t.parts[0].program
	got, err := prog.eval(ctx, in)
	if err != nil {
		return nil, err
	}
	if t.strings {
		s, ok := got.(types.String)
		if !ok {
			return nil, prog.wrong("a string", got)
		}
		return string(s), nil
	}
	v, ok := plain(got)
	if _, isMap := v.(map[string]any); ok && t.maps && !isMap {
		return nil, prog.wrong("a map", got)
	}
	if !ok {
		return nil, prog.wrong("a JSON value of moderate size", got)
	}
	return v, nil
}

// Literal reports whether the template has no expression, so that its value is always its text.
func (t *Template) Literal() bool {
	return !slices.ContainsFunc(t.parts, func(p part) bool { return p.program != nil })
}

// Text returns the text the template was compiled from.
func (t *Template) Text() string { return t.text }

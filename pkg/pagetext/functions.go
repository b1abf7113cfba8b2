package pagetext

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Function is a function that texts may call.
type Function struct {
	Name string
	// Signature shows how it is called: default "text" value.
	Signature string
	Doc       string

	least, most int // arguments
	// takes reports whether an argument can be of a type; nil means any plain value.
	takes  func(i int, t typ) bool
	gives  func(args []typ) typ
	native any // nil: Go's own
}

// Functions returns all functions of texts, by name.
func Functions() []Function {
	all := make([]Function, 0, len(functions))
	for _, f := range functions {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return all
}

const (
	// many is the number of arguments of functions that take any number within reason.
	many = 16
	// maxText bounds the text that one function makes, in bytes.
	maxText = 64 << 10
)

var functions = byName(
	Function{Name: "and", Signature: "and a b …", Doc: "the first value that is empty or false, else the last", least: 1, most: many, takes: anything, gives: common},
	Function{Name: "or", Signature: "or a b …", Doc: "the first value that is not empty or false, else the last", least: 1, most: many, takes: anything, gives: common},
	Function{Name: "not", Signature: "not a", Doc: "whether a value is empty or false", least: 1, most: 1, takes: anything, gives: always(Truth)},
	Function{Name: "eq", Signature: "eq a b …", Doc: "whether the first value equals one of the others", least: 2, most: many, gives: always(Truth), native: equal},
	Function{Name: "ne", Signature: "ne a b", Doc: "whether two values differ", least: 2, most: 2, gives: always(Truth), native: func(a, b any) bool { return number(a) != number(b) }},
	Function{Name: "lt", Signature: "lt a b", Doc: "whether a number is less than another", least: 2, most: 2, takes: numbers, gives: always(Truth)},
	Function{Name: "le", Signature: "le a b", Doc: "whether a number is at most another", least: 2, most: 2, takes: numbers, gives: always(Truth)},
	Function{Name: "gt", Signature: "gt a b", Doc: "whether a number is greater than another", least: 2, most: 2, takes: numbers, gives: always(Truth)},
	Function{Name: "ge", Signature: "ge a b", Doc: "whether a number is at least another", least: 2, most: 2, takes: numbers, gives: always(Truth)},
	Function{Name: "len", Signature: "len a", Doc: "the number of entries of a list, or of characters of a text", least: 1, most: 1, takes: countable, gives: always(Number), native: length},
	Function{Name: "print", Signature: "print a b …", Doc: "the values one after another as one text", least: 1, most: many, gives: always(String), native: concat},
	Function{Name: "join", Signature: `join ", " list`, Doc: "the texts of a list as one text, with a separator between them", least: 2, most: 2, takes: joinable, gives: always(String), native: join},
	Function{Name: "upper", Signature: "upper text", Doc: "the text in upper case", least: 1, most: 1, takes: textual, gives: always(String), native: strings.ToUpper},
	Function{Name: "lower", Signature: "lower text", Doc: "the text in lower case", least: 1, most: 1, takes: textual, gives: always(String), native: strings.ToLower},
	Function{Name: "trim", Signature: "trim text", Doc: "the text without blanks around it", least: 1, most: 1, takes: textual, gives: always(String), native: strings.TrimSpace},
	Function{Name: "initial", Signature: "initial text", Doc: "the first letter of a text, in upper case", least: 1, most: 1, takes: textual, gives: always(String), native: initial},
	Function{Name: "truncate", Signature: "truncate 20 text", Doc: "at most so many characters of a text, with … where it was cut", least: 2, most: 2, takes: numberThenText, gives: always(String), native: truncate},
	Function{Name: "contains", Signature: `contains "part" text`, Doc: "whether a text contains another", least: 2, most: 2, takes: textual2, gives: always(Truth), native: func(part, text string) bool { return strings.Contains(text, part) }},
	Function{Name: "default", Signature: `default "otherwise" text`, Doc: "the text, or another if it is empty", least: 2, most: 2, takes: textual2, gives: always(String), native: otherwise},
	Function{Name: "date", Signature: `date "2 January 2006" number`, Doc: "a moment in milliseconds since 1970 in UTC, written like the example of 2 January 2006 15:04:05", least: 2, most: 2, takes: textThenNumber, gives: always(String), native: date},
	Function{Name: "duration", Signature: `duration number "de"`, Doc: "seconds in words: 24 hours; in another language where it is named: 24 Stunden", least: 1, most: 2, takes: numberThenText, gives: always(String), native: duration},
)

func byName(list ...Function) map[string]Function {
	all := make(map[string]Function, len(list))
	for _, f := range list {
		all[f.Name] = f
	}
	return all
}

// natives are the functions that Go does not bring along, or not without harm.
func natives() map[string]any {
	all := make(map[string]any, len(functions))
	for _, f := range functions {
		if f.native != nil {
			all[f.Name] = f.native
		}
	}
	return all
}

func always(t Type) func([]typ) typ { return func([]typ) typ { return typ{Type: t} } }

// common is the type that all arguments have.
func common(args []typ) typ {
	for _, a := range args[1:] {
		if !a.same(args[0]) {
			return typ{Type: mixed}
		}
	}
	return args[0]
}

func anything(int, typ) bool      { return true }
func plain(_ int, t typ) bool     { return t.Type != Group && t.Type != List }
func numbers(_ int, t typ) bool   { return t.Type == Number }
func textual(_ int, t typ) bool   { return t.Type == String || t.Type == Link }
func textual2(i int, t typ) bool  { return textual(i, t) }
func countable(i int, t typ) bool { return t.Type == List || textual(i, t) }
func joinable(i int, t typ) bool {
	return i == 0 && textual(i, t) || i == 1 && t.Type == List && t.members == nil
}
func textThenNumber(i int, t typ) bool {
	return i == 0 && textual(i, t) || i == 1 && t.Type == Number
}
func numberThenText(i int, t typ) bool {
	return i == 0 && t.Type == Number || i == 1 && textual(i, t)
}

func equal(a any, others ...any) bool {
	for _, b := range others {
		if number(a) == number(b) {
			return true
		}
	}
	return false
}

// number makes numbers of templates, which are int, comparable with ours.
func number(v any) any {
	if n, ok := v.(int); ok {
		return int64(n)
	}
	return v
}

// whole is a number of either kind.
func whole(v any) int64 {
	n, _ := number(v).(int64)
	return n
}

func length(v any) int64 {
	switch v := v.(type) {
	case string:
		return int64(utf8.RuneCountInString(v))
	case []any:
		return int64(len(v))
	}
	return 0
}

func concat(values ...any) (string, error) {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprint(&b, v)
		if b.Len() > maxText {
			return "", errorf("a text is longer than %d bytes", maxText)
		}
	}
	return b.String(), nil
}

func join(separator string, list []any) (string, error) {
	var values []any
	for i, v := range list {
		if i > 0 {
			values = append(values, separator)
		}
		values = append(values, v)
	}
	return concat(values...)
}

func initial(text string) string {
	for _, r := range text {
		return string(unicode.ToUpper(r))
	}
	return ""
}

func truncate(most any, text string) string {
	n, end := int64(0), max(whole(most), 0)
	for i := range text {
		if n == end {
			return text[:i] + "…"
		}
		n++
	}
	return text
}

func otherwise(other, text string) string {
	if strings.TrimSpace(text) == "" {
		return other
	}
	return text
}

func date(like string, millis any) string { return time.UnixMilli(whole(millis)).UTC().Format(like) }

func duration(number any, language ...string) string {
	seconds := whole(number)
	words := units["en"]
	for _, l := range language {
		if known, ok := units[l]; ok {
			words = known
		}
	}
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{86400 * 7, "week"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}} {
		// A day is better said in hours.
		if seconds >= 2*unit.seconds && seconds%unit.seconds == 0 || seconds == unit.seconds && unit.seconds < 86400 {
			return counted(seconds/unit.seconds, words[unit.name])
		}
	}
	return counted(seconds, words["second"])
}

func counted(n int64, unit [2]string) string {
	if n == 1 {
		return "1 " + unit[0]
	}
	return strconv.FormatInt(n, 10) + " " + unit[1]
}

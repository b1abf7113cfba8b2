package rules

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

// libraries are the functions beyond CEL's standard ones. None of them reads a clock or the network, and none of them
// compiles a pattern at evaluation. To add a function: a library here, and a line in functionDocs if CEL has no
// description of it.
func libraries() []cel.EnvOption {
	return []cel.EnvOption{
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Lists(ext.ListsMaxRangeSize(maxRange)),
		ext.Sets(),
		ext.Math(),
		ext.Encoders(ext.EncodersVersion(0)), // without json.encode, which CEL cannot bound
		ext.Network(),
		ext.TwoVarComprehensions(),
	}
}

// functionDocs describes what CEL does not describe itself, or not well enough.
var functionDocs = map[string]string{
	"base64.decode":        "decode standard base64 to bytes",
	"base64.encode":        "encode bytes as standard base64",
	deepMerge:              "the first map with the second over it: maps key by key at any depth, lists joined without duplicates",
	inWindow:               "test whether a moment lies in windows such as \"mon,tue 08:00-19:00\" of a time zone, but not on excepted dates",
	regexReplace:           "replace what an RE2 pattern finds everywhere; $1 in the replacement is the first group. Both are string literals",
	"charAt":               "the character at an index",
	"cidr":                 "parse an address range such as 10.0.0.0/8",
	"containsCIDR":         "test whether an address range contains another",
	"containsIP":           "test whether an address range contains an address",
	"distinct":             "the list without repeated elements",
	"family":               "4 or 6",
	"flatten":              "a list of lists as one list, one level deep or as deep as given",
	"format":               "fill in %s, %d, %f, %e, %b, %x, %o of the string from the list",
	"indexOf":              "the index of the first occurrence of a substring, or -1",
	"ip":                   "parse an address, or the address of a range",
	"ip.isCanonical":       "test whether an address is written in its canonical form",
	"isCIDR":               "test whether a string is an address range",
	"isGlobalUnicast":      "test whether the address is a global unicast address",
	"isIP":                 "test whether a string is an address",
	"isLinkLocalMulticast": "test whether the address is a link-local multicast address",
	"isLinkLocalUnicast":   "test whether the address is a link-local unicast address",
	"isLoopback":           "test whether the address is a loopback address",
	"isMask":               "test whether the range is written without host bits",
	"isUnspecified":        "test whether the address is unspecified",
	"join":                 "the strings of a list as one string, with a separator, a string literal, between them",
	"lastIndexOf":          "the index of the last occurrence of a substring, or -1",
	"lists.range":          "the list 0, 1, … up to but not including the number, at most 1000 elements",
	"lowerAscii":           "the string with A-Z in lower case",
	"masked":               "the range without host bits",
	"matches":              "test whether an RE2 pattern, a string literal, is found anywhere in the string; anchor it with ^ and $",
	"math.abs":             "the absolute value",
	"math.bitAnd":          "bitwise and",
	"math.bitNot":          "bitwise not",
	"math.bitOr":           "bitwise or",
	"math.bitShiftLeft":    "shift bits to the left",
	"math.bitShiftRight":   "shift bits to the right",
	"math.bitXor":          "bitwise exclusive or",
	"math.ceil":            "the smallest whole number not below",
	"math.floor":           "the largest whole number not above",
	"math.isFinite":        "test whether a double is neither infinite nor NaN",
	"math.isInf":           "test whether a double is infinite",
	"math.isNaN":           "test whether a double is NaN",
	"math.round":           "the nearest whole number",
	"math.sign":            "-1, 0 or 1",
	"math.sqrt":            "the square root",
	"math.trunc":           "the number without its fraction",
	"prefixLength":         "the number of leading bits of an address range",
	"replace":              "replace a substring by a string literal, everywhere or as often as given",
	"reverse":              "the string or list backwards",
	"sets.contains":        "test whether the first list has every element of the second",
	"sets.equivalent":      "test whether two lists have the same elements",
	"sets.intersects":      "test whether two lists have an element in common",
	"slice":                "the part of a list from an index up to but not including another",
	"sort":                 "the list in ascending order",
	"split":                "cut a string at a separator",
	"strings.quote":        "the string as a literal with quotes",
	"substring":            "the part of a string from an index, up to but not including another",
	"trim":                 "the string without blanks around it",
	"upperAscii":           "the string with a-z in upper case",
}

// macros are the functions with variables of their own, in the order people learn them.
var macros = []Function{
	{"has", []string{"has(object.field) -> bool"}, "test whether a field or key is there"},
	{"exists", []string{"list.exists(x, condition) -> bool", "map.exists(key, condition) -> bool",
		"map.exists(key, value, condition) -> bool"}, "test whether the condition holds for an element"},
	{"all", []string{"list.all(x, condition) -> bool", "map.all(key, condition) -> bool",
		"map.all(key, value, condition) -> bool"}, "test whether the condition holds for every element"},
	{"exists_one", []string{"list.exists_one(x, condition) -> bool", "map.exists_one(key, condition) -> bool"},
		"test whether the condition holds for exactly one element"},
	{"existsOne", []string{"list.existsOne(index, value, condition) -> bool", "map.existsOne(key, value, condition) -> bool"},
		"test whether the condition holds for exactly one entry"},
	{"filter", []string{"list.filter(x, condition) -> list"}, "the elements for which the condition holds"},
	{"map", []string{"list.map(x, expression) -> list", "list.map(x, condition, expression) -> list"},
		"the value of the expression for every element"},
	{"sortBy", []string{"list.sortBy(x, expression) -> list"}, "the list in ascending order of the expression"},
	{"transformList", []string{"map.transformList(key, value, expression) -> list",
		"map.transformList(key, value, condition, expression) -> list"}, "the value of the expression for every entry"},
	{"transformMap", []string{"map.transformMap(key, value, expression) -> map",
		"map.transformMap(key, value, condition, expression) -> map"}, "the map with new values under the same keys"},
	{"transformMapEntry", []string{"map.transformMapEntry(key, value, {newKey: newValue}) -> map",
		"map.transformMapEntry(key, value, condition, {newKey: newValue}) -> map"}, "the map with new keys and values"},
	{"optMap", []string{"optional.optMap(x, expression) -> optional"}, "the expression of the value, if there is one"},
	{"optFlatMap", []string{"optional.optFlatMap(x, expression) -> optional"},
		"the optional of the value, if there is one"},
	{"greatest", []string{"math.greatest(number, …) -> number", "math.greatest(list) -> number"}, "the greatest number"},
	{"least", []string{"math.least(number, …) -> number", "math.least(list) -> number"}, "the least number"},
}

package rules

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

const (
	// maxSteps is how many pieces of replacements one call of regexReplace puts in, and maxFound how many positions of groups it
	// remembers on the way.
	maxSteps = 1 << 18
	maxFound = 1 << 18
)

// replaceAll replaces match by match, so that nothing is built that is larger than the limit.
func replaceAll(pattern *regexp.Regexp, args []ref.Val) ref.Val {
	text, ok := args[0].(types.String)
	with, ok2 := args[2].(types.String)
	if !ok || !ok2 {
		return types.NoSuchOverloadErr()
	}
	if len(text) > maxText {
		return types.WrapErr(&limitError{fmt.Sprintf("regexReplace was given more than %d bytes", maxText)})
	}
	out, ok := replaceBounded(pattern, string(text), string(with))
	if !ok {
		return types.WrapErr(&limitError{fmt.Sprintf("regexReplace makes more than %d bytes, or replaces too much", maxGivenText)})
	}
	return types.String(out)
}

// replaceBounded is ReplaceAllString, but false where the result is larger than maxGivenText or much is to be done for it.
func replaceBounded(pattern *regexp.Regexp, text, with string) (string, bool) {
	most := maxFound / (2 * (pattern.NumSubexp() + 1))
	matches := pattern.FindAllStringSubmatchIndex(text, most+1)
	pieces := piecesOf(with)
	if len(matches) > most || len(matches)*len(pieces) > maxSteps {
		return "", false
	}
	var out []byte
	end := 0
	for _, match := range matches {
		out = append(out, text[end:match[0]]...)
		end = match[1]
		for _, piece := range pieces {
			if out = pattern.ExpandString(out, piece, text, match); len(out) > maxGivenText {
				return "", false
			}
		}
	}
	out = append(out, text[end:]...)
	return string(out), len(out) <= maxGivenText
}

// piecesOf cuts a replacement before each reference to a group, so that what a piece becomes is hardly longer than the text.
func piecesOf(with string) []string {
	var pieces []string
	for with != "" {
		from := 1
		if strings.HasPrefix(with, "$$") {
			from = 2
		}
		n := len(with)
		if i := strings.IndexByte(with[from:], '$'); i >= 0 {
			n = from + i
		}
		pieces, with = append(pieces, with[:n]), with[n:]
	}
	return pieces
}

// scanCost is what looking for a pattern in a text costs: a tenth for each character and instruction's quarter, as CEL reckons.
func scanCost(length uint64, pattern string) uint64 {
	return (length/10 + 1) * (uint64(sizeOfPattern(pattern))/4 + 1)
}

// replaceCost is what replacing it costs, given how many pieces the replacement has.
func replaceCost(length uint64, pattern string, pieces int) uint64 {
	return 10 + scanCost(length, pattern) + 2*min((length+1)*uint64(pieces+1), maxSteps)
}

// programs keeps the sizes of patterns, which stand in the configuration.
var programs = struct {
	sync.RWMutex
	of map[string]int
}{of: map[string]int{}}

func sizeOfPattern(pattern string) int {
	programs.RLock()
	n, known := programs.of[pattern]
	programs.RUnlock()
	if known {
		return n
	}
	n = programSize(pattern)
	programs.Lock()
	if len(programs.of) >= maxCalendars {
		clear(programs.of)
	}
	programs.of[pattern] = n
	programs.Unlock()
	return n
}

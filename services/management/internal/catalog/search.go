package catalog

import (
	"regexp"
	"strings"
)

// searchMark stands before and after each of the texts that a search looks at, so that a pattern can be anchored there.
const searchMark = "\n"

// maxSearch bounds the text of a search, in bytes.
const maxSearch = 256

// Searchable is the text that searches of a list look at: the texts of a resource in lower case, each between line
// breaks.
func Searchable(texts []string) string {
	var b strings.Builder
	b.WriteString(searchMark)
	for _, t := range texts {
		b.WriteString(strings.ReplaceAll(strings.ToLower(t), searchMark, " "))
		b.WriteString(searchMark)
	}
	return b.String()
}

// SearchParts splits the text of a search at its `*`, each of which stands for any characters of one text. Between them
// are the characters that mean themselves, in lower case.
func SearchParts(q string) []string {
	if len(q) > maxSearch {
		q = q[:maxSearch]
	}
	return strings.Split(strings.ToValidUTF8(strings.ToLower(q), ""), "*")
}

// SearchPattern is the regular expression by which a search finds a Searchable text: one of the texts in it equals q in
// any case, where `*` stands for any characters.
func SearchPattern(q string) string {
	parts := SearchParts(q)
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return searchMark + strings.Join(parts, `[^\n]*`) + searchMark
}

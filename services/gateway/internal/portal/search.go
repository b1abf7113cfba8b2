package portal

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// What a word that is found counts for: where it stands, times how well it fits. The name weighs more than all others together.
const (
	inName        = 100
	inSlug        = 40
	inGroup       = 20
	inDescription = 8
	inPublisher   = 4

	whole     = 6 // a word of the text
	beginning = 4 // where a word begins
	inside    = 2 // within a word
	slipped   = 1 // with slips
)

// maxWords bounds how many words of a search are looked at.
const maxWords = 8

// query is a search: words that all have to be found, each anywhere.
type query struct{ words []word }

// word is a word as it is compared, with how many slips are forgiven: one in five letters.
type word struct {
	text  []rune
	plain string
	slips int
}

func newQuery(search string) *query {
	q := &query{}
	for _, text := range words(fold(search)) {
		if len(q.words) == maxWords {
			break
		}
		letters := []rune(text)
		q.words = append(q.words, word{letters, text, len(letters) / 5})
	}
	return q
}

// weigh sets how well an application fits, and reports whether it does.
func (q *query) weigh(f *found) bool {
	f.score = 0
	fields := [...]struct {
		text   string
		weight int
	}{{f.app.Name, inName}, {f.app.Slug, inSlug}, {"", inGroup}, {f.app.Description, inDescription}, {f.app.Publisher, inPublisher}}
	if f.heading != nil {
		fields[2].text = f.heading.Name
	}
	var texts [len(fields)]string
	for i, field := range fields {
		texts[i] = fold(field.text)
	}
	for _, w := range q.words {
		best := 0
		for i, field := range fields {
			if field.weight*whole > best { // nothing better can be found further on otherwise
				best = max(best, field.weight*w.in(texts[i]))
			}
		}
		if best == 0 {
			return false
		}
		f.score += best
	}
	return len(q.words) > 0
}

// in is how well a text has the word; 0 if it does not.
func (w *word) in(text string) int {
	best := 0
	for rest, at := text, 0; ; {
		i := strings.Index(rest, w.plain)
		if i < 0 {
			break
		}
		begins := at+i == 0 || !letter(lastRune(text[:at+i]))
		ends := at+i+len(w.plain) == len(text) || !letter(firstRune(text[at+i+len(w.plain):]))
		switch {
		case begins && ends:
			return whole
		case begins:
			best = beginning
		default:
			best = max(best, inside)
		}
		at += i + len(w.plain)
		rest = text[at:]
	}
	if best > 0 || w.slips == 0 {
		return best
	}
	for _, other := range words(text) {
		if w.near([]rune(other)) {
			return slipped
		}
	}
	return 0
}

// near reports whether a word, or the beginning of a longer one, is this one with at most its slips: letters that are missing, too many,
// wrong or swapped with their neighbour.
func (w *word) near(other []rune) bool {
	n := len(w.text)
	if len(other) < n-w.slips {
		return false
	}
	other = other[:min(len(other), n+w.slips)]
	before, last, now := make([]int, n+1), make([]int, n+1), make([]int, n+1)
	for i := range last {
		last[i] = i
	}
	for j, c := range other {
		now[0] = j + 1
		least := now[0]
		for i, own := range w.text {
			cost := 1
			if own == c {
				cost = 0
			}
			now[i+1] = min(last[i]+cost, last[i+1]+1, now[i]+1)
			if i > 0 && j > 0 && own == other[j-1] && w.text[i-1] == c {
				now[i+1] = min(now[i+1], before[i-1]+1)
			}
			least = min(least, now[i+1])
		}
		if now[n] <= w.slips {
			return true
		}
		if least > w.slips+1 {
			return false
		}
		before, last, now = last, now, before
	}
	return false
}

// fold makes texts alike that differ in case or accents only.
func fold(text string) string {
	plain := true
	for i := range len(text) {
		if text[i] >= 0x80 || 'A' <= text[i] && text[i] <= 'Z' {
			plain = false
			break
		}
	}
	if plain {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range norm.NFKD.String(text) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		r = unicode.ToLower(r)
		if other, ok := spelled[r]; ok {
			b.WriteString(other)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// spelled are letters that do not come apart into a letter and an accent.
var spelled = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ı': "i", 'ħ': "h", 'ŋ': "n", 'ŧ': "t",
}

// words are the runs of letters and numbers of a folded text.
func words(text string) []string {
	return slices.Clip(strings.FieldsFunc(text, func(r rune) bool { return !letter(r) }))
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

func lastRune(s string) (last rune) {
	r := []rune(s[max(0, len(s)-4):])
	return r[len(r)-1]
}

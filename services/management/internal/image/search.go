package image

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// search finds searchable texts (see catalog.Searchable) just as catalog.SearchPattern does, many of them quickly.
type search struct {
	parts []string // what stands between the stars
	// literal is what every text that is found contains. Unless it is enough, a text that contains it need not be found.
	literal string
	enough  bool
	// slow is for what no single line can match: a search with a line break in it.
	slow *regexp.Regexp
}

// newSearch returns the search for q, and nil for one that finds everything.
func newSearch(q string) *search {
	if q == "" {
		return nil
	}
	s := &search{parts: catalog.SearchParts(q)}
	if strings.Contains(q, "\n") {
		s.slow = regexp.MustCompile(catalog.SearchPattern(q)) // made of quoted texts
		return s
	}
	last, texts := len(s.parts)-1, 0
	s.literal = "\n"
	for i, part := range s.parts {
		if part == "" {
			continue // what is found has to contain a text, if there is any
		}
		texts++
		if i == 0 {
			part = "\n" + part
		}
		if i == last {
			part += "\n"
		}
		if texts == 1 || len(part) > len(s.literal) {
			s.literal = part
		}
	}
	s.enough = texts == 1
	return s
}

// finds reports whether one of the texts in a searchable text matches.
func (s *search) finds(searchable string) bool {
	if s.slow != nil {
		return s.slow.MatchString(searchable)
	}
	for rest := strings.TrimPrefix(searchable, "\n"); rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		if s.matches(line) {
			return true
		}
		rest = after
	}
	return false
}

// matches reports whether a whole text consists of the parts with anything between them.
func (s *search) matches(text string) bool {
	first, last := s.parts[0], len(s.parts)-1
	if last == 0 {
		return text == first
	}
	rest, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	if rest, ok = strings.CutSuffix(rest, s.parts[last]); !ok {
		return false
	}
	for _, part := range s.parts[1:last] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

// in calls found with the places of the items in a chunk that are found, in order.
func in[T any](s *search, c *chunk[T], found func(i int)) {
	begin := int32(0)
	if s.slow != nil {
		for i, end := range c.ends {
			if s.finds(c.text[begin:end]) {
				found(i)
			}
			begin = end
		}
		return
	}
	for first := 0; first < len(c.items); {
		at := strings.Index(c.text[begin:], s.literal)
		if at < 0 {
			return
		}
		// The item in whose text the literal begins: often the next one.
		where, i := begin+int32(at), first
		if where >= c.ends[first] {
			var exact bool
			if i, exact = slices.BinarySearch(c.ends[first:], where); exact {
				i++ // it begins where an item ends: it is the next one's
			}
			i += first
			begin = c.ends[i-1]
		}
		if s.enough || s.finds(c.text[begin:c.ends[i]]) {
			found(i)
		}
		first, begin = i+1, c.ends[i]
	}
}

package portal

import (
	"slices"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// sorter makes keys by which texts are in the order of a language. It is used by one goroutine.
type sorter struct {
	order  *collate.Collator
	buffer collate.Buffer
}

func (s *sorter) of(text string) []byte {
	defer s.buffer.Reset()
	return slices.Clone(s.order.KeyFromString(&s.buffer, text))
}

// pool keeps sorters, which take a while to make, by language. It is bounded by the languages of which there are orders.
type pool struct{ byLanguage sync.Map }

var sorters pool

// matcher leads to the languages that have an order of their own.
var matcher = sync.OnceValue(func() language.Matcher { return language.NewMatcher(collate.Supported()) })

func (p *pool) of(tag language.Tag) (*sync.Pool, language.Tag) {
	_, i, _ := matcher().Match(tag)
	found := collate.Supported()[i]
	made, _ := p.byLanguage.LoadOrStore(found, &sync.Pool{})
	return made.(*sync.Pool), found
}

func (p *pool) take(tag language.Tag) *sorter {
	free, found := p.of(tag)
	if s, ok := free.Get().(*sorter); ok {
		return s
	}
	return &sorter{order: collate.New(found, collate.Numeric)}
}

func (p *pool) give(tag language.Tag, s *sorter) {
	free, _ := p.of(tag)
	free.Put(s)
}

package logo

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsKeptIsBounded(t *testing.T) {
	h := New(nil, time.Now)
	for i := range 100 {
		h.keep(key{owner: strings.Repeat("x", i)}, &entry{content: make([]byte, 512<<10)})
	}
	if h.bytes > maxBytes || len(h.kept) > maxEntries {
		t.Errorf("%d bytes in %d entries", h.bytes, len(h.kept))
	}
	for k := range h.kept {
		h.drop(k)
	}
	if h.bytes != 0 {
		t.Errorf("%d bytes of nothing", h.bytes)
	}
}

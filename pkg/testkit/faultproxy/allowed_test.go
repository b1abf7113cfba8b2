package faultproxy

import (
	"testing"
	"time"
)

func TestAllowed(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Second, "3": 3 * time.Second, "1.5": 1500 * time.Millisecond, "0": time.Second, "-2": time.Second, "much": time.Second} {
		if got := times(text, time.Second); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

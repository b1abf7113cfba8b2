package outbound

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fresh returns how long the answer may be kept by its headers (RFC 9111 §4.2.1): Cache-Control max-age, else Expires, but
// never less than least nor more than most. An answer that says nothing, or that it must not be kept, is kept for least.
func (a *Answer) Fresh(now time.Time, least, most time.Duration) time.Duration {
	age, ok := time.Duration(0), false
	for directive := range strings.SplitSeq(strings.Join(a.Header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return least
		case "max-age":
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				age, ok = time.Duration(n)*time.Second, true
			}
		}
	}
	if !ok {
		if at, err := http.ParseTime(a.Header.Get("Expires")); err == nil {
			age, ok = at.Sub(now), true
		}
	}
	if !ok {
		return least
	}
	return min(max(age, least), most)
}

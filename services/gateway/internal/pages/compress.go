package pages

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// compressors are reused: each is large beside what it compresses.
var compressors = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// compressed returns a body in the form of gzip where the reader takes that, and says so in the header. Only pages may be compressed
// that hold nothing secret beside what a request can put into them: how small they become would tell of it.
func compressed(h http.Header, r *http.Request, body *bytes.Buffer) *bytes.Buffer {
	h.Add("Vary", "Accept-Encoding")
	if !takesGzip(r) {
		return body
	}
	small := new(bytes.Buffer)
	c := compressors.Get().(*gzip.Writer)
	defer compressors.Put(c)
	c.Reset(small)
	_, _ = c.Write(body.Bytes()) // a buffer takes everything
	_ = c.Close()
	h["Content-Encoding"] = []string{"gzip"}
	return small
}

// takesGzip reports whether a reader takes gzip (RFC 9110 §12.5.3).
func takesGzip(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept-Encoding") {
		for _, one := range strings.Split(line, ",") {
			coding, weight, _ := strings.Cut(one, ";")
			if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				continue
			}
			_, q, weighed := strings.Cut(weight, "=")
			w, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			return !weighed || err == nil && w > 0
		}
	}
	return false
}

package endpoint

import (
	"net/http"
	"strconv"
)

// Body answers a body of some media type, never to be stored.
func Body(w http.ResponseWriter, status int, mediaType string, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{mediaType}
	NoStore(h)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

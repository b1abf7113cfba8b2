package rest

import (
	"fmt"
	"net/http"
	"testing"
)

// BenchmarkPatchApplication is one change of an application with everything that belongs to it, over the embedded
// database: merge, checks, announcement, record, write and settlement.
func BenchmarkPatchApplication(b *testing.B) {
	h := newHouse(b)
	domain := h.domain("Bench")
	id := h.application(domain, `{"name":"App","type":"web","redirectUris":["https://a.example/"]}`)["id"].(string)
	path := short + "/domains/" + domain + "/applications/" + id
	n := 0
	for b.Loop() {
		n++
		h.send("PATCH", path, fmt.Sprintf(`{"description":"change %d"}`, n)).status(http.StatusOK)
	}
}

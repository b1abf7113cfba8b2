package rest

import (
	"net/http"
	"testing"
)

// Who confirms a consequence before being asked can say about how many people it may be.
func TestAConfirmationWithANumberIsBoundByIt(t *testing.T) {
	g := newGuarded(t)
	ids := g.people(20)
	finance := g.group("Finance")
	g.join(finance, ids[:2]...)
	b := g.a + "/bindings/" + g.bind(`{"group":"` + finance + `"}`)["id"].(string)
	for _, word := range []string{"opens:10", "opens:17", "opens:x", "opens:-1", "opens:", "closes:20"} {
		g.send("DELETE", b+"?confirm="+word, "").asks("opens", 2, 20)
	}
	g.opened(false, 2)
	g.send("DELETE", b+"?confirm=opens:19", "").status(http.StatusNoContent)
	g.opened(true, 20)
}

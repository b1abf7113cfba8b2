package rest

import (
	"net/http"
	"sync"
	"testing"
)

func TestIfMatch(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Revisions")
	path := short + "/domains/" + domain
	first := h.send("GET", path, "").status(http.StatusOK).header.Get("ETag")

	second := h.send("PATCH", path, `{"description":"one"}`, header("If-Match", first)).status(http.StatusOK).header.Get("ETag")
	if second == first || second != h.send("GET", path, "").header.Get("ETag") {
		t.Fatalf("ETag %s after %s", second, first)
	}
	for _, tt := range []struct{ name, field string }{
		{"stale", first},
		{"stale among others", first + `, "9999999"`},
		{"weak", "W/" + second},
		{"foreign", `"abc"`},
		{"no tag", "7"},
		{"negative", `"-1"`},
		{"beyond all numbers", `"99999999999999999999"`},
	} {
		for _, verb := range []struct{ method, body string }{{"PATCH", `{"description":"two"}`}, {"PUT", `{"description":"two"}`}, {"DELETE", ""}} {
			a := h.send(verb.method, path, verb.body, header("If-Match", tt.field))
			if a.code != http.StatusPreconditionFailed || a.tree()["http_status"] == nil {
				t.Errorf("%s with a tag that is %s: %d %s", verb.method, tt.name, a.code, a.body)
			}
		}
	}
	h.send("PATCH", path, `{"description":"two"}`, header("If-Match", first+", "+second)).status(http.StatusOK)
	h.send("PATCH", path, `{"description":"three"}`, header("If-Match", "*")).status(http.StatusOK)
	h.send("PATCH", short+"/domains/nope", `{"description":"x"}`, header("If-Match", first)).
		refused(http.StatusNotFound, "Domain [nope] can not be found.")

	app := h.application(domain, `{"name":"Typed","type":"SERVICE"}`)["id"].(string)
	h.send("PUT", path+"/applications/"+app+"/type", `{"type":"WEB"}`, header("If-Match", first)).status(http.StatusPreconditionFailed)
	h.send("PATCH", path+"/clients/"+app, `{"template":true}`, header("If-Match", first)).status(http.StatusPreconditionFailed)

	last := h.send("GET", path, "").header.Get("ETag")
	h.send("DELETE", path, "", header("If-Match", last)).status(http.StatusNoContent)
}

func TestPatchesThatRaceAreAllKept(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Races")
	path := short + "/domains/" + domain
	bodies := []string{
		`{"description":"raced"}`, `{"enabled":true}`, `{"tags":["a"]}`, `{"loginSettings":{"hideForm":true}}`,
	}
	var all sync.WaitGroup
	codes := make([]int, len(bodies))
	for i, body := range bodies {
		all.Go(func() { codes[i] = h.send("PATCH", path, body).code })
	}
	all.Wait()
	for i, code := range codes {
		if code != http.StatusOK {
			t.Errorf("PATCH %s: %d", bodies[i], code)
		}
	}
	d := h.send("GET", path, "").status(http.StatusOK).tree()
	if d["description"] != "raced" || d["enabled"] != true || at(d, "loginSettings.hideForm") != true || len(d["tags"].([]any)) != 1 {
		t.Errorf("left over: %v", d)
	}
}

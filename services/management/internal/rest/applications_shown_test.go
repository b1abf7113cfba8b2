package rest

import (
	"net/http"
	"testing"
)

func TestApplicationsBySlug(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Acme")
	path := "/management/domains/" + domain + "/applications"
	a := h.application(domain, `{"name":"Payroll","type":"SERVICE"}`)
	h.application(domain, `{"name":"Wiki","type":"BOOKMARK"}`)
	if got := h.send("GET", path+"/_slug/payroll", "").status(http.StatusOK).tree(); got["id"] != a["id"] {
		t.Errorf("by slug: %v", got)
	}
	h.send("GET", path+"/_slug/nobody", "").refused(404, "Application [nobody] can not be found.")
	if got := h.send("GET", path+"?slug=wiki", "").status(http.StatusOK).data(); len(got) != 1 || got[0]["type"] != "bookmark" || got[0]["clientId"] != nil {
		t.Errorf("the list: %v", got)
	}
	h.send("PATCH", path+"/"+a["id"].(string), `{"slug":"wiki"}`).refused(409, "The slug [wiki] is taken.", "slug")
	h.send("PATCH", path+"/"+a["id"].(string), `{"slug":"login"}`).refused(400, "[login: is reserved]", "slug")
}

func TestApplicationGroupsHaveAnOrder(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Acme")
	path := "/management/domains/" + domain + "/application-groups"
	id := func(body string) string {
		return h.send("POST", path, body).status(http.StatusCreated).tree()["id"].(string)
	}
	first, second, third := id(`{"name":"Finance"}`), id(`{"name":"People"}`), id(`{"name":"Tools"}`)
	names := func() (all string) {
		for _, g := range h.send("GET", path, "").status(http.StatusOK).data() {
			all += g["name"].(string) + " "
		}
		return all
	}
	if got := names(); got != "Finance People Tools " {
		t.Errorf("each after the last: %s", got)
	}
	h.send("POST", path, `{"name":"finance"}`).refused(409, "An application group [finance] already exists.", "name")
	h.send("POST", path+"/_reorder", `{"ids":["`+third+`","`+first+`"]}`).refused(400, "Application group [People] is missing. Name all of them.", "ids")
	h.send("POST", path+"/_reorder", `{"ids":["`+third+`","`+first+`","`+second+`","nobody"]}`).
		refused(400, "Application group [nobody] can not be found.", "ids[3]")
	h.send("POST", path+"/_reorder", `{"ids":["`+third+`","`+first+`","`+second+`","`+first+`"]}`).
		refused(400, "["+first+": must be given once]", "ids[3]")
	h.send("POST", path+"/_reorder", `{"ids":["`+third+`","`+first+`","`+second+`"]}`).status(http.StatusOK)
	if got := names(); got != "Tools Finance People " {
		t.Errorf("in the new order: %s", got)
	}
	app := h.application(domain, `{"name":"Payroll","type":"SERVICE"}`)["id"].(string)
	apps := "/management/domains/" + domain + "/applications/" + app
	h.send("PATCH", apps, `{"group":"`+first+`","settings":{"oauth":{"redirectUris":["https://x.example/cb"]}}}`).status(http.StatusOK)
	h.send("PATCH", apps, `{"group":"Tols"}`).refused(400, "Application group [Tols] can not be found. The nearest are Tools ("+third+"), People ("+second+"), Finance ("+first+").", "group")
	h.send("DELETE", path+"/"+first, "").status(http.StatusNoContent)
	if got := h.send("GET", apps, "").status(http.StatusOK).tree(); got["group"] != nil {
		t.Errorf("the group is gone, and its application has it: %v", got["group"])
	}
}

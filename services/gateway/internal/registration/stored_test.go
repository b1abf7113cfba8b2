package registration_test

import "testing"

func TestE5AnswersOfRegistrationAreNotKept(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(minimal)
	all := map[string]answer{"registration": made, "a refusal": rg.register(`{}`)}
	current := func() []string { return bearer(made.field("registration_access_token")) }
	all["reading"] = rg.do("GET", own(made), "", current()...)
	for _, request := range [][2]string{{"PUT", minimal}, {"PATCH", `{"client_name":"x"}`}, {"POST", ""}} {
		path := own(made)
		if request[0] == "POST" {
			path += "/renew_secret"
		}
		got := rg.do(request[0], path, request[1], current()...)
		if all[request[0]] = got; got.status != 200 {
			t.Fatalf("%v: %d %s", request, got.status, got.text)
		}
		made = got
	}
	all["a wrong token"] = rg.do("GET", own(made), "", bearer("x")...)
	for name, got := range all {
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, Cache-Control %q", name, got.status, got.header.Get("Cache-Control"))
		}
	}
}

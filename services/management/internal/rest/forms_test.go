package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

const serviceApplication = `{"name":"S","type":"service"}`

// levels returns the paths of a domain and of an application in it.
func levels(h *house) (domain, application, id string) {
	h.t.Helper()
	id = h.domain("Levels")
	domain = long + "/domains/" + id
	return domain, domain + "/applications/" + h.application(id, serviceApplication)["id"].(string), id
}

func TestForms(t *testing.T) {
	h := newHouse(t)
	domain, application, _ := levels(h)
	for _, level := range []string{domain, application} {
		path := level + "/forms"
		for _, word := range []string{"LOGIN", "login", "Login"} {
			got := h.send("GET", path+"?template="+word, "").status(http.StatusOK).tree()
			if diff := cmp.Diff(prototree.Object{"enabled": false, "template": "login"}, got); diff != "" {
				t.Errorf("a template that nobody wrote (-want +got):\n%s", diff)
			}
		}
		h.send("GET", path, "").refused(400, "[template: must not be null]", "template")
		a := h.send("GET", path+"?template=robot", "").status(400)
		if !strings.HasPrefix(a.tree()["message"].(string), "[robot: must be one of login, ") {
			t.Errorf("an unknown template: %s", a.body)
		}
		made := h.send("POST", path, `{"template":"LOGIN","enabled":true,"content":"<p>{{.application.name}}</p>","assets":"p{}"}`).status(http.StatusCreated)
		form := made.tree()
		id := form["id"].(string)
		if got, want := made.header.Get("Location"), path+"/"+id; got != want {
			t.Errorf("Location %q, want %q", got, want)
		}
		if form["template"] != "login" || form["enabled"] != true || form["level"] != nil || (level == application) != (form["application"] != nil) {
			t.Errorf("created %s", made.body)
		}
		if form["notices"] != nil {
			t.Errorf("notices %v", form["notices"])
		}
		h.send("POST", path, `{"template":"login","content":"x"}`).refused(400, "A page with template [login] already exists.")
		h.send("POST", path, `{"template":"LOGIN","content":"{{"}`).refused(400, "A page with template [login] already exists.")
		if got := h.send("GET", path+"?template=LOGIN", "").status(http.StatusOK).tree(); got["id"] != id {
			t.Errorf("read %v", got)
		}
		changed := h.send("PUT", path+"/"+id, `{"enabled":false,"content":"<b>new</b>"}`).status(http.StatusOK).tree()
		if changed["template"] != "login" || changed["content"] != "<b>new</b>" || changed["assets"] != nil || changed["enabled"] != false {
			t.Errorf("put %v", changed)
		}
		again, _ := json.Marshal(h.send("GET", path+"/"+id, "").status(http.StatusOK).tree())
		h.send("PUT", path+"/"+id, string(again)).status(http.StatusOK)
		h.send("PUT", path+"/"+id, `{"template":"error","content":"x"}`).refused(400, "[template: can not be changed]", "template")
		if got := h.send("PATCH", path+"/"+id, `{"enabled":true}`).status(http.StatusOK).tree(); got["content"] != "<b>new</b>" {
			t.Errorf("patched %v", got)
		}
		h.send("PUT", path+"/nothing", `{"content":"x"}`).refused(404, "Form [nothing] can not be found.")
	}
	// A form is found at its own level only.
	own := h.send("GET", application+"/forms?template=login", "").tree()["id"].(string)
	other := h.send("GET", domain+"/forms?template=login", "").tree()["id"].(string)
	if own == other {
		t.Fatal("one form on two levels")
	}
	h.send("GET", domain+"/forms/"+own, "").refused(404, "Form ["+own+"] can not be found.")
	h.send("DELETE", application+"/forms/"+other, "").refused(404, "Form ["+other+"] can not be found.")
	h.send("PUT", application+"/forms/"+other, `{"content":"x"}`).refused(404, "Form ["+other+"] can not be found.")
	h.send("DELETE", domain+"/forms/"+other, "").status(http.StatusNoContent)
	h.send("DELETE", domain+"/forms/"+other, "").refused(404, "Form ["+other+"] can not be found.")
	if got := h.send("GET", domain+"/forms?template=login", "").tree(); got["id"] != nil {
		t.Errorf("deleted and there: %v", got)
	}
}

func TestFormRefusals(t *testing.T) {
	h := newHouse(t)
	domain, _, id := levels(h)
	for _, tt := range []struct{ name, body, message, path string }{
		{"nothing", `{}`, "[template: must not be blank, content: must not be blank]", ""},
		{"no content", `{"template":"LOGIN"}`, "[content: must not be blank]", "content"},
		{"an unknown member of the page", `{"template":"LOGIN","content":"<p>\n {{.nobody}}</p>"}`, "", "content"},
		{"an unknown template", `{"template":"robot","content":"x"}`, "", "template"},
		{"an unknown member", `{"template":"login","content":"x","other":1}`, "Property [other] is not recognized as a valid property", "other"},
		{"large assets", `{"template":"login","content":"x","assets":"` + strings.Repeat("x", 300_000) + `"}`, "[assets: size must be at most 262144 bytes]", "assets"},
		{"large content", `{"template":"login","content":"` + strings.Repeat("x", 300_000) + `"}`, "", "content"},
	} {
		a := h.send("POST", domain+"/forms", tt.body).status(400)
		tree := a.tree()
		if tt.message != "" && tree["message"] != tt.message {
			t.Errorf("%s: %s", tt.name, a.body)
		}
		if first := tree["errors"].([]any)[0].(prototree.Object); tt.path != "" && first["path"] != tt.path {
			t.Errorf("%s: %s", tt.name, a.body)
		}
	}
	a := h.send("POST", domain+"/forms", `{"template":"LOGIN","content":"<p>\n {{.nobody}}</p>"}`)
	want := `"errors":[{"path":"content","detail":"there is no nobody here; there is domain,`
	if !strings.Contains(string(a.body), want) || !strings.Contains(string(a.body), `"line":2,"column":4}`) {
		t.Errorf("answered %s", a.body)
	}
	if got := h.send("GET", domain+"/forms?template=login", "").tree(); got["id"] != nil {
		t.Errorf("a refusal left something behind: %v", got)
	}
	h.send("GET", domain+"/applications/nobody/forms?template=login", "").refused(404, "Application [nobody] can not be found.")
	h.send("POST", domain+"/applications/nobody/forms", `{"template":"login","content":"x"}`).refused(404, "Application [nobody] can not be found.")
	h.send("GET", long+"/domains/nowhere/forms?template=login", "").refused(404, "Domain [nowhere] can not be found.")
	elsewhere := h.application(h.domain("Elsewhere"), serviceApplication)["id"].(string)
	h.send("POST", domain+"/applications/"+elsewhere+"/emails/preview", `{"template":"login"}`).status(400)
	h.send("POST", domain+"/applications/"+elsewhere+"/forms", `{"template":"login","content":"x"}`).refused(400, "Application does not belong to domain")
	if id == "" {
		t.Error("no domain")
	}
}

func TestEmails(t *testing.T) {
	h := newHouse(t)
	domain, application, _ := levels(h)
	const body = `{"template":"MAGIC_LINK","enabled":true,"from":"no-reply@example.com","fromName":"Acme","subject":"Hi {{.user.firstName}}","content":"<a href=\"{{.url}}\">x</a>","expiresAfter":3600}`
	for _, level := range []string{domain, application} {
		path := level + "/emails"
		got := h.send("GET", path+"?template=Magic_Link", "").status(http.StatusOK).tree()
		if diff := cmp.Diff(prototree.Object{"enabled": false, "template": "magic_link"}, got); diff != "" {
			t.Errorf("a template that nobody wrote (-want +got):\n%s", diff)
		}
		made := h.send("POST", path, body).status(http.StatusCreated).tree()
		id := made["id"].(string)
		if made["template"] != "magic_link" || fmt.Sprint(made["expiresAfter"]) != "3600" || made["from"] != "no-reply@example.com" {
			t.Errorf("created %v", made)
		}
		h.send("POST", path, body).refused(400, "A email with template [magic_link] already exists.")
		h.send("PUT", path+"/"+id, `{"from":"a@example.com","subject":"s","content":"c"}`).status(http.StatusOK)
		h.send("PUT", path+"/nothing", body).refused(404, "Email [nothing] can not be found.")
		h.send("DELETE", path+"/"+id, "").status(http.StatusNoContent)
	}
	for _, tt := range []struct{ name, body, path string }{
		{"nothing", `{}`, "template"},
		{"no address", strings.Replace(body, "no-reply@example.com", "nobody", 1), "from"},
		{"an address with a name", strings.Replace(body, "no-reply@example.com", "A <a@example.com>", 1), "from"},
		{"a header in the name", strings.Replace(body, `"Acme"`, `"Acme\r\nBcc: x@example.com"`, 1), "fromName"},
		{"a header in the subject", strings.Replace(body, `"Hi `, `"Hi\r\nBcc: x@example.com`, 1), "subject"},
		{"a subject that does not compile", strings.Replace(body, `{{.user.firstName}}`, `{{.user.nobody}}`, 1), "subject"},
		{"a content that does not compile", strings.Replace(body, `{{.url}}`, `{{.link}}`, 1), "content"},
		{"a negative time", strings.Replace(body, `3600`, `-1`, 1), "expiresAfter"},
	} {
		a := h.send("POST", domain+"/emails", tt.body).status(400)
		if first := a.tree()["errors"].([]any)[0].(prototree.Object); first["path"] != tt.path {
			t.Errorf("%s: %s", tt.name, a.body)
		}
	}
}

func TestPreviews(t *testing.T) {
	h := newHouse(t)
	domain, application, _ := levels(h)
	preview := func(path, body string) prototree.Object {
		t.Helper()
		return h.send("POST", path+"/preview", body).status(http.StatusOK).tree()
	}
	if got := preview(domain+"/forms", `{"template":"login"}`); !strings.Contains(got["content"].(string), `id="login-submit"`) || got["subject"] != nil {
		t.Errorf("the product's own page: %v", got)
	}
	if got := preview(domain+"/forms", `{"template":"LOGIN","content":"<i>{{.application.name}}</i>"}`); got["content"] != "<i>Example App</i>" {
		t.Errorf("a given page: %v", got)
	}
	if got := preview(domain+"/forms", `{"template":"login","content":"x","assets":"p{}"}`); got["content"] != "<style>p{}</style>\nx" {
		t.Errorf("a given style sheet: %v", got)
	}
	h.send("POST", domain+"/forms", `{"template":"login","content":"of the domain","assets":"b{}"}`).status(http.StatusCreated)
	if got := preview(domain+"/forms", `{"template":"login","assets":""}`); got["content"] != "of the domain" {
		t.Errorf("without a style sheet: %v", got)
	}
	if got := preview(application+"/forms", `{"template":"login"}`); got["content"] != "<style>b{}</style>\nof the domain" {
		t.Errorf("the domain's page: %v", got)
	}
	h.send("POST", application+"/forms", `{"template":"login","content":"of the application"}`).status(http.StatusCreated)
	if got := preview(application+"/forms", `{"template":"login"}`); got["content"] != "of the application" {
		t.Errorf("the application's page: %v", got)
	}
	got := preview(application+"/emails", `{"template":"mfa_challenge","subject":"{{.code}} & more"}`)
	if got["subject"] != "482913 & more" || !strings.Contains(got["content"].(string), "482913") {
		t.Errorf("a message: %v", got)
	}
	h.send("POST", domain+"/emails/preview", `{"template":"magic_link","subject":"{{.code}}"}`).status(400)
	h.send("POST", domain+"/forms/preview", `{}`).refused(400, "[template: must not be blank]", "template")
	h.send("POST", domain+"/forms/preview", `{"template":"login","content":" "}`).refused(400, "[content: must not be blank]", "content")
	h.send("POST", domain+"/applications/nobody/forms/preview", `{"template":"login"}`).refused(404, "Application [nobody] can not be found.")

	for _, path := range []string{domain + "/forms", application + "/emails"} {
		tree := h.send("GET", path+"/_templates", "").status(http.StatusOK).tree()
		if len(tree["templates"].([]any)) < 10 || len(tree["functions"].([]any)) < 10 {
			t.Errorf("%s: %v", path, tree)
		}
	}
}

func TestRacingFormsHaveOneWinner(t *testing.T) {
	h := newHouse(t)
	domain, application, _ := levels(h)
	for _, level := range []string{domain, application} {
		var wg sync.WaitGroup
		codes := make([]int, 32)
		for i := range codes {
			wg.Go(func() {
				codes[i] = h.send("POST", level+"/forms", `{"template":"error","content":"x"}`).code
			})
		}
		wg.Wait()
		won := 0
		for _, code := range codes {
			switch code {
			case http.StatusCreated:
				won++
			case http.StatusBadRequest:
			default:
				t.Errorf("a racer got %d", code)
			}
		}
		if won != 1 {
			t.Errorf("%d winners", won)
		}
	}
}

func TestTextsGoWithTheirApplication(t *testing.T) {
	h := newHouse(t)
	domain, application, _ := levels(h)
	h.send("POST", application+"/forms", `{"template":"login","content":"kept-nowhere"}`).status(http.StatusCreated)
	h.send("POST", application+"/emails", `{"template":"magic_link","from":"a@example.com","subject":"s","content":"kept-nowhere"}`).status(http.StatusCreated)
	h.send("POST", domain+"/forms", `{"template":"login","content":"of the domain"}`).status(http.StatusCreated)
	h.send("DELETE", application, "").status(http.StatusNoContent)
	h.send("GET", application+"/forms?template=login", "").status(http.StatusNotFound)
	for _, collection := range []string{"forms", "emails"} {
		if strings.Contains(string(h.dumpOf(collection)), "kept-nowhere") {
			t.Errorf("%s of a deleted application are still there", collection)
		}
	}
	if got := h.send("GET", domain+"/forms?template=login", "").tree(); got["content"] != "of the domain" {
		t.Errorf("the domain's form is %v", got)
	}
}

func FuzzFormContent(f *testing.F) {
	for _, seed := range []string{
		`<p>{{.application.name}}</p>`, `{{range .scopes}}{{.name}}{{end}}`, `{{`, `{{define "x"}}{{template "x"}}{{end}}`,
		`<script>{{.username}}</script>`, `{{printf "%1000000d" 1}}`, `{{if}}`, "\x00", `<a href="{{.action}}`,
	} {
		f.Add(seed)
	}
	h := newHouse(f)
	domain := long + "/domains/" + h.domain("Fuzzed")
	id := h.send("POST", domain+"/forms", `{"template":"login","content":"x"}`).status(http.StatusCreated).tree()["id"].(string)
	f.Fuzz(func(t *testing.T, content string) {
		h := *h
		h.t = t
		body, _ := json.Marshal(map[string]any{"content": content})
		a := h.send("PUT", domain+"/forms/"+id, string(body))
		if a.code != http.StatusOK && a.code != http.StatusBadRequest {
			t.Errorf("%q: %d %s", content, a.code, a.body)
		}
		if b := h.send("POST", domain+"/forms/preview", `{"template":"login","content":`+string(mustText(content))+`}`); b.code != a.code {
			t.Errorf("%q: put %d, preview %d", content, a.code, b.code)
		}
	})
}

func mustText(s string) []byte {
	data, _ := json.Marshal(s)
	return data
}

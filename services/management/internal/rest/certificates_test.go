package rest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// upload is the JSON text of an uploaded file.
func upload(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile("../keystore/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return fileText(t, name, base64.StdEncoding.EncodeToString(content), len(content))
}

func fileText(t *testing.T, name, content string, size int) string {
	t.Helper()
	return jsonText(t, map[string]any{"name": name, "type": "", "size": size, "content": content})
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// certificate is the body that creates one.
func certificateBody(t *testing.T, name, kind string, configuration map[string]any) string {
	t.Helper()
	return jsonText(t, map[string]any{"name": name, "type": kind, "configuration": jsonText(t, configuration)})
}

func TestUploadedKeyStores(t *testing.T) {
	h := newHouse(t)
	path := short + "/domains/" + h.domain("Keys") + "/certificates"
	const jks, p12 = "javakeystore-am-certificate", "pkcs12-am-certificate"
	stored := func(file string, more ...string) map[string]any {
		c := map[string]any{"jks": upload(t, file), "storepass": "storepass"}
		for i := 0; i < len(more); i += 2 {
			c[more[i]] = more[i+1]
		}
		return c
	}

	body := certificateBody(t, "from Java", jks, stored("rs512.jks", "alias", "MyKey", "keypass", "keypass1"))
	made := h.send("POST", path, body).status(http.StatusCreated).tree()
	if made["kid"] != "MyKey" || made["algorithm"] != "RS512" || made["status"] != nil || made["system"] != false || made["expiresAt"] == nil {
		t.Errorf("made %v", made)
	}
	const masked = `{"alias":"MyKey","jks":"********","keypass":"********","storepass":"********"}`
	if made["configuration"] != masked {
		t.Errorf("configuration %v", made["configuration"])
	}
	// What was read can be sent back, and the same file again; another one cannot.
	one := path + "/" + made["id"].(string)
	read := h.send("GET", one, "").status(http.StatusOK)
	again := h.send("PUT", one, string(read.body)).status(http.StatusOK).tree()
	if again["kid"] != "MyKey" || again["configuration"] != masked {
		t.Errorf("after it was sent back: %v", again)
	}
	h.send("PUT", one, body).status(http.StatusOK)
	renamed := h.send("PUT", one, `{"name":"renamed"}`).status(http.StatusOK).tree()
	if renamed["name"] != "renamed" || renamed["kid"] != "MyKey" {
		t.Errorf("renamed %v", renamed)
	}
	const stays = "can not be changed; create another certificate"
	h.send("PUT", one, certificateBody(t, "x", jks, stored("nameless.p12", "alias", "MyKey"))).
		refused(400, "[jks: "+stays+"]", "configuration.jks")
	h.send("PUT", one, certificateBody(t, "x", jks, stored("rs512.jks", "alias", "second", "keypass", "keypass2"))).
		refused(400, "[alias: "+stays+"]", "configuration.alias")
	h.send("PUT", one, certificateBody(t, "x", p12, stored("rs512.jks", "alias", "MyKey"))).refused(400, "[type: "+stays+"]", "type")

	if ec := h.send("POST", path, certificateBody(t, "ec", jks, stored("rs512.jks", "alias", "second", "keypass", "keypass2"))).
		status(http.StatusCreated).tree(); ec["algorithm"] != "ES256" || ec["kid"] != "second" {
		t.Errorf("made %v", ec)
	}
	pkcs := stored("java.p12", "alias", "java12")
	if got := h.send("POST", path, certificateBody(t, "p12", p12, pkcs)).status(http.StatusCreated).tree(); got["algorithm"] != "RS384" || got["kid"] != "java12" {
		t.Errorf("made %v", got)
	}
	other := map[string]any{"pkcs12": upload(t, "java.p12"), "storepass": "storepass", "alias": "other"}
	if got := h.send("POST", path, certificateBody(t, "p12", p12, other)).status(http.StatusCreated).tree(); got["algorithm"] != "ES384" {
		t.Errorf("made %v", got)
	}
	if got := h.send("POST", path, certificateBody(t, "ed", p12, stored("ed25519.p12", "alias", "ed"))).status(http.StatusCreated).tree(); got["algorithm"] != "EdDSA" {
		t.Errorf("made %v", got)
	}
	// A key store of today's Java is a PKCS #12 file, whatever it is called.
	h.send("POST", path, certificateBody(t, "nameless", jks, stored("nameless.p12", "alias", "nameless"))).status(http.StatusCreated)

	h.send("POST", path, certificateBody(t, "the alias again", p12, stored("nameless.p12", "alias", "MyKey"))).
		refused(http.StatusConflict, "A certificate [MyKey] already exists.")
	h.send("POST", path, certificateBody(t, "the key again", jks, stored("rs512.jks", "alias", "MYKEY", "keypass", "keypass1"))).
		refused(http.StatusConflict, "A certificate [MYKEY] already exists.")

	both := stored("java.p12", "alias", "java12")
	both["pkcs12"] = both["jks"]
	raw := func(file string) map[string]any {
		return map[string]any{"jks": file, "storepass": "storepass", "alias": "a"}
	}
	for _, tt := range []struct {
		what, kind    string
		configuration map[string]any
		text, path    string
	}{
		{"a wrong password", jks, map[string]any{"jks": upload(t, "rs512.jks"), "storepass": "no", "alias": "x"}, "[storepass: is wrong, or the file is damaged]", "configuration.storepass"},
		{"a wrong password of the key", jks, stored("rs512.jks", "alias", "mYkEY", "keypass", "no"), "[keypass: is wrong]", "configuration.keypass"},
		{"an unknown alias", jks, stored("rs512.jks", "alias", "nobody"), "", "configuration.alias"},
		{"no private key", jks, stored("trust.jks", "alias", "trusted"), "[trusted: names no private key in the file: the file has no private key]", "configuration.alias"},
		{"no alias", jks, stored("rs512.jks"), "[alias: must not be blank]", "configuration.alias"},
		{"no password", jks, map[string]any{"jks": upload(t, "rs512.jks"), "alias": "x"}, "[storepass: must not be blank]", "configuration.storepass"},
		{"no file", jks, map[string]any{"storepass": "x", "alias": "x"}, "[jks: must not be blank]", "configuration.jks"},
		{"a file that is no JSON", jks, raw("MIIK"), "[jks: must be the JSON text of a file: {name, type, size, content}]", "configuration.jks"},
		{"a file without content", jks, raw(`{"name":"x"}`), "[jks: must have the content of the file in base64 as the member content]", "configuration.jks"},
		{"bad base64", jks, raw(fileText(t, "x", "!!!", 3)), "[jks: must have its content in base64]", "configuration.jks"},
		{"something else", jks, raw(fileText(t, "x", "aGVsbG8=", 5)), "", "configuration.jks"},
		{"a huge file", jks, raw(fileText(t, "x", strings.Repeat("A", 720<<10), 540<<10)), "[jks: must be at most 512 KiB]", "configuration.jks"},
		{"two files", p12, both, "[jks: can not be given together with pkcs12]", "configuration.jks"},
		{"a password that was read", jks, stored("rs512.jks", "alias", "x", "keypass", prototree.Mask), "[keypass: a masked value can only be sent back where a value is stored]", "configuration.keypass"},
	} {
		refused := h.send("POST", path, certificateBody(t, "x", tt.kind, tt.configuration)).status(400).tree()
		errors, _ := refused["errors"].([]any)
		if len(errors) != 1 || errors[0].(prototree.Object)["path"] != tt.path || tt.text != "" && refused["message"] != tt.text {
			t.Errorf("%s: %v", tt.what, refused)
		}
	}

	// Nothing of the files is left anywhere but in the sealed key.
	everything := string(h.dump()) + h.log.String()
	for _, secret := range []string{"keypass1", "keypass2", `:"storepass"`, `: "storepass"`, upload(t, "rs512.jks")[60:160]} {
		if strings.Contains(everything, secret) {
			t.Errorf("%q is kept", secret)
		}
	}
}

func TestPublicKeys(t *testing.T) {
	h := newHouse(t)
	path := short + "/domains/" + h.domain("Keys") + "/certificates"
	for algorithm, form := range map[string][2]string{
		"RS256": {"ssh_rsa", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABA"},
		"ES384": {"ssh_ecdsa", "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhB"},
		"EdDSA": {"ssh_ed25519", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"},
	} {
		made := h.send("POST", path, certificateBody(t, algorithm, "generated-am-certificate", map[string]any{"algorithm": algorithm, "alias": "key-" + algorithm})).
			status(http.StatusCreated).tree()
		one := path + "/" + made["id"].(string)
		line := h.send("GET", one+"/key", "").status(http.StatusOK)
		if !strings.HasPrefix(string(line.body), form[1]) || !strings.HasSuffix(string(line.body), " key-"+algorithm) ||
			!strings.HasPrefix(line.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %s", algorithm, line.body)
		}
		pem := h.send("GET", one+"/key?fmt=PEM", "").status(http.StatusOK)
		if !strings.HasPrefix(string(pem.body), "-----BEGIN CERTIFICATE-----") {
			t.Errorf("%s: %s", algorithm, pem.body)
		}
		keys := h.send("GET", one+"/keys", "").status(http.StatusOK).array()
		if len(keys) != 2 || keys[0]["fmt"] != form[0] || keys[0]["payload"] != string(line.body) || keys[1]["fmt"] != "pem" || keys[1]["payload"] != string(pem.body) {
			t.Errorf("%s: %v", algorithm, keys)
		}
		h.send("GET", one+"/key?fmt=der", "").refused(400, "[der: must be one of ssh, pem]", "fmt")
	}
	h.send("GET", path+"/nope/key", "").refused(404, "Certificate [nope] can not be found.")
	h.send("GET", path+"/nope/keys", "").refused(404, "Certificate [nope] can not be found.")
}

func TestRotateCertificates(t *testing.T) {
	h := newHouse(t)
	id := h.domain("Keys")
	domain := short + "/domains/" + id
	path := domain + "/certificates"
	byKID := func() map[string]prototree.Object {
		all := map[string]prototree.Object{}
		for _, c := range h.send("GET", path, "").status(http.StatusOK).array() {
			all[c["kid"].(string)] = c
		}
		return all
	}
	app := h.application(id, `{"name":"Svc","type":"SERVICE"}`)
	if app["certificate"] != byKID()["default"]["id"] {
		t.Errorf("certificate %v", app["certificate"])
	}

	next := h.send("POST", path+"/rotate", "").status(http.StatusCreated).tree()
	if next["status"] != "next" || next["dueAt"] == nil || next["activeSince"] != nil || next["system"] != true || next["algorithm"] != "RS256" {
		t.Errorf("made %v", next)
	}
	if old := byKID()["default"]; old["status"] != "active" {
		t.Errorf("the key before it: %v", old)
	}
	now := h.send("POST", path+"/rotate?immediately=true", "").status(http.StatusCreated).tree()
	if now["status"] != "active" || now["activeSince"] == nil || now["dueAt"] != nil {
		t.Errorf("made %v", now)
	}
	old := byKID()["default"]
	if old["status"] != "retired" || old["dueAt"] == nil {
		t.Errorf("the key before it: %v", old)
	}
	// A week, because no token of the domain lives longer.
	due, since := millis(t, old["dueAt"]), millis(t, now["activeSince"])
	if due-since != 7*24*60*60*1000 {
		t.Errorf("the old key goes %d ms after it signed", due-since)
	}
	if made := h.application(id, `{"name":"Later","type":"SERVICE"}`); made["certificate"] != now["id"] {
		t.Errorf("a new application has the certificate %v", made["certificate"])
	}

	h.send("POST", path+"/rotate", `{"algorithm":"ES256","overlapSeconds":60}`).status(http.StatusCreated) // there was none
	es := h.send("POST", path+"/rotate", `{"algorithm":"ES256","overlapSeconds":60}`).status(http.StatusCreated).tree()
	if es["status"] != "next" || es["algorithm"] != "ES256" {
		t.Errorf("made %v", es)
	}
	if again := h.send("POST", path+"/rotate", `{"overlapSeconds":0}`).status(http.StatusCreated).tree(); again["algorithm"] != "RS256" || again["status"] != "active" {
		t.Errorf("made %v", again)
	}
	h.send("POST", path+"/rotate", `{"overlapSeconds":-1}`).refused(400, "[overlapSeconds: must be from 0 to 315360000]", "overlapSeconds")
	h.send("POST", path+"/rotate", `{"algorithm":"HS256"}`).status(400)
	h.send("POST", path+"/rotate?immediately=maybe", "").refused(400, "[maybe: must be true or false]", "immediately")
	h.send("POST", path+"/rotate", `{"alias":"x"}`).refused(400, "Property [alias] is not recognized as a valid property", "alias")

	// The retired key can be deleted although an application names it: that one follows.
	h.send("DELETE", path+"/"+old["id"].(string), "").status(http.StatusNoContent)
	active := ""
	for _, c := range byKID() {
		if c["status"] == "active" && c["algorithm"] == "RS256" {
			active = c["id"].(string)
		}
	}
	if got := h.send("GET", domain+"/applications/"+app["id"].(string), "").status(http.StatusOK).tree(); got["certificate"] != active {
		t.Errorf("the application's certificate is %v, want %s", got["certificate"], active)
	}
	h.send("DELETE", path+"/"+active, "").refused(400, "You can't delete a certificate with existing applications.")
}

func TestTheLastKeyOfAnEnabledDomain(t *testing.T) {
	h := newHouse(t)
	domain := short + "/domains/" + h.domain("Keys")
	path := domain + "/certificates/" + h.send("GET", domain+"/certificates", "").array()[0]["id"].(string)
	h.send("PATCH", domain, `{"enabled":true}`).status(http.StatusOK)
	h.send("POST", domain+"/certificates/rotate", "").status(http.StatusCreated) // published, and does not sign
	h.send("DELETE", path, "").refused(400, "You can't delete the last certificate of an enabled domain.")
	h.send("PATCH", domain, `{"enabled":false}`).status(http.StatusOK)
	h.send("DELETE", path, "").status(http.StatusNoContent)
}

// TestADomainIsNotEnabledWithoutAKey takes away the keys that sign while the domain is disabled.
func TestADomainIsNotEnabledWithoutAKey(t *testing.T) {
	for name, left := range map[string]string{"nothing is left": "", "a retired key is left": "retired", "a successor is left": "next"} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			domain := short + "/domains/" + h.domain("Keys")
			path := domain + "/certificates"
			switch left {
			case "retired":
				h.send("POST", path+"/rotate?immediately=true", "").status(http.StatusCreated)
			case "next":
				h.send("POST", path+"/rotate", "").status(http.StatusCreated)
			}
			kids := map[string]bool{}
			for _, c := range h.send("GET", path, "").status(http.StatusOK).array() {
				kids[c["kid"].(string)] = true
				if c["status"] != left {
					h.send("DELETE", path+"/"+c["id"].(string), "").status(http.StatusNoContent)
				}
			}
			h.send("PATCH", domain, `{"description":"still disabled"}`).status(http.StatusOK)
			if all := h.send("GET", path, "").array(); len(all) != len(kids)-1 {
				t.Errorf("a disabled domain has %v", all)
			}
			h.send("PATCH", domain, `{"enabled":true}`).status(http.StatusOK)
			h.send("PATCH", domain, `{"description":"one is enough"}`).status(http.StatusOK)
			var active []prototree.Object
			for _, c := range h.send("GET", path, "").status(http.StatusOK).array() {
				if c["status"] == "active" {
					active = append(active, c)
				} else if left == "retired" {
					h.send("DELETE", path+"/"+c["id"].(string), "").status(http.StatusNoContent)
				}
			}
			if len(active) != 1 || active[0]["system"] != true || active[0]["algorithm"] != "RS256" || active[0]["name"] != "Default" {
				t.Fatalf("active are %v", active)
			}
			// Whoever keeps keys by their kid must not take it for the one that is gone.
			if kids[active[0]["kid"].(string)] || active[0]["kid"] == "default" {
				t.Errorf("the new key has the kid %v", active[0]["kid"])
			}
			h.send("DELETE", path+"/"+active[0]["id"].(string), "").refused(400, "You can't delete the last certificate of an enabled domain.")
		})
	}
}

// TestPutOfHalfACertificate leaves out the type or the configuration: it stays.
func TestPutOfHalfACertificate(t *testing.T) {
	h := newHouse(t)
	path := short + "/domains/" + h.domain("Keys") + "/certificates"
	path += "/" + h.send("GET", path, "").array()[0]["id"].(string)
	before := h.send("GET", path, "").status(http.StatusOK).tree()
	kind, configuration := jsonText(t, before["type"]), jsonText(t, before["configuration"])
	for name, body := range map[string]string{
		"the type alone":          `{"name":"A","type":` + kind + `}`,
		"the configuration alone": `{"name":"B","configuration":` + configuration + `}`,
		"a null for the rest":     `{"name":"C","type":null,"configuration":` + configuration + `}`,
		"neither":                 `{"name":"D"}`,
	} {
		after := h.send("PUT", path, body).status(http.StatusOK).tree()
		if jsonText(t, after["type"]) != kind || jsonText(t, after["configuration"]) != configuration || after["kid"] != before["kid"] {
			t.Errorf("%s: %v", name, after)
		}
	}
	h.send("PUT", path, `{"name":"E","type":"pem-am-certificate"}`).refused(400, "[type: can not be changed; create another certificate]", "type")
}

func TestCertificateSettings(t *testing.T) {
	h := newHouse(t)
	domain := short + "/domains/" + h.domain("Keys")
	certificate := h.send("GET", domain+"/certificates", "").array()[0]["id"].(string)
	set := h.send("PATCH", domain, `{"certificateSettings":{"rotation":{"enabled":true}}}`).status(http.StatusOK).tree()
	if got := jsonText(t, at(set, "certificateSettings.rotation")); got != `{"enabled":true,"everyDays":90,"overlapSeconds":86400,"retentionSeconds":604800}` {
		t.Errorf("rotation %s", got)
	}
	h.send("PUT", domain+"/certificate-settings", `{"fallbackCertificate":"`+certificate+`"}`).status(http.StatusOK)
	cleared := h.send("PUT", domain+"/certificate-settings", `{"fallbackCertificate":null}`).status(http.StatusOK).tree()
	if at(cleared, "certificateSettings.rotation.enabled") != true || at(cleared, "certificateSettings.fallbackCertificate") != nil {
		t.Errorf("settings %v", cleared["certificateSettings"])
	}
	h.send("PUT", domain+"/certificate-settings", `{"rotation":null}`).refused(400, "Property [rotation] is not recognized as a valid property", "rotation")
	for body, path := range map[string]string{
		`{"everyDays":-1}`: "everyDays", `{"overlapSeconds":-1}`: "overlapSeconds", `{"retentionSeconds":999999999999}`: "retentionSeconds",
	} {
		h.send("PATCH", domain, `{"certificateSettings":{"rotation":`+body+`}}`).status(400)
		refused := h.send("PATCH", domain, `{"certificateSettings":{"rotation":`+body+`}}`).status(400).tree()
		if errors, _ := refused["errors"].([]any); len(errors) != 1 || errors[0].(prototree.Object)["path"] != "certificateSettings.rotation."+path {
			t.Errorf("%s: %v", body, refused)
		}
	}
	zero := h.send("PATCH", domain, `{"certificateSettings":{"rotation":{"overlapSeconds":0,"retentionSeconds":0}}}`).status(http.StatusOK).tree()
	if got := jsonText(t, at(zero, "certificateSettings.rotation")); got != `{"enabled":true,"everyDays":90,"overlapSeconds":0,"retentionSeconds":0}` {
		t.Errorf("rotation %s", got)
	}
}

// millis reads a time of an answer, however its numbers were parsed.
func millis(t *testing.T, v any) int64 {
	t.Helper()
	if f, ok := v.(float64); ok {
		return int64(f)
	}
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

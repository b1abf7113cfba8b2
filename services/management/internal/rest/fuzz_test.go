package rest

import (
	"net/http"
	"testing"
)

// No body makes the service fail.
func FuzzPatchDomain(f *testing.F) {
	for _, seed := range []string{
		`{"enabled":true}`, `{}`, `{"name":null}`, `{"path":"/../x"}`, `{"tags":[null]}`, `{"oidc":{"clientRegistrationSettings":{"allowedScopes":[]}}}`,
		`{"corsSettings":{"allowedOrigins":["*"],"maxAge":1e3}}`, `{"secretSettings":{"expiryTimeSeconds":9223372036854775807}}`,
		`{"name":"\u0000"}`, `{"name":"\ud800"}`, `{"$set":1}`, `{"a.b":{"$gt":""}}`, `{"createdAt":-1}`, `{"oidc":{"postLogoutRedirectUris":["%zz"]}}`,
		`{"sessionSettings":{"idleSeconds":-0}}`, `[`, `{"certificateSettings":{"fallbackCertificate":"x"}}`, `{"enabled":1e999}`, `{"id":{},"hrid":[]}`,
	} {
		f.Add(seed)
	}
	h := newHouse(f)
	domain := h.domain("Fuzzed")
	f.Fuzz(func(t *testing.T, body string) {
		h := *h
		h.t = t
		a := h.send("PATCH", short+"/domains/"+domain, body, header("Content-Type", "application/json"))
		if a.code >= http.StatusInternalServerError {
			t.Errorf("%q: %d %s", body, a.code, a.body)
		}
		a.tree()
		h.send("GET", short+"/domains/"+domain, "").status(http.StatusOK)
	})
}

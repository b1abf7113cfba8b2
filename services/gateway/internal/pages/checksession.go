package pages

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

//go:embed templates/check-session.html
var checkSession string

var checkSessionPage = template.Must(template.New("check-session").Parse(checkSession))

// CheckSession answers the page that clients load into an invisible frame, and ask by messages whether the session is still
// the one that their session_state was made for (OpenID Connect Session Management 1.0 §3.2). cookie is the name of the one
// that holds the browser's state. Any site may frame the page: it shows nothing, and answers only who knows a session_state.
func (p *Pages) CheckSession(w http.ResponseWriter, cookie string) error {
	nonce := rand.Text()
	var body bytes.Buffer
	if err := checkSessionPage.Execute(&body, struct{ Nonce, Cookie string }{nonce, cookie}); err != nil {
		return fmt.Errorf("render page check-session: %w", err)
	}
	h := w.Header()
	h["Content-Type"] = typeHTML
	h["Content-Length"] = []string{strconv.Itoa(body.Len())}
	h["Content-Security-Policy"] = []string{"default-src 'none'; script-src 'nonce-" + nonce + "'; base-uri 'none'; form-action 'none'; frame-ancestors *"}
	h["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body.Bytes())
	return nil
}

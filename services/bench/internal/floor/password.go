package floor

import (
	"context"
	"io"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// password is what a password floor is asked to check.
const password = "correct horse battery staple"

// passwordEndpoint checks one password against its argon2id hash.
type passwordEndpoint struct {
	hasher *secret.Hasher
	hash   string
}

func newPasswordEndpoint() (*passwordEndpoint, error) {
	h := secret.NewHasher()
	hash, err := h.Password(context.Background(), password)
	return &passwordEndpoint{h, hash}, err
}

func (p *passwordEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ok, _, err := p.hasher.Verify(r.Context(), p.hash, r.PostFormValue("password"))
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case !ok:
		http.Error(w, "wrong password", http.StatusUnauthorized)
	default:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"ok":true}`)
	}
}

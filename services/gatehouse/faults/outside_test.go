package faults

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// outside is everything that gateways ask beyond the installation, by https as it is done today (HTTP/2): OpenID Providers, a site that
// knows people, what clients publish, and where they are told of a logout.
type outside struct {
	server *httptest.Server
	caFile string
	// key signs for the providers, ofClient for a client.
	key, ofClient *jose.Key

	mu   sync.Mutex // guards told
	told map[string]int
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{told: map[string]int{}}
	var err error
	if o.key, err = jose.GenerateKey(jose.RS256, "site"); err == nil {
		o.ofClient, err = jose.GenerateKey(jose.ES256, "client")
	}
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /op/{name}/.well-known/openid-configuration", o.metadata)
	mux.HandleFunc("POST /op/{name}/token", o.token)
	mux.HandleFunc("GET /op/{name}/jwks", published(o.key))
	mux.HandleFunc("POST /people", o.person)
	mux.HandleFunc("GET /client/jwks", published(o.ofClient))
	mux.HandleFunc("GET /sector", func(w http.ResponseWriter, _ *http.Request) { answerWith(w, []string{callback}) })
	mux.HandleFunc("GET /object/{client}", o.object)
	mux.HandleFunc("POST /logout/{name}", func(_ http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if r.PostFormValue("logout_token") != "" {
			o.told[r.PathValue("name")]++
		}
	})
	o.server = httptest.NewUnstartedServer(mux)
	o.server.EnableHTTP2 = true
	o.server.StartTLS()
	t.Cleanup(o.server.Close)
	o.caFile = filepath.Join(t.TempDir(), "authorities.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.server.Certificate().Raw})
	if err := os.WriteFile(o.caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

// through starts a network before the sites, and returns the URL of what is behind it.
func (o *outside) through(t *testing.T) (*faultproxy.Proxy, string) {
	t.Helper()
	network := behind(t, strings.TrimPrefix(o.server.URL, "https://"))
	return network, "https://" + network.Address()
}

func answerWith(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func jsonOf(o object) (string, error) {
	text, err := json.Marshal(o)
	return string(text), err
}

func published(k *jose.Key) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answerWith(w, object{"keys": []any{k.PublicJWK()}}) }
}

// metadata is of a provider, whose keys may be behind another network: its name ends with the address of that.
func (o *outside) metadata(w http.ResponseWriter, r *http.Request) {
	here := "https://" + r.Host + "/op/" + r.PathValue("name")
	_, keys, _ := strings.Cut(r.PathValue("name"), "@")
	answerWith(w, object{
		"issuer": here, "authorization_endpoint": here + "/authorize", "token_endpoint": here + "/token",
		"jwks_uri": "https://" + keys + "/op/" + r.PathValue("name") + "/jwks", "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

// token is worth a code, which is the nonce.
func (o *outside) token(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Unix()
	token, err := signed(o.key, jose.TypeJWT, object{
		"iss": "https://" + r.Host + "/op/" + r.PathValue("name"), "sub": "carol", "aud": "gatehouse", "iat": now, "exp": now + 300,
		"nonce": r.PostFormValue("code"), "preferred_username": "carol", "given_name": "Carol", "email": "carol@example.test",
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerWith(w, object{"access_token": "of the site", "token_type": "Bearer", "id_token": token})
}

func signed(k *jose.Key, typ string, claims object) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return k.Sign(typ, text)
}

func (o *outside) person(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Name, Password string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Password != dinahsPassword {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answerWith(w, object{"sub": asked.Name, "preferred_username": asked.Name})
}

// object is a request of a client, for the domain that the query names.
func (o *outside) object(w http.ResponseWriter, r *http.Request) {
	claims := object{"iss": r.PathValue("client"), "aud": r.FormValue("issuer"), "exp": time.Now().Unix() + 300, "iat": time.Now().Unix(), "nbf": time.Now().Unix()}
	for name, values := range parametersOf(r.PathValue("client")) {
		claims[name] = values[0]
	}
	text, err := signed(o.ofClient, "oauth-authz-req+jwt", claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
	_, _ = fmt.Fprint(w, text)
}

func (o *outside) heard(name string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.told[name]
}

const dinah, dinahsPassword = "dinah", "Cheshire-grin-1865" // of the site that knows people

// whatIsSeen is what a browser shows, in a few words.
func whatIsSeen(p *page, err error) string {
	if err != nil {
		return outcome(proc.Answer{}, err)
	}
	if _, err := p.code(); err == nil {
		return signedIn
	}
	if p.fields.Has("password") && p.URL.Query().Get("error") == "" {
		return loginPage
	}
	seen := fmt.Sprintf("a page with %d", p.Status)
	if code := p.URL.Query().Get("error"); code != "" && strings.HasSuffix(p.URL.Path, "/login") {
		return "the login page again, with " + code
	}
	if p.Location != nil {
		seen = "sent to " + p.Location.String()
	}
	if code := p.URL.Query().Get("error"); code != "" {
		seen += " " + code
	}
	return seen
}

const (
	signedIn  = "the person is signed in"
	loginPage = "the login page"
)

// toProvider is the button of another site on a login page.
var toProvider = regexp.MustCompile(`href="([^"]*)" id="provider-`)

// comesBack signs somebody in whose application has one provider, which is another site: they are sent there, and come back with a code.
func (w *world) comesBack(ctx context.Context, g *proc.Gateway, a app) string {
	b := newBrowser(w.t, g)
	p, err := b.open(ctx, w.authorization(a, nil))
	if err != nil {
		return whatIsSeen(p, err)
	}
	button := toProvider.FindStringSubmatch(p.Text)
	if button == nil {
		return whatIsSeen(p, nil)
	}
	at, err := p.URL.Parse(html.UnescapeString(button[1]))
	if err != nil {
		return err.Error()
	}
	p, err = b.open(ctx, at.String())
	if err != nil || p.Location == nil || !strings.Contains(p.Location.Path, "/op/") {
		return whatIsSeen(p, err)
	}
	query := p.Location.Query()
	back, err := url.Parse(query.Get("redirect_uri"))
	if err != nil {
		return err.Error()
	}
	answer := back.Query()
	answer.Set("code", query.Get("nonce"))
	answer.Set("state", query.Get("state"))
	back.RawQuery = answer.Encode()
	return whatIsSeen(b.open(ctx, back.String()))
}

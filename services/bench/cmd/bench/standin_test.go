package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
)

// The stand-ins know just enough of the two services to be measured: management writes what it is told into a file, in
// the directory in which both run, and gateways read it.
const stateFile = "state.json"

type standInApp struct {
	Secret   string `json:"secret"`
	Alg      string `json:"alg"`
	Lifetime int    `json:"lifetime"`
}

func flags(args []string) map[string]string {
	found := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		found[strings.TrimPrefix(args[i], "--")] = args[i+1]
	}
	return found
}

// serve serves handlers by address until the process is told to end.
func serve(handlers map[string]http.Handler) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var group sync.WaitGroup
	for address, h := range handlers {
		s := &http.Server{Addr: address, Handler: h}
		context.AfterFunc(ctx, func() { s.Close() })
		group.Go(func() { _ = s.ListenAndServe() })
	}
	group.Wait()
	return 0
}

func fail(text string) int {
	fmt.Fprintln(os.Stderr, text)
	return 1
}

func always(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func standInManagement(args []string) int {
	if !strings.HasPrefix(os.Getenv("GATEHOUSE_MONGODB_URI"), "mongodb://") {
		return fail("the database's address is " + os.Getenv("GATEHOUSE_MONGODB_URI"))
	}
	f := flags(args)
	var mu sync.Mutex
	apps := map[string]*standInApp{}
	save := func() error {
		text, err := json.Marshal(apps)
		if err != nil {
			return err
		}
		if err := os.WriteFile(stateFile+".new", text, 0o600); err != nil {
			return err
		}
		return os.Rename(stateFile+".new", stateFile)
	}
	rest := http.NewServeMux()
	rest.HandleFunc("POST /management/auth/token", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != f["operator-name"] || password != os.Getenv("GATEHOUSE_OPERATOR_PASSWORD") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"access_token":"operator"}`)
	})
	rest.HandleFunc("POST /management/domains", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Name string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Name != "bench" {
			always(http.StatusBadRequest, `{"message":"there is one domain"}`)(w, r)
			return
		}
		always(http.StatusCreated, `{"id":"d","path":"/bench"}`)(w, r)
	})
	rest.HandleFunc("PATCH /management/domains/d", always(200, `{}`))
	for _, kind := range []string{"scopes", "certificates", "identities"} {
		rest.HandleFunc("POST /management/domains/d/"+kind, always(201, `{"id":"x"}`))
	}
	rest.HandleFunc("POST /management/domains/d/applications", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id, secret := rand.Text(), rand.Text()
		apps[id] = &standInApp{Secret: secret}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":%q,"settings":{"oauth":{"clientId":%q,"clientSecret":%q}}}`, id, id, secret)
	})
	rest.HandleFunc("PATCH /management/domains/d/applications/{id}", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Settings struct {
				OAuth struct {
					AccessTokenSigningAlg      string
					AccessTokenValiditySeconds int
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		app := apps[r.PathValue("id")]
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || app == nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if alg := body.Settings.OAuth.AccessTokenSigningAlg; alg != "" {
			app.Alg = alg
		}
		app.Lifetime = body.Settings.OAuth.AccessTokenValiditySeconds
		if err := save(); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, `{}`)
	})
	return serve(map[string]http.Handler{
		f["management-address"]: rest,
		f["technical-address"]:  always(200, "ok"),
	})
}

func standInGateway(args []string) int {
	f := flags(args)
	keys := map[string]*jose.Key{}
	for _, alg := range []jose.Algorithm{jose.ES256, jose.RS256} {
		key, err := jose.GenerateKey(alg, string(alg))
		if err != nil {
			return fail(err.Error())
		}
		keys[string(alg)] = key
	}
	set, err := jose.NewKeySet(keys["ES256"], keys["RS256"])
	if err != nil {
		return fail(err.Error())
	}
	issuer := f["public-url"] + "/bench/oidc"
	client := func(r *http.Request) (string, *standInApp) {
		id, secret, _ := r.BasicAuth()
		text, err := os.ReadFile(stateFile)
		var apps map[string]*standInApp
		if err != nil || json.Unmarshal(text, &apps) != nil || apps[id] == nil || apps[id].Secret != secret {
			return "", nil
		}
		return id, apps[id]
	}
	public := http.NewServeMux()
	public.HandleFunc("GET /bench/oidc/.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) { w.Write(set.JWKS()) })
	public.HandleFunc("GET /bench/oidc/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":"x","jwks_uri":"x"}`, issuer)
	})
	public.HandleFunc("POST /bench/oauth/token", func(w http.ResponseWriter, r *http.Request) {
		id, app := client(r)
		if app == nil || r.PostFormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		now := time.Now().Unix()
		claims := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"iat":%d,"exp":%d,"jti":%q,"scope":"read","client_id":%q}`,
			issuer, id, id, now, now+int64(app.Lifetime), rand.Text(), id)
		token, err := keys[app.Alg].Sign(jose.TypeJWT, []byte(claims))
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":"read"}`, token, app.Lifetime)
	})
	public.HandleFunc("POST /bench/oauth/introspect", func(w http.ResponseWriter, r *http.Request) {
		if _, app := client(r); app == nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		token, err := set.Verify(r.PostFormValue("token"), jose.Check{})
		if err != nil {
			fmt.Fprint(w, `{"active":false}`)
			return
		}
		fmt.Fprintf(w, `{"active":true,%s`, token.Payload[1:])
	})
	return serve(map[string]http.Handler{f["gateway-address"]: public, f["technical-address"]: always(200, "ok")})
}

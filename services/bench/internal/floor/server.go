package floor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/resp"
)

// Kind is what a floor's process answers.
type Kind string

// The kinds.
const (
	KindHello      Kind = "hello"
	KindTokenES256 Kind = "token-es256"
	KindTokenRS256 Kind = "token-rs256"
	KindForm       Kind = "form"
	KindArgon2id   Kind = "argon2id"
)

// Kinds returns every kind.
func Kinds() []Kind { return []Kind{KindHello, KindTokenES256, KindTokenRS256, KindForm, KindArgon2id} }

// redisConnections bounds the idle connections to Redis; more than any load has connections.
const redisConnections = 256

// NewHandler returns what the process of a kind serves. redis is host:port for those who need it. The secrets and keys in
// it are made for a measurement and protect nothing.
func NewHandler(kind Kind, redis string) (http.Handler, error) {
	switch kind {
	case KindHello:
		return http.HandlerFunc(hello), nil
	case KindTokenES256:
		key, err := newES256()
		return &tokenEndpoint{sign: key.sign, secret: hashOf(clientSecret)}, err
	case KindTokenRS256:
		key, err := newRS256()
		return &tokenEndpoint{sign: key.sign, secret: hashOf(clientSecret)}, err
	case KindForm:
		key, err := newES256()
		return &formEndpoint{key: key, redis: resp.NewClient(redis, redisConnections)}, err
	case KindArgon2id:
		return newPasswordEndpoint()
	}
	return nil, fmt.Errorf("there is no floor of kind %q", kind)
}

// Announcement begins the line in which Serve tells its address.
const Announcement = "listening "

// Serve serves one kind on a free port of the loopback interface, writes the address to out, and returns when ctx ends.
func Serve(ctx context.Context, kind Kind, redis string, out io.Writer) error {
	handler, err := NewHandler(kind, redis)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if _, err := fmt.Fprintf(out, "%s%s\n", Announcement, listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"hello":"world"}`)
}

// formEndpoint reads a form, makes as many round trips to Redis and signatures as it says, verifies what it says, and
// answers 1 KiB.
type formEndpoint struct {
	key   *es256
	redis *resp.Client
}

// padding fills an answer to 1 KiB.
var padding = strings.Repeat("0123456789abcdef", 64)

func (f *formEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant") == "" {
		http.Error(w, "a form is needed", http.StatusBadRequest)
		return
	}
	for range r.PostForm.Get("redis") { // one character for each
		if _, err := f.redis.Do("SET", "floor:"+r.PostForm.Get("grant"), padding[:512], "EX", "60"); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	token := r.PostForm.Get("verify")
	if token != "" && !f.key.verify(token) {
		http.Error(w, "the signature is wrong", http.StatusBadRequest)
		return
	}
	token = ""
	for range r.PostForm.Get("sign") {
		claims, err := newClaims("floor")
		if err == nil {
			token, err = f.key.sign(claims)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	body := make([]byte, 0, 1024)
	body = append(body, `{"access_token":"`...)
	body = append(body, token...)
	body = append(body, `","padding":"`...)
	body = append(body, padding[:max(0, 1024-len(body)-2)]...)
	body = append(body, `"}`...)
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// signer is how a token endpoint signs.
type signer func(claims []byte) (string, error)

package floor

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
)

// Floor is a process and what is asked of it.
type Floor struct {
	// Name appears in reports.
	Name string
	Kind Kind
	// Redis reports whether the work needs it, so that its CPU time belongs to the floor.
	Redis bool

	steps  []step
	verify bool
}

// step is one POST to the form floor: how many round trips to Redis and how many signatures it asks for.
type step struct{ redis, sign int }

// The floors.
var (
	None       = Floor{}
	Hello      = Floor{Name: "hello", Kind: KindHello}
	TokenES256 = Floor{Name: "token-es256", Kind: KindTokenES256}
	TokenRS256 = Floor{Name: "token-rs256", Kind: KindTokenRS256}
	Form       = Floor{Name: "form", Kind: KindForm, steps: []step{{}}}
	FormVerify = Floor{Name: "form+verify", Kind: KindForm, steps: []step{{}}, verify: true}
	Refresh    = Floor{Name: "form+redis+sign", Kind: KindForm, Redis: true, steps: []step{{redis: 1, sign: 1}}}
	Login      = Floor{Name: "login", Kind: KindForm, Redis: true, steps: []step{{redis: 1}, {redis: 2}, {redis: 1}, {redis: 1, sign: 2}}}
	Session    = Floor{Name: "sign-on", Kind: KindForm, Redis: true, steps: []step{{redis: 2}, {redis: 1, sign: 2}}}
	Argon2id   = Floor{Name: "argon2id", Kind: KindArgon2id}
)

// host is what requests to a floor name; a floor does not look at it.
const host = "127.0.0.1"

// Operations returns what each worker asks of the floor's process at address.
func (f Floor) Operations(ctx context.Context, address string) (func(worker int) load.Operation, error) {
	switch f.Kind {
	case KindHello:
		return same("hello", load.AppendGet(nil, host, "/")), nil
	case KindTokenES256, KindTokenRS256:
		return same("access_token", load.AppendForm(nil, host, "/", "grant_type=client_credentials", load.Basic(clientID, clientSecret))), nil
	case KindArgon2id:
		return same("ok", load.AppendForm(nil, host, "/", url.Values{"password": {password}}.Encode())), nil
	case KindForm:
		token, err := f.token(ctx, address)
		return func(worker int) load.Operation { return f.flow(worker, token) }, err
	}
	return nil, fmt.Errorf("there is no floor of kind %q", f.Kind)
}

// token asks the form floor for a token that it can verify.
func (f Floor) token(ctx context.Context, address string) (string, error) {
	if !f.verify {
		return "", nil
	}
	c := load.NewConn(address)
	defer c.Close()
	got, err := c.Do(ctx, load.AppendForm(nil, host, "/", "grant=token&sign=x"))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(got.Body), `"access_token":"`)
	token, _, ok := strings.Cut(rest, `"`)
	if !ok || token == "" {
		return "", fmt.Errorf("the floor answered %.80q instead of a token", got.Body)
	}
	return token, nil
}

// flow posts the steps one after the other.
func (f Floor) flow(worker int, token string) load.Operation {
	requests := make([][]byte, len(f.steps))
	for i, s := range f.steps {
		form := url.Values{"grant": {strconv.Itoa(worker)}, "redirect_uri": {"https://client.example/callback"}}
		if s.redis > 0 {
			form.Set("redis", strings.Repeat("x", s.redis))
		}
		if s.sign > 0 {
			form.Set("sign", strings.Repeat("x", s.sign))
		}
		if token != "" {
			form.Set("verify", token)
		}
		requests[i] = load.AppendForm(nil, host, "/", form.Encode())
	}
	return func(ctx context.Context, c *load.Conn, _ bool) error {
		for _, request := range requests {
			if err := ask(ctx, c, request, "padding"); err != nil {
				return err
			}
		}
		return nil
	}
}

// same asks the same again and again; every answer must contain word.
func same(word string, request []byte) func(int) load.Operation {
	return func(int) load.Operation {
		return func(ctx context.Context, c *load.Conn, _ bool) error { return ask(ctx, c, request, word) }
	}
}

func ask(ctx context.Context, c *load.Conn, request []byte, word string) error {
	got, err := c.Do(ctx, request)
	if err != nil {
		return err
	}
	if got.Status != 200 || !bytes.Contains(got.Body, []byte(word)) {
		return fmt.Errorf("the floor answered %d %.80q", got.Status, got.Body)
	}
	return nil
}

package builtin

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// answering answers everything with one error, or not at all before the context ends.
type answering struct {
	err   error
	stall bool
}

func (a answering) answer(ctx context.Context) error {
	if a.stall {
		<-ctx.Done()
		return ctx.Err()
	}
	return a.err
}

func (a answering) Authenticate(ctx context.Context, _ idp.Credentials) (*idp.Assertion, error) {
	return nil, a.answer(ctx)
}

func (a answering) Begin(ctx context.Context, _ idp.Leg) (string, []byte, error) {
	return "", nil, a.answer(ctx)
}

func (a answering) Finish(ctx context.Context, _ idp.Leg, _ url.Values, _ []byte) (*idp.Assertion, error) {
	return nil, a.answer(ctx)
}

func TestEveryQuestionHasALimitAndIsCounted(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  answering
		given   bool // the person gives up after a second
		outcome string
		took    time.Duration
		want    error
	}{
		{"accepted", answering{}, false, "ok", 0, nil},
		{"refused", answering{err: idp.ErrRefused}, false, "refused", 0, idp.ErrRefused},
		{"blocked", answering{err: idp.ErrBlocked}, false, "blocked", 0, idp.ErrBlocked},
		{"unavailable", answering{err: idp.ErrUnavailable}, false, "unavailable", 0, idp.ErrUnavailable},
		{"broken", answering{err: errors.New("broken")}, false, "unavailable", 0, nil},
		{"a provider that never answers", answering{stall: true}, false, "unavailable", patience, idp.ErrUnavailable},
		{"somebody who does not wait", answering{stall: true}, true, "canceled", time.Second, context.Canceled},
	} {
		for _, asks := range []string{"Authenticate", "Begin", "Finish"} {
			t.Run(tt.name+" "+asks, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var asked []Question
					p := &idp.Provider{Type: "x", Password: tt.answer, Federation: tt.answer}
					Tools{Asked: func(q Question) { asked = append(asked, q) }}.guard(p)
					ctx := t.Context()
					if tt.given {
						given, cancel := context.WithCancel(ctx)
						defer time.AfterFunc(time.Second, cancel).Stop()
						ctx = given
					}
					var err error
					switch asks {
					case "Authenticate":
						_, err = p.Password.Authenticate(ctx, idp.Credentials{})
					case "Begin":
						_, _, err = p.Federation.Begin(ctx, idp.Leg{})
					case "Finish":
						_, err = p.Federation.Finish(ctx, idp.Leg{}, nil, nil)
					}
					if tt.want != nil && !errors.Is(err, tt.want) || (err == nil) != (tt.outcome == "ok") {
						t.Errorf("error %v", err)
					}
					if diff := cmp.Diff([]Question{{"x", tt.outcome, tt.took}}, asked); diff != "" {
						t.Errorf("counted (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

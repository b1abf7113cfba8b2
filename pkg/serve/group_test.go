package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGroup(t *testing.T) {
	broken := errors.New("broken")
	until := func(ctx context.Context) error { <-ctx.Done(); return nil }
	after := func(d time.Duration, err error) func(context.Context) error {
		return func(ctx context.Context) error {
			select {
			case <-time.After(d):
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	tests := []struct {
		name  string
		parts []func(context.Context) error // named a, b, c
		want  string
		ended []string
		took  time.Duration
	}{
		{
			name:  "when the context ends the last part stops first",
			parts: []func(context.Context) error{until, until, until},
			ended: []string{"c", "b", "a"}, took: time.Hour,
		},
		{
			name:  "the first failure stops all others",
			parts: []func(context.Context) error{until, after(time.Second, broken), until},
			want:  "b: broken", ended: []string{"b", "c", "a"}, took: time.Second,
		},
		{
			name:  "a part that is done stops nobody",
			parts: []func(context.Context) error{until, after(time.Second, nil)},
			ended: []string{"b", "a"}, took: time.Hour,
		},
		{
			name:  "when all are done the group is done",
			parts: []func(context.Context) error{after(2*time.Second, nil), after(time.Second, nil)},
			ended: []string{"b", "a"}, took: 2 * time.Second,
		},
		{
			name:  "being stopped is no failure",
			parts: []func(context.Context) error{after(2*time.Hour, nil), after(time.Second, broken)},
			want:  "b: broken", ended: []string{"b", "a"}, took: time.Second,
		},
		{
			name: "a failure while stopping is the result if there was none before",
			parts: []func(context.Context) error{until, func(ctx context.Context) error {
				<-ctx.Done()
				return fmt.Errorf("left undone: %w", broken)
			}},
			want: "b: left undone: broken", ended: []string{"b", "a"}, took: time.Hour,
		},
		{
			name: "to be cancelled by others is a failure",
			parts: []func(context.Context) error{until, func(context.Context) error {
				return context.Canceled
			}},
			want: "b: context canceled", ended: []string{"b", "a"},
		},
		{name: "an empty group is done"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type key struct{}
				ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Hour)
				defer cancel()
				var g Group
				var mu sync.Mutex
				var ended []string
				for i, run := range tt.parts {
					name := string(rune('a' + i))
					g.Add(name, func(ctx context.Context) error {
						if ctx.Value(key{}) != "value" {
							t.Errorf("%s does not see the values of the context", name)
						}
						err := run(ctx)
						mu.Lock()
						defer mu.Unlock()
						ended = append(ended, name)
						return err
					})
				}
				began := time.Now()
				err := g.Run(ctx)
				if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
					t.Errorf("err = %v, want %q", err, tt.want)
				}
				if diff := cmp.Diff(tt.ended, ended); diff != "" {
					t.Errorf("order of ends (-want +got):\n%s", diff)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

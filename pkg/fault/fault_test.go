package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConstructorsGiveTheirKind(t *testing.T) {
	tests := map[Kind]*Error{
		Invalid:         Invalidf("m %d", 1),
		NotFound:        NotFoundf("m %d", 1),
		Conflict:        Conflictf("m %d", 1),
		Stale:           Stalef("m %d", 1),
		Unauthenticated: Unauthenticatedf("m %d", 1),
		Denied:          Deniedf("m %d", 1),
		Unavailable:     Unavailablef("m %d", 1),
		Limited:         Limitedf("m %d", 1),
		Unmet:           Unmetf("m %d", 1),
	}
	for _, kind := range Kinds() {
		if kind == Internal {
			continue
		}
		e := tests[kind]
		if e == nil {
			t.Fatalf("no constructor for %v", kind)
		}
		if e.Kind != kind || e.Message != "m 1" {
			t.Errorf("constructor of %v made kind %v, message %q", kind, e.Kind, e.Message)
		}
	}
}

func TestKindOf(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want Kind
	}{
		{"a plain error is internal", io.EOF, Internal},
		{"nothing is internal", nil, Internal},
		{"a wrapped fault keeps its kind", fmt.Errorf("read: %w", NotFoundf("x")), NotFound},
		{"a fault inside a join keeps its kind", errors.Join(io.EOF, Stalef("x")), Stale},
		{"the outermost of two faults decides", Unavailablef("outer: %w", NotFoundf("inner")), Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf(tt.err); got != tt.want {
				t.Errorf("kind %v, want %v", got, tt.want)
			}
		})
	}
	if Is(nil, Internal) || !Is(io.EOF, Internal) || Is(io.EOF, Invalid) {
		t.Error("Is disagrees with KindOf")
	}
}

func TestCause(t *testing.T) {
	tests := []struct {
		name    string
		err     *Error
		message string
		text    string
	}{
		{"a cause formatted with %w is part of the message, once", Invalidf("read body: %w", io.EOF),
			"read body: EOF", "read body: EOF"},
		{"one of several causes is found", Invalidf("%w and %w", io.ErrClosedPipe, io.EOF),
			"io: read/write on closed pipe and EOF", "io: read/write on closed pipe and EOF"},
		{"a private cause is only in the text for logs", Unavailablef("the store is away").Because(io.EOF),
			"the store is away", "the store is away: EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !errors.Is(tt.err, io.EOF) {
				t.Error("the cause is not found")
			}
			if tt.err.Message != tt.message || tt.err.Error() != tt.text {
				t.Errorf("message %q, text %q", tt.err.Message, tt.err.Error())
			}
		})
	}
}

func TestPlacesAreAddedToACopy(t *testing.T) {
	shared := Invalidf("bad")
	one := shared.At("a", "first")
	two := one.At("b", "second")
	other := one.With(Detail{Path: "c", Detail: "third", Line: 1, Column: 2})

	if len(shared.Details) != 0 {
		t.Errorf("the original has details: %v", shared.Details)
	}
	if diff := cmp.Diff([]Detail{{Path: "a", Detail: "first"}, {Path: "b", Detail: "second"}}, two.Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	want := []Detail{{Path: "a", Detail: "first"}, {Path: "c", Detail: "third", Line: 1, Column: 2}}
	if diff := cmp.Diff(want, other.Details); diff != "" {
		t.Errorf("a sibling changed it (-want +got):\n%s", diff)
	}
}

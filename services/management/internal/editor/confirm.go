package editor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// The words of consequences.
const (
	Opens  = "opens"
	Closes = "closes"
)

// confirmingTime is for how long the numbers of a question are remembered.
const confirmingTime = time.Hour

type confirmedKey struct{}

// confirmed is what the request in a context says about consequences.
type confirmed struct {
	question string
	words    []string
}

// WithConfirmation returns a context in which the consequences with some words are confirmed. Question is what the request
// is recognised by when it is repeated: who asks for what.
func WithConfirmation(ctx context.Context, question string, words []string) context.Context {
	return context.WithValue(ctx, confirmedKey{}, confirmed{question: question, words: words})
}

// about reports whether a consequence is confirmed, and with which number, if with one: `opens:40` confirms it as long as it is about
// 40 people.
func (c confirmed) about(word string) (yes bool, bound int64, bounded bool) {
	for _, one := range c.words {
		name, number, with := strings.Cut(one, ":")
		if name != word {
			continue
		}
		if !with {
			return true, 0, false
		}
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 {
			yes, bound, bounded = true, n, true
		}
	}
	return yes, bound, bounded
}

// Question says what a change leads to. Count goes on with numbers, for those who may read people.
type Question struct{ Text, Count string }

// ReadsPeople reports whether whoever asks for something may learn of people: an operator who may read users. The service
// itself may.
func ReadsPeople(ctx context.Context) bool { return mayRead(ctx, "user:read") }

// ReadsGroups reports whether whoever asks for something may learn of groups.
func ReadsGroups(ctx context.Context) bool { return mayRead(ctx, "group:read") }

func mayRead(ctx context.Context, permission string) bool {
	caller, asked := operator.From(ctx)
	return !asked || caller.Allows(permission)
}

// Ask refuses a change until its consequence is confirmed, and asks again where the numbers have grown by more than a
// tenth since they were told. What confirms a consequence of which it was told nothing is believed, unless it brings a number along:
// `opens:40` is asked again where it is about more than 40 people, and a tenth. A change that nobody
// asked for by a request, such as one of the service itself, is never confirmed. Whoever may not read people is told no
// number, and is not asked again because of one.
func (e *Editor) Ask(ctx context.Context, c fault.Consequence, q Question, places ...fault.Detail) error {
	said, _ := ctx.Value(confirmedKey{}).(confirmed)
	yes, bound, bounded := said.about(c.Word)
	if !ReadsPeople(ctx) {
		if yes {
			return nil
		}
		return asking(fault.Consequence{Word: c.Word, Uncounted: true}, q.Text, places)
	}
	text := q.Text + q.Count
	sum := sha256.Sum256([]byte(c.Word + "\x00" + said.question))
	question := hex.EncodeToString(sum[:])
	now := e.opts.Now()
	if yes && bounded {
		if !grown(bound, max(c.Before, c.After)) {
			return nil
		}
		text += fmt.Sprintf(". That is more than the %d that were confirmed", bound)
	} else if yes {
		before, after, err := e.store.Confirmations().Get(ctx, question, now)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil
		case err != nil:
			return err
		case !grown(before, c.Before) && !grown(after, c.After):
			return nil
		}
		text += fmt.Sprintf(". The numbers have grown since they were told: from %d and %d", before, after)
	}
	if said.question != "" && !DryRun(ctx) {
		if err := e.store.Confirmations().Put(ctx, question, c.Before, c.After, now.Add(confirmingTime)); err != nil {
			return err
		}
	}
	return asking(c, text, places)
}

func asking(c fault.Consequence, text string, places []fault.Detail) error {
	return fault.Conflictf("%s. Repeat the request with ?confirm=%s to do it all the same", text, c.Word).With(places...).Asking(c)
}

// grown reports whether a number is more than a tenth larger than another.
func grown(from, to int64) bool { return to*10 > from*11 }

package usage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Tally is what was counted of one report-only binding in one hour, from the beginning of the tally.
type Tally struct {
	// ID is unlike that of any other tally: whoever keeps the largest of each counts nothing twice.
	ID                           string
	Domain, Application, Binding string
	// Hour is its beginning, UTC.
	Hour                               time.Time
	Evaluated, Passed, Failed, Changed int64
	// People holds eight bytes for each different person, and More says that there were others.
	People []byte
	More   bool
	// Samples are the newest decisions that would have been others, at most twenty, in no particular order.
	Samples []Sample
}

// Sample is a decision that would have been another one. Person is an identifier, or empty for somebody without an account.
type Sample struct {
	Person            string
	At                time.Time
	Verdict, Enforced access.Verdict
}

const (
	// mostPeople is how many people of one tally are told apart.
	mostPeople = 10_000
	// mostHeld is how many people of all tallies together are.
	mostHeld = 1_000_000
	// mostTallies is how many tallies there are while management is away.
	mostTallies = 10_000
	// talliesAtOnce is how many tallies management takes at once.
	talliesAtOnce = 20
	samplesKept   = 20
)

// BindingOptions are what the counting of report-only bindings needs.
type BindingOptions struct {
	// Send tells management. It has its own deadline.
	Send func(ctx context.Context, tallies []Tally) error
	// Every is how often management is told (10 s).
	Every  time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

// Bindings counts what report-only bindings come to, exactly, in memory, and tells management. What was counted and not yet
// told is lost when the process is killed; a graceful end tells it. It is safe for concurrent use.
type Bindings struct {
	send  func(ctx context.Context, tallies []Tally) error
	every time.Duration
	now   func() time.Time
	log   *slog.Logger

	mu   sync.Mutex
	open map[place]*tally
	held int
	full bool
}

type place struct {
	domain, application, binding string
	hour                         int64
}

type tally struct {
	Tally
	seen map[uint64]struct{}
	told int64 // of Evaluated
}

// NewBindings returns the counting. It tells nobody before Run.
func NewBindings(o BindingOptions) *Bindings {
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Bindings{send: o.Send, every: o.Every, now: o.Now, log: o.Logger, open: map[place]*tally{}}
}

// Note counts the report-only bindings of a decision. User is the person's identifier, empty for somebody without an account;
// who tells people apart. A nil Bindings counts nothing.
func (b *Bindings) Note(domain, application, user, who string, d *access.Decision, now time.Time) {
	if b == nil {
		return
	}
	sum := sha256.Sum256([]byte(who))
	person := sum[:8]
	hour := now.UTC().Truncate(time.Hour)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range d.Reports {
		t := b.tally(place{domain, application, r.Binding, hour.Unix()}, hour)
		if t == nil {
			continue
		}
		t.Evaluated++
		if r.Passed {
			t.Passed++
		}
		if r.Failed {
			t.Failed++
		}
		if r.Changed {
			s := Sample{Person: user, At: now.UTC(), Verdict: d.Verdict, Enforced: r.Verdict}
			if len(t.Samples) < samplesKept {
				t.Samples = append(t.Samples, s)
			} else {
				t.Samples[t.Changed%samplesKept] = s // the oldest
			}
			t.Changed++
		}
		b.meet(t, person)
	}
}

// tally returns the one of a place, or nil where there are too many.
func (b *Bindings) tally(p place, hour time.Time) *tally {
	t := b.open[p]
	if t != nil {
		return t
	}
	if len(b.open) >= mostTallies {
		if !b.full {
			b.full = true
			b.log.Warn("report-only bindings are not counted: too much waits for management", "tallies", len(b.open))
		}
		return nil
	}
	t = &tally{seen: map[uint64]struct{}{}, Tally: Tally{
		ID: secret.NewID(), Domain: p.domain, Application: p.application, Binding: p.binding, Hour: hour,
	}}
	b.open[p] = t
	return t
}

// meet counts a person, once.
func (b *Bindings) meet(t *tally, person []byte) {
	key := binary.BigEndian.Uint64(person)
	if _, known := t.seen[key]; known {
		return
	}
	if len(t.seen) >= mostPeople || b.held >= mostHeld {
		t.More = true
		return
	}
	t.seen[key] = struct{}{}
	t.People = append(t.People, person...)
	b.held++
}

// Run tells management until ctx ends, and then what is left.
func (b *Bindings) Run(ctx context.Context) error {
	ticker := time.NewTicker(b.every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ticker.C:
			err := b.Tell(ctx)
			if ctx.Err() != nil {
				continue
			}
			if now := err != nil; now != failing {
				failing = now
				if failing {
					b.log.WarnContext(ctx, "what report-only bindings came to is told later", "err", err)
				}
			}
		case <-ctx.Done():
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastChance)
			defer cancel()
			if err := b.Tell(limited); err != nil {
				b.log.WarnContext(limited, "the last of what report-only bindings came to was not told", "err", err)
			}
			return nil
		}
	}
}

// Tell tells management what it does not know, and forgets the hours that are over.
func (b *Bindings) Tell(ctx context.Context) error {
	for part := range slices.Chunk(b.untold(), talliesAtOnce) {
		if err := b.send(ctx, part); err != nil {
			return err
		}
		b.took(part)
	}
	return nil
}

// untold returns copies of the tallies that have grown.
func (b *Bindings) untold() []Tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Tally
	for _, t := range b.open {
		if t.Evaluated > t.told {
			made := t.Tally
			made.Samples = slices.Clone(t.Samples)
			made.People = slices.Clip(t.People) // what is there does not change
			list = append(list, made)
		}
	}
	return list
}

func (b *Bindings) took(list []Tally) {
	current := b.now().UTC().Truncate(time.Hour)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range list {
		p := place{list[i].Domain, list[i].Application, list[i].Binding, list[i].Hour.Unix()}
		if t := b.open[p]; t != nil && t.ID == list[i].ID {
			t.told = list[i].Evaluated
		}
	}
	for p, t := range b.open { // one that is counted on nevertheless begins another tally
		if t.Hour.Before(current) && t.told == t.Evaluated {
			b.held -= len(t.seen)
			delete(b.open, p)
			b.full = false
		}
	}
}

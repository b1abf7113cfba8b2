package transfer

import (
	"bytes"
	"strings"
	"testing"
	"time"

	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// TestPeopleOfADomainWaitForTheRestOfTheArchive: while a later domain is read for long, sweeps leave alone what was read of an
// earlier one.
func TestPeopleOfADomainWaitForTheRestOfTheArchive(t *testing.T) {
	from, to := newRig(t), newRig(t)
	one, two := from.domain("One"), from.domain("Two")
	for range 60 {
		from.person(two, "somebody "+time.Now().String())
	}
	to.domain("Three") // without any domain the sweep does nothing
	text := from.archive("", nil)
	if bytes.Index(text, []byte(one)) > bytes.Index(text, []byte(two)) {
		one, two = two, one
	}
	sweeps := 0
	_, last := to.bring(&pausing{rest: text, before: two, do: func() {
		to.clock.pass(time.Minute)
		if sweeps++; sweeps%10 == 0 {
			if err := to.Store.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}}, nil)
	if last.GetStatus() != managementv1.ArchiveRecord_DONE || sweeps < 20 {
		t.Fatalf("after %d minutes: %v", sweeps, last)
	}
	if got, want := to.people(one)+to.people(two), from.people(one)+from.people(two); got != want {
		t.Errorf("%d people arrived of %d", got, want)
	}
}

// TestAnImportThatSleptForTooLongIsRefused: nobody knows what became of the people when the lease had ended, even if nobody took it.
func TestAnImportThatSleptForTooLongIsRefused(t *testing.T) {
	for name, before := range map[string]string{"between two people": `"kind":"user"`, "before the last line": `"kind":"end"`} {
		t.Run(name, func(t *testing.T) {
			from, to := newRig(t), newRig(t)
			one := from.domain("One")
			from.person(one, "bob")
			to.domain("Another")
			lines := 0
			_, last := to.bring(&pausing{rest: from.archive(one, nil), before: before, do: func() {
				if lines++; lines == 1 && strings.Contains(before, "user") {
					return
				}
				to.clock.pass(4 * time.Minute)
				for range 2 {
					if err := to.Store.Sweep(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}}, nil)
			if last.GetStatus() != managementv1.ArchiveRecord_REFUSED || to.there(one) {
				t.Errorf("%v, and the domain is there: %v", last, to.there(one))
			}
		})
	}
}

// TestNobodyImportsWhatIsBeingClearedAway: a domain that is deleted and brought in at once does not lose its people to the deletion.
func TestNobodyImportsWhatIsBeingClearedAway(t *testing.T) {
	from, to := newRig(t), newRig(t)
	one := from.domain("One")
	text := from.archive(one, nil)
	lease, won, err := to.Store.Leases().Acquire(t.Context(), store.ImportLease(one), "a deletion", time.Minute)
	if err != nil || !won {
		t.Fatal(won, err)
	}
	if _, last := to.bring(bytes.NewReader(text), nil); last.GetStatus() != managementv1.ArchiveRecord_REFUSED {
		t.Errorf("meanwhile: %v", last)
	}
	if err := to.Store.Leases().Release(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	if _, last := to.bring(bytes.NewReader(text), nil); last.GetStatus() != managementv1.ArchiveRecord_DONE {
		t.Errorf("afterwards: %v", last)
	}
	// And the other way round: whoever deletes leaves alone what is being imported, and forgets the lease.
	other := from.domain("Other")
	if _, _, err := to.Store.Leases().Acquire(t.Context(), store.ImportLease(other), "an import", time.Minute); err != nil {
		t.Fatal(err)
	}
	to.person(other, "bob")
	if err := to.Store.RemoveDirectory(t.Context(), other); err != nil || to.people(other) != 1 {
		t.Errorf("%d people are left: %v", to.people(other), err)
	}
	to.clock.pass(2 * time.Minute)
	if err := to.Store.RemoveDirectory(t.Context(), other); err != nil || to.people(other) != 0 {
		t.Errorf("%d people are left: %v", to.people(other), err)
	}
	if l, won, err := to.Store.Leases().Acquire(t.Context(), store.ImportLease(other), "another import", time.Minute); err != nil || !won || l.Fence != 1 {
		t.Errorf("%v %v %v", l, won, err)
	}
}

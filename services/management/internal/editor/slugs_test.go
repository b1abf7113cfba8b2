package editor

import (
	"fmt"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

func TestSlugs(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	_, other := r.domain("Other")
	first, _ := r.application(at, `{"name": "Payroll", "type": "service"}`)
	second, _ := r.application(at, `{"name": "Payroll", "type": "service"}`)
	elsewhere, _ := r.application(other, `{"name": "Payroll", "type": "service"}`)
	if first.GetSlug() != "payroll" || second.GetSlug() != "payroll-2" || elsewhere.GetSlug() != "payroll" {
		t.Errorf("slugs %q, %q and elsewhere %q", first.GetSlug(), second.GetSlug(), elsewhere.GetSlug())
	}
	_, err := r.patch(at, second.GetId(), `{"slug": "payroll"}`)
	refused(t, "a slug that is given and taken", err, fault.Conflict, "The slug [payroll] is taken.")
	renamed, err := r.patch(at, first.GetId(), `{"slug": "wages"}`)
	if err != nil || renamed.GetSlug() != "wages" || len(renamed.GetFormerSlugs()) != 1 {
		t.Fatalf("%v, %v", renamed, err)
	}
	if again, err := r.patch(at, first.GetId(), `{"name": "Salaries"}`); err != nil || again.GetSlug() != "wages" {
		t.Errorf("another name changes the slug: %v, %v", again.GetSlug(), err)
	}
	// Another application may take the old one.
	if taken, err := r.patch(at, second.GetId(), `{"slug": "payroll"}`); err != nil || taken.GetSlug() != "payroll" {
		t.Errorf("%v, %v", taken, err)
	}
	if made, err := r.patch(at, first.GetId(), `{"slug": null}`); err != nil || made.GetSlug() != "salaries" {
		t.Errorf("made of the name again: %v, %v", made.GetSlug(), err)
	}
	found, err := r.FindBySlug(r.ctx, at, "salaries")
	if err != nil || found.GetId() != first.GetId() {
		t.Errorf("%v, %v", found, err)
	}
	_, err = r.FindBySlug(r.ctx, at, "nobody")
	refused(t, "an unknown slug", err, fault.NotFound, "Application [nobody] can not be found.")
}

func TestManyOfOneNameAtOnceGetSlugsOfTheirOwn(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	const racers = 32
	var wait sync.WaitGroup
	slugs := make([]string, racers)
	for i := range racers {
		wait.Go(func() {
			a, _, err := Create(r.ctx, r.Editor, catalog.Applications, at, r.tree(`{"name": "Payroll", "type": "service"}`))
			if err != nil {
				t.Error(err)
			}
			slugs[i] = a.GetSlug()
		})
	}
	wait.Wait()
	seen := map[string]bool{}
	for _, s := range slugs {
		if seen[s] {
			t.Errorf("%s twice", s)
		}
		seen[s] = true
	}
	if !seen["payroll"] {
		t.Error(fmt.Sprint("nobody is payroll: ", slugs))
	}
}

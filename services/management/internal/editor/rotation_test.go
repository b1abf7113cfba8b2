package editor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// clocked is a rig whose time is set by the test.
type clocked struct {
	*rig
	mu  sync.Mutex
	now time.Time
	at  Place
}

func newClocked(t *testing.T) *clocked {
	r := &clocked{rig: newRig(t), now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	r.opts.Now = func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	}
	_, r.at = r.domain("Acme")
	return r
}

func (r *clocked) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// keys says what there is: algorithm and status, of each algorithm the oldest first.
func (r *clocked) keys() string {
	r.t.Helper()
	all, _, err := store.List(r.ctx, r.store, catalog.Certificates, store.Query{Domain: r.at.Domain})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b *configv1.Certificate) int {
		return cmp.Or(strings.Compare(a.GetAlgorithm(), b.GetAlgorithm()), a.GetCreatedAt().AsTime().Compare(b.GetCreatedAt().AsTime()))
	})
	var texts []string
	for _, c := range all {
		texts = append(texts, fmt.Sprintf("%s %s", c.GetAlgorithm(), strings.ToLower(c.GetStatus().String())))
	}
	return strings.Join(texts, ", ")
}

func (r *clocked) want(what, keys string) {
	r.t.Helper()
	if got := r.keys(); got != keys {
		r.t.Errorf("%s: %s; want %s", what, got, keys)
	}
}

// due makes all steps that are due and returns how many there were.
func (r *clocked) due() int {
	r.t.Helper()
	for n := 0; ; n++ {
		more, err := r.RotateDue(r.ctx, r.at.Domain)
		if err != nil {
			r.t.Fatal(err)
		}
		if !more {
			return n
		}
	}
}

func (r *clocked) settings(rotation string) {
	r.t.Helper()
	body := r.tree(`{"certificateSettings": {"rotation": ` + rotation + `}}`)
	if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, r.at.Domain, body, 0); err != nil {
		r.t.Fatal(err)
	}
}

func TestRotationOnDemand(t *testing.T) {
	r := newClocked(t)
	r.settings(`{"overlapSeconds": 3600, "retentionSeconds": 60}`)
	a, _ := r.application(r.at, webApplication)
	r.want("a new domain", "RS256 active")
	r.pass(time.Minute)
	next, err := r.RotateCertificate(r.ctx, r.at, Rotation{})
	if err != nil {
		t.Fatal(err)
	}
	r.want("after the rotation", "RS256 active, RS256 next")
	if later, _ := r.application(r.at, `{"name": "Later", "type": "service"}`); later.GetCertificate() != a.GetCertificate() {
		t.Error("a new application has a certificate that does not sign yet")
	}
	r.pass(time.Hour - time.Second)
	if n := r.due(); n != 0 {
		t.Errorf("%d steps before anything is due", n)
	}
	r.pass(time.Second)
	if n := r.due(); n != 1 {
		t.Errorf("%d steps", n)
	}
	r.want("after the overlap", "RS256 retired, RS256 active")
	// Tokens live for four hours, which is longer than the retention.
	r.pass(4*time.Hour - time.Second)
	if n := r.due(); n != 0 {
		t.Errorf("%d steps while tokens of the old key may be worth something", n)
	}
	r.pass(time.Second)
	if n := r.due(); n != 1 {
		t.Errorf("%d steps", n)
	}
	r.want("after the retention", "RS256 active")
	// Whoever named the old key follows.
	got, err := Read(r.ctx, r.Editor, catalog.Applications, r.at, a.GetId())
	if err != nil || got.GetCertificate() != next.GetId() {
		t.Errorf("the application has %s, %v", got.GetCertificate(), err)
	}
	if n := r.due(); n != 0 {
		t.Errorf("%d steps although no rotation is scheduled", n)
	}
	var actions []string
	records, _, err := r.store.Audits().List(r.ctx, store.AuditQuery{Whole: true, Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(records)
	for _, e := range records {
		if e.Kind == "certificate" {
			actions = append(actions, e.Action)
		}
	}
	if got := strings.Join(actions, " "); got != "create rotate update rotate update delete" {
		t.Errorf("audited: %s", got)
	}
}

// TestARegistrationTokenKeepsItsKey: such tokens live for two years.
func TestARegistrationTokenKeepsItsKey(t *testing.T) {
	r := newClocked(t)
	a, _ := r.application(r.at, webApplication)
	fresh := proto.CloneOf(a)
	fresh.Settings.Oauth.RegistrationAccessTokenHash = "sha256:x"
	if _, err := r.store.Write(r.ctx, store.Change{Ops: []store.Op{{Old: a, New: fresh}}}); err != nil {
		t.Fatal(err)
	}
	none := time.Duration(0)
	if _, err := r.RotateCertificate(r.ctx, r.at, Rotation{Overlap: &none}); err != nil {
		t.Fatal(err)
	}
	r.pass(2*365*24*time.Hour - time.Second)
	if n := r.due(); n != 0 {
		t.Errorf("%d steps", n)
	}
	r.pass(time.Second)
	if n := r.due(); n != 1 {
		t.Errorf("%d steps", n)
	}
}

func TestRotationOnSchedule(t *testing.T) {
	r := newClocked(t)
	r.pass(time.Millisecond)
	if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, r.at.Domain, r.tree(`{"oidc": {"accessTokenSigningAlg": "ES256"}}`), 0); err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	r.settings(`{"enabled": true, "everyDays": 30, "overlapSeconds": 86400, "retentionSeconds": 604800}`)
	r.want("at the beginning", "ES256 active, RS256 active")
	for turn := range 2 { // it goes on and on
		r.pass(30*day - time.Second)
		if n := r.due(); n != 0 {
			t.Errorf("%d steps too early, turn %d", n, turn)
		}
		r.pass(time.Second)
		if n := r.due(); n != 2 {
			t.Errorf("%d steps after 30 days", n)
		}
		r.want("after 30 days", "ES256 active, ES256 next, RS256 active, RS256 next")
		r.pass(day)
		if n := r.due(); n != 2 {
			t.Errorf("%d steps after the overlap", n)
		}
		r.want("after the overlap", "ES256 retired, ES256 active, RS256 retired, RS256 active")
		r.pass(7 * day)
		if n := r.due(); n != 2 {
			t.Errorf("%d steps after the retention", n)
		}
		r.want("after the retention", "ES256 active, RS256 active")
		r.pass(-7 * day) // the schedule counts from when the key began to sign
	}
	// The default stays what it was, although the other key's line is older now.
	a, _ := r.application(r.at, webApplication)
	c, err := Read(r.ctx, r.Editor, catalog.Certificates, r.at, a.GetCertificate())
	if err != nil || c.GetAlgorithm() != "RS256" {
		t.Errorf("a new application has %s, %v", c.GetAlgorithm(), err)
	}
	// An uploaded key, and one from before there were rotations.
	if n := len(strings.Split(r.keys(), ",")); n != 2 {
		t.Errorf("keys %s", r.keys())
	}
}

// TestKeysFromBeforeThereWereRotations say nothing about their status and count as active.
func TestKeysFromBeforeThereWereRotations(t *testing.T) {
	r := newClocked(t)
	all, _, err := store.List(r.ctx, r.store, catalog.Certificates, store.Query{Domain: r.at.Domain})
	if err != nil {
		t.Fatal(err)
	}
	old := proto.CloneOf(all[0])
	old.Status, old.ActiveSince = 0, nil
	if _, err := r.store.Write(r.ctx, store.Change{Ops: []store.Op{{Old: all[0], New: old}}}); err != nil {
		t.Fatal(err)
	}
	r.settings(`{"enabled": true, "everyDays": 1, "overlapSeconds": 0}`)
	r.pass(24 * time.Hour)
	if n := r.due(); n != 1 {
		t.Errorf("%d steps", n)
	}
	r.want("after a day", "RS256 retired, RS256 active")
}

// TestTheLastKeyStays although it is retired and its time has come. With another one beside it, it goes.
func TestTheLastKeyStays(t *testing.T) {
	r := newClocked(t)
	all, _, err := store.List(r.ctx, r.store, catalog.Certificates, store.Query{Domain: r.at.Domain})
	if err != nil {
		t.Fatal(err)
	}
	enable := func() {
		t.Helper()
		if _, err := Patch(r.ctx, r.Editor, catalog.Domains, here, r.at.Domain, r.tree(`{"enabled": true}`), 0); err != nil {
			t.Fatal(err)
		}
	}
	enable()
	retired := proto.CloneOf(all[0])
	retired.Status, retired.DueAt = configv1.Certificate_RETIRED, timestamppb.New(r.opts.Now())
	if _, err := r.store.Write(r.ctx, store.Change{Ops: []store.Op{{Old: all[0], New: retired}}}); err != nil {
		t.Fatal(err)
	}
	r.pass(time.Hour)
	if n := r.due(); n != 0 {
		t.Errorf("%d steps", n)
	}
	r.want("an enabled domain's last key is due", "RS256 retired")
	_, err = Delete(r.ctx, r.Editor, catalog.Certificates, r.at, all[0].GetId(), 0)
	if err == nil || err.Error() != "You can't delete the last certificate of an enabled domain." {
		t.Errorf("deleted: %v", err)
	}
	// Any change of the enabled domain gives it a key again, and then the old one goes.
	enable()
	r.want("the domain is changed", "RS256 retired, RS256 active")
	if n := r.due(); n != 1 {
		t.Errorf("%d steps", n)
	}
	r.want("with another key beside it", "RS256 active")
}

// TestTwoReplicasRotateOnce lets two editors over one database look at the same time, again and again.
func TestTwoReplicasRotateOnce(t *testing.T) {
	r := newClocked(t)
	other := New(Options{Store: r.store, Hasher: hasher, Now: r.opts.Now})
	r.settings(`{"enabled": true, "everyDays": 10, "overlapSeconds": 3600, "retentionSeconds": 3600}`)
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{10 * 24 * time.Hour, "RS256 active, RS256 next"},
		{time.Hour, "RS256 retired, RS256 active"},
		{5 * time.Hour, "RS256 active"},
	} {
		r.pass(step.after)
		var group sync.WaitGroup
		for range 4 {
			for _, e := range []*Editor{r.Editor, other} {
				group.Go(func() {
					if _, err := e.RotateDue(context.WithoutCancel(r.ctx), r.at.Domain); err != nil &&
						!fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Stale) {
						t.Error(err)
					}
				})
			}
		}
		group.Wait()
		r.want("after "+step.after.String(), step.want)
	}
}

var errDied = errors.New("management dies")

// TestManagementDiesBetweenSteps stops the writer in the middle of each step, with everything written and nothing settled;
// whoever comes next makes the step again.
func TestManagementDiesBetweenSteps(t *testing.T) {
	const moment = store.Written
	r := newClocked(t)
	r.settings(`{"enabled": true, "everyDays": 10, "overlapSeconds": 3600, "retentionSeconds": 3600}`)
	o := r.options
	o.Hook = func(step store.Step, _ int64) error {
		if step == moment {
			return errDied
		}
		return nil
	}
	mortal := New(Options{Store: storetest.Open(t, o), Hasher: hasher, Now: r.opts.Now})
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{10 * 24 * time.Hour, "RS256 active, RS256 next"},
		{time.Hour, "RS256 retired, RS256 active"},
		{5 * time.Hour, "RS256 active"},
	} {
		r.pass(step.after)
		if _, err := mortal.RotateDue(r.ctx, r.at.Domain); err == nil {
			t.Errorf("%v: nobody died", moment)
		}
		if _, err := r.store.Load(r.ctx); err != nil { // what everybody does who follows: unfinished changes come to an end
			t.Fatal(err)
		}
		r.due()
		r.want(fmt.Sprint("died when ", moment, ", after ", step.after), step.want)
	}
}

package configsync

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

var anySize = cmp.AllowUnexported(size{})

func TestSubscriberIsSentEverythingAndThenChanges(t *testing.T) {
	p, h := publisher(t, PublisherOptions{PartResources: 7})
	g := subscribe(t, h, "a", SubscriberOptions{})
	load(t, p, "i", 5, applications("d", 50)...) // it waits until there is something
	g.mirror.awaitRevision(t, 5)
	apply(t, p, 6, application("d", "3", 6), application("e", "new", 6))
	g.mirror.awaitRevision(t, 6)
	if err := p.Apply(Batch{Revision: 7, Deletes: []*configv1.Key{key("d", "4").Proto()}}); err != nil {
		t.Fatal(err)
	}
	g.mirror.awaitRevision(t, 7)

	want := []size{{5, true, 50}, {6, false, 2}, {7, false, 1}}
	if diff := cmp.Diff(want, g.mirror.seen(), anySize); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	if n := len(g.mirror.held); n != 50 {
		t.Errorf("the mirror holds %d resources, want 50", n)
	}
	st := g.Status()
	if !st.Connected || !st.Ready || st.Installation != "i" || st.Err != nil || st.LastBatch.IsZero() {
		t.Errorf("status is %+v", st)
	}
}

func TestResuming(t *testing.T) {
	tests := []struct {
		name    string
		options PublisherOptions
		held    SubscriberOptions
		want    size
	}{
		{
			name: "what changed since is sent, each resource once",
			held: SubscriberOptions{InitialInstallation: "i", InitialRevision: 12},
			want: size{20, false, 3},
		},
		{
			name: "who is up to date is told so",
			held: SubscriberOptions{InitialInstallation: "i", InitialRevision: 20},
			want: size{20, false, 0},
		},
		{
			name: "the revision of the first load is within reach",
			held: SubscriberOptions{InitialInstallation: "i", InitialRevision: 10},
			want: size{20, false, 3},
		},
		{
			name: "before the log everything is sent",
			held: SubscriberOptions{InitialInstallation: "i", InitialRevision: 9},
			want: size{20, true, 103},
		},
		{
			name:    "beyond what the log keeps everything is sent",
			options: PublisherOptions{LogSize: 4},
			held:    SubscriberOptions{InitialInstallation: "i", InitialRevision: 12},
			want:    size{20, true, 103},
		},
		{
			name: "of another installation everything is sent",
			held: SubscriberOptions{InitialInstallation: "j", InitialRevision: 12},
			want: size{20, true, 103},
		},
		{
			name:    "of a revision that never was everything is sent, after a while",
			options: PublisherOptions{CatchUp: time.Millisecond},
			held:    SubscriberOptions{InitialInstallation: "i", InitialRevision: 21},
			want:    size{20, true, 103},
		},
		{
			name: "changes elsewhere bring the revision only",
			held: SubscriberOptions{InitialInstallation: "i", InitialRevision: 12, Domains: []string{"f", "g"}},
			want: size{20, false, 0},
		},
		{
			name: "only the domains asked for are sent",
			held: SubscriberOptions{Domains: []string{"e", "unknown"}},
			want: size{20, true, 3},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := publisher(t, tt.options)
			load(t, p, "i", 10, applications("d", 100)...)
			for revision := int64(11); revision <= 20; revision++ {
				apply(t, p, revision, application("e", fmt.Sprint(revision%3), revision))
			}
			g := subscribe(t, h, "a", tt.held)
			g.mirror.await(t, "a batch arrives", func() bool { return len(g.mirror.batches) > 0 })
			if diff := cmp.Diff([]size{tt.want}, g.mirror.seen(), anySize); diff != "" {
				t.Errorf("batches (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLostConnectionIsResumed(t *testing.T) {
	p, h := publisher(t, PublisherOptions{})
	load(t, p, "i", 1, applications("d", 20)...)
	g := subscribe(t, h, "a", SubscriberOptions{})
	for revision := int64(2); revision < 6; revision++ {
		g.mirror.awaitRevision(t, revision-1)
		g.mirror.seen()
		g.network.cut()
		apply(t, p, revision, application("d", "x", revision))
		g.mirror.awaitRevision(t, revision)
		// The lost stream may just have brought the change; then the next one has only the revision to bring.
		for _, b := range g.mirror.seen() {
			if b.reset || b.content > 1 {
				t.Errorf("batch %+v, want only the difference", b)
			}
		}
	}
}

func TestHalfABatchIsNotApplied(t *testing.T) {
	p, h := publisher(t, PublisherOptions{PartResources: 10})
	load(t, p, "i", 1, application("d", "first", 1))
	statuses := newEvent[Status]()
	g := subscribe(t, h, "a", SubscriberOptions{OnStatus: statuses.hook})
	g.mirror.awaitRevision(t, 1)

	// A connection breaks somewhere in the middle of the large batch, again and again.
	g.network.allow(func() int64 { return 4000 })
	g.network.cut()
	statuses.await(t, "the first connection is lost", func(s Status) bool { return s.Err != nil })
	statuses.await(t, "it is found again", func(s Status) bool { return s.Connected })
	g.mirror.seen()
	apply(t, p, 2, applications("e", 2000)...)
	for range 5 {
		statuses.await(t, "the connection breaks", func(s Status) bool { return s.Err != nil })
	}
	g.mirror.mu.Lock()
	for _, b := range g.mirror.batches {
		if b.revision != 1 || b.content != 0 {
			t.Errorf("the sink was given %+v", b)
		}
	}
	if len(g.mirror.held) != 1 {
		t.Errorf("the sink holds %d resources, want the first one", len(g.mirror.held))
	}
	g.mirror.mu.Unlock()
	if st := g.Status(); st.Revision != 1 || !st.Ready {
		t.Errorf("status is %+v", st)
	}

	g.network.allow(nil)
	g.mirror.awaitRevision(t, 2)
	batches := g.mirror.seen()
	if last := batches[len(batches)-1]; last != (size{2, false, 2000}) {
		t.Errorf("the last batch is %+v", last)
	}
}

func TestAnotherReplicaTakesOver(t *testing.T) {
	first, h1 := publisher(t, PublisherOptions{})
	second, h2 := publisher(t, PublisherOptions{CatchUp: time.Minute})
	load(t, first, "i", 1, applications("d", 5)...)
	load(t, second, "i", 3, applications("d", 5)...)
	g := subscribe(t, h1, "a", SubscriberOptions{})
	for revision := int64(2); revision <= 5; revision++ {
		apply(t, first, revision, application("d", "x", revision))
	}
	g.mirror.awaitRevision(t, 5)
	g.mirror.seen()

	// The second is behind. It does not take the gateway back: it lets it wait until it has caught up.
	g.network.lead(h2)
	g.network.cut()
	apply(t, second, 4, application("d", "x", 4))
	apply(t, second, 5, application("d", "x", 5))
	apply(t, second, 6, application("d", "x", 6))
	g.mirror.awaitRevision(t, 6)
	for _, b := range g.mirror.seen() {
		if b.reset || b.revision < 5 {
			t.Errorf("batch %+v, want a continuation", b)
		}
	}

	// The third was started later; its log does not reach back, unless it knows the history.
	third, h3 := publisher(t, PublisherOptions{})
	if err := third.Load("i", 9, applications("d", 7),
		Change{7, []resource.Key{key("d", "6")}}, Change{8, []resource.Key{key("d", "5")}}, Change{9, nil}); err != nil {
		t.Fatal(err)
	}
	g.network.lead(h3)
	g.network.cut()
	g.mirror.awaitRevision(t, 9)
	if diff := cmp.Diff([]size{{9, false, 2}}, g.mirror.seen(), anySize); diff != "" {
		t.Errorf("batches with a history (-want +got):\n%s", diff)
	}
	early := subscribe(t, h3, "b", SubscriberOptions{InitialInstallation: "i", InitialRevision: 5})
	early.mirror.awaitRevision(t, 9)
	if diff := cmp.Diff([]size{{9, true, 7}}, early.mirror.seen(), anySize); diff != "" {
		t.Errorf("batches from before the history (-want +got):\n%s", diff)
	}
	fourth, h4 := publisher(t, PublisherOptions{})
	load(t, fourth, "i", 10, applications("d", 8)...)
	g.network.lead(h4)
	g.network.cut()
	g.mirror.awaitRevision(t, 10)
	if diff := cmp.Diff([]size{{10, true, 8}}, g.mirror.seen(), anySize); diff != "" {
		t.Errorf("batches without a history (-want +got):\n%s", diff)
	}
}

func TestReloading(t *testing.T) {
	before := []*configv1.Resource{application("d", "same", 1), application("d", "gone", 1), application("e", "other", 1)}
	after := []*configv1.Resource{application("d", "same", 1), application("d", "new", 2), application("e", "other", 2)}
	tests := []struct {
		name         string
		installation string
		revision     int64
		resources    []*configv1.Resource
		want         size
	}{
		{"at the same revision sends the differences as a correction", "i", 5, after, size{5, false, 3}},
		{"at a later revision begins anew", "i", 7, after, size{7, true, 3}},
		{"at an earlier revision begins anew", "i", 4, after, size{4, true, 3}},
		{"of another installation begins anew", "j", 7, after, size{7, true, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := publisher(t, PublisherOptions{})
			load(t, p, "i", 5, before...)
			g := subscribe(t, h, "a", SubscriberOptions{})
			g.mirror.awaitRevision(t, 5)
			g.mirror.seen()
			load(t, p, tt.installation, tt.revision, tt.resources...)
			g.mirror.await(t, "a batch arrives", func() bool { return len(g.mirror.batches) > 0 })
			if diff := cmp.Diff([]size{tt.want}, g.mirror.seen(), anySize); diff != "" {
				t.Errorf("batches (-want +got):\n%s", diff)
			}
			want := map[resource.Key]*configv1.Resource{}
			for _, r := range tt.resources {
				want[resource.KeyOf(resource.Unwrap(r))] = r
			}
			if d := g.mirror.differences(want); d != nil {
				t.Errorf("mirror: %q", d)
			}
		})
	}
}

func TestCorrection(t *testing.T) {
	p, h := publisher(t, PublisherOptions{})
	load(t, p, "i", 5, applications("d", 3)...)
	g := subscribe(t, h, "a", SubscriberOptions{})
	g.mirror.awaitRevision(t, 5)
	apply(t, p, 6, application("d", "0", 6))
	g.mirror.awaitRevision(t, 6)
	g.mirror.seen()

	apply(t, p, 6, application("d", "1", 6))
	g.mirror.await(t, "a connected gateway is corrected", func() bool { return len(g.mirror.batches) > 0 })
	if diff := cmp.Diff([]size{{6, false, 1}}, g.mirror.seen(), anySize); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	load(t, p, "i", 6, application("d", "0", 6), application("d", "1", 6), application("d", "2", 1)) // as it is held
	late := subscribe(t, h, "b", SubscriberOptions{InitialInstallation: "i", InitialRevision: 6})
	late.mirror.await(t, "one that holds the revision is corrected", func() bool { return len(late.mirror.batches) > 0 })
	if diff := cmp.Diff([]size{{6, false, 1}}, late.mirror.seen(), anySize); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestSlowSubscriberHoldsUpNobody(t *testing.T) {
	p, h := publisher(t, PublisherOptions{Patience: time.Hour})
	load(t, p, "i", 0, applications("d", 10)...)
	fast, slow := subscribe(t, h, "fast", SubscriberOptions{}), subscribe(t, h, "slow", SubscriberOptions{})
	fast.mirror.awaitRevision(t, 0)
	slow.mirror.await(t, "the slow one is there", func() bool { return len(slow.mirror.batches) == 1 })
	slow.mirror.seen()
	slow.mirror.shut()

	apply(t, p, 1, application("d", "x1", 1))
	<-slow.mirror.entered // busy with the first of them
	for revision := int64(2); revision <= 200; revision++ {
		apply(t, p, revision, application("d", fmt.Sprintf("x%d", revision%10), revision))
		fast.mirror.awaitRevision(t, revision)
	}
	slow.mirror.open()
	slow.mirror.awaitRevision(t, 200)
	if diff := cmp.Diff([]size{{1, false, 1}, {200, false, 10}}, slow.mirror.seen(), anySize); diff != "" {
		t.Errorf("batches of the slow one (-want +got):\n%s", diff)
	}
	if d := slow.mirror.differences(fast.mirror.held); d != nil {
		t.Errorf("the slow one: %q", d)
	}
}

func TestSubscriberThatFallsBehindTheLogBeginsAnew(t *testing.T) {
	p, h := publisher(t, PublisherOptions{Patience: time.Hour, LogSize: 10})
	load(t, p, "i", 0, applications("d", 10)...)
	g := subscribe(t, h, "a", SubscriberOptions{})
	g.mirror.await(t, "it is there", func() bool { return len(g.mirror.batches) == 1 })
	g.mirror.seen()
	g.mirror.shut()
	apply(t, p, 1, application("d", "x", 1))
	<-g.mirror.entered
	for revision := int64(2); revision <= 100; revision++ {
		apply(t, p, revision, application("d", "x", revision))
	}
	g.mirror.open()
	g.mirror.awaitRevision(t, 100)
	if diff := cmp.Diff([]size{{1, false, 1}, {100, true, 11}}, g.mirror.seen(), anySize); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestBurst(t *testing.T) {
	p, h := publisher(t, PublisherOptions{})
	load(t, p, "i", 0, applications("d", 100)...)
	var all []*gateway
	for i := range 10 {
		all = append(all, subscribe(t, h, fmt.Sprint(i), SubscriberOptions{}))
	}
	for _, g := range all {
		g.mirror.await(t, "it is there", func() bool { return len(g.mirror.batches) == 1 })
	}
	const changes = 4_000
	start := time.Now()
	for revision := int64(1); revision <= changes; revision++ {
		apply(t, p, revision, application("d", fmt.Sprint(revision%100), revision))
	}
	written := time.Since(start)
	for _, g := range all {
		g.mirror.awaitRevision(t, changes)
	}
	t.Logf("%d changes written in %v, at all %d gateways %v later", changes, written, len(all), time.Since(start)-written)
	for _, g := range all {
		if n := len(g.mirror.seen()); n > changes/2 {
			t.Errorf("%d batches for %d changes", n, changes)
		}
		if d := g.mirror.differences(all[0].mirror.held); d != nil {
			t.Errorf("gateways differ: %q", d)
		}
	}
}

func TestSubscriberComesBackUntilAPublisherAnswers(t *testing.T) {
	first, h1 := publisher(t, PublisherOptions{})
	load(t, first, "i", 1, applications("d", 5)...)
	statuses := newEvent[Status]()
	g := subscribe(t, h1, "a", SubscriberOptions{OnStatus: statuses.hook})
	g.mirror.awaitRevision(t, 1)
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := statuses.await(t, "the stream ends", func(s Status) bool { return s.Err != nil })
	if s.Connected || !s.Ready || s.Revision != 1 || status.Code(s.Err) != codes.Unavailable {
		t.Errorf("status is %+v", s)
	}
	statuses.await(t, "it tries again", func(s Status) bool { return s.Err != nil })

	second, h2 := publisher(t, PublisherOptions{})
	load(t, second, "i", 1, applications("d", 5)...)
	g.network.lead(h2)
	g.network.cut()
	statuses.await(t, "it is back", func(s Status) bool { return s.Connected })
	apply(t, second, 2, application("d", "x", 2))
	g.mirror.awaitRevision(t, 2)
	if slices.ContainsFunc(g.mirror.seen()[1:], func(b size) bool { return b.reset }) {
		t.Error("it began anew")
	}
}

func TestGatewaysThatAreHandedOverMayComeBack(t *testing.T) {
	p, h := publisher(t, PublisherOptions{})
	load(t, p, "i", 1, applications("d", 5)...)
	statuses := newEvent[Status]()
	g := subscribe(t, h, "a", SubscriberOptions{OnStatus: statuses.hook})
	g.mirror.awaitRevision(t, 1)
	for range 2 {
		p.HandOver()
		s := statuses.await(t, "the stream ends", func(s Status) bool { return s.Err != nil })
		if status.Code(s.Err) != codes.Unavailable {
			t.Errorf("it ends with %v", s.Err)
		}
		statuses.await(t, "it is back", func(s Status) bool { return s.Connected })
	}
	if err := p.Apply(Batch{Revision: 2, Upserts: applications("d", 6)}); err != nil {
		t.Fatal(err)
	}
	g.mirror.awaitRevision(t, 2)
}

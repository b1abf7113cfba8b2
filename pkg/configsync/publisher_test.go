package configsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

type request = configsyncv1.WatchRequest

func subscription(s *configsyncv1.Subscribe) *request {
	return &request{Message: &configsyncv1.WatchRequest_Subscribe{Subscribe: s}}
}

// watch opens a stream by hand.
func watch(t *testing.T, h *host, first *request) configsyncv1.ConfigSyncService_WatchClient {
	t.Helper()
	_, conn := connect(t, h)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	stream, err := configsyncv1.NewConfigSyncServiceClient(conn).Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(first); err != nil && !errors.Is(err, io.EOF) { // EOF: receiving tells
		t.Fatal(err)
	}
	return stream
}

func TestPublisherRefusesWhatItCannotSend(t *testing.T) {
	huge := application("d", "huge", 2)
	huge.GetApplication().Description = strings.Repeat("x", MaxResourceBytes)
	text := application("d", "text", 2)
	text.GetApplication().Description = "\xff"
	good := application("d", "b", 2)
	tests := []struct {
		name string
		do   func(*Publisher) error
		want string
	}{
		{"a resource without a kind", func(p *Publisher) error {
			return p.Apply(Batch{Revision: 2, Upserts: []*configv1.Resource{good, {}}})
		}, "apply revision 2: resource without a kind, a domain or an id"},
		{"a resource without an id", func(p *Publisher) error {
			return p.Apply(Batch{Revision: 2, Upserts: []*configv1.Resource{good, application("d", "", 2)}})
		}, "apply revision 2: resource without a kind, a domain or an id"},
		{"a key without a domain", func(p *Publisher) error {
			return p.Apply(Batch{Revision: 2, Upserts: []*configv1.Resource{good}, Deletes: []*configv1.Key{{Kind: "application", Id: "a"}}})
		}, "apply revision 2: delete: resource without a kind, a domain or an id"},
		{"a resource that fits into no message", func(p *Publisher) error {
			return p.Apply(Batch{Revision: 2, Upserts: []*configv1.Resource{good, huge}})
		}, "apply revision 2: application/d/huge: resource of 8388"},
		{"a text that is none", func(p *Publisher) error {
			return p.Apply(Batch{Revision: 2, Upserts: []*configv1.Resource{good, text}})
		}, "apply revision 2: application/d/text: encode: "},
		{"a batch of another installation", func(p *Publisher) error {
			return p.Apply(Batch{Installation: "j", Revision: 2, Upserts: []*configv1.Resource{good}})
		}, `apply revision 2: of installation "j", loaded is "i"`},
		{"a load of no installation", func(p *Publisher) error { return p.Load("", 2, nil) }, "load: no installation"},
		{"a load with a resource that is none", func(p *Publisher) error {
			return p.Load("i", 2, []*configv1.Resource{good, nil})
		}, "load: resource without a kind, a domain or an id"},
		{"a load that names a resource twice", func(p *Publisher) error {
			return p.Load("i", 2, []*configv1.Resource{good, good})
		}, "load: application/d/b: named twice"},
		{"a change before the load", func(*Publisher) error {
			return NewPublisher(PublisherOptions{}).Apply(Batch{Revision: 2})
		}, "apply revision 2: nothing is loaded"},
		{"a history with a gap", func(*Publisher) error {
			return NewPublisher(PublisherOptions{}).Load("i", 3, nil, Change{Revision: 1}, Change{Revision: 3})
		}, "load: history names revision 3 where 2 was due"},
		{"a history that does not reach the image", func(*Publisher) error {
			return NewPublisher(PublisherOptions{}).Load("i", 3, nil, Change{Revision: 1}, Change{Revision: 2})
		}, "load: history ends at revision 2, the image is of 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := NewPublisher(PublisherOptions{})
			load(t, p, "i", 1, application("d", "a", 1))
			before := p.current.Load()
			err := tt.do(p)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error is %q, want %q", err, tt.want)
			}
			if p.current.Load() != before {
				t.Error("something has changed")
			}
		})
	}
}

func TestGetReturnsACopyOfWhatIsHeld(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	load(t, p, "i", 1, application("d", "a", 1))
	k := key("d", "a")
	got, _ := p.Get(k)
	got.GetApplication().Name = "changed by the caller"
	got, ok := p.Get(k)
	if diff := cmp.Diff(application("d", "a", 1), got, protocmp.Transform()); diff != "" || !ok {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
	for _, k := range []resource.Key{key("d", "b"), key("e", "a"), {Kind: "scope", Domain: "d", ID: "a"}} {
		if got, ok := p.Get(k); ok {
			t.Errorf("%v is %v", k, got)
		}
	}
	if err := p.Apply(Batch{Revision: 2, Deletes: []*configv1.Key{k.Proto()}}); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.Get(k); ok {
		t.Error("a deleted resource is held")
	}
	if i, r := p.Position(); i != "i" || r != 2 {
		t.Errorf("position is %q %d", i, r)
	}
	// A batch with reset is a load.
	if err := p.Apply(Batch{Installation: "j", Revision: 1, Reset: true, Upserts: applications("f", 1)}); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.Get(key("f", "0")); !ok {
		t.Error("a reset brought nothing")
	}
}

func TestGatewaysThatDoNotKeepToTheProtocolAreRefused(t *testing.T) {
	p, h := publisher(t, PublisherOptions{})
	load(t, p, "i", 1)
	report := &request{Message: &configsyncv1.WatchRequest_Report{Report: &configsyncv1.Report{}}}
	tests := []struct {
		name     string
		messages []*request
	}{
		{"a report before the subscription", []*request{report}},
		{"an empty message", []*request{{}}},
		{"a second subscription", []*request{subscription(nil), subscription(nil)}},
		{"an endless name", []*request{subscription(&configsyncv1.Subscribe{Node: strings.Repeat("x", 300)})}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := watch(t, h, tt.messages[0])
			for _, m := range tt.messages[1:] {
				if err := stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			var err error
			for err == nil {
				_, err = stream.Recv()
			}
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("the stream ends with %v, want InvalidArgument", err)
			}
		})
	}
}

func TestGatewayThatHangsUpEndsItsStreamInOrder(t *testing.T) {
	left := newEvent[NodeStatus]()
	p, h := publisher(t, PublisherOptions{OnDisconnect: left.hook})
	load(t, p, "i", 1)
	stream := watch(t, h, subscription(&configsyncv1.Subscribe{Node: "a"}))
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err == nil || err.Error() != "EOF" {
		t.Errorf("the stream ends with %v, want EOF", err)
	}
	left.await(t, "it has left", func(s NodeStatus) bool { return s.Node == "a" })
	if n := p.Nodes(); len(n) != 0 {
		t.Errorf("nodes are %v", n)
	}
}

func TestGatewayThatDoesNotReportIsServedAllTheSame(t *testing.T) {
	p, h := publisher(t, PublisherOptions{Patience: time.Millisecond})
	load(t, p, "i", 1)
	stream := watch(t, h, subscription(&configsyncv1.Subscribe{}))
	for revision := int64(1); revision < 5; revision++ {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetRevision() != revision {
			t.Errorf("revision %d, want %d", m.GetRevision(), revision)
		}
		apply(t, p, revision+1)
	}
}

func TestGatewayThatIsAheadWaits(t *testing.T) {
	tests := []struct {
		name string
		then func(*Publisher)
		want int64
	}{
		{"until the publisher has caught up", func(p *Publisher) { apply(t, p, 5) }, 5},
		{"until the publisher has overtaken it", func(p *Publisher) { apply(t, p, 6) }, 6},
		{"no longer than a while", func(*Publisher) { time.Sleep(time.Minute) }, 4}, //nolint:forbidigo // inside a synctest bubble
		{"until another database is there", func(p *Publisher) { load(t, p, "j", 2) }, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPublisher(PublisherOptions{CatchUp: time.Minute})
				load(t, p, "i", 3)
				begun := make(chan int64, 1)
				go func() {
					s, err := (&watcher{publisher: p}).begin(t.Context(), &configsyncv1.Subscribe{Installation: "i", Revision: 5})
					if err != nil {
						t.Error(err)
					}
					begun <- s.revision
				}()
				synctest.Wait()
				apply(t, p, 4)
				synctest.Wait()
				select {
				case revision := <-begun:
					t.Fatalf("it begins at revision %d", revision)
				default:
				}
				tt.then(p)
				if revision := <-begun; revision != tt.want {
					t.Errorf("it begins at revision %d, want %d", revision, tt.want)
				}
			})
		})
	}
}

func TestNodes(t *testing.T) {
	now := time.Unix(1000, 0)
	clock := make(chan time.Time, 1)
	clock <- now
	set := func(t time.Time) { <-clock; clock <- t }
	reported, connected := newEvent[NodeStatus](), newEvent[NodeStatus]()
	sent := newEvent[Sent]()
	p, h := publisher(t, PublisherOptions{
		Now:       func() time.Time { t := <-clock; clock <- t; return t },
		OnConnect: connected.hook, OnReport: reported.hook, OnSent: sent.hook,
		Patience: time.Hour, PartResources: 2,
	})
	load(t, p, "i", 4, applications("d", 5)...)
	g := subscribe(t, h, "b", SubscriberOptions{Domains: []string{"d"}})
	connected.await(t, "b is there", func(s NodeStatus) bool { return s.Node == "b" && s.ConnectedSince.Equal(now) })
	batch := sent.await(t, "everything is sent", func(Sent) bool { return true })
	want := Sent{Node: "b", Revision: 4, Reset: true, Parts: 3, Resources: 5, Bytes: batch.Bytes}
	if batch != want || batch.Bytes < 50 {
		t.Errorf("sent %+v, want %+v", batch, want)
	}
	reported.await(t, "b has reported", func(s NodeStatus) bool { return s.Revision == 4 && s.Lag == 0 })

	unusable := &configsyncv1.Rejection{Key: key("d", "0").Proto(), Reason: "of no use"}
	g.mirror.mu.Lock()
	g.mirror.reject = []*configsyncv1.Rejection{unusable}
	g.mirror.mu.Unlock()
	set(now.Add(time.Second))
	apply(t, p, 5, application("d", "0", 5))
	s := reported.await(t, "b has reported", func(s NodeStatus) bool { return s.Revision == 5 })
	if diff := cmp.Diff([]*configsyncv1.Rejection{unusable}, s.Rejections, protocmp.Transform()); diff != "" {
		t.Errorf("rejections (-want +got):\n%s", diff)
	}
	if st := g.Status(); st.Rejections != 1 {
		t.Errorf("status of the gateway is %+v", st)
	}

	g.mirror.shut()
	apply(t, p, 6, application("d", "0", 6))
	<-g.mirror.entered
	set(now.Add(3 * time.Second))
	apply(t, p, 7) // a revision without changes
	resumed := watch(t, h, subscription(&configsyncv1.Subscribe{Node: "a", Installation: "i", Revision: 6}))
	if _, err := resumed.Recv(); err != nil {
		t.Fatal(err)
	}
	anew := watch(t, h, subscription(&configsyncv1.Subscribe{Node: "c", Installation: "other", Revision: 600}))
	if _, err := anew.Recv(); err != nil {
		t.Fatal(err)
	}
	set(now.Add(10 * time.Second))
	got := p.Nodes()
	for i := range got {
		got[i].Rejections = nil
	}
	wantNodes := []NodeStatus{
		{Node: "a", Revision: 6, ConnectedSince: now.Add(3 * time.Second), Lag: 7 * time.Second},
		{
			Node: "b", Domains: []string{"d"}, Revision: 5, ConnectedSince: now, ReportedAt: now.Add(time.Second),
			Lag: 9 * time.Second,
		},
		{Node: "c", ConnectedSince: now.Add(3 * time.Second), Lag: 7 * time.Second},
	}
	if diff := cmp.Diff(wantNodes, got); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
}

func TestRejectionsThatAreKeptAreBounded(t *testing.T) {
	reported := newEvent[NodeStatus]()
	p, h := publisher(t, PublisherOptions{OnReport: reported.hook})
	load(t, p, "i", 1)
	stream := watch(t, h, subscription(nil))
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	report := &configsyncv1.Report{Revision: 1, Rejections: make([]*configsyncv1.Rejection, 2*MaxRejections)}
	for i := range report.Rejections {
		report.Rejections[i] = &configsyncv1.Rejection{Reason: fmt.Sprint(i)}
	}
	if err := stream.Send(&request{Message: &configsyncv1.WatchRequest_Report{Report: report}}); err != nil {
		t.Fatal(err)
	}
	s := reported.await(t, "a report arrives", func(NodeStatus) bool { return true })
	if len(s.Rejections) != MaxRejections || s.Rejections[0].GetReason() != "0" {
		t.Errorf("%d rejections are kept", len(s.Rejections))
	}
}

func TestShutdownEndsEveryStream(t *testing.T) {
	tests := []struct {
		name   string
		loaded bool
		reads  bool
	}{
		{"that waits for the load", false, true},
		{"that waits for changes", true, true},
		{"whose gateway takes nothing", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			connected := newEvent[NodeStatus]()
			p, h := publisher(t, PublisherOptions{OnConnect: connected.hook})
			if tt.loaded {
				load(t, p, "i", 1, applications("d", 20_000)...)
			}
			stream := watch(t, h, subscription(nil))
			if tt.loaded {
				connected.await(t, "it is there", func(NodeStatus) bool { return true })
			}
			for more := tt.loaded && tt.reads; more; {
				m, err := stream.Recv()
				if err != nil {
					t.Fatal(err)
				}
				more = m.GetPartial()
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := p.Shutdown(ctx); err != nil {
				t.Fatal(err)
			}
			if err := p.Shutdown(ctx); err != nil {
				t.Errorf("the second time: %v", err)
			}
			for _, s := range []configsyncv1.ConfigSyncService_WatchClient{stream, watch(t, h, subscription(nil))} {
				var err error
				for err == nil {
					_, err = s.Recv()
				}
				if status.Code(err) != codes.Unavailable {
					t.Errorf("a stream ends with %v, want Unavailable", err)
				}
			}
		})
	}
}

func TestShutdownWaitsNoLongerThanItMay(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	p, h := publisher(t, PublisherOptions{OnConnect: func(NodeStatus) { close(entered); <-release }})
	load(t, p, "i", 1)
	watch(t, h, subscription(nil))
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Shutdown(ctx); err == nil {
		t.Error("it claims that a stream has ended which has not")
	}
	close(release)
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// broken is a publisher that takes gateways back without saying so.
type broken struct {
	configsyncv1.UnimplementedConfigSyncServiceServer
	subscriptions event[*configsyncv1.Subscribe]
}

func (b broken) Watch(stream watchStream) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	b.subscriptions.hook(m.GetSubscribe())
	if err := stream.Send(&response{Installation: "i", Revision: 3}); err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}

func TestSubscriberDoesNotFollowABrokenPublisher(t *testing.T) {
	b := broken{subscriptions: newEvent[*configsyncv1.Subscribe]()}
	g := subscribe(t, serve(t, b), "a", SubscriberOptions{InitialInstallation: "i", InitialRevision: 5, Domains: []string{"d"}})
	first := <-b.subscriptions
	want := &configsyncv1.Subscribe{Node: "a", Domains: []string{"d"}, Installation: "i", Revision: 5}
	if diff := cmp.Diff(want, first, protocmp.Transform()); diff != "" {
		t.Errorf("first subscription (-want +got):\n%s", diff)
	}
	second := b.subscriptions.await(t, "it comes back", func(*configsyncv1.Subscribe) bool { return true })
	want = &configsyncv1.Subscribe{Node: "a", Domains: []string{"d"}}
	if diff := cmp.Diff(want, second, protocmp.Transform()); diff != "" {
		t.Errorf("second subscription (-want +got):\n%s", diff)
	}
	if n := len(g.mirror.seen()); n != 0 {
		t.Errorf("the sink was given %d batches", n)
	}
	if st := g.Status(); st.Revision != 5 || !st.Ready {
		t.Errorf("status is %+v", st)
	}
}

// hasty is a publisher that does not wait for reports and hangs up.
type hasty struct {
	configsyncv1.UnimplementedConfigSyncServiceServer
	ended event[bool]
}

func (h hasty) Watch(stream watchStream) error {
	defer h.ended.hook(true)
	if _, err := stream.Recv(); err != nil {
		return err
	}
	for revision := range int64(10) {
		if err := stream.Send(&response{Installation: "i", Revision: revision, Reset_: revision == 0}); err != nil {
			return err
		}
	}
	return nil
}

func TestSubscriberAppliesWhatHasArrivedWhenThePublisherHangsUp(t *testing.T) {
	h := hasty{ended: newEvent[bool]()}
	m := newMirror("", 0)
	m.shut()
	subscribeWith(t, serve(t, h), "a", m, SubscriberOptions{})
	<-m.entered
	<-h.ended
	m.open()
	m.await(t, "everything that was sent is applied", func() bool { return len(m.batches) >= 10 })
	h.ended.await(t, "it comes back", func(bool) bool { return true })
}

func TestOnlyAStreamThatBroughtABatchShortensThePause(t *testing.T) {
	tests := []struct {
		name    string
		service configsyncv1.ConfigSyncServiceServer
		want    bool
	}{
		{"a publisher that sent something and hung up", hasty{ended: newEvent[bool]()}, true},
		{"a server that knows no configuration", configsyncv1.UnimplementedConfigSyncServiceServer{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, conn := connect(t, serve(t, tt.service))
			s := NewSubscriber(conn, "a", newMirror("", 0), SubscriberOptions{})
			progress, err := s.follow(t.Context())
			if progress != tt.want || err == nil {
				t.Errorf("progress is %t, want %t; ended by %v", progress, tt.want, err)
			}
		})
	}
}

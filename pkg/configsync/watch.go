package configsync

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

type watchStream = grpc.BidiStreamingServer[configsyncv1.WatchRequest, configsyncv1.WatchResponse]

// errHungUp is a gateway that ended the stream in an orderly way.
var errHungUp = errors.New("the gateway hung up")

// Watch serves one gateway until either side hangs up. It implements the configuration stream; gRPC calls it.
//
// Whichever of its three loops ends first ends the stream: when Watch returns, gRPC ends the stream's context, on which
// the others wait, be it in a receive or in a send that the gateway does not take. Shutdown waits for them.
func (p *Publisher) Watch(stream watchStream) error {
	ctx, end := context.WithCancelCause(stream.Context())
	w := &watcher{
		publisher:  p,
		stream:     stream,
		subscribed: make(chan *configsyncv1.Subscribe, 1),
		reported:   make(chan struct{}, 1),
		outgoing:   make(chan part),
	}
	handedOver := p.handedOver()
	if !p.start(func() { w.run(ctx, end) }) {
		end(errClosing)
		return fault.ToGRPC(errClosing)
	}
	select {
	case <-ctx.Done():
	case <-p.closing:
		end(errClosing)
	case <-handedOver:
		end(errHandOver)
	}
	err := context.Cause(ctx)
	if errors.Is(err, errHungUp) {
		return nil
	}
	return fault.ToGRPC(err)
}

// start runs a stream's group of loops, unless the publisher is closed.
func (p *Publisher) start(group func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.loops.Go(group)
	}
	return !p.closed
}

// run is the group: it returns when all three loops have.
func (w *watcher) run(ctx context.Context, end context.CancelCauseFunc) {
	var loops sync.WaitGroup
	loops.Go(func() { end(w.receive()) })
	loops.Go(func() { end(w.decide(ctx)) })
	loops.Go(func() { end(w.send(ctx)) })
	loops.Wait()
	w.publisher.leave(ctx, w)
}

// watcher is one stream.
type watcher struct {
	publisher *Publisher
	stream    watchStream
	// node is nil until the gateway has subscribed.
	node atomic.Pointer[node]

	subscribed chan *configsyncv1.Subscribe // receive → decide, once
	reported   chan struct{}                // receive → decide: reports has grown
	reports    atomic.Int64                 // reports received
	outgoing   chan part                    // decide → send
}

// receive takes the subscription and then reports. It returns why the stream ended.
func (w *watcher) receive() error {
	first, err := w.next()
	if err != nil {
		return err
	}
	sub := first.GetSubscribe()
	if sub == nil {
		return fault.Invalidf("the first message of a stream is a subscription")
	}
	if len(sub.GetNode()) > maxNodeBytes {
		return fault.Invalidf("a node's name has at most %d bytes", maxNodeBytes)
	}
	w.subscribed <- sub
	for {
		m, err := w.next()
		if err != nil {
			return err
		}
		report := m.GetReport()
		if report == nil {
			return fault.Invalidf("every message after the subscription is a report")
		}
		w.reports.Add(1)
		select {
		case w.reported <- struct{}{}:
		default:
		}
		if n := w.node.Load(); n != nil {
			w.publisher.report(n, report)
		}
	}
}

func (w *watcher) next() (*configsyncv1.WatchRequest, error) {
	m, err := w.stream.Recv()
	if errors.Is(err, io.EOF) {
		return nil, errHungUp
	}
	return m, err
}

// decide sends batch after batch: the first at once, even if it brings nothing, so that the gateway knows that it is up
// to date; each further one when there is something new and the one before was reported.
func (w *watcher) decide(ctx context.Context) error {
	var sub *configsyncv1.Subscribe
	select {
	case sub = <-w.subscribed:
	case <-ctx.Done():
		return ctx.Err()
	}
	s, err := w.begin(ctx, sub)
	if err != nil {
		return err
	}
	at, only := s.locate(sub.GetInstallation(), sub.GetRevision()), newFilter(sub.GetDomains())
	w.publisher.arrive(ctx, w, newNode(sub, at, w.publisher.options.Now()))
	for sent := int64(1); ; sent++ {
		if err := w.deliver(ctx, s, at, only, sub); err != nil {
			return err
		}
		at = s.here()
		if err := w.awaitReport(ctx, sent); err != nil {
			return err
		}
		if s, err = w.awaitNewer(ctx, s); err != nil {
			return err
		}
	}
}

// begin waits until there is a state to send: until Load, and for a gateway that is ahead of this publisher a little
// longer.
func (w *watcher) begin(ctx context.Context, sub *configsyncv1.Subscribe) (*state, error) {
	s := w.publisher.current.Load()
	for !s.loaded {
		var err error
		if s, err = w.awaitNewer(ctx, s); err != nil {
			return nil, err
		}
	}
	catchUp, cancel := context.WithTimeout(ctx, w.publisher.options.CatchUp)
	defer cancel()
	for sub.GetInstallation() == s.installation && sub.GetRevision() > s.revision {
		newer, err := w.awaitNewer(catchUp, s)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			return s, nil
		}
		s = newer
	}
	return s, nil
}

// deliver hands one batch to the sender.
func (w *watcher) deliver(ctx context.Context, s *state, at place, only filter, sub *configsyncv1.Subscribe) error {
	o, n := &w.publisher.options, w.node.Load()
	_, continues := s.behind(at)
	if !continues {
		n.begin(s.at)
	}
	sent := Sent{Node: n.name, Revision: s.revision, Reset: !continues}
	c := cut{resources: o.PartResources, bytes: o.PartBytes, registered: sub.GetMostRegistered(), belongings: sub.GetBelongingsOnDemand()}
	for part := range s.batch(at, only, c) {
		select {
		case w.outgoing <- part:
		case <-ctx.Done():
			return ctx.Err()
		}
		sent.Parts++
		sent.Resources += part.resources
		sent.Bytes += part.bytes
	}
	if o.OnSent != nil {
		o.OnSent(sent)
	}
	return nil
}

// awaitReport waits until as many batches were reported as were sent. A gateway that does not report gets the next
// batch all the same, later.
func (w *watcher) awaitReport(ctx context.Context, sent int64) error {
	patience := time.NewTimer(w.publisher.options.Patience)
	defer patience.Stop()
	for w.reports.Load() < sent {
		select {
		case <-w.reported:
		case <-patience.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// awaitNewer returns the present state as soon as it is another than s.
func (w *watcher) awaitNewer(ctx context.Context, s *state) (*state, error) {
	select {
	case <-s.superseded:
		return w.publisher.current.Load(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// send gives parts to the transport, which takes them as fast as the gateway does.
func (w *watcher) send(ctx context.Context) error {
	for {
		select {
		case part := <-w.outgoing:
			if err := w.stream.Send(part.message); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

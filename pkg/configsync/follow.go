package configsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"google.golang.org/grpc"

	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// errEnded is a publisher that ended the stream without giving a reason.
var errEnded = errors.New("the publisher ended the stream")

// follow runs one stream to its end and says why it ended, and whether a batch was applied.
func (s *Subscriber) follow(ctx context.Context) (progress bool, err error) {
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)
	call := []grpc.CallOption{grpc.MaxCallRecvMsgSize(MaxMessageBytes)}
	if s.options.Lean {
		call = append(call, grpc.ForceCodecV2(newLean()))
	}
	stream, err := s.client.Watch(inner, call...)
	if err != nil {
		return false, err
	}
	held := s.Status()
	sub := &configsyncv1.Subscribe{Node: s.node, Domains: s.options.Domains, MostRegistered: s.options.MostRegistered, BelongingsOnDemand: s.options.BelongingsOnDemand}
	if !s.anew {
		sub.Installation, sub.Revision = held.Installation, held.Revision
	}
	s.anew = false
	f := &following{
		subscriber: s,
		stream:     stream,
		assembler:  assembler{installation: sub.Installation, revision: sub.Revision, lean: s.options.Lean},
		batches:    make(chan Batch),
		reports:    make(chan *configsyncv1.Report),
	}
	// The error of a failed send is found by receiving.
	_ = stream.Send(&configsyncv1.WatchRequest{Message: &configsyncv1.WatchRequest_Subscribe{Subscribe: sub}})

	var loops sync.WaitGroup
	loops.Go(func() { end(f.receive(inner)) })
	loops.Go(func() { end(f.decide(ctx, inner)) })
	loops.Go(func() { end(f.send(inner)) })
	loops.Wait()
	err = context.Cause(inner)
	if errors.Is(err, errBroken) {
		s.anew = true
	}
	return f.progress, err
}

// following is one stream. What it has received of a batch that is not complete goes with it.
type following struct {
	subscriber *Subscriber
	stream     grpc.BidiStreamingClient[configsyncv1.WatchRequest, configsyncv1.WatchResponse]
	assembler  assembler

	batches chan Batch                // receive → decide
	reports chan *configsyncv1.Report // decide → send
	// progress means that a batch was applied. Only decide uses it, until the loops have ended.
	progress bool
}

// receive makes batches of messages. While a batch is applied the next may arrive; after that, the publisher waits.
func (f *following) receive(ctx context.Context) error {
	for first := true; ; first = false {
		m, err := f.stream.Recv()
		if errors.Is(err, io.EOF) {
			return errEnded
		}
		if err != nil {
			return err
		}
		if first {
			f.subscriber.found(ctx)
		}
		b, complete, err := f.assembler.add(m)
		if err != nil {
			return err
		}
		if !complete {
			continue
		}
		select {
		case f.batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Subscriber) found(ctx context.Context) {
	s.options.Log.InfoContext(ctx, "configuration stream found", "revision", s.Status().Revision)
	s.update(func(st *Status) { st.Connected, st.Err = true, nil })
}

// decide applies one batch after the other and reports on it.
func (f *following) decide(run, ctx context.Context) error {
	for {
		select {
		case b := <-f.batches:
			rejections := f.subscriber.apply(run, b)
			f.progress = true
			select {
			case f.reports <- &configsyncv1.Report{Revision: b.Revision, Rejections: rejections}:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Subscriber) apply(ctx context.Context, b Batch) []*configsyncv1.Rejection {
	rejections := s.sink.Apply(ctx, b)
	now := s.options.Now()
	s.update(func(st *Status) {
		st.Installation, st.Revision = b.Installation, b.Revision
		st.LastBatch, st.Ready, st.Rejections = now, true, len(rejections)
	})
	return presentable(rejections)
}

// presentable makes of rejections what fits into a report: a report that cannot be sent would end the stream every time.
func presentable(all []*configsyncv1.Rejection) []*configsyncv1.Rejection {
	fit := make([]*configsyncv1.Rejection, 0, min(len(all), MaxRejections))
	for _, r := range all[:min(len(all), MaxRejections)] {
		reason := r.GetReason()
		reason = strings.ToValidUTF8(reason[:min(len(reason), maxReasonBytes)], "")
		fit = append(fit, &configsyncv1.Rejection{Key: r.GetKey(), Reason: reason})
	}
	return fit
}

// send sends reports. After the publisher has ended the stream it goes on taking them, so that the receiver, who has
// batches to hand over before it learns the reason, is not held up.
func (f *following) send(ctx context.Context) error {
	for ended := false; ; {
		select {
		case r := <-f.reports:
			if ended {
				continue
			}
			err := f.stream.Send(&configsyncv1.WatchRequest{Message: &configsyncv1.WatchRequest_Report{Report: r}})
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("report revision %d: %w", r.GetRevision(), err)
			}
			ended = err != nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

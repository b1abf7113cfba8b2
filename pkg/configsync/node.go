package configsync

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// NodeStatus is what a publisher knows of a connected gateway.
type NodeStatus struct {
	// Node is the name the gateway gave; several streams may have the same.
	Node string
	// Domains are those it asked for; empty means every domain.
	Domains []string
	// Revision is the one it reported last, or resumed from; 0 if it holds nothing yet.
	Revision int64
	// Rejections are the resources it cannot use, at most MaxRejections.
	Rejections []*configsyncv1.Rejection
	// ConnectedSince is when it subscribed.
	ConnectedSince time.Time
	// ReportedAt is when it last reported; zero if it has not yet.
	ReportedAt time.Time
	// Lag is for how long there has been a revision that the gateway has not reported; 0 if it is up to date.
	Lag time.Duration
}

// node is the publisher's record of one stream.
type node struct {
	name    string
	domains []string
	since   time.Time

	mu         sync.Mutex
	beginning  time.Time                 // guarded by mu; since when it has to begin anew; zero once it has reported
	revision   int64                     // guarded by mu
	rejections []*configsyncv1.Rejection // guarded by mu
	reportedAt time.Time                 // guarded by mu
}

func newNode(sub *configsyncv1.Subscribe, at place, now time.Time) *node {
	n := &node{name: sub.GetNode(), domains: slices.Clone(sub.GetDomains()), since: now}
	if at != (place{}) {
		n.revision = sub.GetRevision()
	}
	return n
}

// begin notes that the gateway is sent everything, because of something that happened then, or because it came.
func (n *node) begin(then time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.beginning = then; then.Before(n.since) {
		n.beginning = n.since
	}
}

// Nodes returns the connected gateways, by name and time.
func (p *Publisher) Nodes() []NodeStatus {
	s, now := p.current.Load(), p.options.Now()
	p.mu.Lock()
	all := make([]NodeStatus, 0, len(p.watchers))
	for w := range p.watchers {
		all = append(all, w.node.Load().status(s, now))
	}
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b NodeStatus) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), a.ConnectedSince.Compare(b.ConnectedSince))
	})
	return all
}

func (n *node) status(s *state, now time.Time) NodeStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	return NodeStatus{
		Node:           n.name,
		Domains:        slices.Clone(n.domains),
		Revision:       n.revision,
		Rejections:     slices.Clone(n.rejections),
		ConnectedSince: n.since,
		ReportedAt:     n.reportedAt,
		Lag:            n.lag(s, now),
	}
}

// lag needs mu.
func (n *node) lag(s *state, now time.Time) time.Duration {
	if !n.beginning.IsZero() {
		return max(0, now.Sub(n.beginning))
	}
	if n.revision >= s.revision {
		return 0
	}
	from, found := s.log.firstAfter(n.revision)
	if !found {
		from = s.at // revisions without changes
	}
	return max(0, now.Sub(from))
}

// arrive enters a stream that has subscribed.
func (p *Publisher) arrive(ctx context.Context, w *watcher, n *node) {
	w.node.Store(n)
	p.mu.Lock()
	p.watchers[w] = struct{}{}
	p.mu.Unlock()
	p.options.Log.InfoContext(ctx, "gateway subscribed", "node", n.name, "revision", n.revision)
	if p.options.OnConnect != nil {
		p.options.OnConnect(n.status(p.current.Load(), p.options.Now()))
	}
}

// leave removes a stream whose loops have ended.
func (p *Publisher) leave(ctx context.Context, w *watcher) {
	n := w.node.Load()
	if n == nil {
		return // it never subscribed
	}
	p.mu.Lock()
	delete(p.watchers, w)
	p.mu.Unlock()
	status := n.status(p.current.Load(), p.options.Now())
	p.options.Log.InfoContext(ctx, "gateway left", "node", n.name, "revision", status.Revision, "err", context.Cause(ctx))
	if p.options.OnDisconnect != nil {
		p.options.OnDisconnect(status)
	}
}

// report takes what a gateway made of a batch.
func (p *Publisher) report(n *node, r *configsyncv1.Report) {
	now := p.options.Now()
	rejections := r.GetRejections()
	if len(rejections) > MaxRejections {
		rejections = slices.Clone(rejections[:MaxRejections])
	}
	n.mu.Lock()
	n.beginning, n.revision, n.rejections, n.reportedAt = time.Time{}, r.GetRevision(), rejections, now
	n.mu.Unlock()
	if p.options.OnReport != nil {
		p.options.OnReport(n.status(p.current.Load(), now))
	}
}

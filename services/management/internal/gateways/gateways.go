// Package gateways answers over REST which gateways are connected to management, how far they are and what they cannot use. A gateway
// has its stream at one replica, so each replica tells the others of those it has.
package gateways

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// every is how often a replica tells of its gateways.
	every = 5 * time.Second
	// believed is how long it is believed: a replica that was killed is forgotten after this.
	believed = 30 * time.Second
	// parting bounds how long a replica that stops tries to say so.
	parting = 2 * time.Second
)

// Nodes knows the gateways whose streams end here; *configsync.Publisher is one.
type Nodes interface {
	Nodes() []configsync.NodeStatus
}

// Options are what a Register works with. All of it is needed but Logger and Now.
type Options struct {
	Nodes  Nodes
	Shared *store.GatewayStreams
	// Replica is the name of this one, different from that of every other. It is asked once ports are taken.
	Replica func() string
	// Logger is told of trouble; nil means none.
	Logger *slog.Logger
	Now    func() time.Time
}

// Register knows the gateways of all replicas.
type Register struct{ Options }

// New returns a register. It does nothing before Run.
func New(o Options) *Register {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Register{o}
}

// Run tells the other replicas of the gateways whose streams end here until ctx ends, and then that there are none.
func (r *Register) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		err := r.tell(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.Logger.WarnContext(ctx, "other replicas are not told of the gateways here", "err", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
			defer cancel()
			if err := r.Shared.Forget(limited, r.Replica()); err != nil {
				r.Logger.InfoContext(ctx, "other replicas are not told that the gateways here are gone", "err", err)
			}
			return nil
		}
	}
}

func (r *Register) tell(ctx context.Context) error {
	here := r.here()
	told := make([][]byte, len(here))
	for i, g := range here {
		var err error
		if told[i], err = proto.Marshal(g); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeout(ctx, every)
	defer cancel()
	return r.Shared.Say(limited, r.Replica(), told, believed)
}

// all returns the gateways of all replicas in the order of their names.
func (r *Register) all(ctx context.Context) ([]*managementv1.Gateway, error) {
	others, err := r.Shared.Others(ctx, r.Replica())
	if err != nil {
		return nil, err
	}
	all := r.here()
	for _, other := range others {
		g := new(managementv1.Gateway)
		if err := proto.Unmarshal(other.Gateway, g); err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	// A gateway goes elsewhere when its replica is killed, which cannot take back what it has said.
	latest := map[string]time.Time{}
	for _, g := range all {
		if at := g.GetConnectedAt().AsTime(); at.After(latest[g.GetNode()]) {
			latest[g.GetNode()] = at
		}
	}
	all = slices.DeleteFunc(all, func(g *managementv1.Gateway) bool { return latest[g.GetNode()].After(g.GetSeenAt().AsTime()) })
	slices.SortFunc(all, func(a, b *managementv1.Gateway) int {
		return cmp.Or(strings.Compare(a.GetNode(), b.GetNode()), a.GetConnectedAt().AsTime().Compare(b.GetConnectedAt().AsTime()))
	})
	return all, nil
}

// here returns the gateways whose streams end here.
func (r *Register) here() []*managementv1.Gateway {
	now, replica := timestamppb.New(r.Now()), r.Replica()
	nodes := r.Nodes.Nodes()
	all := make([]*managementv1.Gateway, len(nodes))
	for i, n := range nodes {
		all[i] = describe(n)
		all[i].Replica, all[i].SeenAt = replica, now
	}
	return all
}

// Mux takes routes; *rest.Mux is one.
type Mux interface {
	Handle(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	JSON(w http.ResponseWriter, status int, v any) error
}

// Mount adds the route.
func (r *Register) Mount(m Mux) {
	m.Handle("GET /gateways", "gateway:list", func(w http.ResponseWriter, request *http.Request) error {
		all, err := r.all(request.Context())
		if err != nil {
			return err
		}
		entries := make([]prototree.Object, len(all))
		for i, g := range all {
			if entries[i], err = prototree.Management.Encode(g); err != nil {
				return err
			}
		}
		return m.JSON(w, http.StatusOK, entries)
	}, operation.Operation{
		Summary: "List the gateways that are connected.",
		Details: "Gateways of all replicas of management: of those whose streams end at another one, what it said last, which is at most a few seconds old. " +
			"Those of a replica that was killed are listed for half a minute, unless they are connected elsewhere by then.",
		Answer: &managementv1.Gateway{}, Shape: operation.Array,
	})
}

func describe(n configsync.NodeStatus) *managementv1.Gateway {
	g := &managementv1.Gateway{
		Node: n.Node, Domains: n.Domains, Revision: n.Revision, LagMillis: n.Lag.Milliseconds(),
		ConnectedAt: timestamppb.New(n.ConnectedSince),
	}
	if !n.ReportedAt.IsZero() {
		g.ReportedAt = timestamppb.New(n.ReportedAt)
	}
	for _, r := range n.Rejections {
		g.Rejections = append(g.Rejections, &managementv1.GatewayRejection{
			Kind: r.GetKey().GetKind(), Domain: r.GetKey().GetDomain(), Id: r.GetKey().GetId(), Reason: r.GetReason(),
		})
	}
	return g
}

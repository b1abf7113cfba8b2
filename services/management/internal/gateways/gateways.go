// Package gateways answers over REST which gateways are connected to this replica, how far they are and what they cannot
// use.
package gateways

import (
	"net/http"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// Mux takes routes; *rest.Mux is one.
type Mux interface {
	Handle(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	JSON(w http.ResponseWriter, status int, v any) error
}

// Nodes knows the gateways whose streams end here; *configsync.Publisher is one.
type Nodes interface {
	Nodes() []configsync.NodeStatus
}

// Mount adds the route.
func Mount(m Mux, nodes Nodes) {
	m.Handle("GET /gateways", "gateway:list", func(w http.ResponseWriter, _ *http.Request) error {
		entries := []prototree.Object{}
		for _, n := range nodes.Nodes() {
			tree, err := prototree.Management.Encode(describe(n))
			if err != nil {
				return err
			}
			entries = append(entries, tree)
		}
		return m.JSON(w, http.StatusOK, entries)
	}, operation.Operation{
		Summary: "List the gateways that are connected.",
		Details: "Each replica of management knows those whose streams end at it: where there are several, ask each.",
		Answer:  &managementv1.Gateway{}, Shape: operation.Array,
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

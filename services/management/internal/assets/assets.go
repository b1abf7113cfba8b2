// Package assets hands out the pictures of applications to gateways, by digest.
package assets

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	assetsv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/assets/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Icons finds pictures; *store.Icons does.
type Icons interface {
	Get(ctx context.Context, domain, digest string) (*store.Icon, error)
}

// Server implements assetsv1.AssetServiceServer.
type Server struct {
	assetsv1.UnimplementedAssetServiceServer
	icons Icons
}

// New returns the service.
func New(icons Icons) *Server { return &Server{icons: icons} }

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { assetsv1.RegisterAssetServiceServer(r, s) }

// digestLength is that of a SHA-256 in hexadecimal digits.
const digestLength = 64

// GetIcon implements assetsv1.AssetServiceServer.
func (s *Server) GetIcon(ctx context.Context, r *assetsv1.GetIconRequest) (*assetsv1.GetIconResponse, error) {
	none := fault.NotFoundf("There is no icon with this digest")
	if len(r.GetDigest()) != digestLength || r.GetDomain() == "" {
		return nil, fault.ToGRPC(none)
	}
	found, err := s.icons.Get(ctx, r.GetDomain(), r.GetDigest())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, fault.ToGRPC(none)
	case err != nil:
		return nil, fault.ToGRPC(err)
	}
	return &assetsv1.GetIconResponse{MediaType: found.MediaType, Content: found.Content}, nil
}

package upstream

import (
	"context"

	"google.golang.org/grpc"

	assetsv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/assets/v1"
)

// Assets hands out the pictures of applications.
type Assets struct {
	client assetsv1.AssetServiceClient
	failed func()
}

// NewAssets returns the service behind a connection. failed is as for NewDirectory.
func NewAssets(conn grpc.ClientConnInterface, failed func()) *Assets {
	return &Assets{client: assetsv1.NewAssetServiceClient(conn), failed: orNothing(failed)}
}

// Icon returns a picture of an application of a domain, and its type, by digest. One that is not there is fault.NotFound.
func (a *Assets) Icon(ctx context.Context, domain, digest string) (mediaType string, content []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := a.client.GetIcon(ctx, &assetsv1.GetIconRequest{Domain: domain, Digest: digest})
	return answer.GetMediaType(), answer.GetContent(), translate(err, a.failed)
}

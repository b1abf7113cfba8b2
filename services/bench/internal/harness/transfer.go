package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// Transfer takes everything that management brings to a gateway and does nothing with it.
func (l *Installation) Transfer(ctx context.Context) (*Taken, error) {
	certificates, err := serve.NewReloader(l.platform.plane.gateway, serve.ReloaderOptions{})
	if err != nil {
		return nil, err
	}
	conn, err := serve.DialGRPC(l.ports[1], certificates.ClientTLS("", serve.RoleManagement), serve.DialOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	taken := &Taken{enough: cancel}
	if err := configsync.NewSubscriber(conn, "bench-transfer", taken, configsync.SubscriberOptions{}).Run(ctx); len(taken.resources) == 0 {
		return nil, fmt.Errorf("take everything from management: %w", err)
	}
	return taken, nil
}

// Taken is what a Transfer has brought.
type Taken struct {
	enough    context.CancelFunc
	resources []*configv1.Resource
}

// Apply implements configsync.Sink.
func (t *Taken) Apply(_ context.Context, b configsync.Batch) []*configsyncv1.Rejection {
	t.enough()
	t.resources = b.Upserts
	return nil
}

// Resources is how many resources it has brought.
func (t *Taken) Resources() int { return len(t.resources) }

// Bytes is how long they are, encoded.
func (t *Taken) Bytes() (n int64) {
	for _, r := range t.resources {
		n += int64(proto.Size(r))
	}
	return n
}

// Digest is the same for the same resources, in whatever order they came.
func (t *Taken) Digest() ([sha256.Size]byte, error) {
	sums := make([][sha256.Size]byte, len(t.resources))
	for i, r := range t.resources {
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		sums[i] = sha256.Sum256(encoded)
	}
	slices.SortFunc(sums, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	all := sha256.New()
	for _, sum := range sums {
		all.Write(sum[:])
	}
	return [sha256.Size]byte(all.Sum(nil)), nil
}

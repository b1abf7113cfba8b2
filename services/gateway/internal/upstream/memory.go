package upstream

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// Memory leads to what a replica of management has in memory and can give without its database: the stream of configuration, and
// clients that it knows. It asks a replica that can do everything, and while there is none any that has read the configuration: a
// gateway that starts then needs no more.
type Memory struct {
	whole, any *grpc.ClientConn
}

var _ grpc.ClientConnInterface = Memory{}

// NewMemory returns what leads to replicas over a connection that leaves out those without a database, and one that does not.
func NewMemory(whole, anyOfThem *grpc.ClientConn) Memory { return Memory{whole, anyOfThem} }

// Invoke implements grpc.ClientConnInterface.
func (m Memory) Invoke(ctx context.Context, method string, request, reply any, opts ...grpc.CallOption) error {
	return m.now().Invoke(ctx, method, request, reply, opts...)
}

// NewStream implements grpc.ClientConnInterface.
func (m Memory) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return m.now().NewStream(ctx, desc, method, opts...)
}

func (m Memory) now() *grpc.ClientConn {
	if m.whole.GetState() == connectivity.TransientFailure {
		return m.any
	}
	return m.whole
}

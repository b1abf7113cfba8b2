package serve

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// reconnectWithin is how long calls wait for another connection when theirs was lost. It is longer than it takes to look a name up again
// and to find the next replica, and short for somebody who waits for an answer.
const reconnectWithin = 900 * time.Millisecond

// Reconnection lets calls that found no connection wait a moment for one, whatever they ask for: they were not sent. gRPC fails them as
// soon as one attempt to connect has failed, which is what happens when the replica that is gone was the only one known. Once a server has
// been away for longer they fail at once, until one is found. It belongs to one connection; the zero value is usable.
type Reconnection struct {
	conn *grpc.ClientConn
	// since is when the first call found no connection, in nanoseconds of Unix time; 0 if the last one did.
	since atomic.Int64
}

// unary implements grpc.UnaryClientInterceptor.
func (r *Reconnection) unary(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	for {
		var server peer.Peer // stays empty for a call that was not sent
		err := invoke(ctx, method, request, reply, conn, append(opts[:len(opts):len(opts)], grpc.Peer(&server))...)
		if err == nil || server.Addr != nil {
			r.since.Store(0)
			return err
		}
		if status.Code(err) != codes.Unavailable || !r.found(ctx, conn) {
			return err
		}
	}
}

// Expect says that the server was heard of by another way: it is connected to at once, and calls wait for that as if it had only just
// been lost.
func (r *Reconnection) Expect() {
	r.since.Store(0)
	r.conn.ResetConnectBackoff()
}

// found waits for a connection and reports whether there is one.
func (r *Reconnection) found(ctx context.Context, conn *grpc.ClientConn) bool {
	now := time.Now().UnixNano()
	r.since.CompareAndSwap(0, now)
	left := reconnectWithin - time.Duration(now-r.since.Load())
	if left <= 0 {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	for {
		at := conn.GetState()
		switch at {
		case connectivity.Ready:
			return true
		case connectivity.Idle:
			conn.Connect()
		}
		if !conn.WaitForStateChange(limited, at) {
			return false
		}
	}
}

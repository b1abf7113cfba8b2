// Package serve runs HTTP and gRPC servers: mutual TLS between the planes with files that may be replaced while the
// server runs, readiness, ordered start and graceful stop.
//
// A service adds its parts to a [Group], innermost first: what others depend on is added before them and stops after
// them. [HTTP] and [GRPC] are such parts. On stop each of them first reports itself not ready, waits its drain delay so
// that load balancers notice, then lets the requests under way finish, and in the end closes what is left.
//
// Nothing here starts by itself: constructors only build, Run starts and returns when all is over.
package serve

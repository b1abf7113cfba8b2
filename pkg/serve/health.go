package serve

import (
	grpchealth "google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// Health has the server say by the protocol of gRPC (grpc.health.v1) how it stands: each of the named services is SERVING while all the
// conditions that it needs hold, and the server as a whole ("") while all there are do. Clients that watch a service ([DialOptions] with
// a health check in their service config) leave out servers that are connected and cannot do its work.
//
// A server that stops goes on SERVING until its connections end with an answer: clients then look for others, while one that was
// told NOT_SERVING by the only server it knows would have nobody until it is gone.
func (g *GRPC) Health(ready *Readiness, services map[string][]string) {
	answers := grpchealth.NewServer()
	healthv1.RegisterHealthServer(g.server, answers)
	ready.Watch(func(conditions map[string]Condition) {
		whole := true
		for _, c := range conditions {
			whole = whole && c.OK
		}
		answers.SetServingStatus("", serving(whole))
		for service, needs := range services {
			ok := true
			for _, name := range needs {
				ok = ok && conditions[name].OK
			}
			answers.SetServingStatus(service, serving(ok))
		}
	})
}

func serving(ok bool) healthv1.HealthCheckResponse_ServingStatus {
	if ok {
		return healthv1.HealthCheckResponse_SERVING
	}
	return healthv1.HealthCheckResponse_NOT_SERVING
}

// Package chart proves the Helm chart in deploy/helm/gatehouse without a cluster: what every value changes, what is refused,
// and that whatever is rendered is what Kubernetes and the operators of its custom resources understand. Everything is
// rendered by Helm 3 and by Helm 4, whose results must be the same. `make deploy-check` asks a real API server.
package chart

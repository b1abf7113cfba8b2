module github.com/gatehouse-am/gatehouse/scripts/tools/crds

go 1.26.0

// Nothing is compiled: make deploy-check takes the custom resource definitions out of these modules' archives.
require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)

// Command cluster asks a real API server what it thinks of the chart: `make deploy-check` builds what it needs and runs it.
//
// It starts etcd and kube-apiserver on this machine, with the custom resources of cert-manager, the Gateway API and the
// Prometheus operator, in namespaces that enforce PodSecurity "restricted". Everything that the chart's tests render, for each
// value and switch and both Helms alike, is sent as a dry run with strict validation, and so are the pods of it. With Helm 3 and with Helm 4, for every example and for
// a set of values with everything switched on, it
//
//   - sends every rendered object to the server as a dry run with strict validation,
//   - installs, and asks for the pods that the controllers would make, and for one that must be refused,
//   - upgrades to the same chart, and uninstalls,
//   - installs the chart's previous version and upgrades from that.
//
// There are no controllers and no nodes: nothing is scheduled, and no pod runs.
package main

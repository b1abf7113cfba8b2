// Command dashboards writes the Grafana dashboards and the Prometheus alerts: dashboards -root <repository>
//
// It reads the names of metrics out of the source code of the services. A panel or an alert that uses a name that is not there
// is an error, and so is a metric that nothing shows: what is measured is seen. The files go to deploy/dashboards, and into
// the chart, which cannot read outside of itself.
package main

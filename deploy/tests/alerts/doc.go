// Package alerts proves dashboards and alerts with the parser, the rules and the engine of Prometheus itself: every expression is one,
// each alert fires on what it is for and is silent on an installation that is well, and every series and label that is asked for is
// one that the services have, by their source and by what a running management and gateway are scraped for.
package alerts

// Package harness runs the real programs for a measurement: redis-server, management, any number of gateways and the floors,
// each a process of its own on free ports of the loopback interface, with certificates of a development authority. It
// waits until they answer that they are ready, sets up domains through management's REST API as any script does, and ends
// every process it started by its number.
package harness

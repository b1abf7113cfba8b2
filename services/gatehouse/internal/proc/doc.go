// Package proc starts the programs of Gatehouse as real processes for tests: management, gateways, the development binary,
// and the servers behind them. They listen on free ports of the loopback interface and end with the test.
//
// A test package that uses it has
//
//	func TestMain(m *testing.M) { proc.Main(m) }
//
// which builds every program once, when it is first asked for.
package proc

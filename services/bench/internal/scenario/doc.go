// Package scenario is what the benchmark measures. A scenario is one file and one entry in All: most are a Comparison, which
// says what is set up, what each connection asks and how an answer is checked, and leaves the measuring to this package;
// others, such as the time a change takes to reach the gateways, measure for themselves.
//
// A Comparison runs its floor and the real services in turns (A B A B A B), in windows of the same length with as many
// connections, and divides the CPU time per operation of one by that of the other within each turn.
package scenario

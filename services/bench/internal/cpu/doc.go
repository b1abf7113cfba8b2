// Package cpu reads what processes and the machine have used so far: CPU time and memory. It reads Linux's /proc and the
// kernel's CPU clocks; elsewhere every question is answered with ErrUnsupported.
package cpu

import "errors"

// ErrUnsupported says that this system does not tell the CPU time of other processes.
var ErrUnsupported = errors.New("the CPU time of other processes is known on Linux only")

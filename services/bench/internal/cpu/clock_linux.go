package cpu

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// schedClock is CPUCLOCK_SCHED of clock_getcpuclockid(3): the time all threads of a process ran, those that ended
// included, in nanoseconds. /proc/<pid>/stat has the same in ticks of 10 ms.
const schedClock = 2

// maxPID is PID_MAX_LIMIT.
const maxPID = 1 << 22

// clock reads the CPU clock of a process.
func clock(pid int) (time.Duration, error) {
	// Beyond its bounds a number would name another clock.
	if pid <= 0 || pid > maxPID {
		return 0, fmt.Errorf("no process has the number %d", pid)
	}
	var at syscall.Timespec
	id := (^pid << 3) | schedClock
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&at)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(at.Nano()), nil
}

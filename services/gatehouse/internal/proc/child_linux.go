package proc

import "syscall"

// childAttributes end a child together with the thread that started it; the Go runtime ends threads only when a goroutine
// locked to one ends, which tests do not do.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

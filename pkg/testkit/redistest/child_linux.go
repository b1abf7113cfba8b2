package redistest

import "syscall"

// childAttributes keep a server from outliving a test that is killed, and Ctrl-C from reaching it before the test.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

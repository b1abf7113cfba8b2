package harness

import (
	"os/exec"
	"syscall"
)

// endWithParent asks the kernel to end the process when the thread that starts it does. A process group of its own keeps
// an interrupt at the terminal from reaching it: it is ended in order.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

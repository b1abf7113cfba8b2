package cpu

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every architecture Go runs on.
const tick = 10 * time.Millisecond

// Used returns the CPU time, user and system, that a process with all its threads has used since its start. It is exact to
// the nanosecond where the kernel's clock can be asked, else to 10 ms.
func Used(pid int) (time.Duration, error) {
	if d, err := clock(pid); err == nil {
		return d, nil
	}
	text, err := read(pid, "stat")
	if err != nil {
		return 0, err
	}
	return parseStat(text)
}

// Resident returns the resident memory of a process in bytes.
func Resident(pid int) (int64, error) {
	text, err := read(pid, "statm")
	if err != nil {
		return 0, err
	}
	pages, err := parseStatm(text)
	return pages * int64(os.Getpagesize()), err
}

// Name returns the kernel's name of a process: the first 15 bytes of its program's name.
func Name(pid int) (string, error) {
	text, err := read(pid, "comm")
	return strings.TrimSpace(string(text)), err
}

func read(pid int, file string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
	if err != nil && !isLinux() {
		return nil, ErrUnsupported
	}
	return text, err
}

func isLinux() bool {
	_, err := os.Stat("/proc/stat")
	return err == nil
}

// parseStat adds utime and stime of /proc/<pid>/stat (proc(5)). The name, which comes second, may itself contain spaces
// and parentheses, so fields are counted from the last parenthesis.
func parseStat(text []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return 0, fmt.Errorf("process status without a name: %.60q", text)
	}
	const utime, stime = 11, 12 // after the name: state is 0
	fields := bytes.Fields(text[end+1:])
	if len(fields) <= stime {
		return 0, fmt.Errorf("process status with %d fields after the name", len(fields))
	}
	user, err := strconv.ParseInt(string(fields[utime]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("user time: %w", err)
	}
	system, err := strconv.ParseInt(string(fields[stime]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("system time: %w", err)
	}
	return time.Duration(user+system) * tick, nil
}

// parseStatm reads the resident pages of /proc/<pid>/statm.
func parseStatm(text []byte) (int64, error) {
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("memory status %.60q", text)
	}
	return strconv.ParseInt(string(fields[1]), 10, 64)
}

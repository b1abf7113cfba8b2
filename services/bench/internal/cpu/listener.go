package cpu

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Listener returns the process that listens on a TCP port of this machine. It finds only processes whose open files may be
// read: one's own.
func Listener(port int) (int, error) {
	inodes := map[string]bool{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, inode := range parseListeners(text, port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return 0, fmt.Errorf("nothing listens on port %d of this machine", port)
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, err
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && inodes[target] {
			return strconv.Atoi(strings.Split(link, "/")[2])
		}
	}
	return 0, fmt.Errorf("the process that listens on port %d cannot be seen", port)
}

// parseListeners returns the inodes of the listening sockets with that port in the text of /proc/net/tcp.
func parseListeners(text []byte, port int) []string {
	const address, state, inode = 1, 3, 9
	const listening = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	var found []string
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) > inode && f[state] == listening && strings.HasSuffix(f[address], suffix) {
			found = append(found, f[inode])
		}
	}
	return found
}

package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
)

// profileTime is how long a process is watched.
const profileTime = 4 * time.Second

// record makes one more run while perf samples a process. The file is read with `perf report -i FILE`.
func (t *turns) record(ctx context.Context, part string, pid int) error {
	if err := t.target.before(ctx); err != nil {
		return err
	}
	file := filepath.Join(t.bench.Profiles, fmt.Sprintf("%s-%s.perf.data", t.bench.current, part))
	cmd := exec.CommandContext(ctx, "perf", "record", "-q", "-e", "cpu-clock", "-F", "999", "--call-graph", "fp",
		"-p", strconv.Itoa(pid), "-o", file, "--", "sleep", fmt.Sprint(profileTime.Seconds()))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	t.plan.Duration = profileTime
	_, err := load.Run(ctx, t.plan)
	if waited := cmd.Wait(); waited != nil {
		return errors.Join(err, fmt.Errorf("profile: %w", waited))
	}
	return errors.Join(err, t.target.after(ctx))
}

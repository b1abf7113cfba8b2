#!/usr/bin/env bash
# Tidies every go.mod and go.sum. With --check it changes nothing and fails if one is not tidy. The module that only pins
# buf is left out: tidying reads the tests of its dependencies, and not every module proxy serves all of those.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off
diff=""
[ "${1:-}" != --check ] || diff=-diff
failed=0
for module in $(scripts/modules.sh); do
  echo "== tidy $module"
  go mod tidy -C "$module" $diff || failed=1
done
exit $failed

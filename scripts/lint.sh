#!/usr/bin/env bash
# Checks style: scripts, contracts, then the Go code of every module. Everything is looked at before it fails.
# GOLANGCI names the linter; `make lint` builds it.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off
failed=0

echo "== scripts"
for script in .ci/run scripts/*.sh; do
  bash -n "$script" || failed=1
  [ -x "$script" ] || { echo "$script is not executable"; failed=1; }
done

echo "== contracts"
.cache/bin/buf lint || failed=1

for module in $(scripts/modules.sh); do
  if packages=$(go list -C "$module" ./... 2>/dev/null) && [ -z "$packages" ]; then
    continue
  fi
  echo "== $module"
  (cd "$module" && "$GOLANGCI" run --config "$OLDPWD/.golangci.yaml" ./...) || failed=1
done
exit $failed

#!/usr/bin/env bash
# Runs every fuzz target that reads what comes from outside, one after the other, each for its share of the time.
#
#   FUZZ_SECONDS=60   for all of them together; an hour is 3600
#   FUZZ=Pattern      only targets whose name matches
#
# What is found lies in testdata/fuzz of the package, and is a row of its tests from then on. Targets that talk to a whole
# management, and so need a database, run with the tests instead.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off

total=${FUZZ_SECONDS:-60}
pattern=${FUZZ:-.}
places=(pkg services/gateway services/management/internal/{catalog,scim,keystore})

# file: module folder, package below it, target
targets=()
while IFS=: read -r file line; do
  name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/' <<<"$line")
  [[ $name =~ $pattern ]] || continue
  module=$(cd "$(dirname "$file")" && dirname "$(go env GOMOD)")
  targets+=("$module $(realpath --relative-to="$module" "$(dirname "$file")") $name")
done < <(grep -rE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' "${places[@]}")
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz target matches $pattern" >&2; exit 1; }

# fuzz runs one target. An input that reaches something new is made smaller in a hundred tries and not for a whole minute, which would
# be all of the time here. The tool itself sometimes fails when its time is over with "context deadline exceeded", more often on a busy
# machine: without an input that fails, it is run again, four times at most.
fuzz() {
  local said
  for _ in 1 2 3 4 5; do
    if said=$(go test -C "$1" "./$2" -run '^$' -fuzz "^$3\$" -fuzztime "${each}s" -fuzzminimizetime 100x -parallel 2 2>&1); then
      tail -n 1 <<<"$said"
      return 0
    fi
    if ! grep -q 'context deadline exceeded' <<<"$said" || grep -q 'Failing input written' <<<"$said"; then
      break
    fi
    echo "the tool failed when its time was over, and is run again"
  done
  grep -vE '^fuzz: elapsed' <<<"$said" || true
  return 1
}

each=$(((total + ${#targets[@]} - 1) / ${#targets[@]}))
echo "${#targets[@]} targets, ${each} s each"
failed=""
for target in "${targets[@]}"; do
  read -r module package name <<<"$target"
  echo "== $package $name"
  fuzz "$module" "$package" "$name" || failed+=" $name"
done
if [ -n "$failed" ]; then
  echo "found something:$failed" >&2
  exit 1
fi

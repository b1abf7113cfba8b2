#!/usr/bin/env bash
# Runs the tests of every module, each as it builds alone, and says at the end how each fared.
#
#   MODULES="./pkg ./proto"  only these modules; default: all of go.work
#   RACE=1                   with the race detector, where it is affordable
#   CI=true                  answers from the test cache do not count, what is stated to take a time may take three times as
#                            long (GATEHOUSE_TEST_SLOWER=3), because the machine is shared with others, and the whole logs
#                            of processes whose test failed are kept in .cache/artifacts
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off

# The shared packages and the two services are ours to the last line. The other modules carry an embedded database,
# which takes minutes under the detector, or start the services as separate processes, where it sees nothing.
raced=" ./pkg ./services/management ./services/gateway "

read -ra modules <<<"$(echo ${MODULES:-$(scripts/modules.sh)})"
# A package may take long on a machine that is busy. Each test has bounds of its own; this one ends what hangs.
flags=(-timeout 40m)
if [ "${CI:-}" = true ]; then
  mkdir -p .cache/artifacts
  flags+=(-count=1 -vet=off -artifacts -outputdir "$PWD/.cache/artifacts") # lint has vet
  export GATEHOUSE_TEST_SLOWER=${GATEHOUSE_TEST_SLOWER:-3}
fi

# The tests on real processes share one build of the programs, and run one package after the other: each of them keeps
# both cores busy and measures how long answers take.
programs=$(mktemp -d)
said=$(mktemp)
trap 'rm -rf "$programs" "$said"' EXIT
if [[ " ${modules[*]} " == *" ./services/gatehouse "* ]]; then
  for program in management gateway gatehouse gatehousectl; do
    CGO_ENABLED=0 go build -C services/$program -o "$programs/" ./cmd/$program
  done
  CGO_ENABLED=0 go build -C services/gatehouse -o "$programs/" ./cmd/backing
  export GATEHOUSE_TEST_PROGRAMS=$programs
fi

summary=""
failed=0
for module in "${modules[@]}"; do
  if packages=$(go list -C "$module" ./... 2>/dev/null) && [ -z "$packages" ]; then
    summary+=$(printf '  %-24s no packages' "$module")$'\n'
    continue
  fi
  race=""
  cgo=${CGO_ENABLED:-0}
  if [ "${RACE:-}" = 1 ] && [[ $raced == *" $module "* ]]; then
    race=-race
    cgo=1
  fi
  echo "== test $module $race"
  start=$SECONDS
  outcome=passed
  serial=""
  [ "$module" != ./services/gatehouse ] || serial="-p 1"
  CGO_ENABLED=$cgo go test -C "$module" "${flags[@]}" $serial $race ./... | tee -a "$said" || outcome=FAILED
  [ $outcome = passed ] || failed=1
  summary+=$(printf '  %-24s %s in %d s %s' "$module" "$outcome" $((SECONDS - start)) "$race")$'\n'
done

# What failed is said once more, because the logs of many processes may stand between it and the end.
if [ $failed = 1 ]; then
  echo "== failed"
  grep -E '^ *--- FAIL|^ +[a-z0-9_]+\.go:[0-9]+: |^panic: |^FAIL\s' "$said" | grep -v ' said:$' | cut -c -500 | head -n 60 || true
fi
echo "== tests"
printf '%s' "$summary"
exit $failed

#!/usr/bin/env bash
# Asks a real API server about the chart, see deploy/tests/cluster. `make deploy-check` builds the programs first.
#
# The chart's previous version is the newest one in the history that has another number.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off
bin=$PWD/.cache/bin
chart=deploy/helm/gatehouse

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version() { sed -n 's/^version: //p'; }
now=$(version <$chart/Chart.yaml)
previous=""
for commit in $(git log --format=%H -- $chart/Chart.yaml); do
  then=$(git show "$commit:$chart/Chart.yaml" 2>/dev/null | version) || continue
  if [ "$then" != "$now" ]; then
    previous=$commit
    break
  fi
done
if [ -z "$previous" ]; then
  echo "deploy-check: the history has no version of the chart before $now" >&2
  exit 1
fi
git archive "$previous" $chart | tar -x -C "$work"
echo "chart $now; before it $then"

# Only archives of modules are read: nothing of them is compiled.
definitions=$(go mod download -C scripts/tools/crds -json | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
crds=""
for dir in $definitions; do
  for below in deploy/crds config/crd/standard example/prometheus-operator-crd; do
    [ ! -d "$dir/$below" ] || crds+=",$dir/$below"
  done
done

# What the chart's tests render for every value and switch, with both Helms.
mkdir "$work/objects"
go test -C deploy/tests -count=1 ./chart -run 'TestSwitches|TestExamples' -objects "$work/objects"

go build -C deploy/tests -o "$work/cluster" ./cluster
"$work/cluster" -kube-apiserver "$bin/kube-apiserver" -etcd "$(command -v etcd)" -helms "$bin/helm3,$bin/helm4" \
  -chart $chart -previous "$work/$chart" -examples deploy/helm/examples -crds "${crds#,}" -objects "$work/objects"

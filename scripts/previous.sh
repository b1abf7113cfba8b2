#!/usr/bin/env bash
# Builds management and gateway of the revision that this tree has to get along with, and prints the folder they are in.
#
# The revision stands in scripts/compatible-with: the last one that was released, or until then an early one of the main branch. A
# release writes its own there. A shallow clone fetches that one commit. The programs are built once, into the cache,
# as scripts/test.sh builds those of this tree, so that libraries are compiled once for both. It ends with 3 where the commit
# cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
revision=$(cat scripts/compatible-with)
programs=$PWD/.cache/previous/$revision
if [ -x "$programs/management" ] && [ -x "$programs/gateway" ]; then
  echo "$programs"
  exit
fi
if ! git cat-file -e "$revision^{commit}" 2>/dev/null; then
  git fetch --quiet --depth 1 origin "$revision" >&2 || {
    echo "previous: $revision is not in this clone and cannot be fetched; fetch the whole history (git fetch --unshallow)" >&2
    exit 3
  }
fi
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git archive "$revision" | tar -x -C "$tree"
mkdir -p "$programs"
for program in management gateway; do
  (cd "$tree/services/$program" && GOWORK=off GOFLAGS= CGO_ENABLED=0 go build -o "$tree/$program" "./cmd/$program") >&2
  mv "$tree/$program" "$programs/$program"
done
echo "$programs"

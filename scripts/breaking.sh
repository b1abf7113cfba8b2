#!/usr/bin/env bash
# Proves that the contracts in proto/ still fit what was there before: field numbers and JSON names stay.
#
# Before means: where this branch left the main branch, or, on the main branch itself, the last commit before what is
# checked. BASE names another commit.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
  echo "breaking: not checked, $1"
  exit 0
}

git rev-parse --verify --quiet HEAD >/dev/null 2>&1 || skip "there is no readable history here"
base=${BASE:-}
if [ -z "$base" ]; then
  for main in origin/main main; do
    base=$(git merge-base HEAD "$main" 2>/dev/null) && break
  done
  [ -n "$base" ] || skip "there is no main branch here"
  if [ "$base" = "$(git rev-parse HEAD)" ] && [ -z "$(git status --porcelain -- buf.yaml proto)" ]; then
    base=$(git rev-parse --verify --quiet "$base^") || skip "this is the first commit, or the clone reaches no further back"
  fi
fi
git cat-file -e "$base:buf.yaml" 2>/dev/null || skip "$base has no contracts to compare with"

before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
git archive "$base" buf.yaml proto | tar -x -C "$before"
.cache/bin/buf breaking --against "$before"
echo "breaking: the contracts fit those of $(git rev-parse --short "$base")"

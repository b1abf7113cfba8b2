#!/usr/bin/env bash
# Writes the generated files: Go from proto/, the OpenAPI document from the real route table, a Go client from the document.
# With --check it writes nothing and fails if the files are not what it would write.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
check=${1:-}
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
stale=0

# settle <file in the tree> <fresh file>: compares or writes.
settle() {
  if cmp -s "$1" "$2"; then
    return
  elif [ "$check" = --check ]; then
    echo "$1 is not current"
    diff -u "$1" "$2" 2>/dev/null | head -n 20 || true
    stale=1
  else
    mkdir -p "$(dirname "$1")"
    cp "$2" "$1"
    echo "wrote $1"
  fi
}

(cd proto && PATH="$root/.cache/bin:$PATH" "$root/.cache/bin/buf" generate --output "$fresh/proto")
while IFS= read -r file; do
  settle "$file" "$fresh/$file"
done < <(cd "$fresh" && find proto -type f -name '*.go' | sort)

# A contract that is gone must not leave its Go code behind.
while IFS= read -r file; do
  [ -e "$fresh/$file" ] && continue
  if [ "$check" = --check ]; then
    echo "$file has no source any more"
    stale=1
  else
    rm "$file"
    echo "removed $file"
  fi
done < <(find proto -type f -name '*.pb.go' | sort)

# What operators see is made of the names of metrics in the source.
GOWORK=off go run -C scripts/tools ./dashboards -root "$root" -out "$fresh/seen"
while IFS= read -r file; do
  settle "$file" "$fresh/seen/$file"
done < <(cd "$fresh/seen" && find deploy -type f | sort)

# Last, because it is made by a program that is compiled from the files above: the comments of the contracts, and the
# OpenAPI document with them.
openapi() { GOWORK=off go run -C services/management ./cmd/openapi "$@"; }
if [ $stale = 0 ]; then
  (cd proto && "$root/.cache/bin/buf" build --as-file-descriptor-set --output "$fresh/image.binpb")
  openapi -comments "$fresh/image.binpb" >"$fresh/comments.json"
  settle services/management/internal/comment/comments.json "$fresh/comments.json"
fi
if [ $stale = 0 ]; then
  openapi >"$fresh/management.yaml"
  settle proto/openapi/management.yaml "$fresh/management.yaml"
  openapi -client >"$fresh/client.yaml"
  [ -x .cache/bin/oapi-codegen ] || make --no-print-directory "$root/.cache/bin/oapi-codegen"
  .cache/bin/oapi-codegen -config scripts/tools/oapi-codegen/client.yaml -o "$fresh/client.go" "$fresh/client.yaml"
  settle services/gatehousectl/client/client.gen.go "$fresh/client.go"
  GOWORK=off go run -C services/gatehousectl/internal/kinds ./generate "$fresh/management.yaml" "$fresh/kinds.go"
  settle services/gatehousectl/internal/kinds/kinds.gen.go "$fresh/kinds.go"
fi

if [ $stale != 0 ]; then
  echo "run 'make generate' and commit what it writes" >&2
  exit 1
fi

#!/usr/bin/env bash
# Builds the programs for release into dist/, with checksums: release.sh [version]
#
# The same commit and the same Go release give the same bytes, on any machine and at any path. Nothing is published.
#   PLATFORMS="linux/amd64"  for these only
#   DIST=<folder>            elsewhere
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
version=${1:-$(git describe --tags --always --dirty)}
dist=${DIST:-$root/dist}
platforms=${PLATFORMS:-linux/amd64 linux/arm64}

rm -rf "$dist"
mkdir -p "$dist"
dist=$(cd "$dist" && pwd)
for platform in $platforms; do
  for program in services/management/cmd/management services/gateway/cmd/gateway services/gatehouse/cmd/gatehouse \
    services/gatehousectl/cmd/gatehousectl; do
    module=${program%/cmd/*}
    name=$(basename "$program")_${version}_${platform/\//_}
    echo "build $name"
    # Flags from the environment would find their way into the bytes.
    env -u GOAMD64 -u GOARM64 -u GOEXPERIMENT GOFLAGS= GOWORK=off CGO_ENABLED=0 GOOS="${platform%/*}" GOARCH="${platform#*/}" \
      go build -C "$module" -trimpath -buildvcs=false -mod=readonly \
      -ldflags "-s -w -buildid= -X main.version=$version" -o "$dist/$name" "./${program#"$module/"}"
  done
done
# What each program was made of, CycloneDX.
for program in "$dist"/*; do
  GOWORK=off go run -C scripts/tools ./sbom -version "$version" "$program" >"$program.cdx.json"
done
(cd "$dist" && sha256sum -- *_"$version"_* >SHA256SUMS)
cat "$dist/SHA256SUMS"

#!/usr/bin/env bash
# Proves scripts/imports.txt on the packages as every module builds alone, and on the programs as they are linked.
set -euo pipefail
cd "$(dirname "$0")/.."
exec env GOWORK=off go run -C scripts/tools ./imports -root "$PWD"

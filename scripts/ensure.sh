#!/usr/bin/env bash
# Makes sure that programs the tests need are on this machine: ensure.sh redis-server chromium node npm gcc
#
# What is missing is installed with apt-get where that is possible without asking for a password. Elsewhere the exact
# commands are printed and the exit status is 1: a test that cannot run is a failure, not a success.
set -euo pipefail

oldest_node=20

# name: how to find it, and the packages that bring it
found() {
  case $1 in
    chromium) command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable ;;
    node) command -v node && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge "$oldest_node" ] ;;
    slapd) command -v slapd || [ -x /usr/sbin/slapd ] ;; # beyond the PATH of people who are not root
    *) command -v "$1" ;;
  esac >/dev/null 2>&1
}

debian() {
  case $1 in
    node) echo nodejs ;;
    gcc) echo gcc libc6-dev ;;
    etcd) echo etcd-server ;;
    *) echo "$1" ;;
  esac
}

homebrew() {
  case $1 in
    redis-server) echo redis ;;
    slapd) echo openldap ;;
    npm) echo node ;;
    chromium) echo --cask chromium ;;
    *) echo "$1" ;;
  esac
}

missing=()
for name in "$@"; do
  found "$name" || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

packages=()
for name in "${missing[@]}"; do
  read -ra more <<<"$(debian "$name")"
  packages+=("${more[@]}")
done

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  as_root="sudo -n"
fi

if command -v apt-get >/dev/null && { [ -z "$as_root" ] || sudo -n true 2>/dev/null; }; then
  echo "installing ${packages[*]}"
  log=$(mktemp)
  if ! { $as_root apt-get update &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${packages[@]}"; } \
    </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
  fi
  rm -f "$log"
fi

still=()
for name in "${missing[@]}"; do
  found "$name" || still+=("$name")
done
[ ${#still[@]} -gt 0 ] || exit 0

{
  echo "The tests need programs that are not on this machine: ${still[*]}"
  for name in "${still[@]}"; do
    case $name in
      node) echo "  node (version $oldest_node or later): https://nodejs.org, or Homebrew: brew install node" ;;
      *) echo "  $name: Debian or Ubuntu: sudo apt-get install $(debian "$name"); Homebrew: brew install $(homebrew "$name")" ;;
    esac
  done
} >&2
exit 1

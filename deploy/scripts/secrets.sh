#!/usr/bin/env bash
# Makes every secret that a new installation needs, as files: secrets.sh [folder], by default ./secrets
#
# What is there is left as it is, so running it again adds only what is missing. The compose file takes the files as they
# are; deploy/README.md says how they become secrets of Kubernetes. Needs openssl.
#
#   sealing.key                    seals secrets in the database: without it they are lost. Keep a copy elsewhere
#   operator-password              of the first operator
#   technical-password             for /_node on the gateways' technical port
#   snapshot-key                   seals what gateways keep of their configuration on their disks
#   mongodb-password, mongodb-uri  of a MongoDB at MONGODB_HOST (default gatehouse-mongodb:27017)
#   redis-password, redis-url      of a Redis at REDIS_HOST (default gatehouse-redis:6379)
#   plane/                         authority and certificates of the connection between management and gateways, for the
#                                  trust domain TRUST_DOMAIN (default gatehouse)
set -euo pipefail
umask 077
folder=${1:-secrets}
mongodb=${MONGODB_HOST:-gatehouse-mongodb:27017}
redis=${REDIS_HOST:-gatehouse-redis:6379}
days=${DAYS:-397}
trust_domain=${TRUST_DOMAIN:-gatehouse}

mkdir -p "$folder/plane"
cd "$folder"

# make <file> <command…> writes a file that is not there; whole or not at all.
make() {
  local file=$1
  shift
  [ ! -e "$file" ] || return 0
  "$@" >"$file.new"
  mv "$file.new" "$file"
  echo "made $PWD/$file"
}

password() { openssl rand -hex 24 | tr -d '\n'; }

make sealing.key openssl rand -base64 32
make operator-password password
make technical-password password
make snapshot-key openssl rand -base64 32
make mongodb-password password
make redis-password password
make mongodb-uri printf 'mongodb://gatehouse:%s@%s/?authSource=admin' "$(cat mongodb-password)" "$mongodb"
make redis-url printf 'redis://:%s@%s/0' "$(cat redis-password)" "$redis"

cd plane
key() { openssl ecparam -name prime256v1 -genkey -noout; }
authority() { openssl req -x509 -new -sha256 -key ca.key -days 3650 -subj "/CN=Gatehouse plane" -addext "keyUsage=critical,keyCertSign,cRLSign"; }

# certificate <role> <usage> carries one URI, which is the identity that the other end asks for.
certificate() {
  openssl req -new -sha256 -key "$1.key" -subj "/CN=gatehouse-$1" |
    openssl x509 -req -sha256 -days "$days" -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -extfile <(
      echo "basicConstraints=critical,CA:FALSE"
      echo "keyUsage=critical,digitalSignature"
      echo "extendedKeyUsage=$2"
      echo "subjectAltName=URI:spiffe://$trust_domain/$1"
    ) 2>/dev/null
}

make ca.key key
make ca.crt authority
make management.key key
make management.crt certificate management serverAuth
make gateway.key key
make gateway.crt certificate gateway clientAuth

# The folder is closed to others. Within it, containers that run as somebody else read what they are given.
cd ..
chmod 0700 . plane
chmod 0444 sealing.key operator-password technical-password snapshot-key mongodb-password mongodb-uri redis-password redis-url plane/*.crt plane/management.key plane/gateway.key

#!/usr/bin/env bash
# Drills of the handbook, on a running installation: drill.sh redis|management|database|sealing-key|signing-key|certificates|restore
#
# redis, management and database take something away, look whether the rest does what it should, give it back, and look whether
# everything recovers without a restart. sealing-key, signing-key and certificates carry out what the chapter on keys says, and
# look whether everything goes on: they leave new keys behind. restore takes an archive of the domain, brings it in as a copy beside
# it, looks whether the copy serves its clients, and deletes the copy.
#
# Run it where a few minutes without logins hurt nobody, first on an installation for trials. It needs bash and curl, and in the
# environment:
#
#   GATEWAY        the domain at the gateways, such as https://sso.example.com/acme
#   MANAGEMENT     the management API, such as https://admin.example.com/management
#   CLIENT_ID, CLIENT_SECRET   an application of type SERVICE in the domain
#   TOKEN          a token of an operator who may read the domain, and for signing-key write its certificates
#   DOMAIN         the domain's id
#   RECOVERY       how many seconds it may take until something is away, and until everything works again (60)
#
# and for redis, management and database
#
#   BREAK, MEND    commands that take the thing away and give it back, such as
#                  BREAK='kubectl -n gatehouse scale deploy/gatehouse-management --replicas=0'
#
# for sealing-key
#
#   KEYS           a file with the sealing keys in use. It is changed, and has all of them until nothing is sealed under any but the
#                  new one: keep a copy for the backups of before
#   RESTART        a command that gives this file to management and restarts its replicas one after the other, such as
#                  RESTART='kubectl -n gatehouse create secret generic … --from-file=sealing.key=$KEYS --dry-run=client -o yaml |
#                  kubectl apply -f - && kubectl -n gatehouse rollout restart deploy/gatehouse-management && kubectl -n gatehouse
#                  rollout status deploy/gatehouse-management'
#   RESEAL         a command that runs management reseal; --count is put behind it for counting, such as
#                  RESEAL='kubectl -n gatehouse exec deploy/gatehouse-management -- /management reseal'
#
# for certificates
#
#   REPLACE        a command that replaces certificates of the plane between gateways and management
#   TECHNICAL      the technical ports of services whose certificates it replaces, such as 'http://10.0.0.7:18093 http://10.0.0.8:18092'
#
# for restore
#
#   CONTROL        a command that runs gatehousectl, signed in at MANAGEMENT as somebody who may export and import (gatehousectl)
#   GATEWAYS       where domains lie at the gateways, such as https://sso.example.com: the copy gets a path of its own there
#
# It ends with 0 if everything was as it should be. Whatever happens, MEND runs in the end.
set -euo pipefail

what=${1:-}
case $what in
redis | management | database) : "${BREAK:?a command that takes it away}" "${MEND:?a command that gives it back}" ;;
sealing-key) : "${KEYS:?the file with the sealing keys}" "${RESTART:?a command that restarts management}" "${RESEAL:?a command that runs management reseal}" ;;
signing-key) ;;
restore) : "${GATEWAYS:?where domains lie at the gateways}" ;;
certificates) : "${REPLACE:?a command that replaces certificates}" "${TECHNICAL:?technical ports of services}" ;;
*)
  echo 'there are the drills redis, management, database, sealing-key, signing-key, certificates and restore' >&2
  exit 2
  ;;
esac
: "${GATEWAY:?}" "${MANAGEMENT:?}" "${CLIENT_ID:?}" "${CLIENT_SECRET:?}" "${TOKEN:?}" "${DOMAIN:?}"
recovery=${RECOVERY:-60}
failed=0

say() { printf '%s  %s\n' "$(date -u +%H:%M:%S)" "$*"; }

# ask <curl arguments…> prints the status, or 000 if there was no answer. Secrets are not in the list of processes: they are read from a file.
ask() { curl --silent --output /dev/null --max-time 10 --write-out '%{http_code}' --config "$credentials" "$@" || true; }
client() { credentials=$folder/client ask "$@"; }
operator() { credentials=$folder/operator ask "$@"; }

# expect <what> <pattern of status> <status> tells what came of a question.
expect() {
  # shellcheck disable=SC2053 # the second is a pattern
  if [[ $3 == $2 ]]; then
    say "as it should be: $1: $3"
  else
    say "NOT as it should be: $1: $3, not $2"
    failed=1
  fi
}

# becomes <what> <pattern of status> <command…> asks until the answer is as it should be: what is taken away may go on for a while, because
# it drains.
becomes() {
  local called=$1 wanted=$2 began=$SECONDS status
  shift 2
  while :; do
    status=$("$@")
    # shellcheck disable=SC2053 # a pattern
    if [[ $status == $wanted ]] || ((SECONDS - began >= recovery)); then break; fi
    sleep 1
  done
  expect "$called" "$wanted" "$status"
}

# What gateways do out of their own memory, whatever is away.
keeps_serving() {
  expect 'a token for a client' 200 "$(client -d grant_type=client_credentials "$GATEWAY/oauth/token")"
  expect 'introspection of an access token' 200 "$(client --data-urlencode "token@$folder/token" "$GATEWAY/oauth/introspect")"
  expect 'discovery' 200 "$(client "$GATEWAY/oidc/.well-known/openid-configuration")"
  expect 'keys' 200 "$(client "$GATEWAY/oidc/.well-known/jwks.json")"
}

# issue writes a token of the client to a file.
issue() {
  curl --silent --fail --max-time 10 --config "$folder/client" -d grant_type=client_credentials "$GATEWAY/oauth/token" |
    sed 's/.*"access_token" *: *"\([^"]*\)".*/\1/' | tr -d '\n' >"$1"
}

# revocation of a token that was just issued is what needs Redis, and nobody's sign-in.
revocation() { issue "$folder/spare" && client --data-urlencode "token@$folder/spare" "$GATEWAY/oauth/revoke"; }
reading() { operator "$MANAGEMENT/domains/$DOMAIN"; }

everything_works() { [[ $(revocation) == 200 && $(reading) == 200 && $(client -d grant_type=client_credentials "$GATEWAY/oauth/token") == 200 ]]; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(
  umask 077
  printf 'user = "%s:%s"\n' "$CLIENT_ID" "$CLIENT_SECRET" >"$folder/client"
  printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" >"$folder/operator"
  issue "$folder/token"
) || { say 'not begun: there is no token for the client'; exit 2; }
everything_works || { say 'not begun: not everything works'; exit 2; }

# recovered waits until everything works, and ends the drill where that takes too long.
recovered() {
  local began=$SECONDS
  until everything_works; do
    if ((SECONDS - began >= recovery)); then
      say "NOT as it should be: $1: after $recovery s not everything works"
      exit 1
    fi
    sleep 1
  done
  say "everything works $1, after $((SECONDS - began)) s"
}

# until_is <what> <command…> waits until a command succeeds.
until_is() {
  local called=$1 began=$SECONDS
  shift
  until "$@"; do
    if ((SECONDS - began >= recovery)); then
      say "NOT as it should be: $called, not after $recovery s"
      failed=1
      return
    fi
    sleep 1
  done
  say "as it should be: $called"
}

# counted says how many values are sealed under other keys than the first: none where the command ends with 0.
counted() { bash -c "$RESEAL --count" >"$folder/count" 2>&1; }

sealing_key() {
  umask 077
  local all new
  all=$(grep -v '^#' "$KEYS" | grep .)
  new=$(head -c 32 /dev/urandom | base64)
  # What is written is what replicas take over: the file keeps its place and its owner. Wherever this ends, no key is missing that something
  # may be sealed under.
  printf '%s\n%s\n' "$all" "$new" >"$KEYS"
  bash -c "$RESTART"
  recovered 'with the new key as the last one'
  printf '%s\n%s\n' "$new" "$all" >"$KEYS"
  bash -c "$RESTART"
  recovered 'with the new key as the first one'
  if counted; then
    say 'NOT as it should be: nothing is sealed under an old key'
    failed=1
  fi
  bash -c "$RESEAL"
  expect 'nothing is sealed under an old key any more' 0 "$(counted && echo 0 || echo 1)"
  keeps_serving
  if ((failed)); then
    say 'the old keys stay in the file'
    exit 1
  fi
  printf '%s\n' "$new" >"$KEYS"
  bash -c "$RESTART"
  recovered 'without the old keys'
  keeps_serving
}

# kid_of says which key signed a token.
kid_of() {
  local head
  head=$(cut -d . -f 1 "$1" | tr '_-' '/+')
  while ((${#head} % 4)); do head+='='; done
  base64 -d <<<"$head" | sed 's/.*"kid" *: *"\([^"]*\)".*/\1/'
}

# answer <curl arguments…> prints what management answers.
answer() { curl --silent --fail --max-time 10 --config "$folder/operator" "$@"; }

published() { curl --silent --fail --max-time 10 "$GATEWAY/oidc/.well-known/jwks.json" | grep -qF "\"$1\""; }
unpublished() { ! published "$1"; }
# active says whether introspection calls a token active.
active() { curl --silent --fail --max-time 10 --config "$folder/client" --data-urlencode "token@$1" "$GATEWAY/oauth/introspect" | grep -q '"active" *: *true'; }
inactive() { ! active "$1"; }
# signs_now says whether a token that is issued now is signed by another key than the one named.
signed_by_another() { issue "$folder/fresh" && [[ -s $folder/fresh && $(kid_of "$folder/fresh") != "$1" ]]; }

signing_key() {
  local old id certificate=''
  old=$(kid_of "$folder/token")
  for id in $(answer "$MANAGEMENT/domains/$DOMAIN/certificates" | grep -o '"id" *: *"[^"]*"' | sed 's/.*"\([^"]*\)"$/\1/'); do
    if answer "$MANAGEMENT/domains/$DOMAIN/certificates/$id" | grep -qF "\"$old\""; then certificate=$id; fi
  done
  if [[ -z $certificate ]]; then
    say "not begun: there is no certificate with the kid $old that the token was signed by"
    exit 2
  fi
  active "$folder/token" || { say 'not begun: the token is not active'; exit 2; }
  answer --output /dev/null -X POST -H 'Content-Type: application/json' -d '{}' "$MANAGEMENT/domains/$DOMAIN/certificates/rotate?immediately=true"
  until_is 'a new key signs' signed_by_another "$old"
  published "$old" || say 'the old key is not published any more'
  answer --output /dev/null -X DELETE "$MANAGEMENT/domains/$DOMAIN/certificates/$certificate"
  until_is 'the old key is not published' unpublished "$old"
  until_is 'introspection refuses tokens of the old key' inactive "$folder/token"
  until_is 'introspection accepts tokens of the new key' active "$folder/fresh"
  say "whoever keeps key sets goes on with the old key for: $(curl --silent --max-time 10 --output /dev/null --dump-header - "$GATEWAY/oidc/.well-known/jwks.json" |
    tr -d '\r' | sed -n 's/^[Cc]ache-[Cc]ontrol: *//p' | grep . || echo 'as long as they like')"
  issue "$folder/token"
  recovered 'with the new key'
  keeps_serving
}

# reloads <technical port> <outcome> prints how often files of certificates were read again, of whatever certificate.
reloads() { curl --silent --fail --max-time 10 "$1/metrics" | awk -v of="outcome=\"$2\"" '/^gatehouse_tls_reloads_total/ && index($1, of) { n += $2 } END { print n + 0 }'; }
reloaded() { [[ $(reloads "$1" ok) != "$2" ]]; }

certificates() {
  local port
  local -A before
  for port in $TECHNICAL; do before[$port]=$(reloads "$port" ok); done
  bash -c "$REPLACE"
  for port in $TECHNICAL; do
    until_is "$port has taken its new certificate" reloaded "$port" "${before[$port]}"
    expect "files that $port refused" 0 "$(reloads "$port" refused)"
  done
  recovered 'with the new certificates'
  keeps_serving
}

# member <name> prints a member of what it reads: the first one of that name.
member() { grep -o "\"$1\" *: *\"[^\"]*\"" | head -n 1 | sed 's/.*"\([^"]*\)"$/\1/'; }

copy='' # the domain that restore has made
restore() {
  local control=${CONTROL:-gatehousectl} path name
  trap 'if [[ -n $copy ]]; then delete_copy || say "the copy is left: the domain $copy"; fi; rm -rf "$folder"' EXIT
  name="Drill $(date -u +%Y%m%d%H%M%S)"
  (umask 077; head -c 32 /dev/urandom | base64 >"$folder/key")
  bash -c "$control export --domain '$DOMAIN' -f '$folder/archive' --key-file '$folder/key'"
  say "an archive of $(wc -l <"$folder/archive") lines"
  bash -c "$control import -f '$folder/archive' --key-file '$folder/key' --as '$name' --dry-run" >/dev/null
  say 'as it should be: nothing speaks against bringing it in'
  bash -c "$control import -f '$folder/archive' --key-file '$folder/key' --as '$name' -o json" >"$folder/imported"
  copy=$(grep '"kind" *: *"domain"' "$folder/imported" | member id)
  if [[ -z $copy || $copy == "$DOMAIN" ]]; then
    copy=''
    say 'NOT as it should be: the answer names no copy'
    exit 1
  fi
  path=$(answer "$MANAGEMENT/domains/$copy" | member path)
  until_is 'the copy issues a token to the client of the original' issued_at "$GATEWAYS$path"
  expect 'the original has no use for it' 1 "$(active "$folder/copied" && echo 0 || echo 1)"
  delete_copy
  copy=''
  until_is 'the copy is gone' gone_at "$GATEWAYS$path"
  everything_works || { say 'NOT as it should be: not everything works'; failed=1; }
  keeps_serving
}
delete_copy() { answer --output /dev/null -X DELETE "$MANAGEMENT/domains/$copy"; }
issued_at() { GATEWAY=$1 issue "$folder/copied" && [[ -s $folder/copied ]]; }
gone_at() { [[ $(client "$1/oidc/.well-known/openid-configuration") == 404 ]]; }

case $what in
sealing-key | signing-key | certificates | restore)
  "${what//-/_}"
  exit $failed
  ;;
esac

trap 'bash -c "$MEND" || true; rm -rf "$folder"' EXIT
say "taken away: $what"
bash -c "$BREAK"
case $what in
redis)
  becomes 'what needs Redis says so' 503 revocation
  keeps_serving
  expect 'management' 200 "$(reading)"
  ;;
management)
  becomes 'the management API' '[05]??' reading
  keeps_serving
  expect 'what needs Redis alone' 200 "$(revocation)"
  ;;
database)
  becomes 'the management API says so' 503 reading
  keeps_serving
  expect 'what needs Redis alone' 200 "$(revocation)"
  ;;
esac
say 'given back'
bash -c "$MEND"
recovered again
exit $failed

#!/usr/bin/env bash
# Takes something away from a running installation, looks whether the rest does what it should, gives it back, and looks whether
# everything recovers without a restart: drill.sh redis|management|database
#
# Run it where a few minutes without logins hurt nobody, first on an installation for trials. It needs bash and curl, and in the
# environment:
#
#   BREAK, MEND    commands that take the thing away and give it back, such as
#                  BREAK='kubectl -n gatehouse scale deploy/gatehouse-management --replicas=0'
#   GATEWAY        the domain at the gateways, such as https://sso.example.com/acme
#   MANAGEMENT     the management API, such as https://admin.example.com/management
#   CLIENT_ID, CLIENT_SECRET   an application of type SERVICE in the domain
#   TOKEN          a token of an operator who may read the domain
#   DOMAIN         the domain's id
#   RECOVERY       how many seconds recovery may take (60)
#
# It ends with 0 if everything was as it should be. Whatever happens, MEND runs in the end.
set -euo pipefail

what=${1:-}
: "${BREAK:?a command that takes it away}" "${MEND:?a command that gives it back}" "${GATEWAY:?}" "${MANAGEMENT:?}"
: "${CLIENT_ID:?}" "${CLIENT_SECRET:?}" "${TOKEN:?}" "${DOMAIN:?}"
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

trap 'bash -c "$MEND" || true; rm -rf "$folder"' EXIT
say "taken away: $what"
bash -c "$BREAK"
case $what in
redis)
  expect 'what needs Redis says so' 503 "$(revocation)"
  keeps_serving
  expect 'management' 200 "$(reading)"
  ;;
management)
  expect 'the management API' '[05]??' "$(reading)"
  keeps_serving
  expect 'what needs Redis alone' 200 "$(revocation)"
  ;;
database)
  expect 'the management API says so' 503 "$(reading)"
  keeps_serving
  expect 'what needs Redis alone' 200 "$(revocation)"
  ;;
*)
  say 'there are the drills redis, management and database'
  exit 2
  ;;
esac
say 'given back'
bash -c "$MEND"
began=$SECONDS
until everything_works; do
  if ((SECONDS - began >= recovery)); then
    say "NOT as it should be: after $recovery s not everything works again"
    exit 1
  fi
  sleep 1
done
say "everything works again after $((SECONDS - began)) s"
exit $failed

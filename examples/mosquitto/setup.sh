#!/bin/sh
# Makes a directory for Mosquitto out of the certificates of Sealwire identities; see README.md beside it.
# Needs sealwire, openssl and coreutils; SEALWIRE may say how sealwire is run. Run it again when members come or go.
set -eu

usage='usage: setup.sh --out DIR --host NAME [--bind ADDRESS] [--port PORT] [--topics FILE]
                [--authority CERT]... [--notary CERT]... [MEMBER-CERT]...'
die() { printf 'setup: %s\n' "$1" >&2; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
out='' host='' bind='' port=8883 topics=$here/acl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/authorities" >"$work/members" >"$work/inboxes"
names=' '

# The common name, which is the user name at the broker: one, and of characters that mean nothing in the list.
name_of() {
  openssl x509 -in "$1" -noout -subject -nameopt multiline,utf8 >"$work/subject" 2>"$work/said" || die "$1 is no certificate"
  name='' count=0
  while read -r field _ value; do
    if [ "$field" = commonName ]; then name=$value count=$((count + 1)); fi
  done <"$work/subject"
  [ "$count" = 1 ] || die "$1 names $count common names, not one"
  case $name in
    '' | *[!A-Za-z0-9._@-]*) die "the name '$name' in $1 cannot stand in the list: use letters, digits and . _ @ -" ;;
    sealwire) die "$1 is named like the topics of inboxes" ;;
  esac
}

# As in `sealwire id`, but in base64url: SHA-256 over the public key.
id_of() {
  openssl x509 -in "$1" -noout -pubkey >"$work/key.pem"
  openssl pkey -pubin -in "$work/key.pem" -outform DER -out "$work/key.der"
  openssl dgst -sha256 -binary "$work/key.der" | base64 | tr '+/' '-_' | tr -d '=\n'
}

add_authority() {
  case $(openssl x509 -in "$1" -noout -ext basicConstraints 2>/dev/null) in
    *CA:TRUE*) openssl x509 -in "$1" >>"$work/authorities" ;;
    *) die "$1 is not the certificate of an authority" ;;
  esac
}

# $1: its certificate, $2: notary or member.
add_member() {
  name_of "$1"
  case $names in *" $name "*) die "two members are named $name" ;; esac
  names="$names$name "
  hashes=$(openssl x509 -in "$1" -noout -subject_hash -issuer_hash | uniq | wc -l)
  if [ "$hashes" -eq 1 ]; then
    # Whoever is believed by itself must not be able to issue certificates with names of others.
    case $(openssl x509 -in "$1" -noout -ext basicConstraints 2>/dev/null) in
      *CA:FALSE*) ;;
      *) die "$1 is an authority: give it with --authority, and members that it certified" ;;
    esac
    openssl verify -no-CApath -no-CAstore -purpose sslclient -CAfile "$1" "$1" >"$work/verdict" 2>&1 || die "$1: $(cat "$work/verdict")"
    openssl x509 -in "$1" >>"$work/members"
  else
    openssl verify -no-CApath -no-CAstore -purpose sslclient -CAfile "$work/authorities" -untrusted "$1" "$1" >"$work/verdict" 2>&1 ||
      die "$1 was not issued by any --authority (give those first): $(cat "$work/verdict")"
  fi
  id=$(id_of "$1")
  [ "${#id}" = 43 ] || die "$1 has no id"
  {
    printf '\n# %s\nuser %s\n' "$2" "$name"
    if [ "$2" = notary ]; then printf 'topic read #\n'; else printf 'topic read sealwire/1/%s/#\n' "$id"; fi
    printf 'topic write sealwire/1/+/handshake/%s\ntopic write sealwire/1/+/frames/%s\n' "$id" "$id"
  } >>"$work/inboxes"
}

# Rules for topics of your own must not open the inboxes.
check_topics() {
  while read -r kind access filter || [ -n "$kind" ]; do
    case $kind in topic | pattern) ;; *) continue ;; esac
    case $access in read | write | readwrite | deny) ;; *) filter=$access ;; esac
    case $access:$filter in
      deny:*) ;;
      *:'#'* | *:+* | *:%* | *:sealwire | *:sealwire/*) die "$topics: '$kind $access $filter' would open inboxes" ;;
    esac
  done <"$topics"
}

# Copies standard input to standard output with $2 for $1.
replace() {
  while IFS= read -r line; do
    case $line in *"$1"*) line=${line%%"$1"*}$2${line#*"$1"} ;; esac
    printf '%s\n' "$line"
  done
}

while [ $# -gt 0 ]; do
  case $1 in --out | --host | --bind | --port | --topics | --authority | --notary) [ $# -ge 2 ] || die "$usage" ;; esac
  case $1 in
    --out) out=$2 && shift ;;
    --host) host=$2 && shift ;;
    --bind) bind=$2 && shift ;;
    --port) port=$2 && shift ;;
    --topics) topics=$2 && shift ;;
    --authority) add_authority "$2" && shift ;;
    --notary) add_member "$2" notary && shift ;;
    -*) die "$usage" ;;
    *) add_member "$1" member ;;
  esac
  shift
done
[ -n "$out" ] && [ -n "$host" ] || die "$usage"
case $host in *:* | *.[0-9] | *.[0-9][0-9] | *.[0-9][0-9][0-9]) die "--host is the broker's name, not its address" ;; esac
check_topics
cat "$work/members" "$work/authorities" >"$work/trusted"
[ -s "$work/trusted" ] || die 'nobody would be let in: name members'

mkdir -p "$out"
out=$(cd "$out" && pwd)
[ -e "$out/home/identity.key" ] || ${SEALWIRE:-sealwire} --home "$out/home" init "$host" >/dev/null 2>"$work/said" ||
  die "the broker's own identity: $(cat "$work/said")"
name_of "$out/home/identity.crt"
[ "$name" = "$host" ] || die "the broker in $out is called $name, not $host"
install -m 644 "$out/home/identity.crt" "$out/broker.crt"
install -m 640 "$out/home/identity.key" "$out/broker.key"
install -m 644 "$work/trusted" "$out/members.crt"
cat "$topics" "$work/inboxes" >"$work/acl"
install -m 640 "$work/acl" "$out/acl"
replace /etc/mosquitto/sealwire "$out" <"$here/mosquitto.conf" | replace 'listener 8883' "listener $port${bind:+ $bind}" >"$work/conf"
install -m 644 "$work/conf" "$out/mosquitto.conf"
# Started by root, Mosquitto goes on as this user.
if [ "$(id -u)" = 0 ]; then chgrp mosquitto "$out/broker.key" "$out/acl" 2>/dev/null || true; fi
printf 'Ready: mosquitto -c %s/mosquitto.conf\nClients reach mqtts://%s:%s and believe %s/broker.crt\n' \
  "$out" "$host" "$port" "$out"

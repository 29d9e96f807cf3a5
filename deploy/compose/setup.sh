#!/bin/sh
# Makes what the roles of the compose cluster trust each other by: an authority, one certificate for all of them, and two tokens.
# What is there already is left as it is, so that it may run at every start.
set -eu
umask 077
cd "${1:-/var/lib/permafrost/secrets}"
[ -s cluster-token ] || openssl rand -hex 32 > cluster-token
[ -s nats-token ] || openssl rand -hex 32 > nats-token
cp /opt/permafrost/deploy/compose/nats.conf .
printf 'token: "%s"\n' "$(cat nats-token)" > nats-token.conf
if [ ! -s host.pem ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -keyout ca.key -out ca.pem -subj "/CN=permafrost" 2>/dev/null
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout host.key -out host.csr -subj "/CN=permafrost" 2>/dev/null
  echo "subjectAltName=DNS:localhost,DNS:nats,DNS:coordinator,DNS:worker-1,DNS:worker-2,DNS:storage-1,DNS:storage-2,DNS:storage-3" > host.ext
  openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile host.ext -out host.new 2>/dev/null
  mv host.new host.pem
  rm -f ca.key host.csr host.ext ca.srl
fi

# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Say what is there. Exit status 0 when the lab is ready, else 1.

command -v docker >/dev/null || die "docker is not installed" "lab up installs it"
exists || die "$name does not exist" "lab up makes it"
running || die "$name is stopped" "lab up starts it with its data"
docker exec "$name" test -e /run/lab/ready || die "$name is starting" "its log: docker exec $name tail -f /var/log/lab/bootstrap.log"
printf '%s is ready on %s\n' "$name" "$addr"
docker stats --no-stream --format 'memory {{.MemUsage}}, cpu {{.CPUPerc}}' "$name"
for manifest in "$out"/*-manifest.json; do [ -e "$manifest" ] && printf 'seeded: %s\n' "$(basename "$manifest" -manifest.json)"; done
exit 0

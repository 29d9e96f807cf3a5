# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Stop the lab and remove it with its data, or only stop it.

keep=''
for option in "$@"; do
  case $option in
    --keep) keep=1 ;;
    *) usage "down: unknown option: $option" ;;
  esac
done
if ! command -v docker >/dev/null || ! exists; then say "$name does not exist"; exit 0; fi
if [ -n "$keep" ]; then
  docker stop -t 60 "$name" >/dev/null
  say "$name is stopped; lab up starts it again with its data"
  exit 0
fi
# Its data goes as well: nothing needs to be stopped in order.
docker rm -f -v "$name" >/dev/null
rm -rf "$out"
[ -n "$(docker ps -aq -f "network=$network")" ] || docker network rm "$network" >/dev/null 2>&1 || true
say "$name is removed with its data"

# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Change about 1 % of the storage tenant.

. "$here/commands/options.sh"
if [ -z "$storage" ] || [ ${#rest[@]} != 0 ]; then usage "change wants --storage"; fi
need_running
docker exec "$name" test -e "$folder/manifest.json" || die "there is no tenant $prefix-acme" "lab seed --storage --prefix $prefix"
storage_tenant change
say "changed; $out/$manifest is up to date"

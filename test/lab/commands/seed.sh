# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Fill the running lab with a tenant whose bytes are known.

. "$here/commands/options.sh"
need_running
if [ -n "$storage" ]; then
  [ ${#rest[@]} = 0 ] || usage "seed --storage: unknown option: ${rest[0]}"
  storage_tenant seed
  say "seeded; clouds $prefix-acme and $prefix-target in $out/clouds.yaml, hashes in $prefix-manifest.json"
  exit 0
fi
for option in "${rest[@]}"; do
  case $option in --small | --no-servers) ;; *) usage "seed: unknown option: $option" ;; esac
done
if docker exec "$name" test -e /run/lab/acme-manifest.json; then
  say "the tenant acme is there already; lab down && lab up gives a clean lab"
  exit 0
fi
inside env SEED_TRACE="${SEED_TRACE:-}" python3 - "${rest[@]}" < "$here/tenants/full/seed.py" \
  || die "some steps failed, see above" "SEED_TRACE=1 prints where; lab down && lab up gives a clean lab"
write_clouds
inside cat /run/lab/acme-manifest.json > "$out/acme-manifest.json"
say "seeded; hashes in $out/acme-manifest.json"

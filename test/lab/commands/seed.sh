# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Fill the running lab with a tenant whose bytes are known.

. "$here/commands/options.sh"
need_running
if [ -n "$storage" ]; then
  [ ${#rest[@]} = 0 ] || usage "seed --storage: unknown option: ${rest[0]}"
  storage_tenant seed
  say "seeded; clouds $prefix-acme and $prefix-target in $out/clouds.yaml, hashes in $manifest"
  exit 0
fi
for option in "${rest[@]}"; do
  case $option in --small | --homes) ;; *) usage "seed: unknown option: $option" ;; esac
done
full_tenant seed.py "$prefix" "${rest[@]}" || die "seed failed" "the reason is above; it may be repeated"
hand_out
say "seeded; clouds $prefix-acme, $prefix-acme-admin, $prefix-target ... in $out/clouds.yaml, hashes in $manifest"

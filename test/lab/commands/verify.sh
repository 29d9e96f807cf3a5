# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Read a seeded tenant back through the published ports and compare every byte.

. "$here/commands/options.sh"
[ ${#rest[@]} = 0 ] || usage "verify: unknown option: ${rest[0]}"
need_running
manifest=acme-manifest.json seed='lab seed' program=full/verify.py
if [ -n "$storage" ]; then manifest=$prefix-manifest.json seed="lab seed --storage --prefix $prefix" program=storage/verify.py; fi
[ -e "$out/$manifest" ] || die "nothing to verify: $out/$manifest is missing" "$seed makes it"
if [ -n "$storage" ]; then
  . "$here/commands/inventory.sh" "$prefix-acme" | beside python3 -c "$(cat "$here/tenants/$program")" "/lab/$manifest"
else
  beside python3 - < "$here/tenants/$program"
fi

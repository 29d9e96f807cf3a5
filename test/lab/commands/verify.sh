# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Read a seeded tenant back through the published ports and compare every byte.

. "$here/commands/options.sh"
[ ${#rest[@]} = 0 ] || usage "verify: unknown option: ${rest[0]}"
need_running
tenant=full options=(--full)
if [ -n "$storage" ]; then tenant=storage options=(); fi
[ -e "$out/$manifest" ] || die "nothing to verify: $out/$manifest is missing" "lab seed ${storage:+--storage }--prefix $prefix makes it"
. "$here/commands/inventory.sh" "$prefix-acme" "${options[@]}" | beside python3 "/tenants/$tenant/verify.py" "/lab/$manifest"

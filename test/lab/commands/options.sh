# shellcheck shell=bash disable=SC2034,SC2154  # sourced by seed.sh, change.sh and verify.sh, after ../lab
# Which tenant: sets `storage`, `prefix` and `manifest`, leaves the rest of the options in `rest`.

storage='' prefix='' rest=()
while [ $# -gt 0 ]; do
  case $1 in
    --storage) storage=1 ;;
    --prefix)
      [[ ${2:-} =~ ^[a-z][a-z0-9]{0,15}$ ]] || usage "--prefix wants a short name of small letters and digits"
      prefix=$2; shift ;;
    *) rest+=("$1") ;;
  esac
  shift
done
# The two tenants have the same names of projects, so they have different prefixes.
if [ -n "$storage" ]; then prefix=${prefix:-pf} folder=/run/lab/tenants/$prefix; else prefix=${prefix:-full} folder=/run/lab/tenants/$prefix-full; fi
manifest=$prefix-manifest.json

# Hands out what a program of a tenant leaves for clients.
hand_out() {
  write_clouds
  inside cat "$folder/manifest.json" > "$out/$manifest"
}

# storage_tenant COMMAND: runs tenants/storage/tenant.py in the lab's container.
storage_tenant() {
  docker exec "$name" mkdir -p "$folder"
  inside sh -c 'cat > /run/lab/tenants/tenant.json' < "$here/tenants/storage/tenant.json"
  inside python3 - "$1" "$prefix" < "$here/tenants/storage/tenant.py" || die "$1 --storage failed" "the reason is above"
  hand_out
}

# full_tenant PROGRAM ARGUMENTS...: runs a program of tenants/full in the lab's container, which has its disks.
full_tenant() {
  # shellcheck disable=SC2016  # for the shell inside
  tar -C "$here/tenants" -c full \
    | inside sh -c 'folder=$(mktemp -d) && tar -x -C "$folder" && python3 "$folder/full/$0" "$@" </dev/null; status=$?; rm -rf "$folder"; exit $status' "$@"
}

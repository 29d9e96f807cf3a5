# shellcheck shell=bash disable=SC2034,SC2154  # sourced by seed.sh, change.sh and verify.sh, after ../lab
# The options of the storage tenant: sets `storage` and `prefix`, leaves the rest in `rest`.

storage='' prefix=pf rest=()
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
[ -n "$storage" ] || [ "$prefix" = pf ] || usage "--prefix belongs to --storage"

# storage_tenant COMMAND: runs tenants/storage/tenant.py inside and hands out what it leaves for clients.
storage_tenant() {
  docker exec "$name" mkdir -p "/run/lab/tenants/$prefix"
  inside sh -c 'cat > /run/lab/tenants/tenant.json' < "$here/tenants/storage/tenant.json"
  inside python3 - "$1" "$prefix" < "$here/tenants/storage/tenant.py" || die "$1 --storage failed" "the reason is above"
  write_clouds
  inside cat "/run/lab/tenants/$prefix/manifest.json" > "$out/$prefix-manifest.json"
}

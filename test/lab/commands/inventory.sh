# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# List and hash everything of a project with openstacksdk, as JSON on standard output.

[ $# -ge 1 ] || usage "inventory wants a cloud: lab inventory pf-acme"
cloud=$1 tenant=storage options=(); shift
for option in "$@"; do
  case $option in
    --full) tenant=full ;;
    --fields) options+=(--fields) ;;
    *) usage "inventory: unknown option: $option" ;;
  esac
done
need_running
[ -e "$out/clouds.yaml" ] || write_clouds
OS_CLOUD=$cloud beside python3 "/tenants/$tenant/inventory.py" "${options[@]}" </dev/null

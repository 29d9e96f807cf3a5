# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# List and hash everything of a project with openstacksdk, as JSON on standard output.

[ $# = 1 ] || usage "inventory wants a cloud: lab inventory pf-acme"
need_running
[ -e "$out/clouds.yaml" ] || write_clouds
OS_CLOUD=$1 beside python3 - < "$here/tenants/storage/inventory.py"

# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# List and hash everything of a project with openstacksdk, as JSON on standard output.

case "$# ${2:-}" in '1 ' | '2 --fields') ;; *) usage "inventory wants a cloud: lab inventory pf-acme" ;; esac
need_running
[ -e "$out/clouds.yaml" ] || write_clouds
OS_CLOUD=$1 beside python3 - "${@:2}" < "$here/tenants/storage/inventory.py"

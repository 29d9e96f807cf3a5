# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Delete every object of a project.

if [ $# != 1 ] && [ "$#${2:-}" != 2--users ]; then usage "empty wants a cloud: lab empty full-acme"; fi
need_running
[ -e "$out/clouds.yaml" ] || write_clouds
OS_CLOUD=$1 beside python3 /tenants/full/empty.py "${@:2}" </dev/null

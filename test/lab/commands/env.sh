# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Print what a client's environment needs.

[ $# -le 1 ] || usage "env wants at most one cloud"
need_running
[ -e "$out/clouds.yaml" ] || write_clouds
printf 'export OS_CLIENT_CONFIG_FILE=%q\n' "$out/clouds.yaml"
[ $# = 0 ] || printf 'export OS_CLOUD=%q\n' "$1"

# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Run a client of the image, on the host's network, against one cloud.

[ $# -ge 2 ] || usage "client wants a cloud and a command: lab client pf-acme openstack image list"
need_running
[ -e "$out/clouds.yaml" ] || write_clouds
export OS_CLOUD=$1; shift
# The swift client reads no clouds.yaml: it is given the same values as OS_* variables.
beside python3 -c '
import os, sys, yaml
path, cloud, command = os.environ["OS_CLIENT_CONFIG_FILE"], os.environ["OS_CLOUD"], sys.argv[1:]
clouds = yaml.safe_load(open(path))["clouds"]
if cloud not in clouds: sys.exit("lab: no cloud %s; there are: %s" % (cloud, ", ".join(clouds)))
if command[0] == "swift":
    del os.environ["OS_CLOUD"]
    os.environ["OS_IDENTITY_API_VERSION"] = "3"
    for key, value in clouds[cloud]["auth"].items(): os.environ["OS_" + key.upper()] = value
try: os.execvp(command[0], command)
except OSError as error: sys.exit("lab: the image cannot run %s: %s" % (command[0], error.strerror))
' "$@"

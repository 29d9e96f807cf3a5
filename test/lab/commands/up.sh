# shellcheck shell=bash disable=SC2154  # sourced by ../lab
# Build the image when there is none of these files, start the container, wait until every API answers.
# A container of other files or ports is never taken for the lab: a stopped one is removed and made anew, a running one refused.

rebuild='' fresh='' virt=qemu stale='' image_id=''
ports=(5000 8080 8774 8776 8778 9001 9292 9311 9696 9876)
for option in "$@"; do
  case $option in
    --rebuild) rebuild=1 fresh='--rebuild' ;;
    --fresh) fresh=${fresh:---fresh} ;;
    --kvm) virt=kvm ;;
    *) usage "up: unknown option: $option" ;;
  esac
done

install_missing() {
  local missing=()
  # A client alone, as some images have, is no engine; an engine that answers already may be anywhere.
  docker version >/dev/null 2>&1 || command -v dockerd >/dev/null || missing+=(docker.io iptables)
  command -v curl >/dev/null || missing+=(curl)
  docker image inspect "$base" >/dev/null 2>&1 || [ -n "$(image_of "$wanted" 2>/dev/null)" ] || command -v debootstrap >/dev/null || missing+=(debootstrap)
  [ ${#missing[@]} != 0 ] || return 0
  command -v apt-get >/dev/null || die "missing: ${missing[*]}, and there is no apt-get" "install them and repeat"
  [ "$(id -u)" = 0 ] || die "missing: ${missing[*]}" "run as root once, or install them and repeat"
  say "installing ${missing[*]}"
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends ca-certificates "${missing[@]}" >/dev/null
}

# A machine without an init system has neither dockerd nor the cgroup hierarchies it wants.
start_dockerd() {
  docker version >/dev/null 2>&1 && return
  [ "$(id -u)" = 0 ] || die "the docker daemon does not answer" "start it, or run as root"
  say "starting dockerd"
  if ! mountpoint -q /sys/fs/cgroup; then
    mount -t tmpfs cgroup /sys/fs/cgroup
    awk 'NR>1 && $4==1{print $1}' /proc/cgroups | while read -r controller; do
      mkdir -p "/sys/fs/cgroup/$controller"
      mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" || rmdir "/sys/fs/cgroup/$controller"
    done
    mkdir -p /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd || true
  fi
  setsid nohup dockerd >/var/log/dockerd-lab.log 2>&1 </dev/null &
  for _ in $(seq 60); do docker version >/dev/null 2>&1 && return; sleep 1; done
  die "dockerd does not start" "see /var/log/dockerd-lab.log"
}

make_base() {
  docker image inspect "$base" >/dev/null 2>&1 && return
  say "making the $base base with debootstrap"
  local root; root=$(mktemp -d)
  if [ -e "/usr/share/debootstrap/scripts/$suite" ]; then debootstrap --variant=minbase "$suite" "$root" >/dev/null
  else debootstrap --variant=minbase "$suite" "$root" "" /usr/share/debootstrap/scripts/sid >/dev/null; fi
  # A mirror may be a snapshot; what it has of a release that still changes is then past its date.
  [ "$suite" = trixie ] || echo 'Acquire::Check-Valid-Until "false";' > "$root/etc/apt/apt.conf.d/90snapshot"
  rm -rf "$root"/var/cache/apt/archives/*.deb
  tar -C "$root" --one-file-system -c . | docker import -c 'CMD ["bash"]' - "$base" >/dev/null
  rm -rf --one-file-system "$root"
}

# What the image is made of. An image carries it as a label, and every container of the image too.
recipe() { (cd "$here" && { find Dockerfile rootfs -type f -print0 | sort -z | xargs -0 sha256sum; [ "$suite" = trixie ] || echo "$suite"; } | sha256sum | cut -c1-16); }

# An image of these files, whatever its tag is now: other worktrees share the tag.
image_of() { docker image ls -q --no-trunc --filter "label=lab.recipe=$1" | head -1; }

published() { for port in "${ports[@]}"; do printf '%s:%s\n' "$addr" "$port"; done | sort; }

# Why the container that is there is not the lab of these files; nothing when it is.
why_stale() {
  local made_of bound
  made_of=$(docker inspect -f '{{ index .Config.Labels "lab.recipe" }}' "$name")
  bound=$(docker inspect -f '{{ range .HostConfig.PortBindings }}{{ range . }}{{ println .HostIp .HostPort }}{{ end }}{{ end }}' "$name" | sed '/^$/d; s/ /:/' | sort)
  if [ "$made_of" != "$wanted" ]; then printf 'it was made of other files (recipe %s, these are %s)' "${made_of:-unknown}" "$wanted"
  elif [ "$bound" != "$(published)" ]; then printf 'it has other ports than these (%s)' "$(comm -3 <(printf '%s\n' "$bound") <(published) | xargs)"
  fi
}

# Sets `stale`: why the container has to go. A running one goes only when that was asked for: somebody may be using it.
judge_container() {
  exists || return 0
  stale=$(why_stale)
  if [ -n "$stale" ] && [ -z "$fresh" ] && running; then
    die "$name runs, but $stale" "use it as it is, or lose its data: lab up --fresh (or --rebuild); LAB_NAME and LAB_ADDR make another lab beside it"
  fi
  [ -z "$fresh" ] || stale=${stale:-"$fresh makes the lab anew"}
}

# Sets `image_id`.
need_image() {
  image_id=$(image_of "$wanted")
  if [ -n "$image_id" ] && [ -z "$rebuild" ]; then return; fi
  local why='there is none of these files' other
  [ -z "$rebuild" ] || why='--rebuild'
  if [ -z "$rebuild" ] && other=$(docker image inspect -f '{{ index .Config.Labels "lab.recipe" }}' "$image" 2>/dev/null); then
    why="$image was built from other files: recipe ${other:-unknown}, these are $wanted"
  fi
  make_base
  local log=$here/run/build-$name.log; mkdir -p "$here/run"
  say "building $image ($why; about 12 minutes, most of it downloads; log: $log)"
  DOCKER_BUILDKIT=0 docker build --build-arg "BASE=$base" --build-arg "MORE=$more" --iidfile "$log.id" --label "lab.recipe=$wanted" -t "$image" "$here" >"$log" 2>&1 \
    || { tail -30 "$log" >&2; die "the image does not build" "whole log: $log"; }
  image_id=$(cat "$log.id"); rm "$log.id"
  say "image built"
}

start_container() {
  docker network inspect "$network" >/dev/null 2>&1 || docker network create "$network" >/dev/null
  if [ -n "$stale" ]; then say "removing $name with its data: $stale"; docker rm -f -v "$name" >/dev/null; rm -rf "$out"; fi
  if running; then say "$name is already running"; return; fi
  if exists; then
    say "starting the stopped $name with its data"
    docker start "$name" >/dev/null || die "the container does not start" "are the ports of $addr free? lab down removes it with its data"
    return
  fi
  local options=(--device /dev/net/tun)
  [ "$virt" = qemu ] || options+=(--device /dev/kvm)
  for port in "${ports[@]}"; do options+=(-p "$addr:$port:$port"); done
  # not --privileged: that needs CAP_SYS_RESOURCE, which a restricted host may not have
  if ! docker run -d --name "$name" --hostname lab --network "$network" --network-alias openstack-lab \
    --cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined \
    --security-opt apparmor=unconfined --security-opt systempaths=unconfined --shm-size 512m --stop-timeout 60 \
    "${options[@]}" -e LAB_ADDR="$addr" -e LAB_VIRT="$virt" "$image_id" >/dev/null; then
    docker rm -f -v "$name" >/dev/null 2>&1 || true
    die "the container does not start" "are the ports of $addr free? LAB_ADDR chooses another loopback address"
  fi
  say "container started"
  # Where we made the cgroups ourselves, all containers together weigh as much as one other process: too little to answer in time on a busy machine.
  if [ -w /sys/fs/cgroup/cpu/docker/cpu.shares ]; then echo 8192 > /sys/fs/cgroup/cpu/docker/cpu.shares; fi
}

wait_ready() {
  say "waiting for the APIs"
  for _ in $(seq 600); do
    docker exec "$name" test -e /run/lab/ready 2>/dev/null && return
    if docker exec "$name" grep -q 'PROVISIONING FAILED' /var/log/lab/bootstrap.log 2>/dev/null; then break; fi
    running || { docker logs --tail 20 "$name" >&2; die "the container died" "its last lines are above"; }
    sleep 1
  done
  docker exec "$name" tail -40 /var/log/lab/bootstrap.log >&2
  die "the lab did not become ready" "its log is above; all logs: docker exec $name ls /var/log/lab"
}

probe() {
  local bad=0 service url code
  for service in identity:5000/v3 object-store:8080/healthcheck compute:8774/ block-storage:8776/ placement:8778/ image:9292/ network:9696/ load-balancer:9876/ key-manager:9311/ dns:9001/; do
    url=http://$addr:${service#*:}
    code=$(curl -s -o /dev/null -m 20 -w '%{http_code}' "$url" || true)
    printf '  %-14s %-42s HTTP %s\n' "${service%%:*}" "$url" "$code"
    case $code in 2* | 300) ;; *) bad=1 ;; esac
  done
  [ $bad = 0 ] || die "an API does not answer on $addr" "is another program on its port?"
}

wanted=$(recipe)
install_missing
start_dockerd
judge_container
need_image
start_container
wait_ready
probe
write_clouds
say "ready; clients: eval \"\$(lab env lab-admin)\", or lab client lab-admin openstack service list"

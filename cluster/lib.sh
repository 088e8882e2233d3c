# What the executables of this folder share: places, versions, progress, and which Docker to talk to.
# Read with `source`; it starts nothing.
# shellcheck shell=bash disable=SC2034  # the variables are for the files that read this one

PRODUCT=algo
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=$ROOT/.tools          # programs built from pinned sources; kept by `down`, removed by `clean`
LOCAL=$ROOT/.local          # state of this checkout: kubeconfig, logs, generated key
BIN=$TOOLS/bin
# Outside the checkout, so that a second checkout on the same machine finds the images made by the
# first: the host ports allow one local cluster a machine anyway.
DOCKER_HOME=/var/lib/$PRODUCT-docker
DOCKER_RUN=/run/$PRODUCT-docker

CLUSTER_NAME=$PRODUCT
POD_RANGE=10.245.0.0/16
SERVICE_RANGE=10.97.0.0/16
# Addresses for one node's pods: /24 would leave 253 and make 250 pods fail whenever a few are on
# their way out.
NODE_POD_BITS=23

mkdir -p "$BIN" "$LOCAL/log"
PATH=$BIN:$PATH

# module_version TOOL MODULE: the version that cluster/tools/TOOL/go.mod pins.
module_version() {
  awk -v module="$2" '$1 == "require" { $1 = ""; $0 = $0 } $1 == module { print $2; exit }' \
    "$ROOT/cluster/tools/$1/go.mod"
}
KUBERNETES_VERSION=$(module_version kubernetes k8s.io/kubernetes)
ETCD_VERSION=$(module_version etcd go.etcd.io/etcd/server/v3)
COREDNS_VERSION=$(module_version coredns github.com/coredns/coredns)
PROVISIONER_VERSION=$(module_version local-path-provisioner github.com/rancher/local-path-provisioner)
KIND_VERSION=$(module_version kind sigs.k8s.io/kind)
# The image that kind's own release notes list for this kind and the same Kubernetes minor.
PUBLISHED_NODE_IMAGE=kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d

LOG=$LOCAL/log/${0##*/}.log

# fail MESSAGE...: the end, in words that say what to do.
fail() {
  printf 'error: %s\n' "$@" >&2
  exit 1
}

# install_packages PACKAGE...: Debian packages, where this machine takes them from us.
install_packages() {
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    printf 'error: install these Debian packages, or what your system calls them: %s\n' "$*" >&2
    return 1
  fi
  (
    flock 7 # images are built beside one another
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
  ) 7>"$DOCKER_RUN-packages.lock"
}

# step TITLE COMMAND...: one line of progress; the details go to $LOG, whose end is shown on failure.
# Every step looks first whether its work is done, so that a run after a failure goes on from there.
# (COMMAND runs in a subshell with `set -e`; a plain `if COMMAND` would switch that off.)
step() {
  local title=$1 began=$SECONDS code=0 logged
  shift
  printf '%-46s' "$title"
  if [[ -z ${logging-} ]]; then : >"$LOG" && logging=yes; fi # a log tells of one run
  logged=$(wc -c <"$LOG")
  printf '\n== %s (%(%F %T)T)\n' "$title" -1 >>"$LOG"
  set +e
  (set -e; "$@") >>"$LOG" 2>&1
  code=$?
  set -e
  if ((code)); then
    printf 'failed after %d s\n' $((SECONDS - began))
    printf '%s\n' "--- the end of $LOG" >&2
    tail -c "+$((logged + 1))" "$LOG" | tail -n 25 >&2
    printf '%s\n' '---' "What is done stays done: run the same command again to go on from this step." >&2
    exit "$code"
  fi
  printf '%3d s\n' $((SECONDS - began))
}

# hash_of PATH...: one hash of the names and contents of files and folders, and of which are executable:
# all that git keeps. (Other bits of the mode differ between checkouts as their umasks do.)
hash_of() {
  local file runs
  find "$@" -type f -not -path '*/__pycache__/*' | LC_ALL=C sort | while read -r file; do
    if [[ -x $file ]]; then runs=x; else runs=-; fi
    printf '%s %s ' "$runs" "${file#"$ROOT"/}"
    sha256sum <"$file"
  done | sha256sum | cut -c1-12
}

docker_answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# own_daemon_pid: the process id of the daemon that docker-daemon started, if it is still that.
own_daemon_pid() {
  local pid
  pid=$(cat "$DOCKER_RUN/docker.pid" 2>/dev/null) && [[ -n $pid ]] &&
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == dockerd ]] && echo "$pid"
}

# use_docker: talk to our own daemon if it runs, else to the one that answers.
use_docker() {
  if own_daemon_pid >/dev/null; then export DOCKER_HOST=unix://$DOCKER_RUN/docker.sock; fi
  docker_answers || fail "no Docker daemon answers; run cluster/up (or make up) first"
}

# a_registry_answers: whether images can be pulled; asked once, and the answer kept for an hour.
a_registry_answers() {
  local known=$LOCAL/registry
  if [[ -z $(find "$known" -mmin -60 2>/dev/null) ]]; then
    if timeout 15 docker pull --quiet busybox:latest >/dev/null 2>&1; then echo yes; else echo no; fi >"$known"
  fi
  [[ $(cat "$known") == yes ]]
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# cluster_nodes: the containers of kind's nodes, running or not.
cluster_nodes() {
  docker ps --all --filter "label=io.x-k8s.kind.cluster=$CLUSTER_NAME" --format '{{.Names}}' | LC_ALL=C sort
}

# Sourced after dev/env.sh: which Kubernetes tests and demo use, and how images get there.
# shellcheck shell=bash

local_kubeconfig=$(. dev/kube/env.sh && echo "$state/admin.kubeconfig")

# kube_runs: whether use_kube would find a cluster.
kube_runs() {
  if other_kube; then return; fi
  (. dev/kube/env.sh && [ -e "$state/running" ])
}

# other_kube: whether KUBECONFIG names a cluster that is not this machine's own.
other_kube() {
  [ -n "${KUBECONFIG:-}" ] && [ "$KUBECONFIG" != "$local_kubeconfig" ]
}

# can_use_kube: says at once what use_kube would miss.
can_use_kube() {
  local program
  if other_kube; then
    for program in kubectl helm; do
      command -v "$program" >/dev/null || fail "KUBECONFIG is set, but $program is not installed"
    done
    kubectl version --request-timeout=10s >/dev/null ||
      fail "the Kubernetes that KUBECONFIG names does not answer; unset KUBECONFIG to have one started on this machine"
  else
    [ "$(id -u)" -eq 0 ] || fail "root is needed to start a Kubernetes on this machine; or set KUBECONFIG to a cluster of yours, such as one of kind"
    if (. dev/kube/env.sh && other_kubernetes_runs); then
      fail "this machine runs another Kubernetes (there are KUBE- rules in iptables), which is not disturbed: set KUBECONFIG to it"
    fi
    command -v go >/dev/null || fail "Go is needed to build a Kubernetes: install it (go.dev/dl); or set KUBECONFIG to a cluster of yours"
  fi
}

# Goes to the cluster that KUBECONFIG names, or else starts one on this machine; exports KUBECONFIG, and PATH with
# kubectl and helm. started_kube is set if the cluster was started here and now, to be stopped by dev/kube/down.sh.
use_kube() {
  local programs
  export started_kube=""
  can_use_kube
  if other_kube; then return; fi
  programs=$(dev/kube/build.sh)
  export PATH="$programs:$PATH"
  if ! kube_runs; then started_kube=1; fi
  KUBECONFIG=$(dev/kube/up.sh)
  export KUBECONFIG
}

# image_name NAME: as a pod names it.
image_name() {
  echo "${KVCLUSTER_REGISTRY:-localhost}/$1:$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
}

# load_image ARCHIVE IMAGE: to where the cluster's nodes find it.
load_image() {
  local context
  if [ "${KUBECONFIG:-$local_kubeconfig}" = "$local_kubeconfig" ]; then
    dev/kube/image.sh load "$1" >&2
    return
  fi
  context=$(kubectl config current-context)
  if [ -n "${KVCLUSTER_REGISTRY:-}" ]; then
    command -v skopeo >/dev/null || fail "skopeo is needed to push images to $KVCLUSTER_REGISTRY"
    skopeo copy "docker-archive:$1" "docker://$2" >&2
  elif [ "${context#kind-}" != "$context" ]; then
    kind load image-archive "$1" --name "${context#kind-}" >&2
  else
    fail "how do images get to the cluster of the context \"$context\"? Set KVCLUSTER_REGISTRY to a registry that it can pull from"
  fi
}

#!/usr/bin/env bash
# Builds the programs of a real single-node Kubernetes, with kubectl, helm and etcdctl, from their Go modules into the
# project's cache folder, once, and prints that folder. About 12 minutes on two cores the first time. Needs Go and gcc.
# With names of programs only those: dev/kube/build.sh helm
set -euo pipefail
programs=("$@")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../env.sh"
command -v go >/dev/null || fail "Go is needed to build ${*:-a local Kubernetes}: install it (go.dev/dl); where a Kubernetes is needed, KUBECONFIG may name one of yours"

inputs=$(cat "$here"/build.sh "$here"/modules/*/go.mod "$here"/modules/*/*.go | sha256sum | cut -c1-12)
bin=$KVCLUSTER_CACHE/kubernetes/$inputs
mkdir -p "$bin"
exec 9>"$bin/.lock"
flock 9
export GOFLAGS="-buildvcs=false -trimpath -mod=mod"

kube=$(sed -n 's/^\(require \|\t\)k8s.io\/kubernetes \(v[0-9.]*\)$/\2/p' "$here/modules/kubernetes/go.mod" | head -1)
version="k8s.io/component-base/version"
kube_ld="-s -w -X $version.gitVersion=$kube -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$kube") -X $version.gitTreeState=clean"

# wants NAME: whether that program is to be built.
wants() {
  [ ${#programs[@]} -eq 0 ] || [[ " ${programs[*]} " == *" $1 "* ]]
}

# go_build MODULE CGO LDFLAGS OUTPUT PACKAGE
go_build() {
  if [ -x "$bin/$4" ] || ! wants "$4"; then return; fi
  echo "building $4" >&2
  (cd "$here/modules/$1" && CGO_ENABLED=$2 go build -ldflags "$3" -o "$bin/$4.tmp" "$5")
  mv "$bin/$4.tmp" "$bin/$4"
}

for program in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl; do
  go_build kubernetes 0 "$kube_ld" "$program" "k8s.io/kubernetes/cmd/$program"
done
go_build kubernetes 1 "$kube_ld" kubelet k8s.io/kubernetes/cmd/kubelet
go_build etcd 0 "-s -w" etcd go.etcd.io/etcd/server/v3
go_build etcd 0 "-s -w" etcdctl go.etcd.io/etcd/etcdctl/v3
go_build coredns 0 "-s -w" coredns .
go_build helm 0 "-s -w" helm helm.sh/helm/v3/cmd/helm
echo "$bin"

#!/usr/bin/env bash
# The provisioner behind localkube's StorageClass "standard": a folder of this machine for each claim, as a volume of type
# "local". kubelet gives those to the group that a pod asks for (fsGroup), which it does not do for host paths.
set -uo pipefail
. "$(dirname "$0")/env.sh"

provide() { # provide NAMESPACE CLAIM UID ACCESS SIZE
  mkdir -p "$state/volumes/pvc-$3"
  kubectl create -f - <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: pvc-$3}
spec:
  storageClassName: standard
  capacity: {storage: $5}
  accessModes: [$4]
  persistentVolumeReclaimPolicy: Delete
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: $1, name: $2, uid: $3}
  local: {path: $state/volumes/pvc-$3}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$node]}]}]}}
YAML
}

claims() {
  local columns='{.status.phase} {.spec.storageClassName} {.metadata.namespace} {.metadata.name} {.metadata.uid} {.spec.accessModes[0]} {.spec.resources.requests.storage}'
  kubectl get persistentvolumeclaims --all-namespaces --watch --output "jsonpath=$columns{\"\n\"}" |
    while read -r phase class namespace claim uid access size; do
      if [ "$phase $class" = "Pending standard" ] && ! [ -d "$state/volumes/pvc-$uid" ]; then
        provide "$namespace" "$claim" "$uid" "$access" "$size"
      fi
    done
}

# What no claim needs any more: there is no controller for volumes of this type.
volumes() {
  kubectl get persistentvolumes --watch --output 'jsonpath={.status.phase} {.spec.storageClassName} {.metadata.name}{"\n"}' |
    while read -r phase class volume; do
      if [[ "$phase $class" =~ ^(Released|Failed)\ standard$ ]]; then
        kubectl delete persistentvolume "$volume" --ignore-not-found --wait=false
        rm -rf "${state:?}/volumes/$volume"
      fi
    done
}

# The API server ends a watch after a while, and is stopped by some tests.
(while :; do volumes; sleep 1; done) &
while :; do claims; sleep 1; done

//! kv-operator: runs KvClusters on Kubernetes.

fn main() {}

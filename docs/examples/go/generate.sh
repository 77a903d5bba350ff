#!/usr/bin/env bash
# Generates the Go types of the contract into ./kvcluster/v1. Needs Go, Python 3 and pip; the versions are those that
# this example was tried with.
set -euo pipefail
cd "$(dirname "$0")"
proto=../../../proto/proto
module=example.com/kvexample/kvcluster/v1
tools=$PWD/.tools
GOBIN=$tools go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN=$tools go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
# A protobuf compiler; `protoc` does as well.
if [[ ! -x $tools/python/bin/python ]]; then
  python3 -m venv "$tools/python"
  "$tools/python/bin/pip" install --quiet grpcio-tools==1.85.1
fi
files=(kvcluster/v1/kv.proto kvcluster/v1/cluster.proto)
options=()
for file in "${files[@]}"; do
  options+=("--go_opt=M$file=$module" "--go-grpc_opt=M$file=$module")
done
PATH=$tools:$PATH "$tools/python/bin/python" -m grpc_tools.protoc -I "$proto" \
  --go_out=. --go_opt=module=example.com/kvexample --go-grpc_out=. --go-grpc_opt=module=example.com/kvexample \
  "${options[@]}" "${files[@]}"

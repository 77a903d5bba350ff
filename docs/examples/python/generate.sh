#!/usr/bin/env bash
# Generates the Python types of the contract into ./kvcluster, with the tools in ./.venv.
set -euo pipefail
cd "$(dirname "$0")"
if [[ ! -x .venv/bin/python ]]; then
  python3 -m venv .venv
  .venv/bin/pip install --quiet grpcio-tools==1.85.1 grpcio-status==1.85.1
fi
.venv/bin/python -m grpc_tools.protoc -I ../../../proto/proto --python_out=. --grpc_python_out=. \
  kvcluster/v1/kv.proto kvcluster/v1/cluster.proto

"""Writes and reads a key, in Python. Usage: .venv/bin/python main.py [host:port]"""

import sys

import grpc
from grpc_status import rpc_status
from kvcluster.v1 import kv_pb2 as kv
from kvcluster.v1.kv_pb2_grpc import KvStub


def run(endpoint: str) -> None:
    with grpc.insecure_channel(endpoint) as channel:
        client = KvStub(channel)

        # In a session a write can be repeated after an unclear end: all attempts carry the same number.
        session = client.OpenSession(kv.OpenSessionRequest(), timeout=5).session
        attempt = kv.Attempt(session=session, number=1, acknowledged_below=1)
        put = client.Put(kv.PutRequest(key=b"greeting", value=b"hello from Python", attempt=attempt), timeout=5)
        print("written at version", put.timestamp)

        get = client.Get(kv.GetRequest(key=b"greeting"), timeout=5)
        if get.HasField("value"):
            print("read", get.value.value, "version", get.value.version)

        # A page of keys; `resume` says where the next one begins, and `timestamp` at which moment.
        page = client.Scan(kv.ScanRequest(start=b"a", end=b"z", limit=10), timeout=5)
        for row in page.rows:
            print(row.key, row.value)


def describe(error: grpc.RpcError) -> str:
    """An error of a call carries an ErrorDetail, whose kind says what to do."""
    status = rpc_status.from_call(error)
    for packed in status.details if status else ():
        detail = kv.ErrorDetail()
        if packed.Unpack(detail):
            return f"{detail.WhichOneof('kind')}: {detail.message}"
    return f"{error.code().name}: {error.details()}"


if __name__ == "__main__":
    try:
        run(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7400")
    except grpc.RpcError as error:
        sys.exit(describe(error))

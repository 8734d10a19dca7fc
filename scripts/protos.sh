#!/bin/sh
# Writes pubsub_api_pb2.py and its types from the .proto, for the client and for the practice org: each has its own copy.
# The messages only; a method is one line of ours. Needs uv.
set -eu
cd "$(dirname "$0")/.."
cmp src/optsync/salesforce/pubsub_api.proto src/practice_org/pubsub_api.proto # one process may load both
for folder in src/optsync/salesforce src/practice_org; do
    uv run --no-project --with "grpcio-tools==1.85.1" python -m grpc_tools.protoc \
        -I"$folder" --python_out="$folder" --pyi_out="$folder" pubsub_api.proto
done

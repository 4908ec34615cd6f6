"""Calls a function of Stint over gRPC: python3 client.py HOST:PORT FUNCTION TEXT"""
import sys

import grpc
import stint_pb2

address, function, text = sys.argv[1:]

with grpc.insecure_channel(address) as channel:
    invoke = channel.unary_unary(
        "/stint.v1.Functions/Invoke",
        request_serializer=stint_pb2.InvokeRequest.SerializeToString,
        response_deserializer=stint_pb2.InvokeResponse.FromString)
    try:
        # Metadata becomes headers of the function; the deadline is the function's too.
        answer = invoke(stint_pb2.InvokeRequest(function=function, body=text.encode()), metadata=[("lab", "python")], timeout=10)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")

print(answer.status, answer.body.decode())

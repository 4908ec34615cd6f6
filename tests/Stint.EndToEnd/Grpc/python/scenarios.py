"""What a client that is not ours sees of the gRPC endpoint: python3-grpcio, which is gRPC's C core.

    scenarios.py HOST:PORT FOLDER SCENARIO    FOLDER: for files that functions and scenarios share

The generated modules (install-tools.sh makes them) are on PYTHONPATH. A scenario asserts; exit code 0 means that all of it held.
"""
import json
import os
import sys
import time

import grpc
import health_pb2
import reflection_pb2
import stint_pb2
import tinyfaas_pb2
from google.protobuf import descriptor_pb2, descriptor_pool

address, folder, scenario = sys.argv[1:]
LIMIT = 30  # seconds: the longest that any step may take


def connect(**options):
    return grpc.insecure_channel(address, options=[(name.replace("__", "-").replace("_", ".").replace("-", "_"), value) for name, value in options.items()])


channel = connect(grpc_max__receive__message__length=-1)


def unary(path, response, channel=channel):
    return channel.unary_unary(path, request_serializer=lambda m: m.SerializeToString(), response_deserializer=response.FromString)


def stream(path, response, channel=channel):
    return channel.unary_stream(path, request_serializer=lambda m: m.SerializeToString(), response_deserializer=response.FromString)


request = unary("/openfogstack.tinyfaas.tinyfaas.TinyFaaS/Request", tinyfaas_pb2.Response)
invoke = unary("/stint.v1.Functions/Invoke", stint_pb2.InvokeResponse)
invoke_stream = stream("/stint.v1.Functions/InvokeStream", stint_pb2.InvokeStreamResponse)
check = unary("/grpc.health.v1.Health/Check", health_pb2.HealthCheckResponse)
watch = stream("/grpc.health.v1.Health/Watch", health_pb2.HealthCheckResponse)
Data, InvokeRequest = tinyfaas_pb2.Data, stint_pb2.InvokeRequest


def error_of(call, *args, **kwargs):
    kwargs.setdefault("timeout", LIMIT)
    try:
        call(*args, **kwargs)
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call succeeded")


def equal(expected, seen):
    assert seen == expected, f"expected {expected!r}, saw {seen!r}"


def until(condition, what):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def shared(name, text=None):
    path = os.path.join(folder, f"{scenario}-{name}")
    if text is not None:
        with open(path, "w") as file:
            file.write(text)
    return path


def content(path):
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def call():
    equal("Grüße", request(Data(functionIdentifier="echo", data="Grüße"), timeout=LIMIT).response)
    equal("", request(Data(functionIdentifier="echo"), timeout=LIMIT).response)
    seen = json.loads(request(Data(functionIdentifier="/describe/sub/path?x=1", data="hi"), timeout=LIMIT).response)
    equal(("POST", "/sub/path", "x=1", "hi"), (seen["method"], seen["path"], seen["query"], seen["body"]))


def own_service():
    answer = invoke(InvokeRequest(function="describe", method="PUT", path="/a%20b", query="q=1&r", headers={"want-status": "418", "lab": "message"}, body=b"x"), metadata=[("lab", "metadata")], timeout=LIMIT)
    seen = json.loads(answer.body)
    equal((418, "PUT", "/a%20b", "q=1&r", "message"), (answer.status, seen["method"], seen["path"], seen["query"], seen["headers"]["Lab"]))
    equal(("describe", "a, b", "ü"), (answer.headers["Made-By"], answer.headers["Twice"], answer.headers["Umlaut"]))
    every_byte = bytes(range(256)) * 1000
    pieces = invoke(InvokeRequest(function="pieces", body=shared("all", "1\n2\n3\n").encode()), timeout=LIMIT)
    equal((206, "pieces", b"piece 0\npiece 1\npiece 2\n"), (pieces.status, pieces.headers["Kind"], pieces.body))
    equal(8 * len(every_byte), len(invoke(InvokeRequest(function="long", headers={"Bytes": str(8 * len(every_byte))}, body=every_byte), timeout=LIMIT).body))


def metadata():
    answer, call = request.with_call(Data(functionIdentifier="describe"), metadata=[("lab", "1"), ("lab", "2"), ("x-call-id", "mine"), ("raw-bin", b"\x00\xff\x10")], timeout=LIMIT)
    seen = json.loads(answer.response)
    equal(("1, 2", "mine", "mine"), (seen["headers"]["Lab"], seen["headers"]["X-Call-Id"], seen["call_id"]))
    equal("AP8Q", seen["headers"]["Raw-Bin"].rstrip("="))
    assert seen["headers"]["User-Agent"].startswith("grpc-python/"), seen
    assert not [name for name in seen["headers"] if name.startswith("Grpc-") or name in ("Te", "Content-Type")], seen
    got = [(name, value) for name, value in call.initial_metadata()]
    equal("describe", dict(got)["made-by"])
    equal(["a", "b"], [part.strip() for name, value in got if name == "twice" for part in value.split(",")])
    equal(b"\x01\x02\x03", dict(got)["trace-bin"])
    assert not {"umlaut", "not a name", "broken-bin", "connection"} & {name for name, _ in got}, got


def deadline():
    # An instance that is up already: a cold start on a busy machine may take longer than the deadline.
    warm, file = shared("warm"), shared("file")
    first = request.future(Data(functionIdentifier="wait", data=warm), timeout=LIMIT)
    until(lambda: content(warm) == "began", "the function was not called")
    equal(grpc.StatusCode.DEADLINE_EXCEEDED, error_of(request, Data(functionIdentifier="wait", data=file), timeout=2).code())
    first.cancel()
    until(lambda: content(file) == "left", "the deadline did not reach the function")
    left = json.loads(request(Data(functionIdentifier="describe"), timeout=20).response)["time_left"]
    # The C core rounds a deadline up a little.
    assert 0 < left <= 21, left


def cancellation():
    file = shared("file")
    call = request.future(Data(functionIdentifier="wait", data=file), timeout=LIMIT)
    until(lambda: content(file) == "began", "the function was not called")
    call.cancel()
    until(lambda: content(file) == "left", "the cancellation did not reach the function")


def disconnect():
    own, file = connect(), shared("file")
    call = unary("/openfogstack.tinyfaas.tinyfaas.TinyFaaS/Request", tinyfaas_pb2.Response, own).future(Data(functionIdentifier="wait", data=file), timeout=LIMIT)
    until(lambda: content(file) == "began", f"the function was not called: {call}")
    own.close()
    until(lambda: content(file) == "left", "the disconnect did not reach the function")


def unknown():
    for error in (error_of(request, Data(functionIdentifier="nobody")), error_of(invoke, InvokeRequest(function="nobody")), error_of(request, Data(functionIdentifier="no name")), error_of(request, Data())):
        equal(grpc.StatusCode.NOT_FOUND, error.code())
        assert error.details(), error
    equal(grpc.StatusCode.UNIMPLEMENTED, error_of(unary("/stint.v1.Functions/Nothing", stint_pb2.InvokeResponse), InvokeRequest()).code())
    equal(grpc.StatusCode.UNIMPLEMENTED, error_of(unary("/no.Service/Nothing", stint_pb2.InvokeResponse), InvokeRequest()).code())


def function_error():
    for error in (error_of(request, Data(functionIdentifier="fail")), error_of(invoke, InvokeRequest(function="fail"))):
        equal(grpc.StatusCode.INTERNAL, error.code())
        assert "100 % Käse" in error.details(), error.details()
        assert dict(error.initial_metadata() or ()).get("x-call-id") or dict(error.trailing_metadata()).get("x-call-id"), error
    error = error_of(request, Data(functionIdentifier="describe"), metadata=[("want-status", "404")])
    equal(grpc.StatusCode.INTERNAL, error.code())
    assert error.details().startswith("the function answered with status 404: {"), error.details()


def bad_request():
    for bad in ({"path": "no-slash"}, {"path": "/a b"}, {"query": "a\x00b"}, {"method": "GET\x00"}, {"headers": {"a b": "c"}}, {"headers": {"a": "b\x00c"}}, {"headers": {"a": "b\r\nc: d"}}):
        equal(grpc.StatusCode.INVALID_ARGUMENT, error_of(invoke, InvokeRequest(function="echo", **bad)).code())


def busy():
    file = shared("file")
    first = request.future(Data(functionIdentifier="busy", data=file), timeout=LIMIT)
    until(lambda: content(file) == "began", "the function was not called")
    # The one instance is taken: one call waits until it has waited long enough, the other finds the queue full.
    others = [request.future(Data(functionIdentifier="busy", data=shared("never")), timeout=LIMIT) for _ in range(2)]
    equal({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}, {other.exception().code() for other in others})
    for other in others:
        assert int(dict(other.trailing_metadata())["grpc-retry-pushback-ms"]) > 0, other
    first.cancel()


def thousand():
    calls = [request.future(Data(functionIdentifier="echo", data=str(i)), timeout=LIMIT) for i in range(1000)]
    equal([str(i) for i in range(1000)], [call.result().response for call in calls])


def too_large():
    message = "x" * (16 << 20)
    for error in (error_of(request, Data(functionIdentifier="echo", data=message)), error_of(invoke, InvokeRequest(function="echo", body=message.encode()))):
        equal((grpc.StatusCode.RESOURCE_EXHAUSTED, True), (error.code(), "--grpc-max-message" in error.details()))
    error = error_of(invoke, InvokeRequest(function="long", headers={"Bytes": str(16 << 20)}))
    equal((grpc.StatusCode.RESOURCE_EXHAUSTED, True), (error.code(), "InvokeStream" in error.details()))
    # The channel lives on, and what is just below the limit passes.
    equal(4_000_000, len(request(Data(functionIdentifier="echo", data=message[:4_000_000]), timeout=LIMIT).response))


def gzip():
    text = "x" * 1_000_000
    equal(text, request(Data(functionIdentifier="echo", data=text), compression=grpc.Compression.Gzip, timeout=LIMIT).response)
    equal("short", request(Data(functionIdentifier="echo", data="short"), compression=grpc.Compression.Gzip, timeout=LIMIT).response)
    # A small message that becomes a large one is refused like one that was large.
    error = error_of(request, Data(functionIdentifier="echo", data="x" * (16 << 20)), compression=grpc.Compression.Gzip)
    equal(grpc.StatusCode.RESOURCE_EXHAUSTED, error.code())
    # An encoding that is not known: told which are.
    error = error_of(request, Data(functionIdentifier="echo", data=text), compression=grpc.Compression.Deflate)
    equal(grpc.StatusCode.UNIMPLEMENTED, error.code())


def asynchronous():
    file = shared("file")
    answer, call = request.with_call(Data(functionIdentifier="wait", data=file), metadata=[("x-tinyfaas-async", "1"), ("x-call-id", "later")], timeout=LIMIT)
    equal(("", "later"), (answer.response, dict(call.initial_metadata())["x-call-id"]))
    until(lambda: content(file) == "began", "the function was not called")
    equal(202, invoke(InvokeRequest(function="wait", body=shared("second").encode()), metadata=[("x-tinyfaas-async", "1")], timeout=LIMIT).status)
    until(lambda: content(shared("second")) == "began", "the function was not called")
    equal(grpc.StatusCode.NOT_FOUND, error_of(request, Data(functionIdentifier="nobody"), metadata=[("x-tinyfaas-async", "1")]).code())


def streaming():
    file = shared("file", "")
    answers = invoke_stream(InvokeRequest(function="pieces", body=file.encode()), timeout=LIMIT)
    body = b""
    head = None
    for answer in answers:
        head = head or answer
        body += answer.body
        if body.endswith(b"\n"):
            with open(file, "a") as lines:
                lines.write("seen\n")
    equal((206, "pieces", b"piece 0\npiece 1\npiece 2\n"), (head.status, head.headers["Kind"], body))
    whole = list(invoke_stream(InvokeRequest(function="echo", body=b"one"), timeout=LIMIT))
    equal([(200, b"one")], [(answer.status, answer.body) for answer in whole])
    # Longer than any message may be.
    equal(16 << 20, sum(len(answer.body) for answer in invoke_stream(InvokeRequest(function="long", headers={"Bytes": str(16 << 20)}), timeout=LIMIT)))
    # An answer that breaks off is no success.
    seen = b""
    try:
        for answer in invoke_stream(InvokeRequest(function="breaks"), timeout=LIMIT):
            seen += answer.body
        raise AssertionError("an answer that broke off ended well")
    except grpc.RpcError as error:
        equal((grpc.StatusCode.INTERNAL, b"the beginning"), (error.code(), seen))


def health():
    serving, unknown_service = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    for service in ("", "stint.v1.Functions", "openfogstack.tinyfaas.tinyfaas.TinyFaaS"):
        equal(serving, check(health_pb2.HealthCheckRequest(service=service), timeout=LIMIT).status)
    equal(grpc.StatusCode.NOT_FOUND, error_of(check, health_pb2.HealthCheckRequest(service="nobody")).code())
    for service, state in (("", serving), ("nobody", unknown_service)):
        states = watch(health_pb2.HealthCheckRequest(service=service), timeout=LIMIT)
        equal(state, next(states).status)
        states.cancel()


def watch_shutdown():
    """Prints a line once it watches; the daemon is then stopped by whoever started this."""
    states = watch(health_pb2.HealthCheckRequest(), timeout=LIMIT)
    equal(health_pb2.HealthCheckResponse.SERVING, next(states).status)
    print("watching", flush=True)
    equal(health_pb2.HealthCheckResponse.NOT_SERVING, next(states).status)
    try:
        next(states)
        raise AssertionError("there was a state after the last")
    except grpc.RpcError as error:
        equal(grpc.StatusCode.UNAVAILABLE, error.code())


def reflection():
    """As grpcurl does it: list, then the file of a service, then a call with nothing but what was learnt."""
    for package in ("grpc.reflection.v1", "grpc.reflection.v1alpha"):
        ask = channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo", request_serializer=lambda m: m.SerializeToString(), response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
        question = reflection_pb2.ServerReflectionRequest
        services = [s.name for s in next(ask(iter([question(list_services="")]), timeout=LIMIT)).list_services_response.service]
        equal(sorted(["openfogstack.tinyfaas.tinyfaas.TinyFaaS", "stint.v1.Functions", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]), sorted(services))
        answers = list(ask((question(file_containing_symbol=name) for name in services), timeout=LIMIT))
        equal(services, [answer.original_request.file_containing_symbol for answer in answers])
        pool = descriptor_pool.DescriptorPool()
        for answer in answers:
            for file in answer.file_descriptor_response.file_descriptor_proto:
                pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
        for name in services:
            equal(name, pool.FindServiceByName(name).full_name)
        equal("grpc.reflection.v1alpha.ServerReflectionRequest", pool.FindMethodByName("grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo").input_type.full_name)
        others = [
            question(file_by_filename="stint.proto"), question(file_containing_symbol="stint.v1.InvokeRequest"), question(file_containing_symbol="stint.v1.Functions.Invoke"),
            question(file_containing_symbol="grpc.health.v1.HealthCheckResponse.SERVING"), question(all_extension_numbers_of_type="stint.v1.InvokeRequest"),
            question(file_by_filename="nothing"), question(file_containing_symbol="nothing"), question(all_extension_numbers_of_type="nothing"),
            question(file_containing_extension=reflection_pb2.ExtensionRequest(containing_type="stint.v1.InvokeRequest", extension_number=1))]
        kinds = [answer.WhichOneof("message_response") for answer in ask(iter(others), timeout=LIMIT)]
        equal(4 * ["file_descriptor_response"] + ["all_extension_numbers_response"] + 4 * ["error_response"], kinds)


globals()[scenario]()

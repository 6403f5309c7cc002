"""Calls the server under test and prints one JSON line per result. Usage: client.py DESCRIPTORS ADDRESS SCENARIO"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2

from descriptors import Root, read

descriptors, address, scenario = sys.argv[1:]
PREFIXES = ("x-", "t-", "fail-")


root = read(descriptors)
channel = grpc.insecure_channel(address)
ECHO = "reheat.tests.echo.Echo"
Unary, Request = root.method(channel, ECHO, "Unary")
ServerStream, _ = root.method(channel, ECHO, "ServerStream")
ClientStream, _ = root.method(channel, ECHO, "ClientStream")
Duplex, _ = root.method(channel, ECHO, "Duplex")


def show(value):
    print(json.dumps(value), flush=True)


def code(error):
    return error.code().value[0]


def text(metadata):
    result = {}
    for key, value in metadata or ():
        if key.startswith(PREFIXES):
            result.setdefault(key, []).append(value.hex() if isinstance(value, bytes) else value)
    return result


def drain(call, each=lambda reply, n: None):
    replies = []
    try:
        for reply in call:
            replies.append(reply)
            each(reply, len(replies))
    except grpc.RpcError:
        pass
    return replies


def failing(call):
    try:
        call()
        return 0
    except grpc.RpcError as error:
        return code(error)


def unary():
    r = Unary(Request(text="hello", payload=bytes([0, 1, 2, 255])))
    show({"code": 0, "text": r.text, "payload": r.payload.hex()})


def server_stream():
    call = ServerStream(Request(text="s", count=5))
    replies = drain(call)
    show({"code": code(call), "indices": [r.index for r in replies], "texts": [r.text for r in replies]})


def client_stream():
    r = ClientStream(Request(text=t, payload=bytes(10)) for t in "abc")
    show({"code": 0, "text": r.text, "total": r.total_bytes})


def duplex():
    # Each request waits for the reply to the one before: only true duplex gets through.
    import queue

    words = ["one", "two", "three"]
    requests = queue.Queue()
    requests.put(Request(text=words[0]))
    call = Duplex(iter(requests.get, None))
    replies = drain(call, lambda _, n: requests.put(Request(text=words[n]) if n < len(words) else None))
    show({"code": code(call), "texts": [r.text for r in replies], "indices": [r.index for r in replies]})


def status():
    for number in range(1, 17):
        try:
            Unary(Request(fail_code=number, fail_detail=f'détail {number}: 100% – 漢字\n"end"'))
        except grpc.RpcError as error:
            show({"code": code(error), "details": error.details(), "trailers": text(error.trailing_metadata())})


def metadata():
    sent = [
        ("x-ascii", "value one"),
        ("x-ascii", "value two, with comma"),
        ("x-bytes-bin", bytes(range(256))),
        ("x-more-bin", bytes([1, 2])),
    ]
    _, call = Unary.with_call(Request(text="m"), metadata=sent)
    show({"code": code(call), "headers": text(call.initial_metadata()), "trailers": text(call.trailing_metadata())})


def deadline():
    Unary(Request())  # Connected: the deadline is not spent on that.
    show({"code": failing(lambda: Unary(Request(delay_ms=30000), timeout=1))})


def cancel_by_client():
    call = ServerStream(Request(count=-1))
    replies = drain(call, lambda _, n: n == 3 and call.cancel())
    show({"code": code(call), "enough": len(replies) >= 3})


def cancel_by_server():
    call = ServerStream(Request(text="s", count=3, fail_code=1, fail_detail="the server gave up"))
    replies = drain(call)
    show({"code": code(call), "details": call.details(), "received": len(replies)})


def gzip():
    r, call = Unary.with_call(
        Request(text="z", payload=bytes(1 << 20), reply_bytes=1 << 20), compression=grpc.Compression.Gzip)
    trailers = text(call.trailing_metadata())
    show({"code": code(call), "size": len(r.payload), "encoding": trailers.get("t-encoding"), "received": r.total_bytes})


def too_large_request():
    big = failing(lambda: Unary(Request(payload=bytes(5 << 20))))
    show({"code": big, "after": Unary(Request(text="still here")).text})


def too_large_reply():
    big = failing(lambda: Unary(Request(reply_bytes=5 << 20)))
    show({"code": big, "after": Unary(Request(text="still here")).text})


def unimplemented():
    show({
        "method": failing(lambda: channel.unary_unary(f"/{ECHO}/Nothing")(b"")),
        "service": failing(lambda: channel.unary_unary("/reheat.tests.Nothing/Unary")(b"")),
    })


def health():
    check, request = root.method(channel, "grpc.health.v1.Health", "Check")
    names = root.pool.FindEnumTypeByName("grpc.health.v1.HealthCheckResponse.ServingStatus").values_by_number

    def ask(service):
        try:
            return names[check(request(service=service)).status].name
        except grpc.RpcError as error:
            return code(error)

    show({"whole": ask(""), "down": ask("down"), "unknown": ask("unknown")})


def health_watch():
    watch, request = root.method(channel, "grpc.health.v1.Health", "Watch")
    names = root.pool.FindEnumTypeByName("grpc.health.v1.HealthCheckResponse.ServingStatus").values_by_number
    call = watch(request(service="later"))
    drain(call, lambda reply, _: show(names[reply.status].name))
    show({"code": code(call), "details": call.details()})


def reflection():
    for version in ("v1", "v1alpha"):
        info, request = root.method(channel, f"grpc.reflection.{version}.ServerReflection", "ServerReflectionInfo")
        listed, file, missing = info(iter([
            request(list_services="*"),
            request(file_containing_symbol=f"{ECHO}.Unary"),
            request(file_containing_symbol="reheat.tests.echo.Nothing"),
        ]))
        learned = Root([
            descriptor_pb2.FileDescriptorProto.FromString(f) for f in file.file_descriptor_response.file_descriptor_proto])
        call, echo_request = learned.method(channel, ECHO, "Unary")
        show({
            "services": [s.name for s in listed.list_services_response.service],
            "text": call(echo_request(text="by reflection")).text,
            "missing": missing.error_response.error_code,
        })


def reflection_open():
    import threading

    info, request = root.method(channel, "grpc.reflection.v1.ServerReflection", "ServerReflectionInfo")
    never = threading.Event()

    def requests():
        yield request(list_services="*")
        never.wait()

    call = info(requests())
    drain(call, lambda reply, _: show(len(reply.list_services_response.service)))
    never.set()
    show({"code": code(call), "details": call.details()})


globals()[scenario]()

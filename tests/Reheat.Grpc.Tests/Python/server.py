"""The echo service as another implementation has it. Usage: server.py DESCRIPTORS. Prints its port; ends with its standard input."""

import sys
import threading
import time
from concurrent import futures

import grpc

from descriptors import read

ECHO = "reheat.tests.echo.Echo"
CODES = {c.value[0]: c for c in grpc.StatusCode}
root = read(sys.argv[1])
_, Reply, _ = root.shape(ECHO, "Unary")
cancelled = 0


def own(context, prefix=""):
    return [(prefix + k, v) for k, v in context.invocation_metadata() if k.startswith("x-")]


def reply(request, index=0):
    return Reply(
        text=request.text,
        payload=bytes(request.reply_bytes) if request.reply_bytes else request.payload,
        index=index,
        total_bytes=len(request.payload),
    )


def fail_if_asked(request, context):
    if request.fail_code:
        context.set_trailing_metadata([("fail-text", "why"), ("fail-bytes-bin", bytes([0, 255, 10]))])
        context.abort(CODES[request.fail_code], request.fail_detail)


class Watch:
    """Counts a call that ends before its handler is through. A generator is not even resumed then: only the callback is sure."""

    def __init__(self, context):
        self.ended = threading.Event()
        self.through = False
        if not context.add_callback(self.end):
            self.end()

    def end(self):
        global cancelled
        if not self.through:
            cancelled += 1
        self.ended.set()


def unary(request, context):
    if request.text == "cancelled?":
        return Reply(index=cancelled)
    watch = Watch(context)
    context.send_initial_metadata(own(context))
    if request.delay_ms and watch.ended.wait(request.delay_ms / 1000):
        return Reply()
    watch.through = True
    fail_if_asked(request, context)
    context.set_trailing_metadata(own(context, "t-"))
    return reply(request)


def server_stream(request, context):
    watch = Watch(context)
    index = 0
    while index != request.count:
        yield reply(request, index)
        index += 1
        time.sleep(0.002)
    watch.through = True
    fail_if_asked(request, context)


def client_stream(requests, context):
    texts, total = [], 0
    for request in requests:
        texts.append(request.text)
        total += len(request.payload)
    return Reply(text=",".join(texts), total_bytes=total)


def duplex(requests, context):
    for index, request in enumerate(requests):
        fail_if_asked(request, context)
        yield reply(request, index)


handlers = {}
for name, behaviour in (("Unary", unary), ("ServerStream", server_stream), ("ClientStream", client_stream), ("Duplex", duplex)):
    request_type, reply_type, shape = root.shape(ECHO, name)
    handlers[name] = getattr(grpc, shape + "_rpc_method_handler")(
        behaviour, request_deserializer=request_type.FromString, response_serializer=reply_type.SerializeToString)

server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), compression=grpc.Compression.Gzip)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ECHO, handlers),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop(0)

"""A gRPC server and client of grpcio.

    grpc_peers.py server            prints `listening PORT`, then `cancelled` for each call whose client left
    grpc_peers.py client PORT NAME  runs one check; exit 0 when it holds, else the reason on standard error
"""
import concurrent.futures
import os
import sys
import tempfile
import threading
import time

import grpc

# The stubs are made on the way: nothing generated is kept in the repository.
OUT = tempfile.mkdtemp(prefix="pasarela-grpc-")
sys.path.insert(0, OUT)
from grpc_tools import protoc  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
assert protoc.main(["", f"-I{HERE}", f"--python_out={OUT}", f"--grpc_python_out={OUT}", "echo.proto"]) == 0
import echo_pb2  # noqa: E402
import echo_pb2_grpc  # noqa: E402

Message = echo_pb2.Message
SIZES = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20),
         ("grpc.max_metadata_size", 64 << 10)]


def _tell_if_cut(context):
    """Prints `cancelled` when the call ends before its handler has put True into what this returns."""
    whole = []
    context.add_callback(lambda: True in whole or print("cancelled\n", end="", flush=True))
    return whole


class Echo(echo_pb2_grpc.EchoServicer):
    def _begin(self, request, context):
        for key, value in context.invocation_metadata():
            if key.startswith("x-echo"):
                context.send_initial_metadata(((key, value),))
                context.set_trailing_metadata(((key.replace("echo", "trailer"), value),))
        end = time.monotonic() + request.delay_ms / 1000
        while time.monotonic() < end and context.is_active():
            time.sleep(0.01)
        if request.status:
            context.abort(grpc.StatusCode(next(c.value for c in grpc.StatusCode if c.value[0] == request.status)), "asked to: ñ%")

    def Unary(self, request, context):
        whole = _tell_if_cut(context)
        self._begin(request, context)
        whole.append(context.is_active())
        return Message(body=request.body, count=1)

    def ServerStream(self, request, context):
        whole = _tell_if_cut(context)
        self._begin(request, context)
        for i in range(request.count):
            yield Message(body=request.body, count=i)
            if request.delay_ms:
                time.sleep(request.delay_ms / 1000)
        whole.append(True)

    def ClientStream(self, requests, context):
        count = length = 0
        for request in requests:
            count, length = count + 1, length + len(request.body)
        return Message(body=str(length).encode(), count=count)

    def Bidi(self, requests, context):
        for i, request in enumerate(requests):
            self._begin(request, context)
            yield Message(body=request.body, count=i)


def server():
    pool = concurrent.futures.ThreadPoolExecutor(32)
    # A port that is taken is an error, not a shared socket: stray servers must not answer.
    running = grpc.server(pool, options=[*SIZES, ("grpc.so_reuseport", 0)])
    echo_pb2_grpc.add_EchoServicer_to_server(Echo(), running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    print(f"listening {port}", flush=True)
    running.wait_for_termination()


def fails(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()} {error.details()}"
        return error
    raise AssertionError(f"did not fail with {code}")


def unary(stub):
    for size in (0, 1, 100, 16_384, 70_000):
        assert stub.Unary(Message(body=b"x" * size), timeout=10).body == b"x" * size, size
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda i: stub.Unary(Message(body=b"%d" % i), timeout=20).body, range(500))
        assert list(answers) == [b"%d" % i for i in range(500)]


def server_stream(stub):
    answers = list(stub.ServerStream(Message(body=b"y" * 1000, count=500), timeout=20))
    assert [a.count for a in answers] == list(range(500))
    assert list(stub.ServerStream(Message(count=0), timeout=10)) == []


def client_stream(stub):
    answer = stub.ClientStream((Message(body=b"z" * 1000) for _ in range(500)), timeout=20)
    assert (answer.count, answer.body) == (500, b"500000"), answer
    assert stub.ClientStream(iter(()), timeout=10).count == 0


def bidi(stub):
    # Each message is sent only after the answer to the one before: nothing may be held back.
    asked = threading.Semaphore(1)

    def requests():
        for i in range(100):
            assert asked.acquire(timeout=5), "an answer was held back"
            yield Message(body=b"%d" % i)

    seen = []
    for answer in stub.Bidi(requests(), timeout=20):
        seen.append(answer.body)
        asked.release()
    assert seen == [b"%d" % i for i in range(100)]


def trailers_only(stub):
    for code in grpc.StatusCode:
        if code is grpc.StatusCode.OK:
            continue
        error = fails(code, lambda code=code: stub.Unary(Message(status=code.value[0]), timeout=10))
        assert error.details() == "asked to: ñ%", error.details()
    error = fails(grpc.StatusCode.ABORTED, lambda: list(stub.ServerStream(Message(status=10, count=3), timeout=10)))
    assert error.details() == "asked to: ñ%"
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: stub.channel.unary_unary("/pasarela.peers.Echo/Nothing")(b"", timeout=10))


def metadata(stub):
    value = "v" * 6000
    answer, call = stub.Unary.with_call(Message(), timeout=10, metadata=(
        ("x-echo-long", value), ("x-many", "1"), ("x-many", "2"), ("x-bin-bin", bytes(range(256)))))
    assert dict(call.initial_metadata()).get("x-echo-long") == value, "initial metadata"
    assert dict(call.trailing_metadata()).get("x-trailer-long") == value, "trailing metadata"


def large(stub):
    body = os.urandom(4 << 20)
    assert stub.Unary(Message(body=body), timeout=30).body == body
    assert [len(a.body) for a in stub.ServerStream(Message(body=body, count=4), timeout=30)] == [len(body)] * 4
    assert stub.ClientStream((Message(body=body) for _ in range(4)), timeout=30).body == b"%d" % (16 << 20)


def deadline(stub):
    started = time.monotonic()
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: stub.Unary(Message(delay_ms=8000), timeout=0.3))
    assert time.monotonic() - started < 3


def cancel(stub):
    call = stub.ServerStream(Message(body=b"c", count=100_000, delay_ms=10), timeout=20)
    next(call)
    call.cancel()
    fails(grpc.StatusCode.CANCELLED, lambda: next(call))


def client(port, name):
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[*SIZES, ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]) as channel:
        stub = echo_pb2_grpc.EchoStub(channel)
        stub.channel = channel
        globals()[name](stub)


if sys.argv[1] == "server":
    server()
else:
    client(sys.argv[2], sys.argv[3])

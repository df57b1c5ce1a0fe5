"""An echo over gRPC: grpc_echo.py server ADDRESS CERT KEY, or client ADDRESS CA; a - for no TLS."""

import sys
from concurrent import futures

import grpc

role, address, *files = sys.argv[1:]
METHOD = "/echo.Echo/Say"


def read(file):
    with open(file, "rb") as opened:
        return opened.read()


class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method == METHOD:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: request)


if role == "server":
    server = grpc.server(futures.ThreadPoolExecutor(), handlers=[Echo()])
    cert, key = files
    if cert == "-":
        server.add_insecure_port(address)
    else:
        server.add_secure_port(address, grpc.ssl_server_credentials([(read(key), read(cert))]))
    server.start()
    print("serving", file=sys.stderr, flush=True)
    server.wait_for_termination()
else:
    (ca,) = files
    if ca == "-":
        channel = grpc.insecure_channel(address)
    else:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(read(ca)))
    with channel:
        print(channel.unary_unary(METHOD)(b"echo", timeout=60).decode())

"""Connections with TLS that a fault closes. Arguments: port of the proxy, number of connections, and the requests, with \\n for each line
break. 256 KiB of a body follow them.

Writes all received bytes to stdout, and for each connection to stderr whether TLS has ended with close_notify.
"""

import socket
import ssl
import sys

port, connections, requests = sys.argv[1:]
requests = requests.replace("\\n", "\r\n").encode()
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
for _ in range(int(connections)):
    plain = socket.create_connection(("127.0.0.1", int(port)), timeout=30)
    # Without close_notify, reading fails instead of returning an end.
    with context.wrap_socket(plain, suppress_ragged_eofs=False) as client:
        client.sendall(requests + bytes(256 << 10))
        try:
            while received := client.recv(1 << 16):
                sys.stdout.buffer.write(received)
            print("close_notify", file=sys.stderr)
        except OSError as error:
            print(error, file=sys.stderr)

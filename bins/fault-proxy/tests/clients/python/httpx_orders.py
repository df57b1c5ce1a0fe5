"""Requests of httpx with a pool of connections. Argument: port of the proxy.

The proxy loses the response to the first order, truncates the report, and resets the stream of events. Prints what the client sees.
"""

import sys

import httpx

client = httpx.Client(base_url=f"http://127.0.0.1:{sys.argv[1]}", timeout=60)


def show(method, path):
    try:
        response = client.request(method, path, content="one" if method == "POST" else None)
        print(method, path, response.text, "on connection", response.headers["connection-number"])
    except httpx.RemoteProtocolError as error:
        print(method, path, error)
    except httpx.TransportError as error:
        print(method, path, type(error).__name__)


show("GET", "/count")
show("POST", "/other")
show("POST", "/orders/1")
show("GET", "/count")
show("POST", "/orders/1")
show("GET", "/report")
try:
    with client.stream("GET", "/events") as response:
        for line in response.iter_lines():
            if line:
                print(line)
    print("complete")
except httpx.TransportError as error:
    print(type(error).__name__)
show("GET", "/count")

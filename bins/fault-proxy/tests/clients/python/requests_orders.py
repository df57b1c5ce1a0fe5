"""Requests of a session of requests, with its pool of connections. Argument: port of the proxy.

The proxy loses the response to the first order, truncates the report, and resets the stream of events. Prints what the client sees.
"""

import sys

import requests

base = f"http://127.0.0.1:{sys.argv[1]}"
session = requests.Session()


def show(method, path, **options):
    try:
        response = session.request(method, base + path, timeout=60, **options)
        print(method, path, response.text, "on connection", response.headers["connection-number"])
    except requests.RequestException as error:
        print(method, path, type(error).__name__)


show("GET", "/count")
show("POST", "/other", data="one")
show("POST", "/orders/1", data="one")
show("GET", "/count")
show("POST", "/orders/1", data="one")
show("GET", "/report")
try:
    with session.get(f"{base}/events", stream=True, timeout=60) as response:
        for line in response.iter_lines(chunk_size=1):
            if line:
                print(line.decode())
    print("complete")
except requests.RequestException as error:
    print(type(error).__name__)
show("GET", "/count")

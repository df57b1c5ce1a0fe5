import os
import socket

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def redis():
    """Address of a Redis server."""
    return f"127.0.0.1:{os.environ.get('REDIS_PORT', '6379')}"


@pytest.fixture
def ping():
    """A function that asks a Redis server at HOST:PORT whether it is there, on a new connection."""

    def ping(address):
        host, _, port = address.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=60) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7)

    return ping

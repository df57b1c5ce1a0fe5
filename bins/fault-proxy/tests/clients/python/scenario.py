"""Drives a control API with toxiproxy-python, and a Redis session through it: scenario.py API_HOST API_PORT REDIS_PORT."""

import socket
import sys
import time

from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import NotFound, ProxyExists

BIG = b"".join(b"%d " % number for number in range(20_000))[:100_000]
LONG = 1.0


class Redis:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.replies = self.socket.makefile("rb")

    def send(self, *words):
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(parts))

    def reply(self):
        line = self.replies.readline()
        if line.startswith(b"$"):
            body = self.replies.read(int(line[1:]) + 2)
            return body[:-2]
        return line.strip(b"+\r\n")

    def ask(self, *words):
        self.send(*words)
        return self.reply()

    def ping(self):
        """How long a round trip takes."""
        started = time.monotonic()
        reply = self.ask(b"PING")
        assert reply == b"PONG", reply
        return time.monotonic() - started


def step(text):
    print(text, flush=True)


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
        return False
    except ConnectionRefusedError:
        return True


def raises(expected, action):
    try:
        action()
    except expected:
        return True
    return False


def main(host, port, redis_port):
    server = Toxiproxy()
    server.update_api_consumer(host, int(port))
    assert server.running()
    step("create")
    upstream = f"127.0.0.1:{redis_port}"
    proxy = server.create(name="redis", upstream=upstream)
    on = int(proxy.listen.rsplit(":", 1)[1])
    assert proxy.enabled and on != 0
    assert raises(ProxyExists, lambda: APIConsumer.post("/proxies", json={"name": "redis", "upstream": upstream}))
    redis = Redis(on)
    assert redis.ask(b"SET", b"big", BIG) == b"OK"

    step("latency, on an open session")
    proxy.add_toxic(type="latency", attributes={"latency": int(LONG * 1000)})
    assert proxy.get_toxic("latency_downstream").attributes == {"latency": int(LONG * 1000), "jitter": 0}
    assert redis.ping() >= LONG
    proxy.destroy_toxic("latency_downstream")
    assert redis.ping() < LONG

    step("latency upstream, and for no session at all")
    proxy.add_toxic(name="up", type="latency", stream="upstream", attributes={"latency": int(LONG * 1000)})
    assert redis.ping() >= LONG
    proxy.destroy_toxic("up")
    proxy.add_toxic(name="never", type="latency", toxicity=0.0, attributes={"latency": 20_000})
    assert redis.ping() < 20
    proxy.destroy_toxic("never")
    assert proxy.toxics() == {}

    step("bandwidth")
    proxy.add_toxic(type="bandwidth", attributes={"rate": 100})
    started = time.monotonic()
    assert redis.ask(b"GET", b"big") == BIG
    assert time.monotonic() - started >= 0.8
    proxy.destroy_toxic("bandwidth_downstream")

    step("slicer")
    proxy.add_toxic(type="slicer", attributes={"average_size": 1000, "size_variation": 500, "delay": 10})
    assert redis.ask(b"GET", b"big") == BIG
    proxy.destroy_toxic("slicer_downstream")

    step("slow_close")
    proxy.add_toxic(type="slow_close", attributes={"delay": 700})
    assert redis.ask(b"QUIT") == b"OK"
    started = time.monotonic()
    assert redis.replies.read() == b""
    assert time.monotonic() - started >= 0.6
    proxy.destroy_toxic("slow_close_downstream")

    step("timeout")
    redis = Redis(on)
    redis.ping()
    proxy.add_toxic(type="timeout", attributes={"timeout": 500})
    started = time.monotonic()
    redis.send(b"PING")
    assert redis.replies.read() == b""
    assert time.monotonic() - started >= 0.4
    proxy.destroy_toxic("timeout_downstream")

    step("timeout without an end, removed")
    redis = Redis(on)
    redis.ping()
    proxy.add_toxic(type="timeout", attributes={"timeout": 0})
    redis.send(b"PING")
    time.sleep(0.2)
    proxy.destroy_toxic("timeout_downstream")
    assert redis.replies.read() == b""

    step("reset_peer")
    redis = Redis(on)
    redis.ping()
    proxy.add_toxic(type="reset_peer", attributes={"timeout": 0})
    assert raises(ConnectionResetError, redis.ping)
    proxy.destroy_toxic("reset_peer_downstream")

    step("limit_data")
    redis = Redis(on)
    proxy.add_toxic(type="limit_data", attributes={"bytes": 10})
    redis.send(b"PING")
    redis.send(b"PING")
    assert redis.replies.read() == b"+PONG\r\n+PO"
    proxy.destroy_toxic("limit_data_downstream")

    step("disable and enable")
    redis = Redis(on)
    redis.ping()
    with server.get_proxy("redis").down():
        assert redis.replies.read() == b""
        assert refused(on)
    Redis(on).ping()

    step("populate")
    proxy.add_toxic(type="latency", attributes={"latency": 1})
    listen = f"127.0.0.1:{on}"
    made = server.populate(
        [
            {"name": "redis", "listen": listen, "upstream": upstream},
            {"name": "other", "listen": "127.0.0.1:0", "upstream": upstream},
        ]
    )
    assert [each.name for each in made] == ["other"]
    assert "latency_downstream" in server.get_proxy("redis").toxics()
    both = APIConsumer.post("/populate", json=[{"name": "redis", "listen": listen, "upstream": upstream}]).json()
    assert [len(each["toxics"]) for each in both["proxies"]] == [1], both

    step("reset")
    server.get_proxy("other").disable()
    server.reset()
    assert all(each.enabled and each.toxics() == {} for each in server.proxies().values())

    step("a fault of fault-proxy's own")
    proxy.add_toxic(type="blackhole", attributes={"direction": "both"})
    assert proxy.get_toxic("blackhole_downstream").type == "blackhole"
    proxy.destroy_toxic("blackhole_downstream")

    step("delete")
    server.destroy_all()
    assert server.proxies() == {} and refused(on)
    assert raises(NotFound, proxy.destroy)


if __name__ == "__main__":
    main(*sys.argv[1:])

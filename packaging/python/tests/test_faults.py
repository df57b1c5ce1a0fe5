"""Proxies and faults, with a real Redis behind them."""

import time

import pytest
from fault_proxy import ApiError, FaultProxy


def test_a_proxy_forwards_to_its_upstream(fault_proxy, redis, ping):
    cache = fault_proxy.proxy("cache", redis)
    assert (cache.host, cache.upstream) == ("127.0.0.1", redis)
    assert cache.address == f"{cache.host}:{cache.port}"
    assert ping(cache.address) == b"+PONG\r\n"


def test_a_listen_address_of_ipv6_has_a_host_without_brackets(fault_proxy, redis, ping):
    cache = fault_proxy.proxy("cache", redis, listen="[::1]:0")
    assert (cache.host, cache.address) == ("::1", f"[::1]:{cache.port}")
    assert ping(cache.address) == b"+PONG\r\n"


def test_a_fault_acts_until_the_end_of_its_block(fault_proxy, redis, ping):
    cache = fault_proxy.proxy("cache", redis)
    with cache.fault("latency", mean="300ms") as fault:
        assert [(made["name"], made["attributes"]) for made in cache.faults()] == [(fault.name, {"mean": 300})]
        started = time.monotonic()
        assert ping(cache.address) == b"+PONG\r\n"
        assert time.monotonic() - started >= 0.3
    assert cache.faults() == []


def test_an_unknown_type_is_named_with_the_known_ones(fault_proxy, redis):
    cache = fault_proxy.proxy("cache", redis)
    with pytest.raises(ApiError, match="invalid toxic type: 'latencyy'; types of faults: latency, jitter, ") as refused:
        cache.fault("latencyy")
    assert refused.value.status == 400


def test_a_fault_without_a_block_acts_until_the_reset(fault_proxy, redis):
    cache = fault_proxy.proxy("cache", redis)
    fault = cache.fault("latency", mean="300ms")
    assert len(cache.faults()) == 1
    fault_proxy.reset()
    assert cache.faults() == []
    fault.remove()


def test_a_fault_has_all_settings_of_the_api(fault_proxy, redis):
    cache = fault_proxy.proxy("cache", redis)
    cache.fault("latency", stream="upstream", toxicity=0.5, name="slow", latency=200, jitter=50)
    cache.fault("packet_loss", ttl="1h", model="gilbert-elliott", good_to_bad="1%", bad_to_good=0.25)
    slow, loss = cache.faults()
    assert slow == {
        "name": "slow",
        "type": "latency",
        "stream": "upstream",
        "toxicity": 0.5,
        "attributes": {"latency": 200, "jitter": 50},
    }
    assert (loss["attributes"]["good_to_bad"], loss["ttl"]) == (0.01, 3_600_000)


def test_a_fault_on_requests_acts_on_those_that_are_meant(fault_proxy, redis, ping):
    cache = fault_proxy.proxy("cache", f"redis://{redis}")
    attributes = {"on": "PING", "then": "close", "times": 1}
    with cache.fault("lose-response", **attributes) as lost:
        assert [(made["name"], made["attributes"]) for made in cache.faults()] == [(lost.name, attributes)]
        assert ping(cache.address) == b""
        assert ping(cache.address) == b"+PONG\r\n"
    with cache.fault("reset", on="PING", at="before-forward"):
        with pytest.raises(ConnectionResetError):
            ping(cache.address)
    with cache.fault("lose-response", on="GET *"):
        assert ping(cache.address) == b"+PONG\r\n"


def test_a_fault_on_requests_needs_a_protocol(fault_proxy, redis):
    cache = fault_proxy.proxy("cache", redis)
    with pytest.raises(ApiError, match="use the scheme psql, psqls, http, https, redis or rediss") as refused:
        cache.fault("lose-response", on="PING")
    assert refused.value.status == 400


def test_an_outage_refuses_connections_until_its_end(fault_proxy, redis, ping):
    cache = fault_proxy.proxy("cache", redis)
    with cache.down():
        with pytest.raises(ConnectionRefusedError):
            ping(cache.address)
    assert ping(cache.address) == b"+PONG\r\n"
    outage = cache.down()
    with pytest.raises(ConnectionRefusedError):
        ping(cache.address)
    outage.end()
    assert ping(cache.address) == b"+PONG\r\n"
    cache.down()
    fault_proxy.reset()
    assert ping(cache.address) == b"+PONG\r\n"


def test_an_error_has_the_message_of_the_api(fault_proxy, redis):
    cache = fault_proxy.proxy("cache", redis)
    with pytest.raises(ApiError, match="^bad request body: men is not an attribute of latency; its attributes") as error:
        cache.fault("latency", men="300ms")
    assert error.value.status == 400
    with pytest.raises(ApiError, match="^proxy already exists$") as error:
        fault_proxy.proxy("cache", redis)
    assert error.value.status == 409


def test_a_name_may_have_any_characters(fault_proxy, redis):
    cache = fault_proxy.proxy("a/b c?", redis)
    with cache.fault("latency", mean="1ms", name="x/y"):
        assert len(fault_proxy.proxies()["a/b c?"].faults()) == 1
    cache.remove()
    assert fault_proxy.proxies() == {}


def test_toxiproxys_client_library_accepts_the_url(fault_proxy, redis, ping):
    toxiproxy = pytest.importorskip("toxiproxy")
    host, port = fault_proxy.url.removeprefix("http://").split(":")
    client = toxiproxy.Toxiproxy()
    client.update_api_consumer(host, int(port))
    client.populate([{"name": "cache", "listen": "127.0.0.1:0", "upstream": redis}])
    client.get_proxy("cache").add_toxic(type="latency", attributes={"latency": 300})
    started = time.monotonic()
    assert ping(fault_proxy.proxies()["cache"].address) == b"+PONG\r\n"
    assert time.monotonic() - started >= 0.3


def test_a_program_is_used_without_pytests_fixtures(redis, ping):
    with FaultProxy(["--seed", "7"]) as faults:
        assert ping(faults.proxy("cache", redis).address) == b"+PONG\r\n"
        url = faults.url
        assert any("control API" in line for line in faults.log())
    with pytest.raises(ConnectionRefusedError):
        ping(url.removeprefix("http://"))

"""The fixture of pytest, as tests see it."""

import pytest

# Leaves a proxy with a fault, another one that is down, and a fault on the proxy of the session.
DISORDER = """
import pytest

@pytest.fixture(scope="session")
def cache(fault_proxy_session):
    return fault_proxy_session.proxy("cache", "127.0.0.1:1")

def test_leaves_a_mess(cache, fault_proxy):
    cache.fault("latency", mean="1s")
    fault_proxy.proxy("db", "127.0.0.1:1").fault("blackhole")
    fault_proxy.proxy("broker", "127.0.0.1:1").down()

def test_begins_without_it(cache, fault_proxy):
    assert list(fault_proxy.proxies()) == ["cache"]
    assert cache.faults() == []
    fault_proxy.proxy("db", "127.0.0.1:1")
"""

FAILS = """
import time

def test_passes(fault_proxy):
    fault_proxy.proxy("first", "127.0.0.1:1")

def test_fails(fault_proxy):
    cache = fault_proxy.proxy("cache", "127.0.0.1:1")
    cache.fault("latency", mean="300ms")
    with cache.fault("blackhole", stream="upstream"):
        pass
    while not any("latency" in line for line in fault_proxy.log()):
        time.sleep(0.01)
    assert 1 == 2

def test_fails_without_the_fixture():
    assert 3 == 4
"""

ARGS = """
import pytest

@pytest.fixture(scope="session")
def fault_proxy_args(tmp_path_factory):
    proxies = tmp_path_factory.mktemp("proxies") / "proxies.json"
    proxies.write_text('[{"name": "shop", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}]')
    return ["--toxiproxy-config", str(proxies)]

@pytest.mark.parametrize("time", [1, 2])
def test_has_the_proxy_of_the_arguments(fault_proxy, time):
    assert list(fault_proxy.proxies()) == ["shop"]
"""


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.delenv("FAULT_PROXY_BIN", raising=False)

    def run(tests):
        pytester.makepyfile(tests)
        return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider")

    return run


def test_a_test_leaves_nothing_to_the_next(run):
    run(DISORDER).assert_outcomes(passed=2)


def test_a_failed_test_reports_its_proxies_and_log(run):
    result = run(FAILS)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_fails _*",
            "*- fault-proxy -*",
            "cache 127.0.0.1:* -> 127.0.0.1:1: latency_downstream mean=300*"
            " (removed during the test: blackhole_upstream)",
            "* INFO changed by the control API *latency*",
            "*_ test_fails_without_the_fixture _*",
        ]
    )
    assert result.stdout.str().count("- fault-proxy -") == 1
    assert '"first"' not in result.stdout.str()


def test_arguments_of_the_program_come_from_a_fixture(run):
    run(ARGS).assert_outcomes(passed=2)

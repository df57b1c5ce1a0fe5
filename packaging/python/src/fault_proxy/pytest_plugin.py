"""Fixtures for pytest: `fault_proxy`, `fault_proxy_session` and `fault_proxy_args`."""

from typing import Generator, Iterator, List

import pytest

from ._errors import FaultProxyError
from ._faults import FaultProxy
from ._program import log_time

_STARTED = pytest.StashKey[str]()
_LAST_CHANGE = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def fault_proxy_args() -> List[str]:
    """Further arguments of `fault-proxy run`. Override this fixture in a conftest.py to set some."""
    return []


@pytest.fixture(scope="session")
def fault_proxy_session(fault_proxy_args: List[str]) -> Iterator[FaultProxy]:
    """A fault-proxy for all tests of the session. Proxies that are made with it stay until the end of the session."""
    with FaultProxy(fault_proxy_args) as faults:
        yield faults


@pytest.fixture
def fault_proxy(fault_proxy_session: FaultProxy, request: pytest.FixtureRequest) -> Iterator[FaultProxy]:
    """A fault-proxy for one test. After the test its proxies are removed, and all other proxies have no faults."""
    faults = fault_proxy_session
    # A test that was interrupted, or that used another client, may have left faults behind.
    faults.reset()
    before = faults.proxies()
    request.node.stash[_STARTED] = log_time()
    request.node.stash[_LAST_CHANGE] = faults._last_change()
    yield faults
    for name, proxy in faults.proxies().items():
        if name not in before:
            proxy.remove()
    faults.reset()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, "pytest.CallInfo[None]", None]:
    """Adds the proxies and the log of the program to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    faults = getattr(item, "funcargs", {}).get("fault_proxy")
    if not report.failed or not isinstance(faults, FaultProxy):
        return
    try:
        state = faults._state(item.stash.get(_LAST_CHANGE, 0)) or ["no proxies"]
    except FaultProxyError as error:
        state = [str(error)]
    log = faults._program.lines(item.stash.get(_STARTED, ""))
    report.sections.append(("fault-proxy", "\n".join([*state, "", *log])))

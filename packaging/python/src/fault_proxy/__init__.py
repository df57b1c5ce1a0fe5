"""Tests of how a service behaves on a bad network.

`FaultProxy` runs the program fault-proxy. A proxy is between a client and a TCP service, and its faults delay,
throttle, stall or close the connections::

    with FaultProxy() as faults:
        cache = faults.proxy("cache", "127.0.0.1:6379")
        with cache.fault("latency", mean="300ms"):
            ...  # connect to cache.address instead of 127.0.0.1:6379

With pytest, the fixture `fault_proxy` is a `FaultProxy` without proxies and faults of other tests.
"""

from ._errors import ApiError, FaultProxyError, ProgramError
from ._faults import FaultProxy
from ._program import find_program
from ._proxy import Fault, Proxy

__all__ = ["ApiError", "Fault", "FaultProxy", "FaultProxyError", "ProgramError", "Proxy", "find_program"]

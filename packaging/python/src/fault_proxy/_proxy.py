"""Proxies and faults of a running program."""

from types import TracebackType
from typing import Any, Dict, List, Optional, Type, Union

from ._api import Api
from ._errors import ApiError

Attribute = Union[str, int, float, bool]


class Proxy:
    """A proxy: it listens at `address` and forwards to its upstream."""

    def __init__(self, api: Api, name: str, address: str, upstream: str) -> None:
        self._api = api
        self.name = name
        #: Where clients connect, as `HOST:PORT`.
        self.address = address
        #: Where the proxy connects, as the API shows it.
        self.upstream = upstream

    def __repr__(self) -> str:
        return f"<Proxy {self.name} {self.address} -> {self.upstream}>"

    @property
    def host(self) -> str:
        """Host of `address`, without the brackets of IPv6."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Port of `address`."""
        return int(self.address.rpartition(":")[2])

    def fault(
        self,
        type: str,
        *,
        stream: str = "downstream",
        toxicity: float = 1.0,
        name: Optional[str] = None,
        ttl: Optional[str] = None,
        **attributes: Attribute,
    ) -> "Fault":
        """Adds a fault, which acts on open connections too.

        The fault acts until it is removed: at the end of a `with` block, with `Fault.remove`, with
        `FaultProxy.reset`, or at the end of a test that uses the fixture.

        `type` is a type of fault, for example `latency`, and `attributes` are its parameters, for example
        `mean="300ms"`. The names are those of the control API: `fault-proxy faults latency` lists them.

        `stream` is `downstream` (responses) or `upstream` (requests). The attribute `direction="both"` selects
        both. `toxicity` is the share of connections that the fault acts on, or of requests if it has the attribute
        `on`, for example `on="commit"` for an upstream `psql://db`. `name` defaults to `TYPE_STREAM`; it
        is required for a second fault of one type and stream. `ttl` is the time after which the fault ends in any case,
        for example `30s`.
        """
        spec: Dict[str, Any] = {"type": type, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        if name is not None:
            spec["name"] = name
        if ttl is not None:
            spec["ttl"] = ttl
        try:
            made = self._api.post("proxies", self.name, "toxics", body=spec)
        except ApiError as error:
            # The text is that of Toxiproxy, which does not name the type.
            if str(error) != "invalid toxic type":
                raise
            types = ", ".join(known["type"] for known in self._api.get("fault-types"))
            raise ApiError(f"{error}: {type!r}; types of faults: {types}", error.status) from None
        return Fault(self._api, self.name, made["name"])

    def down(self) -> "Down":
        """Closes all connections and refuses new ones, until the end of a `with` block or `FaultProxy.reset`."""
        self._enable(False)
        return Down(self)

    def _enable(self, enabled: bool) -> None:
        self._api.post("proxies", self.name, body={"enabled": enabled})

    def faults(self) -> List[Dict[str, Any]]:
        """Returns the faults that the proxy has now, as the control API shows them."""
        return list(self._api.get("proxies", self.name, "toxics"))

    def remove(self) -> None:
        """Closes all connections and removes the proxy."""
        _delete(self._api, "proxies", self.name)


class _Scope:
    """Something that ends with a `with` block."""

    def _end(self) -> None:
        raise NotImplementedError

    def __exit__(
        self,
        error_type: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._end()


class Fault(_Scope):
    """A fault of a proxy."""

    def __init__(self, api: Api, proxy: str, name: str) -> None:
        self._api = api
        self._proxy = proxy
        self.name = name

    def __repr__(self) -> str:
        return f"<Fault {self.name} of {self._proxy}>"

    def __enter__(self) -> "Fault":
        return self

    def remove(self) -> None:
        """Removes the fault, which immediately forwards the data that it holds. Does nothing if it is gone."""
        _delete(self._api, "proxies", self._proxy, "toxics", self.name)

    _end = remove


class Down(_Scope):
    """An outage of a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def __enter__(self) -> "Down":
        return self

    def end(self) -> None:
        """Lets the proxy accept connections again."""
        self._proxy._enable(True)

    _end = end


def _delete(api: Api, *path: str) -> None:
    """Deletes what `path` names, unless a reset has removed it."""
    try:
        api.delete(*path)
    except ApiError as error:
        if error.status != 404:
            raise

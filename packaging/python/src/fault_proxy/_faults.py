"""The program as a context manager."""

from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Iterable, List, Optional, Sequence, Type, Union

from ._api import Api
from ._program import Program, find_program
from ._proxy import Proxy


class FaultProxy:
    """A running fault-proxy. It starts when this is made and ends with `close` or a `with` block.

    `args` are further arguments of `fault-proxy run`, for example `["--journal", "run.jsonl"]`. `program` is the path
    of the program, for which `find_program` looks otherwise.
    """

    def __init__(self, args: Sequence[str] = (), *, program: Union[str, Path, None] = None) -> None:
        self._program = Program(find_program() if program is None else Path(program), args)
        self._api = Api(self._program.url)

    @property
    def url(self) -> str:
        """URL of the control API, which the clients of Toxiproxy understand too: `http://127.0.0.1:PORT`."""
        return self._program.url

    def __repr__(self) -> str:
        return f"<FaultProxy {self.url}>"

    def proxy(self, name: str, upstream: str, listen: str = "127.0.0.1:0") -> Proxy:
        """Starts a proxy. Port 0 of `listen` takes a free port.

        `upstream` is `HOST:PORT` or the right side of a mapping, for example `https://web` or `psqls://db`.
        """
        made = self._api.post("proxies", body={"name": name, "listen": listen, "upstream": upstream})
        return self._from_api(made)

    def proxies(self) -> Dict[str, Proxy]:
        """Returns all proxies by name, also those that another client of the control API has made."""
        return {name: self._from_api(found) for name, found in self._api.get("proxies").items()}

    def reset(self) -> None:
        """Removes all faults and ends all outages. The proxies stay."""
        self._api.post("reset")

    def log(self) -> List[str]:
        """Returns the latest 10,000 log lines of the program."""
        return self._program.lines()

    def close(self) -> None:
        """Ends the program with all its connections, and waits for its end."""
        self._program.close()

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(
        self,
        error_type: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def _from_api(self, found: Any) -> Proxy:
        return Proxy(self._api, found["name"], found["listen"], found["upstream"])

    def _last_change(self) -> int:
        """Returns the number of the latest change by a client of the control API."""
        return max((change["number"] for change in self._api.get("changes")), default=0)

    def _state(self, since: int) -> List[str]:
        """Returns a line for each proxy, with its faults, and those that were removed after the change `since`."""
        lines = []
        changes = [change for change in self._api.get("changes") if change["number"] > since]
        for name, proxy in self._api.get("proxies").items():
            state = "" if proxy["enabled"] else " (down)"
            faults = _listed(proxy["toxics"]) or "no faults"
            present = [toxic["name"] for toxic in proxy["toxics"]]
            removed = {
                toxic["name"]: toxic
                for change in changes
                if change["proxy"] == name
                for toxic in _toxics(change["before"])
                if toxic["name"] not in present
            }
            ended = f" (removed during the test: {_listed(removed.values())})" if removed else ""
            lines.append(f"{name} {proxy['listen']} -> {proxy['upstream']}{state}: {faults}{ended}")
        return lines


def _toxics(state: Any) -> List[Dict[str, Any]]:
    """Returns the faults in the state before a change: a proxy, its faults that differ, or None."""
    return list(state["toxics"] if isinstance(state, dict) else state or [])


def _listed(toxics: Iterable[Dict[str, Any]]) -> str:
    return ", ".join(_shown(toxic) for toxic in toxics)


def _shown(toxic: Dict[str, Any]) -> str:
    attributes = "".join(f" {name}={value}" for name, value in toxic["attributes"].items())
    return f"{toxic['name']}{attributes}"

"""Requests to the control API."""

import json
from typing import Any, Optional
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from ._errors import ApiError, ProgramError

#: Changes of proxies can take the API up to 25 s.
_TIMEOUT = 30.0


class Api:
    """Client of the control API at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        # The API is on this machine, also where the environment names a proxy for HTTP.
        self._opener = build_opener(ProxyHandler({}))

    def get(self, *path: str) -> Any:
        return self._send("GET", path)

    def post(self, *path: str, body: Optional[object] = None) -> Any:
        __tracebackhide__ = True
        return self._send("POST", path, {} if body is None else body)

    def delete(self, *path: str) -> None:
        self._send("DELETE", path)

    def _send(self, method: str, path: "tuple[str, ...]", body: Optional[object] = None) -> Any:
        __tracebackhide__ = True  # pytest shows the line of the test instead
        url = "/".join([self.url, *(quote(part, safe="") for part in path)])
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "fault-proxy-python"}
        request = Request(url, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                answer = response.read()
        except HTTPError as error:
            with error:
                raise ApiError(_message(error), error.code) from None
        except URLError as error:
            raise ProgramError(f"cannot reach the control API of fault-proxy at {self.url}: {error.reason}") from error
        return json.loads(answer) if answer else None


def _message(error: HTTPError) -> str:
    body = error.read().decode(errors="replace")
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body or str(error)

"""Finding, starting and ending the program."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections import deque
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Iterator, Optional, Sequence

from ._errors import ProgramError

_NAME = "fault-proxy.exe" if os.name == "nt" else "fault-proxy"
_VARIABLE = "FAULT_PROXY_BIN"
_API = re.compile(r"control API on (http://\S+)")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")
#: Log lines that are kept.
_MAX_LINES = 10_000
_START_TIMEOUT = 30.0
#: More than the supervisor needs: it kills a program that takes more than 5 s to end.
_END_TIMEOUT = 15.0

# Runs the program until stdin has a byte or is closed, which also happens when the process of the tests is killed. The
# byte is for a normal end, because a process that the tests have forked may keep stdin open. The supervisor leaves its
# stderr to the program alone, so that the end of the program is the end of the log.
_SUPERVISOR = """\
import os, subprocess, sys
try:
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
except OSError as error:
    sys.exit(str(error))
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
os.read(0, 1)
program.terminate()
try:
    program.wait(5)
except subprocess.TimeoutExpired:
    program.kill()
    program.wait()
"""


def find_program() -> Path:
    """Returns the path of the program.

    It is the file that the environment variable FAULT_PROXY_BIN names, or the program of this package, or the first
    one on PATH.

    Raises `ProgramError` if none of them exists.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ProgramError(f"{_VARIABLE} is {named}, which is not a file: set it to the path of fault-proxy")
        return Path(named)
    directories = list(_script_directories())
    for directory in directories:
        if (directory / _NAME).is_file():
            return directory / _NAME
    found = shutil.which("fault-proxy")
    if found:
        return Path(found)
    installed = " or ".join(str(directory) for directory in directories)
    raise ProgramError(
        f"cannot find the program fault-proxy: it is not in {installed}, where its wheel installs it, "
        f"{_VARIABLE} is not set, and it is not on PATH; install the wheel with `pip install fault-proxy`, "
        f"or set {_VARIABLE} to the path of the program"
    )


def _script_directories() -> Iterator[Path]:
    yield Path(sysconfig.get_path("scripts"))
    scheme = sysconfig.get_preferred_scheme("user") if sys.version_info >= (3, 10) else f"{os.name}_user"
    yield Path(sysconfig.get_path("scripts", scheme))
    # pip install --target
    yield Path(__file__).resolve().parent.parent / "bin"


def log_time() -> str:
    """Returns the present time as the log shows it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Program:
    """A running `fault-proxy run` with its log."""

    def __init__(self, program: Path, args: Sequence[str]) -> None:
        run = [str(program), "run", "--control", "127.0.0.1:0", "--no-ui", "--drain-timeout", "0"]
        # Tests add faults while pooled connections are open. A session that does not read its requests from its start
        # cannot begin to.
        run += ["--count-requests", *args]
        # The tests decide what the program does, not the variables of the shell that runs them. Its summary is not that
        # of a GitHub workflow.
        env = {name: value for name, value in os.environ.items() if not name.startswith(("FAULT_", "GITHUB_"))}
        # Ctrl-C is for the tests: they end the program when their fixtures do.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SUPERVISOR, *run],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
        self._lines: "deque[str]" = deque(maxlen=_MAX_LINES)
        self._lock = threading.Lock()
        self._url: Optional[str] = None
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read, name="fault-proxy log", daemon=True)
        self._reader.start()
        try:
            self.url = self._wait_started(program)
        except BaseException:
            self.close()
            raise

    def _wait_started(self, program: Path) -> str:
        """Returns the URL of the control API."""
        in_time = self._started.wait(_START_TIMEOUT)
        if self._url is not None:
            return self._url
        reason = "it ended" if in_time else f"its control API was not ready after {_START_TIMEOUT:.0f} s"
        log = "\n".join(self.lines()) or "(nothing)"
        raise ProgramError(f"cannot start {program}: {reason}; it printed:\n{log}")

    def _read(self) -> None:
        assert self._process.stderr is not None
        for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip("\r\n")
            with self._lock:
                self._lines.append(line)
            api = None if self._url else _API.search(line)
            if api:
                self._url = api[1]
                self._started.set()
        self._started.set()

    def lines(self, since: str = "") -> "list[str]":
        """Returns the latest log lines, those that have a time only from `since` on."""
        with self._lock:
            return [line for line in self._lines if line >= since or not _TIME.match(line)]

    def close(self) -> None:
        """Ends the program and waits for its end. Does nothing the second time."""
        process = self._process
        assert process.stdin is not None and process.stderr is not None
        if not process.stdin.closed:
            # The supervisor may have ended, if the program did not start.
            with suppress(OSError):
                process.stdin.write(b"\n")
                process.stdin.flush()
        try:
            process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(OSError):
            process.stdin.close()
        self._reader.join(1)
        if not self._reader.is_alive():
            process.stderr.close()

"""Finding, starting and ending the program."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from fault_proxy import FaultProxy, ProgramError, find_program

posix = pytest.mark.skipif(os.name == "nt", reason="shell scripts and signals")


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def ends(pid):
    """Whether the process ends within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_the_program_of_the_wheel_is_found(monkeypatch):
    monkeypatch.delenv("FAULT_PROXY_BIN", raising=False)
    monkeypatch.setenv("PATH", "")
    assert find_program().parent == Path(sys.executable).parent


def test_a_program_that_is_named_comes_before_that_of_the_wheel(monkeypatch, tmp_path):
    other = script(tmp_path / "other", "")
    monkeypatch.setenv("FAULT_PROXY_BIN", str(other))
    assert find_program() == other
    monkeypatch.setenv("FAULT_PROXY_BIN", str(tmp_path / "missing"))
    with pytest.raises(ProgramError, match="FAULT_PROXY_BIN is .*missing, which is not a file"):
        find_program()


def test_a_program_on_the_path_is_the_last_choice(monkeypatch, tmp_path):
    monkeypatch.delenv("FAULT_PROXY_BIN", raising=False)
    monkeypatch.setattr("fault_proxy._program._script_directories", lambda: [tmp_path / "scripts"])
    on_path = script(tmp_path / "fault-proxy", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program() == on_path
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProgramError) as error:
        find_program()
    for place in [str(tmp_path / "scripts"), "FAULT_PROXY_BIN", "PATH", "pip install fault-proxy"]:
        assert place in str(error.value)


def test_a_program_that_does_not_start_says_why():
    with pytest.raises(ProgramError, match="it ended; it printed:\n(.|\n)*--no-such-flag"):
        FaultProxy(["--no-such-flag"])
    with pytest.raises(ProgramError, match="it ended; it printed:\n.*No such file or directory: '/no/program'"):
        FaultProxy(program="/no/program")


def test_variables_of_the_shell_change_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("FAULT_PROXY", "not a mapping")
    monkeypatch.setenv("FAULT_LOG_LEVEL", "error")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    with FaultProxy() as faults:
        assert faults.proxies() == {}
    assert list(tmp_path.iterdir()) == []


def test_connections_that_are_still_open_do_not_delay_the_end(redis):
    with FaultProxy() as faults:
        cache = faults.proxy("cache", redis)
        connection = socket.create_connection((cache.host, cache.port), timeout=60)
        connection.sendall(b"PING\r\n")
        assert connection.recv(7) == b"+PONG\r\n"
        started = time.monotonic()
    # The drain timeout of the program would be 10 s.
    assert time.monotonic() - started < 5
    connection.close()


@posix
def test_the_program_ends_if_the_tests_are_killed(tmp_path):
    tests = textwrap.dedent("""
        import os, signal
        from fault_proxy import FaultProxy
        FaultProxy()
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    pid = tmp_path / "pid"
    program = script(tmp_path / "program", f'echo $$ > {pid}\nexec "{find_program()}" "$@"\n')
    env = {**os.environ, "FAULT_PROXY_BIN": str(program)}
    assert subprocess.run([sys.executable, "-c", tests], env=env).returncode == -signal.SIGKILL
    assert ends(int(pid.read_text()))


@posix
def test_a_forked_process_does_not_delay_the_end():
    faults = FaultProxy()
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    try:
        started = time.monotonic()
        faults.close()
        assert time.monotonic() - started < 10
        with pytest.raises(ProgramError, match="^cannot reach the control API of fault-proxy at http://127"):
            faults.reset()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@posix
def test_a_program_that_hangs_is_killed(tmp_path):
    pid = tmp_path / "pid"
    hangs = f"trap '' TERM\necho $$ > {pid}\necho 'control API on http://127.0.0.1:1' >&2\nexec sleep 600\n"
    FaultProxy(program=script(tmp_path / "program", hangs)).close()
    assert ends(int(pid.read_text()))

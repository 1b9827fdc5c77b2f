"""Stopping at a line of one's own code: pdb in a terminal, an editor's debugger, and neither."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from small_course import DOUBLING, Course

pytestmark = pytest.mark.pins  # debugpy

STOPS = DOUBLING.replace("    return 2 *", "    breakpoint()\n    return 2 *")
HELD = 2.0  # seconds at the breakpoint; the limit of a call is half of it
PATIENCE = 60.0  # seconds from the keys to the end
LIMIT = {"TINYTORCH_SECONDS": str(HELD / 2)}
SPEC = "spec_tests/test_01_doubling.py"


@pytest.mark.parametrize("command", [("test", "01"), ("status",)], ids=" ".join)
def test_breakpoint_where_nobody_can_type(course: Course, command: tuple[str, ...]) -> None:
    """A run of the tool does not wait: it names the line, and the command that opens the debugger."""
    course.write("doubling", STOPS)
    ran = course.tito(*command)
    if command[0] == "status":
        assert "open, 1 of 3 tests" not in ran.text
        assert "work on 01.1: make test-01" in ran.text
        return
    assert ran.code == 1
    assert "breakpoint() opens no debugger here: nobody can type" in ran.text
    line = STOPS.splitlines().index("    breakpoint()") + 1
    assert f"src/tinytorch/doubling.py:{line}" in ran.text
    assert "next        make test-01 ARGS=-x opens the debugger" in ran.text


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is POSIX")
@pytest.mark.parametrize("option", ["-x", "-s"])  # with and without pytest's capture
def test_pdb_in_a_terminal(course: Course, option: str) -> None:
    """The prompt is seen, no limit counts while it waits, and right code stays right."""
    course.write("doubling", STOPS)
    said = typed(course, ["-m", "tito", "test", "01", option, "-k", "double"], b"p 40 + 2\nc\n")
    assert "(Pdb) 42" in said
    assert "1 passed" in said


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is POSIX")
def test_quitting_pdb(course: Course) -> None:
    """q ends the run, and is no failure of a clause."""
    course.write("doubling", STOPS)
    said = typed(course, ["-m", "pytest", SPEC, "-q"], b"q\n")
    assert "Quitting debugger" in said
    assert "01.1" not in said


def typed(course: Course, command: list[str], keys: bytes) -> str:
    """What a command prints in a terminal in which the keys are typed some time after the prompt."""
    import pty

    mine, its = pty.openpty()
    environment = os.environ | LIMIT | {"PYTHONPATH": str(course.root / "src"), "TERM": "dumb"}
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=course.root,
        env=environment,
        stdin=its,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        stream, said = process.stdout, b""
        assert stream
        while b"(Pdb) " not in said and (more := os.read(stream.fileno(), 1000)):
            said += more
        time.sleep(HELD)
        os.write(mine, keys)
        patience = threading.Timer(PATIENCE, process.kill)  # a second prompt gets no keys
        patience.start()
        said += stream.read()
        patience.cancel()
    return said.decode()


def test_an_editors_debugger(course: Course) -> None:
    """A breakpoint of debugpy, held for longer than the limit, does not fail right code."""
    path = course.write("doubling", DOUBLING)
    line = next(n for n, text in enumerate(DOUBLING.splitlines(), 1) if "return 2 *" in text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "debugpy", "--listen", str(port), "--wait-for-client", "-m", "pytest"]
    with subprocess.Popen(
        [sys.executable, "-Xfrozen_modules=off", *command, SPEC, "-k", "double"],
        cwd=course.root,
        env=os.environ | LIMIT | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        debug(port, path, line)
        said, _ = process.communicate(timeout=60)
    assert "1 passed" in said, said
    assert process.returncode == 0


def debug(port: int, path: Path, line: int) -> None:
    """What VS Code does: set a breakpoint, look for a while, go on."""
    editor = Editor(port)
    editor.ask("initialize", adapterID="test", clientID="test", pathFormat="path")
    editor.ask("attach", wait=False, justMyCode=True)
    editor.event("initialized")
    source, places = {"path": str(path)}, [{"line": line}]
    editor.ask("setBreakpoints", source=source, breakpoints=places)
    editor.ask("configurationDone")
    stopped = editor.event("stopped")
    time.sleep(HELD)
    editor.ask("continue", threadId=stopped["threadId"])
    editor.close()


class Editor:
    """The client's side of the Debug Adapter Protocol."""

    def __init__(self, port: int) -> None:
        for _ in range(200):
            try:
                self.connection = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        self.stream, self.asked = self.connection.makefile("rwb"), 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        self.stream.close()
        self.connection.close()

    def ask(self, command: str, wait: bool = True, **arguments: Any) -> None:
        self.asked += 1
        request = {"seq": self.asked, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self.stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.stream.flush()
        while wait and self.read().get("request_seq") != self.asked:
            pass

    def read(self) -> dict[str, Any]:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.stream.read(1) or pytest.fail("the debugger has hung up")
        [size] = re.findall(rb"Content-Length: (\d+)", head)
        message: dict[str, Any] = json.loads(self.stream.read(int(size)))
        assert message.get("success", True), message
        self.events += [message] if message["type"] == "event" else []
        return message

    def event(self, name: str) -> dict[str, Any]:
        while not [e for e in self.events if e["event"] == name]:
            self.read()
        found: dict[str, Any] = next(e for e in self.events if e["event"] == name).get("body", {})
        return found


def test_what_right_code_prints_is_seen(course: Course) -> None:
    """print() in code that is right is shown under -s, and kept to itself without."""
    course.write(
        "doubling", DOUBLING.replace("    return 2 *", "    print('hello')\n    return 2 *")
    )
    assert "hello" in course.tito("test", "01", "-s").text
    assert "hello" not in course.tito("test", "01", "-q").text

"""Observations in another process: what `observe` calls when a verdict must be trusted.

The plugin of `tito certify`. The tests judge here, where no learner's file is ever imported; each
observation's source and arguments go to a worker (`support.worker`), and the plain data that comes
back is read without trust: lengths are checked first, nothing in it can act.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import json
import math
import os
import pickle
import re
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import observe
from support.observe import CALL_SECONDS, ClauseFailure, Frame, LearnerError

TEXT_BYTES, ARRAY_BYTES, PARTS = 1 << 18, 64 << 20, 20_000  # the most that one answer may hold
START_SECONDS, GRACE_SECONDS = 30.0, 2.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--worker", help="the folder and the command of a worker, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Send every observation to a worker; here the learner's package cannot be imported."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # ends with the process that forked it
    box, *command = json.loads(config.getoption("--worker"))
    observe.remote = worker = Worker(command, Path(box))
    config.pluginmanager.register(worker)
    sys.modules["tinytorch"] = None  # type: ignore[assignment]


class Worker:
    """A worker process. Whatever it answers is data; whatever else it does ends it.

    Args:
        command: what starts it.
        box: the folder that holds what it may see.
    """

    def __init__(self, command: Sequence[str], box: Path) -> None:
        self.command, self.box = list(command), box
        self.unread, self.broken = bytearray(), ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Any:
        """Start the process; returns its first words, spoken before any of the learner's code."""
        self.channel, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                self.command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                cwd=self.box / "files",
                start_new_session=True,
            )
        return self._receive(START_SECONDS)

    def __call__(self, function: Callable[..., Any], args: Any, keywords: Any, call: Any) -> Any:
        """Make one observation in the worker: what `observe` calls instead of running it here."""
        request = {"source": _source(function), "name": function.__name__, "args": args}
        request |= {"keywords": keywords, "seconds": CALL_SECONDS, "suite": _helpers()}
        frame = pickle.dumps(request)
        if not self.process:
            observe.only_numpy(self.box / "learner" / "tinytorch")
        try:
            reply = self._ask(frame, CALL_SECONDS + GRACE_SECONDS)
            call.printed = str(reply["printed"])
            failure = _failure(**reply["error"]) if "error" in reply else None
            answer = reply.get("answer")
        except Exception as error:  # whatever is wrong with what came back, or did not
            self.broken = self.broken or f"{type(error).__name__}: {error}{self.close()}"
            silent = f"the process that runs your code gave no answer: {self.broken}"
            raise ClauseFailure(silent) from None
        if failure:
            raise failure
        return answer

    def _ask(self, frame: bytes, seconds: float) -> Any:
        """Send one request, receive its answer; a failed worker is not asked again."""
        if self.broken:
            raise OSError(self.broken)
        if not self.process:
            self.start()
        if self.unread:
            raise OSError("it spoke without being asked")
        self.channel.settimeout(seconds)
        self.channel.sendall(struct.pack("<Q", len(frame)) + frame)
        return self._receive(seconds)

    def _receive(self, seconds: float) -> Any:
        """The next frame, whole, within a time."""
        end = time.monotonic() + seconds

        def read(size: int) -> bytes:
            while len(self.unread) < size:
                self.channel.settimeout(max(end - time.monotonic(), 1e-3))
                piece = self.channel.recv(1 << 16)
                if not piece:
                    time.sleep(0.05)  # so that it can end with a code of its own
                    raise EOFError("it ended by itself")
                self.unread += piece
            found = bytes(self.unread[:size])
            del self.unread[:size]
            return found

        return _unpack(read)

    def close(self) -> str:
        """End the process and all that it started; says with which code it ended."""
        process, self.process = self.process, None
        if not process:
            return ""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # not reaped yet: the number is still its own
        self.channel.close()
        return f" ({_ended(process.wait())})"

    def pytest_sessionfinish(self) -> None:
        """When the report is written, nothing of the learner's runs any more."""
        self.close()


def _unpack(read: Callable[[int], bytes]) -> Any:
    """The value of one frame. Every length is checked before anything is read or allocated."""
    (size,) = struct.unpack("<I", read(4))
    if size > TEXT_BYTES:
        raise ValueError(f"an answer of {size:,} bytes of text")
    room, parts = ARRAY_BYTES, PARTS

    def value(part: Any) -> Any:
        nonlocal room, parts
        parts -= 1
        if parts < 0:
            raise ValueError(f"an answer of more than {PARTS:,} parts")
        if isinstance(part, list):
            return [value(p) for p in part]
        if not isinstance(part, dict):
            return part
        ((kind, inner),) = part.items()
        if kind == "array":
            dtype, shape = inner
            if not re.fullmatch(r"[<>|][fiub]\d{1,2}", dtype) or min(shape, default=0) < 0:
                raise ValueError(f"an array of dtype {dtype} and shape {shape}")
            room -= (count := math.prod(shape) * np.dtype(dtype).itemsize)
            if room < 0:
                raise ValueError(f"an answer of more than {ARRAY_BYTES:,} bytes")
            return np.frombuffer(read(count), dtype).reshape(shape).copy()
        if kind == "dict":
            return {key: value(inner) for key, inner in inner}
        return {"tuple": tuple, "float64": np.float64}[kind](value(inner))

    return value(json.loads(read(size)))


@cache
def _source(function: Callable[..., Any]) -> str:
    """An observation without its decorator, behind the helpers that it uses."""
    nodes = [
        ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
        for f in (*observe.USES[function], function)
    ]
    vars(nodes[-1])["decorator_list"] = []
    return "\n\n".join(map(ast.unparse, nodes))


@cache
def _helpers() -> str:
    """What makes plain data of an answer and keeps what is printed: the suite's own code."""
    helpers = (observe.plain, observe.Ear, observe.asked_line)
    return "\n\n".join(inspect.getsource(helper) for helper in helpers)


def _ended(code: int) -> str:
    """How a worker's process ended."""
    if code == -signal.SIGXCPU:
        return f"a call used more CPU time than {2 * CALL_SECONDS:g} s"
    return f"exit code {code}"


def _failure(kinds: list[str], message: str, place: Any) -> Any:
    """What the same error would have been in this process."""
    frame = Frame(str(place[0]), int(place[1]), str(place[2]), str(place[3])) if place else None
    if kinds[0] == "Missing":
        absent = f"tinytorch.{message} does not exist: define it in your kata's file"
        return ClauseFailure(absent)
    if kinds[0] == "OutOfTime":
        late = f"no answer within {CALL_SECONDS:g} s: an endless loop, or far too slow"
        return ClauseFailure(late, frame=frame)
    if "SyntaxError" in kinds:
        unreadable = f"Python cannot read this file: {kinds[0]}: {message}"
        return ClauseFailure(unreadable, frame=frame)
    return LearnerError([str(k) for k in kinds], str(message), frame)

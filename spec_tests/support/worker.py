"""The worker: makes observations on one learner's files, in a process that holds nothing to steal.

It has the standard library, NumPy and a copy of the learner's package: no pytest, no PyTorch, no
expected value, no recorded table. What it is asked comes from `certify`, which is trusted; what it
answers is data and never a verdict: a length, a skeleton of JSON, raw arrays.

Started as: python -I -S -B worker.py FOLDER LAYERS, where FOLDER holds packages/, learner/, bytecode/
(of packages and Python, for reading) and files/ (for writing).
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import functools
import gc
import importlib
import io
import json
import math
import os
import pickle
import platform
import re
import resource
import signal
import struct
import sys
import time
import traceback
import tracemalloc
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [f"{sys.argv[1]}/packages", f"{sys.argv[1]}/learner"]  # one holds NumPy alone

import numpy as np

MOST_CHARACTERS = 2_000  # of a message, and of what is printed
LIMITS = {"AS": 4 << 30, "FSIZE": 16 << 20, "NOFILE": 64, "CORE": 0, "NPROC": 0}
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", f"{sys.base_prefix}/lib")
CREATE_RULES, ADD_RULE, RESTRICT, NO_NEW_PRIVILEGES = 444, 445, 446, 38  # Linux, every processor
READ, LIST, WRITE = 1 << 2, 1 << 3, 1 << 1
UNUSUAL = 1 << 0 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11  # to execute; devices, sockets, queues
REFUSED = ("ctypes.", "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system")
CHANGES = (
    *("os.rename", "os.remove", "os.link", "os.symlink", "os.truncate", "os.mkdir", "os.rmdir"),
    *("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr"),
)
# For each processor: its number in the kernel, that of its call clone, the calls that are refused, and
# those that do nothing. Refused: sockets, programs, io_uring, shared memory and queues, other processes'
# memory, namespaces, devices, keys. Without effect: rights, owners and times of files.
CALLS = {
    "x86_64": (0xC000003E, 56, "41 53 59 322 425 29 30 31 64 65 66 220 68 69 70 71 240 101 310 311 272 308 133 259 438 248 249 250 321 323 304 319",
        "90 91 268 452 92 93 94 260 132 235 261 280 188 189 190 197 198 199"),
    "aarch64": (0xC00000B7, 220, "198 199 221 281 425 194 195 196 190 191 192 193 186 187 188 189 180 117 270 271 97 268 33 438 217 218 219 280 282 265 279",
        "52 53 452 54 55 88 5 6 7 14 15 16"),
}  # fmt: skip
# Absent, so that older calls are tried: clone3, whose flags no filter can read; all that came after
# fchmodat2, which is not known here; x32's numbers, which are higher.
CLONE3, NEWER = "435", 453
NAMESPACES = 0x7E020000  # of the flags of clone
SET_SECCOMP, FILTER, SET_DEATH_SIGNAL = 22, 2, 1
LOAD, EQUAL, AT_LEAST, ANY_OF, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of the filter's machine
# Answers of the filter: go on, EPERM, ENOSYS, and success without doing anything.
ALLOW, DENY, ABSENT, IDLE = 0x7FFF0000, 0x00050001, 0x00050026, 0x00050000
NUMBER, PROCESSOR, FIRST = 0, 4, 16  # where a call's data stand; FIRST: its first argument
CREATING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class OutOfTime(BaseException):
    """The call ran past its limit. Not an Exception, so that little on the way swallows it."""


class Missing(BaseException):
    """The package has no such name."""


class Package:
    """`tt`: the learner's package, imported when it is first used."""

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(importlib.import_module("tinytorch"), name)
        except AttributeError:
            raise Missing(name) from None


def main(folder: str, layers: str) -> None:
    """Say what confines this process, then answer until the other side hangs up."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):  # what is printed past sys.stdout goes nowhere
        os.dup2(null, descriptor)
    for name, most in LIMITS.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    signal.signal(signal.SIGALRM, _late)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)  # with the judge's end
    own_bytecode = [sys.pycache_prefix] if sys.pycache_prefix else []
    folders = [f for f in (*LIBRARIES, *sys.path, *own_bytecode) if os.path.isdir(f)]
    entries = [
        e for f in folders for e in os.scandir(f) if not re.search("python|packages", e.name)
    ]
    readable, own = [os.path.realpath(e) for e in entries], os.path.realpath(f"{folder}/files")
    kernel = landlock(readable, folders, own) if "Landlock" in layers else 0
    filtered = "seccomp" in layers and seccomp()
    if not kernel or not filtered:
        sys.addaudithook(guard((own, *readable) if not kernel else ("/",), own))
    frame = pack({"Landlock": kernel, "seccomp": filtered})
    while True:
        writer.write(frame)
        writer.flush()
        size = reader.read(8)
        if not size:
            return
        frame = answer(pickle.loads(reader.read(*struct.unpack("<Q", size))), f"{folder}/learner")


def answer(request: dict[str, Any], learner: str) -> bytes:
    """Make one observation: limited in time, quiet, and every way out turned into data."""
    ear = defined(request["suite"], "Ear")()
    try:
        allow(request["seconds"])
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        with contextlib.redirect_stdout(ear), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            observation = defined(request["source"], request["name"])
            value = observation(Package(), *request["args"], **request["keywords"])
            reply = {"answer": defined(request["suite"], "plain")(value)}
        signal.setitimer(signal.ITIMER_REAL, 0)
        return pack(reply | {"printed": heard(ear)})
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return pack(
            {
                "error": described(error, learner, defined(request["suite"], "asked_line")),
                "printed": heard(ear),
            }
        )


def allow(seconds: float) -> None:
    """Let the limit on CPU time grow with every call: slow is not wrong."""
    used, hard = time.process_time(), resource.getrlimit(resource.RLIMIT_CPU)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + 2 * seconds) + 1, hard))


def heard(ear: Any) -> str:
    """What was printed, as far as it was kept."""
    more = ear.total - len(ear.kept)
    return str(ear.kept) + (f"\n... and {more:,} more characters" if more else "")


@functools.cache
def defined(source: str, name: str) -> Any:
    """What a source defines under a name: an observation, or a helper of the suite."""
    names = {"np": KEPT["numpy"], "io": io, "PRINTED_CHARACTERS": MOST_CHARACTERS}
    names["__builtins__"] = vars(KEPT["builtins"])
    exec(f"from __future__ import annotations\n{source}", names)
    return names[name]


def kept() -> dict[str, types.ModuleType]:
    """Copies of what observations measure with, made before a learner's import can replace any of it."""
    found = {}
    for module in (builtins, np, gc, tracemalloc, warnings, weakref):
        copy = types.ModuleType(module.__name__)
        vars(copy).update(vars(module))
        found[module.__name__] = copy
    genuine, plain, shared = builtins.__import__, np.ndarray.view, np.shares_memory

    def imported(name: str, *rest: Any, **keywords: Any) -> Any:
        return found[name] if name in found else genuine(name, *rest, **keywords)

    def shares_memory(a: Any, b: Any) -> bool:
        """Of the arrays themselves, whatever a subclass of theirs says."""
        return bool(shared(plain(a, np.ndarray), plain(b, np.ndarray)))

    vars(found["builtins"])["__import__"] = imported
    vars(found["numpy"])["shares_memory"] = shares_memory
    return found


def described(error: BaseException, learner: str, line: Callable[..., Any]) -> dict[str, Any]:
    """An error as data, whatever it is: an exception may be as odd as its author likes."""
    try:
        return _described(error, learner, line)
    except BaseException as odd:
        message = f"it cannot be shown: {type(odd).__name__}"
        return {"kinds": [str(type.__dict__["__name__"].__get__(type(error))), "Exception"],
                "message": message, "place": None}  # fmt: skip


def _described(error: BaseException, learner: str, line: Callable[..., Any]) -> dict[str, Any]:
    """An error's kinds, its message, and the learner's line that it is about."""
    own = line(traceback.extract_tb(error.__traceback__), learner)
    place: Any = [own.filename, own.lineno, own.name, own.line] if own else None
    message = str(error)
    if isinstance(error, SyntaxError):
        place, message = [error.filename, error.lineno, "", error.text], error.msg
    texts = [str(part or "")[:MOST_CHARACTERS] for part in place] if place else []
    place = [texts[0], int(place[1] or 0), *texts[2:]] if place else None
    kinds = [kind.__name__[:99] for kind in type(error).__mro__]
    return {"kinds": kinds, "message": str(message)[:MOST_CHARACTERS], "place": place}


def pack(value: Any) -> bytes:
    """A frame: the length of the JSON, the JSON, the bytes of every array that it names."""
    arrays: list[Any] = []

    def skeleton(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            arrays.append(part)
            return {"array": [part.dtype.str, part.shape]}
        if isinstance(part, np.float64):
            return {"float64": float(part)}
        if isinstance(part, list):
            return [skeleton(p) for p in part]
        if isinstance(part, tuple):
            return {"tuple": [skeleton(p) for p in part]}
        if isinstance(part, dict):
            return {"dict": [[k, skeleton(v)] for k, v in part.items()]}
        return part

    header = json.dumps(skeleton(value)).encode()
    return b"".join([struct.pack("<I", len(header)), header, *[a.tobytes() for a in arrays]])


def landlock(readable: list[str], listed: list[str], own: str) -> int:
    """Let the kernel refuse all files but Python, NumPy and the learner's, the network, signals.

    Returns:
        the version of Landlock, or 0 where the kernel has none.
    """
    libc = ctypes.CDLL(None)
    version = int(libc.syscall(CREATE_RULES, None, 0, 1)) if sys.platform == "linux" else 0
    if version < 1:
        return 0
    everything = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    rights = struct.pack("3Q", everything, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = libc.syscall(CREATE_RULES, rights, len(rights), 0)
    allowed = [(READ | LIST, p) for p in readable] + [(LIST, p) for p in listed]
    files = everything & ~UNUSUAL
    for access, path in [*allowed, (files, own), (READ | WRITE, os.devnull)]:
        with contextlib.suppress(OSError):
            target = os.open(path, os.O_PATH)
            access &= everything if os.path.isdir(path) else READ | WRITE
            libc.syscall(ADD_RULE, rules, 1, struct.pack("<Qi", access, target), 0)
            os.close(target)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return 0 if libc.syscall(RESTRICT, rules, 0) else version


def seccomp() -> bool:
    """Let the kernel refuse, or ignore, the system calls of CALLS; returns whether it does."""
    kind, clone, refused, ignored = CALLS.get(platform.machine(), (0, 0, "", ""))
    if sys.platform != "linux" or not kind:
        return False
    steps = [(LOAD, 0, 0, PROCESSOR), (EQUAL, 1, 0, kind), (RETURN, 0, 0, DENY)]
    steps += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, NEWER), (RETURN, 0, 0, ABSENT)]
    for numbers, end in ((refused, DENY), (CLONE3, ABSENT), (ignored, IDLE)):
        for number in numbers.split():
            steps += [(EQUAL, 0, 1, int(number)), (RETURN, 0, 0, end)]
    steps += [(EQUAL, 0, 3, clone), (LOAD, 0, 0, FIRST)]
    steps += [(ANY_OF, 0, 1, NAMESPACES), (RETURN, 0, 0, DENY)]
    code = ctypes.create_string_buffer(
        b"".join(struct.pack("<HBBI", *step) for step in [*steps, (RETURN, 0, 0, ALLOW)])
    )
    program = struct.pack("@HP", len(steps) + 1, ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return bool(libc.prctl(SET_SECCOMP, FILTER, ctypes.c_char_p(program), 0, 0) == 0)


def guard(readable: tuple[str, ...], own: str) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook, where the kernel cannot confine: it refuses the obvious ways out, no others."""

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        changes = event.startswith(CHANGES)
        allowed = own if changes or (event == "open" and args[2] & CREATING) else readable
        for path in args if changes else args[:1] if event == "open" else ():
            known = not isinstance(path, str | bytes) or path == os.devnull
            if not known and not os.path.realpath(os.fsdecode(path)).startswith(allowed):
                raise PermissionError(f"{path!r} is not part of the learner's package")
        if event.startswith(REFUSED) or (event == "os.kill" and args[0] != os.getpid()):
            raise PermissionError(f"{event} has no place in a framework of NumPy and Python")

    return refuse


def _late(number: int, frame: Any) -> None:
    raise OutOfTime


KEPT = kept()

if __name__ == "__main__":
    main(*sys.argv[1:])

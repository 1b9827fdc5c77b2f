"""The command that starts a worker, and what holds it: the kernel's own means, where it has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tito.certificate.copies import tool
from tito.course.errors import Refusal

LAYERS = ("Landlock", "seccomp", "bubblewrap")  # around a process with limits
ALONE = "no sandbox on this system: code that tries to escape can"
FOLDERS = ("packages", "learner", "bytecode")  # of the box, for reading; "files" is for writing


def confined(box: Path, layers: Sequence[str]) -> tuple[list[str], str]:
    """The command that starts a worker, confined as far as this system allows, and by what."""
    empty = ["/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "OPENBLAS_NUM_THREADS=1"]
    isolated = ["-I", "-S", "-B", "-X", f"pycache_prefix={box}/bytecode"]
    python = [os.path.realpath(sys.executable), *isolated, f"{box}/worker.py", str(box)]
    found = tool("bwrap") if "bubblewrap" in layers else None
    for wrap in ([found, *_mounts(box)], []) if found else ([],):
        command = [*empty, f"TMPDIR={box}/files", *wrap, *python, " ".join(layers)]
        begun = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if begun.returncode == 0:  # it has said what it could do, found nothing to do, and left
            held = dict(json.loads(begun.stdout[4:])["dict"])
            return command, _said(held["Landlock"], held["seccomp"], bool(wrap))
    raise Refusal(f"the worker does not start: {begun.stderr.decode(errors='replace')}")


def _said(landlock: int, seccomp: bool, wrapped: bool) -> str:
    """What was enforced, exactly."""
    kernel = "files and TCP only" if landlock >= 4 else "files only"
    layers = [f"Landlock ({kernel})"] * bool(landlock)
    layers += ["seccomp (no sockets, no programs, no changed rights)"] * seccomp
    layers += ["bubblewrap (files, network and processes of its own)"] * wrapped
    return " + ".join(["a process of its own", *(layers or [ALONE])])


def _mounts(box: Path) -> list[str]:
    """A read-only system without network, other processes, packages, or this course."""
    system = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", sys.base_prefix]
    mounts: list[tuple[str, ...]] = [("--ro-bind-try", top, top) for top in system]
    for top in ("/", "/usr", "/usr/local", sys.base_prefix):
        mounts += [("--tmpfs", str(p)) for p in Path(top).glob("lib*/python3*/*-packages")]
    mounts += [("--ro-bind", f"{box}/{n}", f"{box}/{n}") for n in ("worker.py", *FOLDERS)]
    mounts += [("--bind", f"{box}/files", f"{box}/files"), ("--chdir", f"{box}/files")]
    bare = "--unshare-all --die-with-parent --new-session --cap-drop ALL --dev /dev --proc /proc"
    return [*bare.split(), *[word for mount in mounts for word in mount]]

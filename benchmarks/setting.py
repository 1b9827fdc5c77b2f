"""What a table of times has to say about the machine: kernels, threads, malloc."""

from __future__ import annotations

import ctypes
import os
import platform
from datetime import date
from pathlib import Path

import numpy as np

from tito.milestone.run import KEEPS_MEMORY

THREADS = tuple(f"{what}_NUM_THREADS" for what in ("OPENBLAS", "OMP", "MKL", "RAYON"))


def environment(threads: int = 1, **more: str) -> dict[str, str]:
    """The environment of a process that measures.

    Args:
        threads: of every library, unless OPENBLAS_NUM_THREADS is set.
        more: variables.
    """
    count = os.environ.get("OPENBLAS_NUM_THREADS", str(threads))
    return KEEPS_MEMORY | os.environ | dict.fromkeys(THREADS, count) | more


def machine() -> str:
    """Date, processor, how busy it is, and the versions."""
    load = f"load {os.getloadavg()[0]:.1f}, " if hasattr(os, "getloadavg") else ""
    cores = f"{processor()}, {os.cpu_count()} cores, {load}{platform.system()}"
    return f"{date.today()}, {cores}; Python {platform.python_version()}, NumPy {np.__version__}"


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return next(iter(named), platform.processor() or platform.machine())


def numpy_kernels() -> str:
    """The BLAS of NumPy and the kernels that it runs, in its own words."""
    folder = Path(np.__file__).resolve().parents[1] / "numpy.libs"
    for file in folder.glob("*openblas*"):  # the wheels of Linux and Windows
        ask = getattr(ctypes.CDLL(str(file)), "scipy_openblas_get_config64_", None)
        if ask is not None:
            ask.restype = ctypes.c_char_p
            words: list[str] = ask().decode().split()
            return f"{words[0]} {words[1]}, kernels {words[-2]}"
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}, which does not say its kernels"


def malloc() -> str:
    """The settings of glibc's malloc that decide how often memory goes back to the kernel."""
    held = KEEPS_MEMORY | os.environ
    return ", ".join(f"{name} {held[name]}" for name in KEEPS_MEMORY)

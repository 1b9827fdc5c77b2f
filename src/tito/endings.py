"""How a command ends: one message and an exit code, whatever happens. And a little colour."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from tito.course import Refusal
from tito.manifest import ManifestError

CODES = ["ACCES", "PERM", "ROFS", "NOSPC", "NOTDIR", "EXIST"]
UNWRITABLE = {getattr(errno, f"E{code}") for code in CODES}
NEEDED = ("numpy", "pytest", "hypothesis", "rich", "xdist")  # what .venv was made for
COLOURS = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}


def told(action: Callable[[], int]) -> int:
    """Run a command; every end that can be foreseen is a message, and a code."""
    try:
        return action()
    except (Refusal, ManifestError) as error:
        print(error)
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or 'stopped; nothing is lost, the same command starts again'}")
        return 130
    except BrokenPipeError:  # `make status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ModuleNotFoundError as error:  # PackageNotFoundError, of a version, is one too
        if error.name not in NEEDED:
            raise
        print(f"{error.name} is missing in {sys.prefix}\n  next: make setup, which repairs .venv")
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        mend = "make it writable, or work in a copy of the course that is yours"
        print(f"cannot write {error.filename}: {error.strerror}\n  next: {mend}")
    return 1


def paint(text: str, colour: str) -> str:
    """Text in a colour where a terminal shows it."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain else f"\033[{COLOURS[colour]}m{text}\033[0m"

"""How a command ends: one message and an exit code, whatever happens. And a little colour."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from tito.course.errors import Refusal

CODES = ["ACCES", "PERM", "ROFS", "NOSPC", "NOTDIR", "EXIST"]
UNWRITABLE = {getattr(errno, f"E{code}") for code in CODES}
NEEDED = ("numpy", "pytest", "hypothesis", "rich", "xdist")  # what .venv was made for


def told(action: Callable[[], int]) -> int:
    """Run a command: print expected errors as a message, and return the exit code."""
    try:
        return action()
    except Refusal as error:
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
        fix = "make it writable, or work in a copy of the course that is yours"
        print(f"cannot write {error.filename}: {error.strerror}\n  next: {fix}")
    return 1

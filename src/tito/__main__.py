"""`python -m tito`, and the command `tito`."""

import functools
import os
import subprocess
import sys

MEDDLING = (
    "PYTHONOPTIMIZE",  # takes docstrings and asserts away, and clauses with them
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
)


def main() -> None:
    """Run a command. `test NN` goes past Typer, whose import is a quarter of a second."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # shows ? for ·
        for name in MEDDLING:  # made for another project, and set for all
            os.environ.pop(name, None)
        if sys.flags.optimize:
            sys.exit(subprocess.call([sys.executable, "-P", "-m", "tito", *sys.argv[1:]]))
        if len(sys.argv) == 3 and sys.argv[1] == "test" and sys.argv[2].isdigit():
            from tito.course.ending import told
            from tito.learner import test

            sys.exit(told(functools.partial(test.quickly, sys.argv[2])))
        from tito.cli import app

        app(prog_name="tito")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

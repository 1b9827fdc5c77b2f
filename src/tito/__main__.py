"""`python -m tito`, and the command `tito`."""

import functools
import sys


def main() -> None:
    """Run a command. `test NN` goes past Typer, whose import is a quarter of a second."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # shows ? for ·
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

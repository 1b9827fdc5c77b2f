"""`python -m tito`."""

import sys

if __name__ == "__main__":
    try:
        from tito.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)

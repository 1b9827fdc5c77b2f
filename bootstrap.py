"""Set up .venv where it is missing or out of date, then run tito in it: python3 bootstrap.py ARGS...

Standard library only, in a syntax that an old Python can read, so that it can say what it lacks. A
stamp in .venv tells where it was made and from which pins; it is written last, so that a half-made
.venv has none and is made again. `--with maintainer` adds what verify, bench and oracle need;
`--numpy VERSION` installs that NumPy in place of the pinned one and stops if another one is there.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
BIN = VENV / ("Scripts" if WINDOWS else "bin")
PYTHON = BIN / ("python.exe" if WINDOWS else "python")
STAMP = VENV / "tinytorch.json"
# Stands in pyvenv.cfg from the first moment: tells our .venv from a user's own.
PROMPT = "tinytorch"
# Commands that need the group maintainer.
MAINTAINERS = ("verify", "verify-all", "records", "bench", "oracle", "mutants")
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
AGAIN = "run the same command again"
ELSEWHERE = ("TARGET", "PREFIX", "ROOT", "USER", "DRY_RUN", "PYTHON", "REQUIREMENT", "EDITABLE")
LOST = (
    "pip has installed the packages, but .venv does not have them: a setting of pip sends them"
    " elsewhere\n  see: python3 -m pip config list; take it out, then " + AGAIN
)
ASKED = "import numpy; print(numpy.__version__)"
NEEDED = "import hypothesis, numpy, pytest, pytest_timeout, rich, typer, xdist"


def main() -> int:
    arguments = sys.argv[1:]
    groups, numpy = ["learner"], ""
    if arguments[:1] == ["--numpy"]:
        if len(arguments) < 2:
            return _say(
                "--numpy needs a version, such as: python3 bootstrap.py --numpy 2.0.2 check"
            )
        numpy, arguments = arguments[1], arguments[2:] or ["setup"]
    if arguments[:2] == ["--with", "maintainer"]:
        groups, arguments = ["learner", "maintainer"], arguments[2:] or ["setup"]
    elif arguments[:1] and arguments[0] in MAINTAINERS and "--help" not in arguments:
        groups = ["learner", "maintainer"]
    try:
        if sys.version_info < (3, 11):  # noqa: UP036 (an old Python is what this line is for)
            return _with_newer_python()
        _set_up(groups, arguments == ["setup"], numpy)
        found = _call([str(PYTHON), "-c", ASKED]).strip() if numpy else ""
        if found != numpy:
            return _say(f"NumPy is {found!r}, not {numpy}: delete .venv, then {AGAIN}")
    except KeyboardInterrupt:
        return _say(f"stopped before .venv was ready; to finish, {AGAIN}", 130)
    except subprocess.CalledProcessError as error:
        return _say(_explained(error))
    except OSError as error:
        return _say(f"cannot write {error.filename or VENV}: {error.strerror or error}; {AGAIN}")
    return _run([str(PYTHON), "-P", "-m", "tito", *arguments])


def _with_newer_python() -> int:
    """Hand over to the first newer Python on the path that works."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for path in filter(None, map(shutil.which, NEWER)):
        if subprocess.call([path, "-c", check], stderr=subprocess.DEVNULL) == 0:
            return _run([path, *sys.argv])
    version = ".".join(map(str, sys.version_info[:2]))
    return _say(f"Python 3.11 or newer is needed, this is {version}: see https://www.python.org")


def _set_up(groups: "list[str]", anew: bool, numpy: str) -> None:
    """Make .venv and install each group, unless the stamp says that it is done; `anew`: anyway."""
    stamp = {} if anew and PYTHON.exists() and _works() != 0 else _stamp()
    pins = {g: (ROOT / "requirements" / f"{g}.txt").read_text(encoding="utf-8") for g in groups}
    if numpy:
        pins["learner"] = re.sub(r"(?m)^numpy==.*$", f"numpy=={numpy}", pins["learner"])
    if not PYTHON.exists() or (_is_ours() and stamp.get("place") != str(ROOT)):
        stamp = {}
        _make()
    missing = [g for g in groups if stamp.get(g) != pins[g]]
    if stamp.get("place") == str(ROOT) and not missing:
        return
    STAMP.unlink(missing_ok=True)  # from here to the last line .venv is half-made
    for group in missing:
        _install(group, pins[group])
    _link()
    if _works() != 0:
        sys.exit(_say(LOST))
    part = STAMP.with_suffix(".part")
    part.write_text(json.dumps({**stamp, **pins, "place": str(ROOT)}), encoding="utf-8")
    part.replace(STAMP)


def _works() -> int:
    """0 if .venv's Python has what every command needs."""
    return subprocess.call([str(PYTHON), "-P", "-c", NEEDED], stderr=subprocess.DEVNULL)


def _stamp() -> "dict[str, str]":
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_ours() -> bool:
    """Whether this script made .venv; somebody's own is added to, never made again."""
    try:
        return f"prompt = '{PROMPT}'" in (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False


def _make() -> None:
    _tell("making .venv and installing the pinned packages (once; about half a minute)")
    if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        package = "sudo apt install python3-venv"
        sys.exit(_say(f"this Python has no venv or ensurepip: {package} (Debian), then {AGAIN}"))
    if VENV.is_symlink():
        VENV.unlink()  # --clear would empty what it leads to
    _call([sys.executable, "-m", "venv", "--clear", "--prompt", PROMPT, str(VENV)])


def _install(group: str, pins: str) -> None:
    """Install a group's pins from pip's own sources; PyTorch's CPU builds may need their index."""
    if group != "learner":
        _tell(f"installing requirements/{group}.txt (once; PyTorch is some 200 MB)")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    asked = ROOT / "requirements" / f"{group}.txt"
    if asked.read_text(encoding="utf-8") != pins:  # another NumPy than the pinned one
        asked = VENV / f"{group}.txt"
        asked.write_text(pins, encoding="utf-8")
    command = [*pip, "--retries", "2", "-r", str(asked)]
    try:
        _call(command)
    except subprocess.CalledProcessError:
        if group == "learner" or not sys.platform.startswith("linux"):
            raise
        _call([*command, "--extra-index-url", CPU_BUILDS])


def _link() -> None:
    """Make src importable, and `tito` a command, without a build step or the network."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(_call([str(PYTHON), "-c", code]).strip())
    source = os.path.relpath(ROOT / "src", packages)  # relative: no trouble with letters in paths
    (packages / "tinytorch-katas.pth").write_text(source + "\n", encoding="utf-8")
    if WINDOWS:
        (BIN / "tito.cmd").write_text('@"%~dp0python.exe" -P -m tito %*\n', encoding="utf-8")
        return
    command = f'#!/bin/sh\nexec {shlex.quote(str(PYTHON))} -P -m tito "$@"\n'
    (BIN / "tito").write_text(command, encoding="utf-8")
    (BIN / "tito").chmod(0o755)


def _call(command: "list[str]") -> str:
    elsewhere = ["PIP_" + option for option in ELSEWHERE]
    here = {k: v for k, v in os.environ.items() if k not in elsewhere}
    done = subprocess.run(command, env=here, capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def _explained(error: subprocess.CalledProcessError) -> str:
    """What failed, in the tool's own words, and the retry."""
    text = (error.stdout + error.stderr).decode(errors="replace")
    lines = [line for line in text.splitlines() if line and "WARNING" not in line][-6:]
    said = "".join(f"\n    {line}" for line in lines)
    command = " ".join(map(str, error.cmd))
    return f"this failed: {command}{said}\n  check the network and the disk, then {AGAIN}"


def _run(command: "list[str]") -> int:
    sys.stdout.flush()
    if WINDOWS:
        return subprocess.call(command)
    os.execv(command[0], command)


def _tell(text: str) -> None:
    print(f"tinytorch: {text}", flush=True)


def _say(text: str, code: int = 1) -> int:
    print(f"tinytorch: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

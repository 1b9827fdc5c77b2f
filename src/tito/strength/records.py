"""The records: what became of every variant, so that `make verify` need not run them all.

reference/variants/records/NN.json keeps, for each variant of a kata, the verdict, the first failing
test, the fingerprint of the answer and what the numbers say of it, under a key: the hash of all that
the verdict follows from. What has no record under its key is run, a wrong one twice, and the file is
written after each verdict, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import random
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from tito.course.errors import Refusal
from tito.course.files import short, write_atomically
from tito.course.manifest import REFERENCE, ROOT, Kata, load
from tito.run.engine import Job
from tito.run.outcome import Verdict
from tito.run.runner import run, spec_paths
from tito.strength import batches, variants
from tito.strength.variants import Variant

FOLDER = variants.FOLDER / "records"
LESSONS = ROOT / "spec_tests" / "lessons"
T = TypeVar("T")
SHARE, LEAST = 0.1, 10  # of a kata's variants, and how many at least, are run to check the records


@dataclass(frozen=True)
class Record:
    """What became of one variant.

    Attributes:
        key: the hash of all that this follows from.
        verdict: "killed" or "survives", "accepted" or "refused"; else why there is none.
        test: the first that failed, or "".
        fingerprint: of the answer that failed it, the same in two runs, or "".
        telling: whether that answer holds numbers enough to accuse by.
        xray: what the numbers alone say of that answer, or "".
    """

    key: str
    verdict: str
    test: str = ""
    fingerprint: str = ""
    telling: bool = False
    xray: str = ""


def name(variant: Variant) -> str:
    """A variant's name within its kata, such as "wrong/add-in-place"."""
    return str(variant).partition("/")[2]


def everything(kata: Kata) -> list[Variant]:
    """All variants of a kata, the wrong ones first."""
    return [v for right in (False, True) for v in variants.load(kata, right)]


def path(kata: Kata) -> Path:
    return FOLDER / f"{kata.id}.json"


def read(kata: Kata) -> dict[str, Record]:
    """What is recorded, whatever its keys."""
    if not path(kata).is_file():
        return {}
    entries = json.loads(path(kata).read_text(encoding="utf-8"))["variants"]
    return {name: Record(**entry) for name, entry in entries.items()}


def known(kata: Kata) -> dict[str, Record]:
    """What is recorded of the variants as they are now, under the keys of today."""
    found = read(kata)
    now = {name(v): key(v) for v in everything(kata)}
    return {n: found[n] for n, k in now.items() if n in found and found[n].key == k}


def missing(kata: Kata) -> list[Variant]:
    """The variants without a record under their key.

    Raises:
        Refusal: edits that no longer apply, since the reference was edited, of these or of archived
            answers; all are listed.
    """
    if broken := list(filter(None, map(variants.broken, everything(kata)))):
        raise Refusal("\n".join(broken))
    batches.archived(kata)  # refuses what no longer applies
    found = known(kata)
    return [v for v in everything(kata) if name(v) not in found]


def key(variant: Variant) -> str:
    """The hash of all that a variant's verdict follows from."""
    return hashed(variant.kata, variant.right, sorted(variants.texts(variant).items()))


def hashed(kata: Kata, *what: object) -> str:
    """The hash of something that runs on a kata's spec, and of all that its verdict follows from."""
    return hashlib.sha256((_base(kata.number) + json.dumps(what)).encode()).hexdigest()[:16]


@functools.cache
def _base(number: int) -> str:
    """The part of the key that a kata's variants share."""
    kata = load().kata(number)
    tests = ROOT / "spec_tests"
    rooms = [ROOT / "src" / "tito" / room for room in ("course", "run")]
    files = [p for folder in (tests / "support", *rooms) for p in folder.rglob("*.py")]
    files += [*kata.suite, ROOT / "conftest.py", *(tests / "oracle_tables").glob(f"{kata.id}.*")]
    package = [*(REFERENCE / "tinytorch").rglob("*.py")]
    later = {k.file(REFERENCE): k.module for k in load().katas if k.number > kata.number}
    digest = hashlib.sha256(f"{platform.python_version_tuple()[:2]}".encode())
    digest.update(".".join(version("numpy").split(".")[:2]).encode())
    for file in sorted({*files, *package} - later.keys()):
        content = file.read_bytes()
        if file == REFERENCE / "tinytorch" / "__init__.py":
            content = without(content, later.values())
        digest.update(f"\0{file.relative_to(ROOT)} {len(content)}\0".encode() + content)
    return digest.hexdigest()


def without(exports: bytes, modules: Collection[str]) -> bytes:
    """The package's list of names as it was before some modules came."""
    named = [f"tinytorch.{m} " for m in modules] + [f'"{m}"' for m in modules]
    lines = exports.decode().splitlines()
    return "\n".join(line for line in lines if not any(n in line for n in named)).encode()


# ---- running -------------------------------------------------------------------------------------


def job(variant: Variant, folder: Path) -> Job:
    """The run of one variant: a wrong one until its first failure, a right one to the end."""
    built = variants.build(folder, variant)
    return Job(built, spec_paths(variant.kata.specs), first=not variant.right)


def judged(varied: Sequence[Variant], runs: int = 2) -> Iterator[tuple[Variant, Record, Verdict]]:
    """Run variants, wrong ones twice: an answer that differs the second time has no fingerprint."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        named = [(v, i, t) for i, v in enumerate(varied) for t in range(1 if v.right else runs)]
        verdicts = run([job(v, Path(scratch) / f"{i}-{t}") for v, i, t in named])
        for variant in varied:
            verdict = next(verdicts)
            record = recorded(variant, verdict)
            again = record if variant.right or runs == 1 else recorded(variant, next(verdicts))
            if again != record:
                said = _both(record, again)
                record = Record(record.key, said, record.test, "", False, record.xray)
            yield variant, record, verdict


def _both(one: Record, two: Record) -> str:
    """The verdict of two runs that are not alike in all."""
    if (one.verdict, one.test, one.xray) == (two.verdict, two.test, two.xray):
        return one.verdict
    return f"two runs differ: {one.verdict} by {one.test}, {two.verdict} by {two.test}"


def recorded(variant: Variant, verdict: Verdict) -> Record:
    """What one run says of a variant."""
    if verdict.problem:
        return Record(key(variant), " ".join(verdict.problem.split()))
    if not verdict.failed:
        green = verdict.green or not variant.right
        said = ("accepted" if variant.right else "survives") if green else "skipped a test"
        return Record(key(variant), said)
    first = verdict.failed[0]
    said = "refused" if variant.right else "killed"
    return Record(key(variant), said, first.name, first.fingerprint, first.telling, first.xray)


def fill(kata: Kata) -> Iterator[tuple[Variant, Record]]:
    """Run what has no record, and write the file after every verdict."""
    absent, found = missing(kata), known(kata)
    for variant, record, _ in judged(absent):
        found[name(variant)] = record
        _write(kata, found)
        yield variant, record
    _write(kata, found)


def _write(kata: Kata, found: dict[str, Record]) -> None:
    entries = {n: asdict(found[n]) for n in map(name, everything(kata)) if n in found}
    text = json.dumps({"generated": "by: make records", "variants": entries}, indent=1)
    if not path(kata).is_file() or path(kata).read_text(encoding="utf-8") != text + "\n":
        write_atomically(path(kata), text + "\n")


def sample(kata: Kata) -> list[Variant]:
    """A tenth of a kata's variants, at least ten, others at each commit."""
    every = everything(kata)
    return drawn(every, max(LEAST, round(SHARE * len(every))), kata.id)


def drawn(every: Sequence[T], count: int, what: str) -> list[T]:
    """Some of all, drawn by a seed that is the commit."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return random.Random(f"{commit} {what}").sample(every, min(count, len(every)))


# ---- what follows from the records ---------------------------------------------------------------


def lessons(kata: Kata) -> str:
    """The text of a kata's lessons: by test, what each wrong answer's fingerprint means."""
    found: dict[str, list[dict[str, str]]] = {}
    for variant, record, seen in _accusing(kata):
        entry = {"fingerprint": seen, "variant": variant.id, "lesson": variant.lesson}
        found.setdefault(record.test, []).append(entry)
    source = f"generated from {short(path(kata))} by: make records"
    content = {"generated": source, "lessons": dict(sorted(found.items()))}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _accusing(kata: Kata) -> list[tuple[Variant, Record, str]]:
    """The killed variants, their records, and the fingerprint that accuses: one that a lesson is told
    by, or that keeps another lesson from being told for certain."""
    found = known(kata)
    killed = [(v, found.get(name(v))) for v in variants.load(kata, right=False)]
    pairs = [(v, r) for v, r in killed if r and r.test]
    told = {(r.test, r.fingerprint) for v, r in pairs if r.telling or v.certain}
    return [(v, r, r.fingerprint * ((r.test, r.fingerprint) in told)) for v, r in pairs]


def shown(kata: Kata) -> dict[str, str]:
    """What the screen of each wrong answer says that it looks like: a lesson, or what numbers say."""
    meant: dict[tuple[str, str], set[str]] = {}
    for variant, record, seen in (accusing := _accusing(kata)):
        meant.setdefault((record.test, seen), set()).add(variant.lesson)
    found = {}
    for variant, record, seen in accusing:
        said = meant[record.test, seen] if seen else set()
        found[name(variant)] = next(iter(said)) if len(said) == 1 else record.xray
    return found

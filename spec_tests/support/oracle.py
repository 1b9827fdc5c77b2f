"""The oracle: what PyTorch answers, recorded in a committed table, so that a learner needs no PyTorch.

A Case is an expression and the shapes it runs on. `record` evaluates the same text with PyTorch and
keeps inputs, cotangent, output and gradients; the sweep replays the table on the learner's package.
One flat array of numbers and one index of JSON a kata: read in milliseconds.
"""

from __future__ import annotations

import importlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count, takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from support import strategies, xray
from support.asserts import assert_close, tolerance
from support.expressions import evaluate, gradients
from support.observe import ClauseFailure, kinds
from support.strategies import Shape

TABLES = Path(__file__).resolve().parent.parent / "oracle_tables"


@dataclass(frozen=True)
class Case:
    """One operation, swept over shapes.

    Attributes:
        name: short and unique within the kata; also the test id.
        expression: evaluated with tensors a, b, c, d and the package tt.
        shapes: for each sample the shapes of its inputs.
        kind: what the inputs are filled with (see strategies.fill), one word, or one per input.
        torch: the expression for PyTorch, where it is spelled otherwise; tt is torch, F is
            torch.nn.functional.
        gradient: whether gradients are recorded as well.
    """

    name: str
    expression: str
    shapes: tuple[tuple[Shape, ...], ...]
    kind: str | tuple[str, ...] = "dyadic"
    torch: str = ""
    gradient: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Sample:
    """One row of a table.

    Attributes:
        inputs, out: the operands and the output.
        cotangent, gradients: the random cotangent, and each input's gradient under it.
        ones: each input's gradient under a cotangent of ones.
        uses: for each input that the expression names more than once, the gradient of each use.
    """

    inputs: list[Any]
    out: Any
    cotangent: Any = None
    gradients: list[Any] = field(default_factory=list)
    ones: list[Any] = field(default_factory=list)
    uses: list[tuple[Any, ...]] = field(default_factory=list)


def unary(shapes: Iterable[Shape]) -> tuple[tuple[Shape, ...], ...]:
    """Shapes for a case of one input."""
    return tuple((s,) for s in shapes)


def samples(kata: str, case: Case) -> list[Sample]:
    """The recorded samples of one case."""
    kinds.add("PyTorch")
    arrays = _table(kata)
    rows = []
    for i, shapes in enumerate(case.shapes):
        key = f"{case.name}/{i}"
        if f"{key}/out" not in arrays:
            raise KeyError(f"the table of kata {kata} has no {key}: make oracle-{kata}")
        inputs = [arrays[f"{key}/x{j}"].copy() for j in range(len(shapes))]
        rows.append(_row(arrays, key, inputs, case.gradient))
    return rows


def _row(arrays: dict[str, Any], key: str, inputs: list[Any], gradient: bool) -> Sample:
    """One sample of the table."""
    if not gradient:
        return Sample(inputs, arrays[f"{key}/out"])
    each = range(len(inputs))
    uses = [tuple(arrays[k] for k in _numbered(f"{key}/p{j}.", arrays)) for j in each]
    slopes = [[arrays.get(f"{key}/{letter}{j}") for j in each] for letter in "gu"]
    return Sample(inputs, arrays[f"{key}/out"], arrays[f"{key}/c"], slopes[0], slopes[1], uses)


def _numbered(prefix: str, arrays: dict[str, Any]) -> Iterator[str]:
    """The keys prefix0, prefix1, ... that are there."""
    return takewhile(arrays.__contains__, (f"{prefix}{n}" for n in count()))


def check_values(kata: str, case: Case) -> None:
    """The learner's values of one case, sample by sample, against the table."""
    rows = samples(kata, case)
    for row in rows:
        got = evaluate(case.expression, *row.inputs)
        with _xrayed(lambda: _values(case, rows)):
            assert_close(got, want=row.out, terms=_terms(row.inputs, row.out))


def check_gradients(kata: str, case: Case) -> None:
    """The learner's gradients of one case under a random cotangent, against the table."""
    rows = samples(kata, case)
    for row in rows:
        got = gradients(case.expression, row.cotangent, *row.inputs)
        with _xrayed(lambda: _slopes(case, rows)):
            assert_close(
                {f"d/d{n}": g for n, g in zip("abcd", got, strict=False)},
                want={f"d/d{n}": g for n, g in zip("abcd", row.gradients, strict=False)},
            )


@contextmanager
def _xrayed(compared: Callable[[], list[xray.Sample]]) -> Iterator[None]:
    """When a sample fails, look at all samples of the case for what they have in common."""
    try:
        yield
    except ClauseFailure as failure:
        call = failure.call
        try:
            everything = compared()
            failure.xray = xray.read(everything)
            failure.answers = [s.got for s in everything]
            failure.limits = [s.limit for s in everything]
        except ClauseFailure:
            pass  # another sample raises instead of answering: they have nothing in common
        failure.call = call
        raise


def _values(case: Case, rows: list[Sample]) -> list[xray.Sample]:
    """Every sample of a case as the X-ray wants it."""
    found = []
    for r in rows:
        got = evaluate(case.expression, *r.inputs)
        limit = tolerance(got, r.out, _terms(r.inputs, r.out))
        found.append(xray.Sample(got, r.out, _sizes(r.inputs[0], r.out), limit=limit))
    return found


def _slopes(case: Case, rows: list[Sample]) -> list[xray.Sample]:
    """Every gradient of every sample of a case."""
    found = []
    for row in rows:
        for j, got in enumerate(gradients(case.expression, row.cotangent, *row.inputs)):
            want, sizes = row.gradients[j], _sizes(row.inputs[j], row.out)
            known = row.out.shape, row.ones[j], row.uses[j]
            limit = tolerance(got, want)
            found.append(xray.Sample(got, want, sizes, *known, limit=limit))
    return found


def _sizes(x: Any, out: Any) -> dict[str, int]:
    """The counts that a formula may divide by."""
    sizes = {"elements": x.size}
    if x.ndim > 1:
        sizes |= {"rows": x.shape[0], "columns": x.shape[-1]}
    if out.size and x.size > out.size:
        sizes[xray.REDUCED] = x.size // out.size
    return sizes


def _terms(inputs: list[Any], out: Any) -> float:
    """The magnitude of what was added up: large inputs may cancel in a small output."""
    return float(
        max(
            np.max(np.abs(out), initial=0.0),
            1e-3 * max((np.max(np.abs(x), initial=0.0) for x in inputs), default=0.0),
        )
    )


# ---- tables --------------------------------------------------------------------------------------


@cache
def _table(kata: str) -> dict[str, Any]:
    index, numbers = TABLES / f"{kata}.json", TABLES / f"{kata}.npy"
    if not index.is_file() or not numbers.is_file():
        raise FileNotFoundError(f"kata {kata} has no oracle table: make oracle-{kata}")
    flat = np.load(numbers, allow_pickle=False)
    return {
        key: flat[start : start + int(np.prod(shape))].reshape(shape)
        for key, (start, shape) in json.loads(index.read_text())["arrays"].items()
    }


def save(kata: str, arrays: dict[str, Any], version: str) -> None:
    """Write a table: the numbers as one float64 array, and where each array stands in it."""
    index, start = {}, 0
    for key, array in arrays.items():
        index[key] = [start, list(array.shape)]
        start += array.size
    flat = np.concatenate([np.ravel(a) for a in arrays.values()]) if arrays else np.zeros(0)
    np.save(TABLES / f"{kata}.npy", flat.astype(np.float64), allow_pickle=False)
    rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in index.items())
    note = json.dumps(f"recorded from torch {version} by: make oracle-{kata}")
    (TABLES / f"{kata}.json").write_text(f'{{"generated": {note},\n"arrays": {{\n{rows}\n}}}}\n')


def cases_of(module: ModuleType) -> Iterator[Case]:
    """Every case of a test module: those that stand in its module-level lists."""
    for value in vars(module).values():
        if isinstance(value, (list, tuple)):
            yield from (c for c in value if isinstance(c, Case))


def record(
    kata: str, modules: Sequence[ModuleType], known: dict[str, Any] | None = None
) -> tuple[dict[str, Any], str]:
    """Ask PyTorch for every case of a kata. Inputs already recorded are kept as they are."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    arrays: dict[str, Any] = {}
    for case in [case for module in modules for case in cases_of(module)]:
        for i, shapes in enumerate(case.shapes):
            arrays |= _ask(torch, case, f"{case.name}/{i}", shapes, known or {})
    for module in modules:  # trajectories and other answers that are not one expression
        answers = module.record(torch) if hasattr(module, "record") else {}
        arrays |= {f"own/{k}": np.asarray(v, np.float64) for k, v in answers.items()}
    return arrays, str(torch.__version__).split("+")[0]


def own(kata: str, key: str) -> Any:
    """A recorded answer that the test module's own `record(torch)` asked for."""
    kinds.add("PyTorch")
    return _table(kata)[f"own/{key}"].copy()


def _ask(
    torch: Any, case: Case, key: str, shapes: tuple[Shape, ...], known: dict[str, Any]
) -> dict[str, Any]:
    """Inputs, output and gradients of one sample."""
    for attempt in range(20):
        inputs = [
            known.get(f"{key}/x{j}", _input(case, f"{key}{'+' * attempt}", j, s))
            for j, s in enumerate(shapes)
        ]
        tensors = [
            torch.tensor(x, dtype=torch.float64, requires_grad=case.gradient) for x in inputs
        ]
        names = dict(zip("abcd", tensors, strict=False))
        out = eval(
            case.torch or case.expression,
            {"tt": torch, "np": np, "torch": torch, "F": torch.nn.functional, **names},
        )
        if out.numel() == 0 or bool((out != 0).any()):
            break
        known = {}  # an answer of zeros would accept a learner's zeros: other numbers
    found = {f"{key}/x{j}": x for j, x in enumerate(inputs)} | {f"{key}/out": out.detach().numpy()}
    if case.gradient:
        cotangent = np.random.default_rng(zlib.crc32(f"c{key}".encode())).normal(
            size=tuple(out.shape)
        )
        found[f"{key}/c"] = cotangent
        for letter, upstream in (("g", torch.tensor(cotangent)), ("u", torch.ones_like(out))):
            slopes = torch.autograd.grad(out, tensors, upstream, retain_graph=True)
            found |= {f"{key}/{letter}{j}": g.numpy() for j, g in enumerate(slopes)}
        found |= _uses(torch, case, key, inputs, cotangent)
    return found


def _uses(torch: Any, case: Case, key: str, inputs: list[Any], cotangent: Any) -> dict[str, Any]:
    """The gradient of each single use of an input that the expression names more than once."""
    found = {}
    for j, name in enumerate("abcd"[: len(inputs)]):
        pieces = re.split(rf"\b{name}\b", case.torch or case.expression)
        if len(pieces) > 2:
            tensors = {
                n: torch.tensor(x, dtype=torch.float64)
                for n, x in zip("abcd", inputs, strict=False)
            }
            copies = {
                f"{name}_{k}": torch.tensor(inputs[j], dtype=torch.float64, requires_grad=True)
                for k in range(len(pieces) - 1)
            }
            text = pieces[0] + "".join(
                f"{use}{piece}" for use, piece in zip(copies, pieces[1:], strict=True)
            )
            out = eval(
                text,
                {
                    "tt": torch,
                    "np": np,
                    "torch": torch,
                    "F": torch.nn.functional,
                    **tensors,
                    **copies,
                },
            )
            slopes = torch.autograd.grad(
                out, list(copies.values()), torch.tensor(cotangent), allow_unused=True
            )
            found |= {
                f"{key}/p{j}.{k}": g.numpy()
                for k, g in enumerate(s for s in slopes if s is not None)
            }
    return found


def _input(case: Case, key: str, position: int, shape: Shape) -> Any:
    """Fixed by the case's name: a new case never changes another's numbers."""
    kind = case.kind if isinstance(case.kind, str) else case.kind[position]
    return strategies.fill(shape, zlib.crc32(f"{key}/{position}".encode()), kind, base=0)


def load(kata: str) -> dict[str, Any]:
    """The committed table, or nothing where there is none yet."""
    return dict(_table(kata)) if (TABLES / f"{kata}.json").is_file() else {}

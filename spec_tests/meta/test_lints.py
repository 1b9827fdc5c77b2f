"""Lints of the suite and the course, read from the sources alone.

What a test of a kata may not do, what stands in a kata's folder, and which way imports point. Every
message names the file and the line.
"""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
import symtable
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support import course

from tito.course import manifest
from tito.course.manifest import REFERENCE, Kata
from tito.course.readme import clauses, readme, section
from tito.course.source import blanks_left, functions
from tito.course.stubs import given
from tito.learner.hint import tasks_of
from tito.strength import variants

ROOT = Path(__file__).resolve().parents[2]
KATAS = manifest.load().katas
IDS = [kata.id for kata in KATAS]
SUITE = [path for kata in KATAS for path in kata.specs]
SHARED = [path for kata in KATAS for path in kata.suite if path not in kata.specs]
SUPPORT = sorted((ROOT / "spec_tests" / "support").rglob("*.py"))
SECTIONS = ["Goal", "Why", "Contract", "Clauses", "Worked example"]
SECTIONS += ["Done when", "Try it", "In PyTorch"]
LEARNERS = {"torch", "tinytorch"}
every_kata = pytest.mark.parametrize("kata", KATAS, ids=IDS)
every_spec = pytest.mark.parametrize("path", SUITE, ids=lambda p: p.stem)
every_file = pytest.mark.parametrize("path", [*SHARED, *SUITE, *SUPPORT], ids=lambda p: p.stem)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def spec_functions(path: Path) -> list[ast.FunctionDef]:
    return [
        n for n in tree(path).body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")
    ]


def at(path: Path, node: ast.AST, problem: str) -> str:
    return f"{path.name}:{getattr(node, 'lineno', 0)} {problem}"


def name_of(node: ast.AST) -> str:
    """`np.random.default_rng` of a call's function, as it is written."""
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


# ---- what a test may not do ----------------------------------------------------------------------


def faults(path: Path) -> Iterator[str]:
    """Everything that makes a test unable to fail, or able to fail by chance."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant) and node.test.value:
            yield at(path, node, "assert that cannot fail")
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield at(path, node, "bare except")
            elif "ImportError" in ast.unparse(node.type) or "ModuleNotFound" in ast.unparse(
                node.type
            ):
                yield at(path, node, "except ImportError: a missing name must be red")
        if isinstance(node, ast.Call):
            yield from call_faults(path, node)


def call_faults(path: Path, node: ast.Call) -> Iterator[str]:
    name = name_of(node.func)
    keywords = {k.arg for k in node.keywords}
    if name == "zip" and "strict" not in keywords and len(node.args) > 1:
        yield at(path, node, "zip without strict")
    if name.endswith("default_rng") and not node.args and not node.keywords:
        yield at(path, node, "unseeded generator")
    if re.match(
        r"(np|numpy)\.random\.(?!default_rng|Generator|SeedSequence|PCG64|seed|get_state|set_state)",
        name,
    ):
        yield at(path, node, f"{name}: numbers from a global generator")
    if re.match(r"random\.\w+$", name):
        yield at(path, node, f"{name}: numbers from a global generator")
    if name.endswith("subtests.test") or name in ("time.time", "time.perf_counter", "perf_counter"):
        yield at(path, node, f"{name}: no subtests and no wall clock in a test")


@every_file
def test_no_faults(path: Path) -> None:
    """No assert True, bare except, except ImportError, lax zip, unseeded numbers, subtests, clocks."""
    assert list(faults(path)) == []


@every_file
def test_no_torch_or_learner_at_import(path: Path) -> None:
    """Collection imports neither PyTorch nor a learner's file."""
    found = []
    for node in tree(path).body:
        for inner in (
            ast.walk(node) if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) else []
        ):
            if isinstance(inner, (ast.Import, ast.ImportFrom)):
                names = (
                    [a.name for a in inner.names]
                    if isinstance(inner, ast.Import)
                    else [inner.module or ""]
                )
                found += [at(path, inner, n) for n in names if n.split(".")[0] in LEARNERS]
    assert found == []


@every_spec
def test_test_functions(path: Path) -> None:
    """A test returns nothing, has at most ten lines, and its docstring begins with a clause."""
    found = []
    for test in spec_functions(path):
        lines = test.body[-1].end_lineno - test.body[0].lineno + 1  # type: ignore[operator]
        docstring = ast.get_docstring(test) or ""
        lines -= test.body[0].end_lineno - test.body[0].lineno + 1 if docstring else 0  # type: ignore[operator]
        if lines > 10:
            found.append(at(path, test, f"{test.name} has {lines} lines, ten at most"))
        if not re.match(rf"{path.stem[5:7]}\.\d+ \S", docstring):
            found.append(at(path, test, f"{test.name} does not begin with its clause's number"))
        if any(isinstance(n, ast.Return) and n.value for n in ast.walk(test)):
            found.append(at(path, test, f"{test.name} returns a value: a test asserts"))
    assert found == []


PLANTED = """
import numpy as np

HELPER = 3

def helper():
    assert True
    try:
        pass
    except ImportError:
        pass
    try:
        pass
    except:
        pass
    zip([1], [2])
    np.random.default_rng()
    np.random.normal(3)

@observe
def seen(x):
    y = [z for z in x]
    return y, HELPER, (lambda w: w + np.pi)(3)
"""


def test_lints_find_planted_faults(tmp_path: Path) -> None:
    """A lint that finds nothing in a bad file would prove nothing."""
    path = tmp_path / "test_99_planted.py"
    path.write_text(PLANTED)
    lines = [int(fault.split(":")[1].split()[0]) for fault in faults(path)]
    assert sorted(lines) == [7, 10, 14, 16, 17, 18]
    assert free_names(observations(path)[0]) == {"HELPER", "np"}


def observations(path: Path) -> list[ast.FunctionDef]:
    nodes = [n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef)]
    return [n for n in nodes if any("observe" in ast.unparse(d) for d in n.decorator_list)]


def free_names(node: ast.FunctionDef) -> set[str]:
    """Names that a function takes from outside itself."""
    bare = ast.parse(ast.unparse(node)).body[0]
    assert isinstance(bare, ast.FunctionDef)
    bare.decorator_list = []
    for inner in ast.walk(bare):
        if isinstance(inner, ast.arg):
            inner.annotation = None
        elif isinstance(inner, ast.FunctionDef):
            inner.returns = None
    waiting, found = (
        [symtable.symtable(ast.unparse(bare), "observation", "exec").get_children()[0]],
        set(),
    )
    while waiting:
        table = waiting.pop()
        found |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
        waiting += table.get_children()
    return found - set(dir(builtins))


@every_spec
def test_observations(path: Path) -> None:
    """An observation is a module's function of tt, and knows np, tt and builtins, nothing else."""
    found = []
    for node in observations(path):
        if node not in tree(path).body:
            found.append(at(path, node, f"{node.name} is no module-level function"))
        if [a.arg for a in node.args.args][:1] != ["tt"]:
            found.append(at(path, node, f"{node.name}: the first parameter is tt"))
        if strange := free_names(node) - {"np"} - used(node):
            found.append(at(path, node, f"{node.name} uses {sorted(strange)} of the module"))
        if strange := shown(node) - {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}:
            found.append(at(path, node, f"{node.name} shows {sorted(strange)}, no arguments"))
    for node in helpers(path):
        if strange := free_names(node) - {"np"} - {n.name for n in helpers(path)}:
            found.append(at(path, node, f"the helper {node.name} uses {sorted(strange)}"))
    assert found == []


def shown(node: ast.FunctionDef) -> set[str]:
    """The arguments that a screen puts into the call: `@observe(shown="{call}.backward()")`."""
    words = [k.value for k in ast.walk(node) if isinstance(k, ast.keyword) and k.arg == "shown"]
    return {name for word in words for name in re.findall(r"{(\w+)}", ast.literal_eval(word))}


def used(node: ast.FunctionDef) -> set[str]:
    """The helpers that an observation names: `@observe(uses=(built,))`."""
    calls = [d for d in node.decorator_list if isinstance(d, ast.Call)]
    named = [k.value for call in calls for k in call.keywords if k.arg == "uses"]
    return {n.id for value in named for n in ast.walk(value) if isinstance(n, ast.Name)}


def helpers(path: Path) -> list[ast.FunctionDef]:
    """The functions that observations use, of the spec or its folder, or of those that every spec shares."""
    spec = [path] if path.parent == ROOT / "spec_tests" else sorted(path.parent.glob("*.py"))
    names = {name for file in spec for node in observations(file) for name in used(node)}
    shared = ROOT / "spec_tests" / "support" / "expressions.py"
    nodes = [node for file in sorted({*spec, shared}) for node in tree(file).body]
    found = [n for n in nodes if isinstance(n, ast.FunctionDef) and n.name in names]
    assert {n.name for n in found} == names
    return found


def test_tests_do_not_touch_the_learners_package() -> None:
    """Only observations see `tt`: a test judges what came back."""
    found = []
    for path in SUITE:
        seen = [*observations(path), *helpers(path)]
        inside = {id(n) for o in seen for n in ast.walk(o)}
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Name) and node.id == "tt" and id(node) not in inside:
                found.append(at(path, node, "tt outside an observation"))
    assert found == []


# ---- clauses, tests, kata folders ----------------------------------------------------------------


@every_kata
def test_clauses_and_tests_meet(kata: Kata) -> None:
    """Every clause of the README is named by a test, every test names a clause of it."""
    written = set(clauses(kata))
    tests = [test for path in kata.specs for test in spec_functions(path)]
    named = {(ast.get_docstring(test) or "-").split()[0] for test in tests}
    assert written, f"katas/{kata.slug}/README.md has no clauses"
    assert written - named == set(), "clauses without a test"
    assert named - written == set(), "tests without a clause"


def test_every_spec_file_is_a_katas() -> None:
    """A kata's spec is one file, or a folder with one file for each of some tasks."""
    folder = ROOT / "spec_tests"
    assert sorted([*folder.glob("test_*.py"), *folder.glob("test_*/test_*.py")]) == sorted(SUITE)


WRONG_AT_LEAST = {9: 60, 12: 60, 13: 60}


@every_kata
def test_enough_variants(kata: Kata) -> None:
    """Forty registered wrong answers a kata, sixty where most can go wrong, and some right ones."""
    assert len(variants.load(kata, right=False)) >= WRONG_AT_LEAST.get(kata.number, 40)
    assert len(variants.load(kata, right=True)) >= 8


def words(text: str) -> list[str]:
    return re.findall(r"[\w.*/-]+", text.replace("`", "").lower())


def repeated(docstring: str, sentence: str) -> str:
    """Six words in a row that a docstring has from its clause's sentence, or nothing."""
    said, known = words(docstring), f" {' '.join(words(sentence))} "
    runs = [" ".join(said[i : i + 6]) for i in range(len(said) - 5)]
    return next((run for run in runs if f" {run} " in known), "")


@every_kata
def test_docstrings_add_to_their_clause(kata: Kata) -> None:
    """The README has a clause's words, a test's docstring says what this test tries of it."""
    found = []
    tests = [(path, test) for path in kata.specs for test in spec_functions(path)]
    for path, test in tests:
        number, _, added = (ast.get_docstring(test) or "").partition(" ")
        if said := repeated(added, clauses(kata).get(number, "")):
            found.append(at(path, test, f"{test.name} repeats its clause: {said!r}"))
    assert found == []


def test_a_repeated_clause_is_found() -> None:
    """Marks, dots at the end and capitals make no difference; five words may be the same."""
    clause = "`softmax(x)` is e^x over the sum of e^x along the axis."
    assert repeated("Over the sum of e^x along an axis.", clause)
    assert not repeated("A sum over the sum of e of zeros.", clause)
    assert not repeated("", clause)


@every_kata
def test_every_clause_leads_to_a_task(kata: Kata) -> None:
    """hints.md lists under each task the clauses it is about, no clause is forgotten; suite and tool agree."""
    known, text = clauses(kata), (kata.folder / "hints.md").read_text(encoding="utf-8")
    listed = " ".join(re.findall(r"^Clauses: (.+)$", text, re.MULTILINE)).split()
    assert set(listed) == set(known)
    assert len(re.findall(r"^## \w+\n\nClauses: ", text, re.MULTILINE)) == len(kata.tasks)
    assert all(list(course.tasks(c)) == tasks_of(kata, c) for c in known)
    ends = re.findall(r"^End to end: (.+)$", text, re.MULTILINE)
    assert set(" ".join(ends).split()) <= set(known)
    assert bool(ends) == (kata.number > 1), "which clauses use the katas before?"


HINTED = {
    "01.7": "arithmetic",
    "03.16": "dropout",
    "03.19": "small",
    "05.7": "broadcasting",
    "05.20": "modes",
    "06.11": "adam",
    "07.12": "step",
    "07.14": "loop",
    "07.17": "watching",
}


@pytest.mark.parametrize("clause", HINTED)
def test_clauses_lead_to_the_right_task(clause: str) -> None:
    """A few that were led astray when hints followed the line alone."""
    kata = next(kata for kata in KATAS if kata.id == clause[:2])
    assert HINTED[clause] in tasks_of(kata, clause)
    assert len(tasks_of(kata, clause)) <= 2


@every_kata
def test_clauses_are_numbered_in_order(kata: Kata) -> None:
    """NN.1, NN.2, ...: no gap, none twice."""
    numbers = re.findall(r"^- \*\*(\d\d\.\d+)\*\*", readme(kata), re.MULTILINE)
    assert numbers == [f"{kata.id}.{i}" for i in range(1, len(numbers) + 1)]


@every_kata
def test_readme_sections(kata: Kata) -> None:
    """The spec has its eight parts, in order, none empty."""
    text = readme(kata)
    assert text.startswith(f"# Kata {kata.id}: "), "the title is `# Kata NN: Title`"
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [
        t for t in titles if t != "The door"
    ] == SECTIONS  # kata 01 also explains the module that it is given
    assert [title for title in SECTIONS if not section(text, title)] == []


def test_no_unlisted_file_in_katas() -> None:
    """katas/ holds five files for each kata, and its questions with a number where it has some."""
    expected, optional = set(), set()
    for kata in KATAS:
        names = ("kata.toml", "README.md", "hints.md", "reflect.md", f"{kata.module}.py")
        expected |= {kata.folder / name for name in names}
        optional.add(kata.folder / "reflect.toml")
    there = {p for p in (ROOT / "katas").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert {str(p.relative_to(ROOT)) for p in there - expected - optional} == set(), "unlisted"
    assert {str(p.relative_to(ROOT)) for p in expected - there} == set(), "files that are missing"


@every_kata
def test_hints_have_three_levels(kata: Kata) -> None:
    """hints.md: a section for each task of the manifest, in order, with hints 1, 2 and 3."""
    text = (kata.folder / "hints.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(kata.tasks)
    for task in kata.tasks:
        numbers = re.findall(r"^(\d)\. ", section(text, task), re.MULTILINE)
        assert numbers == ["1", "2", "3"], f"task {task}"


def measures(kata: Kata) -> dict[str, str]:
    """The code blocks of reflect.md by their question."""
    text = (kata.folder / "reflect.md").read_text(encoding="utf-8")
    questions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    pattern = re.compile(r"^Measure:\s*\n+```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return {q.splitlines()[0]: "\n".join(pattern.findall(q)) for q in questions}


@every_kata
def test_reflections_can_be_measured(kata: Kata) -> None:
    """Three to five questions, each with a `Measure:` block that prints."""
    found = measures(kata)
    assert 3 <= len(found) <= 5
    for question, code in found.items():
        assert "print(" in code, f"no Measure block that prints: {question}"
        compile(code, question, "exec")


@every_kata
def test_tasks_are_the_blanks(kata: Kata) -> None:
    """The manifest's tasks list every blank of the stub, once."""
    blanks = [name for name, _ in blanks_left(kata.stub)]
    assert sorted(kata.blanks) == sorted(blanks)
    assert kata.minutes > 0
    assert kata.tests > 0


@every_kata
def test_stub_begins_with_the_writing_order(kata: Kata) -> None:
    """Every task stands in the comment on top, in order, with its blanks; then comes the docstring."""
    lines = kata.stub.read_text(encoding="utf-8").splitlines()
    top = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    words = " ".join(line.lstrip("# ") for line in top[2:]).replace(",", "").split()
    places = [words.index(task) for task in kata.tasks]
    assert places == sorted(places)
    assert set(kata.blanks) <= set(words)
    assert ast.get_docstring(tree(kata.stub))


@every_kata
def test_exports_exist(kata: Kata) -> None:
    """What the manifest exports is defined by the stub, so that a learner's file has it too."""
    defined = set()
    for node in ast.walk(tree(kata.stub)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {name_of(t) for t in targets}
        elif isinstance(node, ast.ImportFrom) and node.module == "tinytorch.door":
            defined |= {alias.name for alias in node.names}
    assert set(kata.exports) - defined == set()


def test_kata_01_begins_with_what_is_written() -> None:
    """Nothing in the stub of kata 01 is given: the first blank is near the top."""
    kata = KATAS[0]
    assert given(kata.file(REFERENCE)) == set()
    assert len(kata.blanks) <= 51
    first = min(line for _, line in blanks_left(kata.stub))
    assert first < 100


# ---- imports only ever point to an earlier kata --------------------------------------------------


def imports(path: Path) -> Iterator[tuple[ast.AST, str, str, list[str]]]:
    """Every import of the package: node, the enclosing function, module, names."""
    owner = {id(n): name for name, f in functions(tree(path)) for n in ast.walk(f)}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tinytorch":
            names = [a.name for a in node.names]
            yield node, owner.get(id(node), ""), (node.module or "").partition(".")[2], names
        elif isinstance(node, ast.Import):
            for name in [a.name for a in node.names if a.name.split(".")[0] == "tinytorch"]:
                yield node, owner.get(id(node), ""), name.partition(".")[2], []


@every_kata
def test_imports_point_backwards(kata: Kata) -> None:
    """Module level, from what is given and from earlier katas only."""
    earlier = {"door", "names", *(k.module for k in KATAS if k.number < kata.number)}
    found, path = [], kata.file(ROOT / "reference")
    for node, function, module, names in imports(path):
        modules = [module] if module else names  # `from tinytorch import tensor`
        if function:
            found.append(at(path, node, f"import inside {function}"))
        found += [at(path, node, f"{m} is no earlier kata") for m in modules if m not in earlier]
    assert found == []


@every_kata
def test_imports_are_contractual(kata: Kata) -> None:
    """From another kata's file only what its stub keeps: its public names, not its helpers."""
    found, path = [], kata.file(ROOT / "reference")
    for node, _, module, names in imports(path):
        found += [at(path, node, f"{module}.{n} is private") for n in names if n.startswith("_")]
    assert found == []


def test_every_primitive_has_a_rule() -> None:
    """Primitives = gradient rules + those declared not differentiable, on the reference."""
    decorated = {
        f"{kata.module}.{node.name}"
        for kata in KATAS
        for node in tree(kata.file(ROOT / "reference")).body
        if isinstance(node, ast.FunctionDef)
        and any(name_of(d) == "primitive" for d in node.decorator_list)
    }
    code = """
        import importlib, sys
        for name in sys.argv[1:]:
            importlib.import_module(f"tinytorch.{name}")
        rules = importlib.import_module("tinytorch.autograd").RULES
        print(*(f"{f.__module__.rpartition('.')[2]}.{f.__name__}" for f in rules))
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code), *[kata.module for kata in KATAS]],
        env={"PYTHONPATH": str(ROOT / "reference")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ruled = set(done.stdout.split())
    assert decorated - ruled == set(), "primitives without a rule: defvjp(name, None) declares it"
    assert ruled - decorated == set(), "rules of what is no primitive"


def test_collection_is_quick_and_clean() -> None:
    """Collecting every kata imports neither PyTorch nor the package under test."""
    code = "import sys, pytest; c = pytest.main(['-q', '--collect-only', '--impl=reference', '-p', 'no:cacheprovider']); print('\\n', c.value, sorted({'torch', 'tinytorch'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1].split(maxsplit=1) == ["0", "[]"], done.stdout[-2000:]


# ---- the rooms of the tool -----------------------------------------------------------------------

TITO = ROOT / "src" / "tito"
KNOWS = {  # what the modules of a room may import of the tool, their own room aside
    "course": set(),
    "run": {"course"},
    "certificate": {"course", "run"},
    "milestone": {"course"},
    "learner": {"course", "run", "certificate", "milestone"},
    "strength": {"course", "run"},
    "maintainer": {"course", "run", "certificate", "milestone", "strength"},
    "teacher": {"course", "run", "certificate", "milestone"},
}
OPEN = "learner.summary"  # the one module of the learner's room that its commands may import


def tool_imports(source: ast.Module) -> Iterator[tuple[ast.AST, str, str]]:
    """Every name imported from the tool, as (node, module, name): `run.runner` and `Job`."""
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tito":
            yield from ((node, (node.module or "")[5:], alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names if a.name.split(".")[0] == "tito"]
            yield from ((node, name[5:], "") for name in names)


def arrow_faults(path: Path, room: str, source: ast.Module) -> Iterator[str]:
    """Imports that point up, sideways, or from one learner's command to another."""
    for node, module, name in tool_imports(source):
        target = module.split(".")[0] or name
        if target != room and target not in KNOWS[room]:
            yield at(path, node, f"{room} may not know {target or 'tito'}")
        if room == target == "learner" and OPEN not in (module, f"{module}.{name}"):
            yield at(path, node, f"a learner's command may not import another: {module}")


def private_faults(path: Path, source: ast.Module) -> Iterator[str]:
    """A private name of another module of ours: imported, or reached through the module."""
    ours = set()
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("tito", "support")):
            hidden = [a.name for a in node.names if re.match(r"_[^_]", a.name)]
            yield from (at(path, node, f"{name} is private to {node.module}") for name in hidden)
            ours |= {a.asname or a.name for a in node.names}
    for node in ast.walk(source):
        reached = re.fullmatch(r"(\w+)\._[a-zA-Z]\w*", name_of(node))
        if reached and reached[1] in ours:
            yield at(path, node, f"{name_of(node)} is private")


ROOMS = sorted(p for p in TITO.rglob("*.py") if p.parent != TITO)
every_module = pytest.mark.parametrize(
    "path", ROOMS, ids=lambda p: str(p.relative_to(TITO).with_suffix(""))
)


@every_module
def test_arrows_point_down(path: Path) -> None:
    """course <- run, milestone <- learner, maintainer, teacher; these three do not know each other."""
    room = path.relative_to(TITO).parts[0]
    assert list(arrow_faults(path, room, tree(path))) == []


@pytest.mark.parametrize("path", [*ROOMS, *TITO.glob("*.py"), *SUPPORT], ids=lambda p: p.name)
def test_private_names_stay_at_home(path: Path) -> None:
    """A name with an underscore is used where it is defined, and nowhere else."""
    assert list(private_faults(path, tree(path))) == []


def test_rooms_lints_find_planted_faults(tmp_path: Path) -> None:
    """An arrow up, an arrow sideways, a private name: each is found."""
    text = "from tito.learner import watch\nfrom tito.maintainer.gates import _judge\nimport tito.cli\nwatch._x\n"
    source, path = ast.parse(text), tmp_path / "planted.py"
    assert len(list(arrow_faults(path, "course", source))) == 3
    assert len(list(arrow_faults(path, "learner", source))) == 3
    assert len(list(private_faults(path, source))) == 2

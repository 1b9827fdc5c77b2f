"""Kata 06, Optimizers: the clauses of katas/06_optimizers/README.md, in the order they turn green.

Gradients are set by hand (`p.grad = array`), so that nothing but the optimizer is under test; only
the last clause trains with kata 05.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracle
from support.asserts import (
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
)
from support.observe import observe
from support.strategies import LAYOUTS, dyadic, fill, integer, normal, real, seeds

START = np.array([1.0, -2.0])  # the README's worked example
PUSHES = np.array([[0.5, 0.25], [0.5, -0.25], [1.0, 0.5]])
SCALE, RATE = real(1.0, 0.5, 2.0), real(0.5, 0.1, 0.9)
NEGATIVE, NUMBER = real(-0.5, -9.0, -1.0), real(3.5, 2.0, 9.0)

STEPS, SIZE = 50, 10  # of the recorded runs: three parameters of shapes (), (3,) and (2, 3)
SEEN = [0, 1, 2, 9, 49]
EVERY = [
    *["tt.SGD(p, lr=0.1)", "tt.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1)"],
    *["tt.SGD(p, lr=0.1, momentum=0.9, nesterov=True)", "tt.RMSprop(p, lr=0.1)"],
    *["tt.RMSprop(p, lr=0.1, momentum=0.5, weight_decay=0.1)", "tt.Adam(p, lr=0.1)"],
    *["tt.Adam(p, lr=0.1, weight_decay=0.1)", "tt.AdamW(p, lr=0.1, weight_decay=0.1)"],
]


@observe
def path(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    p = [tt.Tensor(start, requires_grad=True)]
    optimizer, after = eval(expression, {"tt": tt, "np": np, "p": p}), []
    for gradient in gradients:
        p[0].grad = gradient
        optimizer.step()
        after.append(p[0].data.copy())
    return np.array(after)


@observe
def paths(tt: Any, expression: str, start: Any, gradients: Any, gaps: bool) -> Any:
    cuts = [((), 0, 1), ((3,), 1, 4), ((2, 3), 4, 10)]
    p = [tt.Tensor(start[a:b].reshape(shape).copy(), requires_grad=True) for shape, a, b in cuts]
    optimizer, seen = eval(expression, {"tt": tt, "p": p}), {}
    for i, gradient in enumerate(gradients):
        for tensor, (shape, a, b) in zip(p, cuts, strict=True):
            tensor.grad = gradient[a:b].reshape(shape).copy()
        p[1].grad = None if gaps and i % 4 == 0 else p[1].grad
        optimizer.step()
        seen[f"after step {i + 1}"] = np.concatenate([tensor.data.ravel() for tensor in p])
    return seen


def record(torch: Any) -> dict[str, Any]:
    """PyTorch's way from one start along given gradients, for every setting below."""
    start, gradients = fill((SIZE,), 0, "normal", base=0), fill((STEPS, SIZE), 1, "normal", base=0)
    gradients += start  # with a direction, as near a minimum that is elsewhere
    found = {"start": start, "gradients": gradients}
    for title, expression in SETTINGS.items():
        a = torch.tensor(start)
        p = [t.clone().requires_grad_() for t in (a[0], a[1:4], a[4:].reshape(2, 3))]
        optimizer = eval(expression, {"tt": torch.optim, "p": p})
        for i, gradient in enumerate(torch.tensor(gradients)):
            g = (gradient[0], gradient[1:4], gradient[4:].reshape(2, 3))
            for j, tensor in enumerate(p):
                tensor.grad = None if "gaps" in title and j == 1 and i % 4 == 0 else g[j].clone()
            optimizer.step()
            if i in SEEN:
                found[f"{title}/{i}"] = torch.cat([t.detach().ravel() for t in p]).numpy().copy()
    return found


def check_run(title: str) -> None:
    """50 steps of three parameters against PyTorch's."""
    start, gradients = oracle.own("06", "start"), oracle.own("06", "gradients")
    got = paths(SETTINGS[title], start, gradients, gaps="gaps" in title)
    names = [f"after step {i + 1}" for i in SEEN]
    want = {n: oracle.own("06", f"{title}/{i}") for n, i in zip(names, SEEN, strict=True)}
    assert_close({n: got[n] for n in names}, want=want)


SETTINGS = {
    "SGD": "tt.SGD(p, lr=0.1)",
    "SGD-decay": "tt.SGD(p, lr=0.1, weight_decay=0.5)",
    "SGD-momentum": "tt.SGD(p, lr=0.1, momentum=0.9)",
    "SGD-dampening": "tt.SGD(p, lr=0.1, momentum=0.9, dampening=0.5)",
    "SGD-all": "tt.SGD(p, lr=0.1, momentum=0.5, dampening=0.25, weight_decay=0.1)",
    "SGD-nesterov": "tt.SGD(p, lr=0.1, momentum=0.9, nesterov=True)",
    "SGD-nesterov-decay": "tt.SGD(p, 0.1, 0.9, weight_decay=0.1, nesterov=True)",
    "RMSprop": "tt.RMSprop(p)",
    "RMSprop-alpha": "tt.RMSprop(p, lr=0.05, alpha=0.5, eps=0.1)",
    "RMSprop-decay": "tt.RMSprop(p, lr=0.05, weight_decay=0.5)",
    "RMSprop-momentum": "tt.RMSprop(p, lr=0.05, momentum=0.9, weight_decay=0.1)",
    "Adam": "tt.Adam(p)",
    "Adam-betas": "tt.Adam(p, lr=0.05, betas=(0.5, 0.9), eps=0.1)",
    "Adam-decay": "tt.Adam(p, lr=0.05, weight_decay=0.5)",
    "AdamW": "tt.AdamW(p, lr=0.05)",
    "AdamW-decay": "tt.AdamW(p, lr=0.05, betas=(0.5, 0.9), eps=0.1, weight_decay=0.5)",
    "SGD-groups": "tt.SGD([{'params': p[:1], 'momentum': 0.9}, {'params': p[1:]}], lr=0.1)",
    "Adam-groups": "tt.Adam([{'params': p[:2]}, {'params': p[2:], 'lr': 0.1, 'betas': (0.5, 0.9)}])",
    "SGD-gaps": "tt.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1)",
    "RMSprop-gaps": "tt.RMSprop(p, lr=0.05, momentum=0.5)",
    "Adam-gaps": "tt.Adam(p, lr=0.05, betas=(0.5, 0.9))",
    "AdamW-gaps": "tt.AdamW(p, lr=0.05, weight_decay=0.5)",
}


def rows(shape: tuple[int, ...], seed: int) -> Any:
    """Fresh gradients with a direction, one row for each step."""
    return fill(shape, seed, "normal") + 1


# ---- closed recurrences: the README's formulas, in NumPy -----------------------------------------


def sgd(
    p: Any,
    gradients: Any,
    lr: float,
    m: float = 0.0,
    dampening: float = 0.0,
    w: float = 0.0,
    nesterov: bool = False,
) -> Any:
    after, b = [], None
    for g in gradients:
        g = g + w * p
        b = g if b is None else m * b + (1 - dampening) * g
        p = p - lr * (g + m * b if nesterov else b if m else g)
        after.append(p)
    return np.array(after)


def rmsprop(p: Any, gradients: Any, lr: float, alpha: float, eps: float, m: float, w: float) -> Any:
    after, v, b = [], 0.0, 0.0
    for g in gradients:
        g = g + w * p
        v = alpha * v + (1 - alpha) * g * g
        b = m * b + g / (np.sqrt(v) + eps)
        p = p - lr * b
        after.append(p)
    return np.array(after)


def adam(
    p: Any,
    gradients: Any,
    lr: float,
    betas: Any,
    eps: float,
    coupled: float = 0.0,
    decoupled: float = 0.0,
) -> Any:
    after, m, v = [], 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        g = g + coupled * p
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
        step = m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
        p = p - lr * decoupled * p - lr * step
        after.append(p)
    return np.array(after)


FORMULAS = SimpleNamespace(
    SGD=lambda p, lr, momentum=0.0, weight_decay=0.0, dampening=0.0, nesterov=False: sgd(
        *p, lr, momentum, dampening, weight_decay, nesterov
    ),
    RMSprop=lambda p, lr, momentum=0.0, weight_decay=0.0: rmsprop(
        *p, lr, 0.99, 1e-8, momentum, weight_decay
    ),
    Adam=lambda p, lr, weight_decay=0.0: adam(*p, lr, (0.9, 0.999), 1e-8, coupled=weight_decay),
    AdamW=lambda p, lr, weight_decay: adam(*p, lr, (0.9, 0.999), 1e-8, decoupled=weight_decay),
)


def by_formula(expression: str, start: Any, gradients: Any) -> Any:
    """What `path` must give: where the formulas lead a parameter that is alone."""
    return eval(expression, {"tt": FORMULAS, "p": (start, gradients)})


# ---- base: 06.1, 06.2 and 06.4 -------------------------------------------------------------------


@observe
def built(tt: Any, expression: str, options: Any) -> Any:
    a, b = (tt.Tensor([1.0, 2.0, 3.0], requires_grad=True) for _ in range(2))
    optimizer = eval(expression, {"tt": tt, "np": np, "a": a, "b": b})
    names = {id(a): "a", id(b): "b"}
    return [
        {
            "params": [names.get(id(p), "another") for p in group["params"]]
            if isinstance(group["params"], list)
            else type(group["params"]).__name__,
            **{k: group[k] if k in ("betas", "nesterov") else float(group[k]) for k in options},
        }
        for group in optimizer.param_groups
    ]


LISTS = {"list": "[{}]", "generator": "(t for t in [{}])", "tuple": "({},)"}
LISTS["values"] = "dict(enumerate([{}])).values()"


@pytest.mark.parametrize("params", [f.format("a, b") for f in LISTS.values()], ids=LISTS)
def test_param_groups(params: str) -> None:
    """06.1 Tensors in a list and in other iterables."""
    got = built(f"tt.Optimizer({params}, {{'lr': {RATE}}})", ["lr"])
    assert_equal(got, want=[{"params": ["a", "b"], "lr": RATE}])


@pytest.mark.parametrize("first", [f.format("b") for f in LISTS.values()], ids=LISTS)
def test_param_groups_of_groups(first: str) -> None:
    """06.1 Two groups; one has an lr of its own."""
    groups = f"[{{'params': {first}, 'lr': 2.0}}, {{'params': [a]}}]"
    want = [{"params": ["b"], "lr": 2.0}, {"params": ["a"], "lr": 0.5}]
    assert_equal(built(f"tt.Optimizer({groups}, {{'lr': 0.5}})", ["lr"]), want=want)


def test_options_of_a_group_are_kept() -> None:
    """06.1 A group sets options to 0, to integers and to other betas, beside one that sets none."""
    options = {"lr": RATE, "eps": 0.25, "weight_decay": 0.5, "betas": (0.5, 0.75)}
    own = {"lr": 0, "eps": 2, "weight_decay": 0.0, "betas": (0.0, 0.25)}
    got = built(f"tt.Optimizer([{{'params': [a]}}, {{'params': [b], **{own}}}], {options})", [*own])
    assert_equal(got, want=[{"params": ["a"], **options}, {"params": ["b"], **own}])


def test_groups_that_are_used_twice() -> None:
    """06.1 The same list of groups for two optimizers, whose defaults differ; the same defaults for two."""
    made = (
        "[tt.SGD(g, lr=r) for g in [[{'params': [a]}, {'params': [b], 'lr': 2.0}]] for r in (1, 3)]"
    )
    want = [{"params": ["a"], "lr": 3.0}, {"params": ["b"], "lr": 2.0}]
    assert_equal(built(f"{made}[-1]", ["lr"]), want=want)
    shared = "[tt.Optimizer([t], d) for d in [{'lr': 0.5}] for t in (b, a)][0]"
    assert_equal(built(shared, ["lr"]), want=[{"params": ["b"], "lr": 0.5}])


IN_ORDER: dict[str, dict[str, Any]] = {  # every option, in the order of the table, none a default
    "SGD": {"lr": 0.5, "momentum": 0.25, "dampening": 0.0, "weight_decay": 0.75, "nesterov": True},
    "RMSprop": {"lr": 0.5, "alpha": 0.25, "eps": 0.75, "weight_decay": 0.125, "momentum": 0.375},
    "Adam": {"lr": 0.5, "betas": (0.25, 0.75), "eps": 0.125, "weight_decay": 0.375},
    "AdamW": {"lr": 0.5, "betas": (0.25, 0.75), "eps": 0.125, "weight_decay": 0.375},
}


@observe
def given_groups(tt: Any, expression: str) -> Any:
    a, b = (tt.Tensor([1.0, 2.0, 3.0], requires_grad=True) for _ in range(2))
    groups = [{"params": (t for t in [a])}, {"params": [b], "lr": 2.0}]
    before = [dict(group) for group in groups]
    optimizer = eval(expression, {"tt": tt, "groups": groups})
    optimizer.param_groups[0]["lr"] = 3.0
    same = [
        {k: group.get(k) is v for k, v in was.items()}
        for group, was in zip(groups, before, strict=True)
    ]
    return {"keys": [sorted(group) for group in groups], "the same values": same}


@pytest.mark.parametrize("name", IN_ORDER)
def test_given_groups_are_left_alone(name: str) -> None:
    """06.1 The dicts that an optimizer was given, one of them with a generator, after a change of its own."""
    want = {"keys": [["params"], ["lr", "params"]]}
    want["the same values"] = [{"params": True}, {"params": True, "lr": True}]
    assert_equal(given_groups(f"tt.{name}(groups, lr=0.5)"), want=want)


@observe
def made_for(tt: Any, expression: str, start: Any) -> Any:
    tensor = tt.Tensor(start.copy(), requires_grad=True)
    tensor.grad, array = np.ones_like(start), tensor.data
    gradient = tensor.grad
    eval(expression, {"tt": tt, "p": [tensor]})
    return {
        "p.data is the same array": tensor.data is array,
        "p.grad is the same array": tensor.grad is gradient,
        "p.requires_grad": tensor.requires_grad,
        "numbers": [tensor.data, gradient],
    }


@pytest.mark.parametrize("name", IN_ORDER)
def test_making_an_optimizer_changes_no_tensor(name: str) -> None:
    """06.1 A parameter in columns, with a gradient, before and after its optimizer is made."""
    start = np.asfortranarray(dyadic(2, 3))
    want = dict.fromkeys(("p.data is the same array", "p.grad is the same array"), True)
    want |= {"p.requires_grad": True, "numbers": [start, np.ones((2, 3))]}
    assert_equal(made_for(f"tt.{name}(p, lr=0.5)", start), want=want)


@pytest.mark.parametrize("options", [{}, {"alpha": 0.5}], ids=["none", "alpha"])
def test_defaults_are_any_options(options: Any) -> None:
    """06.1 An Optimizer whose defaults have no lr."""
    check_defaults(f"tt.Optimizer([a, b], {options})", **options)


@pytest.mark.parametrize(
    ("params", "error", "says"),
    [
        ("[]", "ValueError", ""),
        ("a", "TypeError", "Tensor"),
        pytest.param(f"[a, {NUMBER}]", "TypeError", "", id="[a, 3.5]-TypeError-"),
        ("[a, np.ones(3)]", "TypeError", ""),
        ("[a, tt.Tensor([1.0, 2.0])]", "ValueError", "(2,)"),
        ("[a, b * 2]", "ValueError", "(3,)"),
        ("[a, b, a]", "ValueError", "(3,)"),
        ("[{'params': [a]}, {'params': [b, a]}]", "ValueError", "(3,)"),
        ("[{'lr': 0.1}]", "ValueError", ""),
        ("[a, None]", "TypeError", "None"),  # what both its type and its value say
        ("[{'params': [a]}, {'params': [b, range(3)]}]", "TypeError", "range"),
        ("[a, {'params': [b]}]", "TypeError", ""),
        ("[{'params': [a]}, b]", "TypeError", ""),
        ("{'params': [a]}", "TypeError", ""),
        ("(t for t in [])", "ValueError", ""),
        ("[{'params': []}, {'params': (t for t in [])}]", "ValueError", ""),
        ("[{'params': [a]}, {'params': [b, tt.Tensor([1.0, 2.0])]}]", "ValueError", "(2,)"),
        ("[{'params': [a]}, {'params': (t for t in [b * 2])}]", "ValueError", "(3,)"),
        ("[{'params': [a]}, {'lr': 0.1}]", "ValueError", ""),
        ("[{'params': [a]}, {'params': [b]}, {'params': [a]}]", "ValueError", "(3,)"),
        ("[{'params': [a]}, {'params': []}, {'params': [b, a]}]", "ValueError", "(3,)"),
    ],
)
def test_parameters_refused(params: str, error: str, says: str) -> None:
    """06.2 One refusal each, with what the message must name."""
    call = f"tt.Optimizer({params}, {{'lr': 0.5}})"
    assert_raises(built, call, ["lr"], error=error, says=(says,))


@pytest.mark.parametrize("shape", ["(2, 3)", "(2, 1)"])
def test_equal_parameters_are_two(shape: str) -> None:
    """06.2 Two parameters of equal values, parts of one array, are not the same one."""
    params = f"[tt.Tensor(row, requires_grad=True) for row in np.ones({shape}, np.float32)]"
    want = [{"params": ["another", "another"], "lr": RATE}]
    assert_equal(built(f"tt.Optimizer({params}, {{'lr': {RATE}}})", ["lr"]), want=want)


@observe
def zeroed(tt: Any, expression: str, many: int) -> Any:
    p = [tt.Tensor([1.0, 2.0], requires_grad=True) for _ in range(many)]
    for k, tensor in enumerate(p[:2]):
        tensor.grad = np.full(2, k, np.float32)
    arrays = [tensor.grad for tensor in p[:2]]
    optimizer = eval(expression, {"tt": tt, "p": p})
    p[1].requires_grad = False
    optimizer.zero_grad()
    return [tensor.grad for tensor in p] + arrays


@pytest.mark.parametrize("params", ["p", "[{'params': p[1:]}, {'params': p[:1]}]"])
def test_zero_grad(params: str) -> None:
    """06.4 A parameter with a gradient of zeros, one that was frozen after it had one, and others without."""
    many = integer(3, 3, 99)
    got = zeroed(f"tt.Optimizer({params}, {{'lr': 0.5}})", many)
    assert_equal(got[:many], want=[None] * many)
    was = {f"gradient {k}": np.full(2, k, np.float32) for k in range(2)}
    assert_unchanged(dict(zip(was, got[many:], strict=True)), was=was)


def check_defaults(expression: str, **options: Any) -> None:
    """An optimizer of two parameters has one group with these options."""
    assert_equal(built(expression, list(options)), want=[{"params": ["a", "b"], **options}])


def check_refused(call: str, says: str) -> None:
    """Building this optimizer is a ValueError that names an option's value."""
    assert_raises(built, f"tt.{call}", [], error="ValueError", says=(says,))


RANGED = [
    (name, k) for name, own in IN_ORDER.items() for k in own if k not in ("dampening", "nesterov")
]


def check_positions(name: str) -> None:
    """Options by position are those of the table."""
    options = IN_ORDER[name]
    check_defaults(f"tt.{name}([a, b], {', '.join(map(str, options.values()))})", **options)


def check_range(name: str, option: str) -> None:
    """An option is refused below 0 and as nan, from 1 on if it is one of betas; also in a group."""
    bad = ["-0.375", "float('nan')", "-float('inf')"]
    if option == "betas":
        bad = [f"({b}, 0.5)" for b in [*bad, "1.0"]] + [f"(0.5, {b})" for b in [*bad, "1.0", "1.5"]]
    for value in bad:
        says = next(s for s in ("-0.375", "nan", "inf", "1.5", "1.0") if s in value)
        check_refused(f"{name}([a], {option}={value})", says)
        check_refused(f"{name}([{{'params': [a]}}, {{'params': [b], '{option}': {value}}}])", says)


# ---- sgd: 06.5 to 06.8 ---------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "lr"), [(", 0.5", 0.5), ("", 0.001)], ids=["given", "default"])
def test_sgd_options(rate: str, lr: float) -> None:
    """06.1 The options of SGD and their defaults."""
    options = {"lr": lr, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0}
    check_defaults(f"tt.SGD([a, b]{rate})", **options, nesterov=False)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        pytest.param(f"SGD([a], lr={NEGATIVE})", str(NEGATIVE), id="SGD([a], lr=-0.5)--0.5"),
        ("SGD([a], lr=0.5, momentum=-1.5)", "-1.5"),
        ("SGD([a], lr=0.5, weight_decay=-0.25)", "-0.25"),
        ("SGD([a], lr=0.5, nesterov=True)", "nesterov"),
        ("SGD([a], lr=0.5, momentum=0.5, dampening=0.5, nesterov=True)", "nesterov"),
        ("SGD([{'params': [a]}, {'params': [b], 'lr': -3}], lr=0.5)", "-3"),
        ("SGD([a], lr=float('nan'))", "nan"),
        ("SGD([a], lr=0.5, momentum=float('nan'))", "nan"),
        ("SGD([{'params': [a], 'weight_decay': float('nan')}], lr=0.5)", "nan"),
        ("SGD([{'params': [a], 'nesterov': True}], lr=0.5)", "nesterov"),
        ("SGD([{'params': [a], 'momentum': 0}], momentum=0.5, nesterov=True)", "nesterov"),
        ("SGD([{'params': [a], 'dampening': 0.5}], momentum=0.5, nesterov=True)", "nesterov"),
        ("SGD([a], momentum=0.5, dampening=-0.5, nesterov=True)", ""),  # names -0.5 or True
    ],
)
def test_sgd_options_refused(call: str, says: str) -> None:
    """06.3 Options of SGD out of range."""
    check_refused(call, says)


def test_a_rate_of_zero_is_accepted() -> None:
    """06.3 lr=0.0."""
    check_defaults("tt.SGD([a, b], lr=0.0)", lr=0.0)


@pytest.mark.parametrize("value", [1.0, 1.5])
def test_momentum_and_alpha_have_no_upper_limit(value: float) -> None:
    """06.3 momentum, alpha, weight_decay and lr of 1 and more."""
    check_defaults(f"tt.SGD([a, b], lr={value}, momentum={value})", lr=value, momentum=value)
    check_defaults(f"tt.RMSprop([a, b], alpha={value})", alpha=value)
    for name in ("SGD", "RMSprop", "Adam", "AdamW"):
        check_defaults(f"tt.{name}([a, b], weight_decay={value}, lr=7)", weight_decay=value, lr=7)
    check_defaults(f"tt.Adam([a, b], eps={value})", eps=value)


def test_sgd_example() -> None:
    """06.5 The worked example: three steps."""
    want = np.array([[0.75, -2.125], [0.5, -2.0], [0.0, -2.25]])
    assert_close(path("tt.SGD(p, lr=0.5)", START * SCALE, PUSHES * SCALE), want=want * SCALE)


@pytest.mark.parametrize("title", ["SGD"])
def test_sgd(title: str) -> None:
    """06.5 50 steps with drawn gradients: values that PyTorch gives."""
    check_run(title)


def test_weight_decay_example() -> None:
    """06.6 SGD with weight_decay: three steps on paper."""
    got = path("tt.SGD(p, lr=0.5, weight_decay=0.5)", START * SCALE, PUSHES * SCALE)
    want = np.array([[0.5, -1.625], [0.125, -1.09375], [-0.40625, -1.0703125]])
    assert_close(got, want=want * SCALE)


@pytest.mark.parametrize("title", ["SGD-decay"])
def test_weight_decay(title: str) -> None:
    """06.6 50 steps with drawn gradients: values that PyTorch gives."""
    check_run(title)


def test_momentum_example() -> None:
    """06.7 The worked example: three steps."""
    got = path("tt.SGD(p, lr=0.5, momentum=0.5)", START * SCALE, PUSHES * SCALE)
    want = np.array([[0.75, -2.125], [0.375, -2.0625], [-0.3125, -2.28125]])
    assert_close(got, want=want * SCALE)


def test_dampening_example() -> None:
    """06.7 Three steps on paper, with dampening."""
    got = path("tt.SGD(p, lr=0.5, momentum=0.5, dampening=0.5)", START * SCALE, PUSHES * SCALE)
    want = np.array([[0.75, -2.125], [0.5, -2.125], [0.125, -2.25]])
    assert_close(got, want=want * SCALE)


@pytest.mark.parametrize("dampening", [0.0, 0.5])
def test_momentum_from_a_gradient_of_zeros(dampening: float) -> None:
    """06.7 The first gradient is all zeros: the second step is the second all the same."""
    p, g = normal(3), rows((4, 3), 1)
    g[0] = 0
    got = path(f"tt.SGD(p, lr=0.1, momentum=0.5, dampening={dampening})", p, g)
    assert_close(got, want=sgd(p, g, 0.1, 0.5, dampening))


def test_dampening_without_momentum() -> None:
    """06.7 Three steps with dampening 0.5 and momentum 0: those of plain SGD."""
    p, g = normal(3), rows((3, 3), 1)
    got = path("tt.SGD(p, lr=0.1, dampening=0.5, weight_decay=0.25)", p, g)
    assert_close(got, want=sgd(p, g, 0.1, w=0.25))


@observe
def beside(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    p = [tt.Tensor(start.copy(), requires_grad=True) for _ in range(2)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    for gradient in gradients:
        p[0].grad, p[1].grad = gradient, -5 * gradient
        optimizer.step()
        after.append(p[0].data.copy())
    return np.array(after)


def test_momentum_of_two_parameters() -> None:
    """06.13 SGD with momentum on two parameters."""
    expression = "tt.SGD(p, lr=0.5, momentum=0.5)"
    got = beside(expression, START * SCALE, PUSHES * SCALE)
    assert_close(got, want=sgd(START * SCALE, PUSHES * SCALE, 0.5, 0.5))


@pytest.mark.parametrize("title", ["SGD-momentum", "SGD-dampening", "SGD-all"])
def test_momentum(title: str) -> None:
    """06.7 50 steps with drawn gradients: values that PyTorch gives."""
    check_run(title)


def test_nesterov_example() -> None:
    """06.8 Three steps on paper."""
    got = path("tt.SGD(p, lr=0.5, momentum=0.5, nesterov=True)", START, PUSHES)
    want = np.array([[0.625, -2.1875], [0.1875, -2.03125], [-0.65625, -2.390625]])
    assert_close(got, want=want)


@pytest.mark.parametrize("title", ["SGD-nesterov", "SGD-nesterov-decay"])
def test_nesterov(title: str) -> None:
    """06.8 50 steps with drawn gradients: values that PyTorch gives."""
    check_run(title)


@given(
    seed=seeds,
    m=st.sampled_from([0.5, 0.9]),
    w=st.sampled_from([0.0, 0.25]),
    nesterov=st.booleans(),
)
def test_sgd_of_fresh_gradients(seed: int, m: float, w: float, nesterov: bool) -> None:
    """06.8 Drawn gradients, computed beside in plain NumPy."""
    p, g = fill((2, 3), seed), rows((5, 2, 3), seed + 1)
    expression = f"tt.SGD(p, lr=0.1, momentum={m}, weight_decay={w}, nesterov={nesterov})"
    assert_close(path(expression, p, g), want=sgd(p, g, 0.1, m, 0.0, w, nesterov))


# ---- rmsprop: 06.9 -------------------------------------------------------------------------------


def test_rmsprop_options() -> None:
    """06.1 The options of RMSprop and their defaults."""
    options = {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0}
    check_defaults("tt.RMSprop([a, b])", **options)


@pytest.mark.parametrize("options", ["lr=-0.5", "alpha=-0.5", "eps=-0.5", "momentum=-0.5"])
def test_rmsprop_options_refused(options: str) -> None:
    """06.3 Options of RMSprop out of range."""
    check_refused(f"RMSprop([a], {options})", "-0.5")


def test_rmsprop_example() -> None:
    """06.9 One step on paper."""
    got = path("tt.RMSprop(p, lr=0.5, alpha=0.75, eps=0.25)", START, PUSHES[:1])
    assert_close(got, want=np.array([[0.5, -2 - 1 / 3]]))


@pytest.mark.parametrize("title", ["RMSprop", "RMSprop-alpha", "RMSprop-decay", "RMSprop-momentum"])
def test_rmsprop(title: str) -> None:
    """06.9 50 steps with drawn gradients: values that PyTorch gives."""
    check_run(title)


@given(seed=seeds, m=st.sampled_from([0.0, 0.9]), w=st.sampled_from([0.0, 0.25]))
def test_rmsprop_of_fresh_gradients(seed: int, m: float, w: float) -> None:
    """06.9 Drawn gradients, computed beside in plain NumPy."""
    p, g = fill((2, 3), seed), rows((5, 2, 3), seed + 1)
    expression = f"tt.RMSprop(p, lr=0.1, alpha=0.5, eps=0.25, momentum={m}, weight_decay={w})"
    assert_close(path(expression, p, g), want=rmsprop(p, g, 0.1, 0.5, 0.25, m, w))


# ---- adam: 06.10 and 06.11 -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "decay"), [("Adam", 0.0), ("AdamW", 0.01)], ids=["Adam", "AdamW"])
def test_adam_options(name: str, decay: float) -> None:
    """06.1 The options of Adam and AdamW and their defaults."""
    options = {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": decay}
    check_defaults(f"tt.{name}([a, b])", **options)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("Adam([a], lr=-0.5)", "-0.5"),
        ("Adam([a], betas=(1.0, 0.999))", "1.0"),
        ("Adam([a], betas=(0.9, -0.5))", "-0.5"),
        ("Adam([a], eps=-1e-08)", "-1e-08"),
        ("AdamW([a], weight_decay=-0.25)", "-0.25"),
        ("Adam([a], betas=(0.9, float('nan')))", "nan"),
        ("AdamW([a], eps=float('nan'))", "nan"),
    ],
)
def test_adam_options_refused(call: str, says: str) -> None:
    """06.3 Options of Adam and AdamW out of range."""
    check_refused(call, says)


def test_betas_of_zero_are_accepted() -> None:
    """06.3 betas of exactly 0."""
    check_defaults("tt.Adam([a, b], betas=(0.0, 0.0))", betas=(0.0, 0.0))


def test_adam_first_step() -> None:
    """06.10 The first step is lr, whatever the size of the gradient."""
    got = path("tt.Adam(p, lr=0.25, eps=0.0)", START, np.array([[1e-3, -1e3]]))
    assert_close(got, want=np.array([[0.75, -1.75]]))


def test_adam_example() -> None:
    """06.10 Steps on paper."""
    expression = "tt.Adam(p, lr=0.5, betas=(0.5, 0.75), eps=0.5)"
    got = path(expression, START, np.array([[0.5, 1.5], [-0.5, 1.5]]))
    assert_close(got, want=np.array([[0.75, -2.375], [0.75 + 1 / 12, -2.75]]))


def test_adam_decay_example() -> None:
    """06.6 Adam with weight_decay, one step on paper."""
    got = path("tt.Adam(p, lr=0.25, eps=0.0, weight_decay=0.5)", START, np.array([[0.5, 0.5]]))
    assert_close(got, want=np.array([[0.75, -1.75]]))


@pytest.mark.parametrize("title", ["Adam", "Adam-betas", "Adam-decay"])
def test_adam(title: str) -> None:
    """06.10 50 steps with drawn gradients: values that PyTorch gives."""
    check_run(title)


@given(seed=seeds, w=st.sampled_from([0.0, 0.25]))
def test_adam_of_fresh_gradients(seed: int, w: float) -> None:
    """06.10 Drawn gradients, computed beside in plain NumPy."""
    p, g = fill((2, 3), seed), rows((5, 2, 3), seed + 1)
    expression = f"tt.Adam(p, lr=0.1, betas=(0.75, 0.9), eps=0.25, weight_decay={w})"
    assert_close(path(expression, p, g), want=adam(p, g, 0.1, (0.75, 0.9), 0.25, coupled=w))


def test_adamw_example() -> None:
    """06.11 One step on paper."""
    expression = "tt.AdamW(p, lr=0.25, eps=0.0, weight_decay=0.5)"
    got = path(expression, START, np.array([[1e-3, -1e3]]))
    assert_close(got, want=np.array([[0.625, -1.5]]))


@pytest.mark.parametrize("title", ["AdamW", "AdamW-decay"])
def test_adamw(title: str) -> None:
    """06.11 50 steps with drawn gradients: values that PyTorch gives."""
    check_run(title)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_adam_of_many_steps(name: str) -> None:
    """06.10 600 steps: both corrections go on for as long as they matter."""
    p, g = normal(1), rows((600, 1), 1)
    want = adam(p, g, 0.01, (0.9, 0.999), 1e-8, decoupled=0.5 * (name == "AdamW"))
    decay = ", weight_decay=0.5" * (name == "AdamW")
    assert_close(path(f"tt.{name}(p, lr=0.01{decay})", p, g), want=want, depth=10)


@given(seed=seeds, w=st.sampled_from([0.25, 0.5]))
def test_adamw_of_fresh_gradients(seed: int, w: float) -> None:
    """06.11 Drawn gradients, computed beside in plain NumPy."""
    p, g = fill((2, 3), seed), rows((5, 2, 3), seed + 1)
    expression = f"tt.AdamW(p, lr=0.1, betas=(0.75, 0.9), eps=0.25, weight_decay={w})"
    assert_close(path(expression, p, g), want=adam(p, g, 0.1, (0.75, 0.9), 0.25, decoupled=w))


@pytest.mark.parametrize("name", IN_ORDER)
def test_options_by_position(name: str) -> None:
    """06.1 Every option by position, in the order of the table."""
    check_positions(name)


@pytest.mark.parametrize(("name", "option"), RANGED)
def test_range_of_every_option(name: str, option: str) -> None:
    """06.3 Below 0, nan, and for betas 1 and more, as an argument and in a group."""
    check_range(name, option)


@pytest.mark.parametrize(("name", "option"), RANGED)
@pytest.mark.parametrize("value", ["0", "0.0", "np.float64(0.5)", "0.875"])
def test_options_in_range(name: str, option: str, value: str) -> None:
    """06.3 Each option at 0, as a NumPy number, and near 1."""
    given, want = (value, float(eval(value, {"np": np})))
    if option == "betas":
        given, want = f"({value}, {value})", (want, want)
    check_defaults(f"tt.{name}([a, b], {option}={given})", **{option: want})


@pytest.mark.parametrize("value", [-0.5, 0.0, 1.5])
def test_dampening_is_any_number(value: float) -> None:
    """06.3 Below 0 and above 1, without nesterov."""
    check_defaults(f"tt.SGD([a, b], momentum=0.5, dampening={value})", dampening=value)


FORGETFUL = {
    "tt.RMSprop(p, lr=0.1, alpha=0.0)": lambda p, g: rmsprop(p, g, 0.1, 0.0, 1e-8, 0.0, 0.0),
    "tt.Adam(p, lr=0.1, betas=(0.0, 0.0))": lambda p, g: adam(p, g, 0.1, (0.0, 0.0), 1e-8),
    "tt.AdamW(p, lr=0.1, betas=(0.5, 0.0))": lambda p, g: adam(
        p, g, 0.1, (0.5, 0.0), 1e-8, decoupled=0.01
    ),
}


@pytest.mark.parametrize("expression", FORGETFUL)
def test_averages_without_memory(expression: str) -> None:
    """06.10 A beta or alpha of 0, and gradients of unlike size: the averages forget the larger one at once."""
    p, g = normal(3), rows((4, 3), 1) * np.array([1e6, 1e-3, 1e3, 1e-5])[:, None]
    got, want = path(expression, p, g), FORGETFUL[expression](p, g)
    for step in range(4):
        assert_close(
            {f"after step {step + 1}": got[step]}, want={f"after step {step + 1}": want[step]}
        )


# ---- groups: 06.12 and 06.13 --------------------------------------------------------------------


@pytest.mark.parametrize("title", ["SGD-groups", "Adam-groups"])
def test_groups_have_their_own_options(title: str) -> None:
    """06.12 Two groups with different options, stepped together."""
    check_run(title)


@observe
def scheduled(tt: Any, expression: str, start: Any, rates: Any) -> Any:
    p = [tt.Tensor(start, requires_grad=True)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    for rate in rates:
        p[0].grad = np.ones_like(start)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        after.append(p[0].data.copy())
    return np.array(after)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_rate_is_read_at_every_step(name: str) -> None:
    """06.12 lr is changed between steps."""
    rates = [1.0, 0.0, 0.5, 0.0]
    moved = np.diff(scheduled(f"tt.{name}(p, lr=7.0)", np.zeros(2), rates), axis=0, prepend=0.0)
    assert_equal([bool(step.any()) for step in moved], want=[True, False, True, False])


@pytest.mark.parametrize(
    ("call", "want"),
    [
        ("SGD(p, lr=7.0, momentum=0.5)", [-1.0, -1.75, -5.25]),
        ("RMSprop(p, lr=7.0, alpha=0.0, eps=1.0, momentum=0.5)", [-0.5, -0.875, -2.625]),
    ],
    ids=["SGD", "RMSprop"],
)
def test_rate_is_not_in_the_buffer(call: str, want: list[float]) -> None:
    """06.12 lr is changed between steps, with momentum: the buffer holds gradients, not steps."""
    got = scheduled(f"tt.{call}", np.zeros(1), [SCALE * rate for rate in (1.0, 0.5, 2.0)])
    assert_close(got, want=SCALE * np.array(want)[:, None])


@observe
def with_options(tt: Any, expression: str, start: Any, gradients: Any, options: Any) -> Any:
    p = [tt.Tensor(start, requires_grad=True)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    for gradient, changed in zip(gradients, options, strict=True):
        optimizer.param_groups[0].update(changed)
        p[0].grad = gradient
        optimizer.step()
        after.append(p[0].data.copy())
    return np.array(after)


def changing_sgd(p: Any, gradients: Any, options: Any) -> Any:
    after, b = [], None
    for g, o in zip(gradients, options, strict=True):
        g = g + o["weight_decay"] * p
        b = g if b is None else o["momentum"] * b + (1 - o.get("dampening", 0.0)) * g
        p = p - o["lr"] * (g + o["momentum"] * b if o.get("nesterov") else b)
        after.append(p)
    return np.array(after)


def changing_rmsprop(p: Any, gradients: Any, options: Any) -> Any:
    after, v, b = [], 0.0, 0.0
    for g, o in zip(gradients, options, strict=True):
        g = g + o["weight_decay"] * p
        v = o["alpha"] * v + (1 - o["alpha"]) * g * g
        b = o["momentum"] * b + g / (np.sqrt(v) + o["eps"])
        p = p - o["lr"] * b
        after.append(p)
    return np.array(after)


def changing_adam(p: Any, gradients: Any, options: Any, decoupled: bool = False) -> Any:
    after, m, v = [], 0.0, 0.0
    for t, (g, o) in enumerate(zip(gradients, options, strict=True), 1):
        one, two = o["betas"]
        p, g = (
            (p * (1 - o["lr"] * o["weight_decay"]), g)
            if decoupled
            else (p, g + o["weight_decay"] * p)
        )
        m, v = one * m + (1 - one) * g, two * v + (1 - two) * g * g
        p = p - o["lr"] * (m / (1 - one**t)) / (np.sqrt(v / (1 - two**t)) + o["eps"])
        after.append(p)
    return np.array(after)


CHANGING = {
    "SGD": ("tt.SGD(p, lr=9.0, momentum=0.25, weight_decay=0.5)", changing_sgd),
    "nesterov": ("tt.SGD(p, lr=9.0, momentum=0.25, weight_decay=0.5)", changing_sgd),
    "RMSprop": ("tt.RMSprop(p, lr=9.0, momentum=0.25, weight_decay=0.5)", changing_rmsprop),
    "Adam": ("tt.Adam(p, lr=9.0, weight_decay=0.5)", changing_adam),
    "AdamW": ("tt.AdamW(p, lr=9.0)", lambda p, g, o: changing_adam(p, g, o, decoupled=True)),
}
OPTIONS: dict[str, Any] = {  # four steps, four values
    "lr": (0.1, 0.0, 0.3, 0.05),
    "weight_decay": (0.0, 0.1, 5.0, 0.0),
    "momentum": (0.5, 0.9, 0.25, 0.75),
    "dampening": (0.0, 0.5, 0.25, 0.1),
    "nesterov": (False, True, False, True),
    "alpha": (0.5, 0.9, 0.0, 0.75),
    "betas": ((0.5, 0.9), (0.8, 0.6), (0.0, 0.7), (0.9, 0.5)),
    "eps": (0.25, 0.5, 0.0, 0.3),
}
OWN = {
    "SGD": ("momentum", "dampening"),
    "nesterov": ("momentum", "nesterov"),
    "RMSprop": ("momentum", "alpha", "eps"),
    "Adam": ("betas", "eps"),
    "AdamW": ("betas", "eps"),
}


@pytest.mark.parametrize("name", CHANGING)
def test_options_are_read_at_every_step(name: str) -> None:
    """06.12 Every option is another one at every step."""
    expression, formula = CHANGING[name]
    names = ("lr", "weight_decay", *OWN[name])
    options = [{option: OPTIONS[option][step] for option in names} for step in range(4)]
    p, g = normal(3), rows((4, 3), 1)
    assert_close(with_options(expression, p, g, options), want=formula(p, g, options))


@pytest.mark.parametrize("name", ["SGD", "RMSprop"])
def test_momentum_is_switched_on_later(name: str) -> None:
    """06.12 Momentum is 0 at the first step and 5 at the others: what it adds to these."""
    expression, formula = CHANGING[name]
    own = {option: OPTIONS[option][0] for option in ("lr", *OWN[name])} | {"weight_decay": 0.0}
    off, on = own | {"momentum": 0.0}, own | {"momentum": 5.0}
    p, g = normal(3), rows((4, 3), 1)
    without = formula(p, g, [off] * 4)
    got = with_options(expression, p, g, [off, on, on, on])
    assert_close(got[0], want=without[0])
    added = np.abs(got[2:] - without[2:]).max(axis=1)
    assert_above(float(added.min()), limit=0.01, what="what momentum adds to a step")


@pytest.mark.parametrize("name", CHANGING)
def test_groups_have_every_option_of_their_own(name: str) -> None:
    """06.12 Three groups that differ in every option, the middle one with a weight_decay of 0."""
    expression, formula = CHANGING[name]
    own = [{option: OPTIONS[option][k] for option in ("lr", *OWN[name])} for k in (2, 3, 0)]
    own = [
        {**mine, "weight_decay": decay} for mine, decay in zip(own, (5.0, 0.0, 0.25), strict=True)
    ]
    groups = [f"{{'params': p[{k}:{k + 1}], **{mine}}}" for k, mine in enumerate(own)]
    p, g = normal(3), rows((4, 3), 1)
    want = {f"group {k}": formula(p, g * PUSHED[k], [mine] * 4) for k, mine in enumerate(own)}
    assert_close(in_groups(expression.replace("(p,", f"([{', '.join(groups)}],"), p, g), want=want)


PUSHED = (1, -2, 3)  # how far each group is pushed


@observe
def in_groups(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    p = [tt.Tensor(start.copy(), requires_grad=True) for _ in range(3)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    for gradient in gradients:
        p[0].grad, p[1].grad, p[2].grad = gradient, gradient * -2, gradient * 3
        optimizer.step()
        after.append([tensor.data.copy() for tensor in p])
    return {f"group {k}": np.array([arrays[k] for arrays in after]) for k in range(3)}


@observe
def untouched(tt: Any, expression: str, start: Any) -> Any:
    p = [tt.Tensor(start.copy(), requires_grad=True) for _ in range(2)]
    optimizer = eval(expression, {"tt": tt, "p": p})
    for tensor in p:
        tensor.grad = np.ones_like(start)
    optimizer.step()
    before = p[1].data.copy()
    p[1].grad = None
    optimizer.step()
    optimizer.step()
    flags = [tensor.requires_grad for tensor in p]
    return {
        "moved": bool((p[0].data != before).all()),
        "skipped": p[1].data - before + 1,
        "flags": flags,
    }


@pytest.mark.parametrize("expression", EVERY)
def test_no_gradient_no_step(expression: str) -> None:
    """06.13 A parameter without a gradient beside one with."""
    got = untouched(expression, dyadic(2, 3))
    assert_equal(got["moved"], want=True)
    assert_equal(got["skipped"], want=np.ones((2, 3)))
    assert_equal({"requires_grad": got["flags"]}, want={"requires_grad": [True, True]})


@observe
def in_company(tt: Any, expression: str, start: Any, gradients: Any, waits: int) -> Any:
    p = [tt.Tensor(np.ones(n, np.float32), requires_grad=True) for n in (9, 7)]
    p.insert(1, tt.Tensor(start, requires_grad=True))
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    for _ in range(waits):
        p[0].grad, p[2].grad = np.full(9, 3, np.float32), np.full(7, -5, np.float32)
        optimizer.step()
        optimizer.zero_grad()
    for gradient in gradients:
        p[0].grad, p[1].grad = np.full(9, 2, np.float32), gradient
        optimizer.step()
        optimizer.zero_grad()
        after.append(p[1].data.copy())
    return np.array(after)


DAMPENED = "tt.SGD(p, lr=0.1, momentum=0.9, dampening=0.5)"


@pytest.mark.parametrize("expression", [*EVERY, DAMPENED])
def test_parameters_are_independent(expression: str) -> None:
    """06.13 A parameter in company of other sizes and dtypes, which must move as it does alone."""
    start, gradients = normal(3), rows((3, 3), 1)
    alone = by_formula(expression, start, gradients)
    assert_close(in_company(expression, start, gradients, waits=3), want=alone)


def assert_follows_the_formula(observation: Any, expression: str) -> None:
    """Three numbers after each of three steps with drawn gradients."""
    start, gradients = normal(3), rows((3, 3), 1)
    want = by_formula(expression, start, gradients)
    assert_close(observation(expression, start, gradients), want=want)


@observe
def with_new_arrays(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    p = [tt.Tensor(start, requires_grad=True)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    for gradient in gradients:
        p[0].data = p[0].data.copy()
        p[0].grad = gradient
        optimizer.step()
        after.append(p[0].data.copy())
    return np.array(after)


@pytest.mark.parametrize("expression", EVERY)
def test_state_belongs_to_the_parameter(expression: str) -> None:
    """06.13 A parameter that is given another array with the same numbers before each step."""
    assert_follows_the_formula(with_new_arrays, expression)


@observe
def after_another(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    p = [tt.Tensor(start + 1, requires_grad=True)]
    first = eval(expression, {"tt": tt, "p": p})
    p[0].grad = np.full_like(start, -3)
    first.step()
    second, after = eval(expression, {"tt": tt, "p": p}), []
    p[0].data = start.copy()
    for gradient in gradients:
        p[0].grad = gradient
        second.step()
        after.append(p[0].data.copy())
    return np.array(after)


@pytest.mark.parametrize("expression", EVERY)
def test_a_new_optimizer_begins_anew(expression: str) -> None:
    """06.13 A second optimizer of the same parameter: it moves as if there were no first one."""
    assert_follows_the_formula(after_another, expression)


ZEROS = {
    "SGD": ("tt.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.25)", {"m": 0.5, "w": 0.25}),
    "RMSprop": ("tt.RMSprop(p, lr=0.1, alpha=0.5, eps=0.25, momentum=0.5)", (0.5, 0.25, 0.5, 0.0)),
    "Adam": ("tt.Adam(p, lr=0.1, betas=(0.5, 0.75), eps=0.25)", ((0.5, 0.75), 0.25)),
    "AdamW": (
        "tt.AdamW(p, lr=0.1, betas=(0.5, 0.75), eps=0.25, weight_decay=0.5)",
        ((0.5, 0.75), 0.25, 0.0, 0.5),
    ),
}


@pytest.mark.parametrize("size", [3, 1])
@pytest.mark.parametrize("name", ZEROS)
def test_a_gradient_of_zeros_is_a_gradient(name: str, size: int) -> None:
    """06.13 Gradients that are all zeros or partly: averages, decay and step count go on."""
    expression, how = ZEROS[name]
    formula = {"SGD": sgd, "RMSprop": rmsprop}.get(name, adam)
    p, g = normal(size), rows((5, size), 1)
    g[0] = g[2] = g[3, : size - 1] = 0
    want = formula(p, g, 0.1, **how) if isinstance(how, dict) else formula(p, g, 0.1, *how)
    assert_close(path(expression, p, g), want=want)


@pytest.mark.parametrize("expression", EVERY)
def test_a_gradient_of_nan_is_a_gradient(expression: str) -> None:
    """06.13 One element of the gradient is nan: this element of the parameter becomes nan, no other."""
    g = rows((2, 3), 1)
    g[0, 1] = np.nan
    assert_equal(
        np.isnan(path(expression, normal(3), g)), want=np.array([[False, True, False]] * 2)
    )


@pytest.mark.parametrize("title", ["SGD-gaps", "RMSprop-gaps", "Adam-gaps", "AdamW-gaps"])
def test_runs_with_gaps(title: str) -> None:
    """06.13 Gradients that are missing at some steps: values that PyTorch gives."""
    check_run(title)


@observe
def misfit(tt: Any, expression: str, shape: Any, gradient: Any, before: int) -> Any:
    p = [tt.Tensor(np.ones(s), requires_grad=True) for s in (2, shape)]
    optimizer = eval(expression, {"tt": tt, "p": p})
    for grad in [np.ones(shape)] * before + [np.ones(gradient)]:
        p[1].grad = grad
        optimizer.step()
    return p[1].data


MANY = integer(2, 4, 99)
MISFITS: dict[str, Any] = {  # shapes of parameter and gradient
    "broadcasts": ((MANY, 3), (3,)),
    "same-size": ((MANY, 3), (3, MANY)),
    "one-axis-less": ((MANY, 3), (3 * MANY,)),
    "one-axis-more": ((3,), (1, 3)),
    "number": ((MANY,), ()),
    "one": ((), (1,)),
    "all-ones": ((1, 1), (1,)),
}


@pytest.mark.parametrize("kind", MISFITS)
@pytest.mark.parametrize("name", IN_ORDER)
def test_gradient_of_another_shape(name: str, kind: str) -> None:
    """06.13 A gradient that would broadcast, or that has as many elements, at the first and the second step."""
    shape, gradient = MISFITS[kind]
    says, call = (str(gradient), str(shape)), f"tt.{name}([{{'params': [t]}} for t in p], lr=0.1)"
    for before in (0, 1):
        assert_raises(misfit, call, shape, gradient, before, error="ValueError", says=says)


@observe
def frozen_later(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    p = [tt.Tensor(start, requires_grad=True)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    p[0].requires_grad = False
    for gradient in gradients:
        p[0].grad = gradient
        optimizer.step()
        after.append(p[0].data.copy())
    return np.array(after)


@pytest.mark.parametrize("expression", EVERY)
def test_a_gradient_counts_and_no_flag(expression: str) -> None:
    """06.13 A parameter with gradients that was frozen after the optimizer was made."""
    assert_follows_the_formula(frozen_later, expression)


@observe
def after_a_misfit(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    p = [tt.Tensor(start, requires_grad=True)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    for gradient in gradients:
        p[0].grad = np.ones((4, 4))
        try:
            optimizer.step()
        except ValueError:
            p[0].grad = gradient
            optimizer.step()
        after.append(p[0].data.copy())
    return np.array(after)


@pytest.mark.parametrize("expression", EVERY)
def test_goes_on_after_a_misfit(expression: str) -> None:
    """06.13 Before each step one is tried with a (4, 4) array for the three numbers, and refused."""
    assert_follows_the_formula(after_a_misfit, expression)


# ---- saving: 06.14 to 06.16 ----------------------------------------------------------------------


@observe
def saved(tt: Any, expression: str) -> Any:
    p = [tt.Tensor(np.ones(n), requires_grad=True) for n in (2, 3, 4)]
    optimizer = eval(expression, {"tt": tt, "p": p})
    p[0].grad, p[2].grad = np.ones(2), np.ones(4)
    optimizer.step()
    state = optimizer.state_dict()
    values = [v for entry in state["state"].values() for v in entry.values()]
    return {
        "keys": sorted(state),
        "parameters": [list(group["params"]) for group in state["param_groups"]],
        "options": [
            {k: [float(x) for x in np.ravel(v)] for k, v in sorted(group.items()) if k != "params"}
            for group in state["param_groups"]
        ],
        "numbers and arrays only": all(
            isinstance(v, (int, float, np.ndarray, np.generic)) for v in values
        ),
        "shapes": {
            i: sorted({v.shape[-1:] for v in entry.values() if np.ndim(v)})
            for i, entry in state["state"].items()
        },
    }


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW"])
def test_state_dict(name: str) -> None:
    """06.14 The keys of a state of two groups, and what kind its values are."""
    groups = f"[{{'params': p[:1]}}, {{'params': p[1:], 'lr': {NUMBER}}}]"
    got = saved(f"tt.{name}({groups}, **{IN_ORDER[name]})")
    options = {k: [float(x) for x in np.ravel(v)] for k, v in sorted(IN_ORDER[name].items())}
    want = {"keys": ["param_groups", "state"], "parameters": [[0], [1, 2]]}
    want["options"] = [options, options | {"lr": [NUMBER]}]
    shapes = {"0": [(2,)], "2": [(4,)]}
    assert_equal(got, want={**want, "numbers and arrays only": True, "shapes": shapes})


@observe
def saved_later(tt: Any, expression: str, start: Any) -> Any:
    p, states = [tt.Tensor(start.copy(), requires_grad=True) for _ in range(2)], {}
    optimizer = eval(expression, {"tt": tt, "p": p})
    p[0].grad = np.ones_like(start)
    optimizer.step()
    states["after a step"] = optimizer.state_dict()["state"]
    optimizer.zero_grad()
    states["after zero_grad()"] = optimizer.state_dict()["state"]
    p[1].grad, p[1].data = np.ones_like(start), start + 1
    states["before the next step"] = optimizer.state_dict()["state"]
    p[0].requires_grad = False
    states["with a frozen parameter"] = optimizer.state_dict()["state"]
    return {when: {i: dict(entry) for i, entry in state.items()} for when, state in states.items()}


@pytest.mark.parametrize("expression", [e for e in EVERY if "SGD(p, lr=0.1)" not in e])
def test_a_state_holds_what_steps_left(expression: str) -> None:
    """06.14 Gradients and values that change between steps change no state."""
    states = saved_later(expression, dyadic(2, 3))
    assert_equal(sorted(states["after a step"]), want=["0"])
    for when in [*states][1:]:
        assert_alike(states, "after a step", when, exactly=True)


@observe
def copies(tt: Any, expression: str, start: Any) -> Any:
    p, q = ([tt.Tensor(start.copy(), requires_grad=True)] for _ in range(2))
    first, second = (eval(expression, {"tt": tt, "p": x}) for x in (p, q))
    p[0].grad = q[0].grad = np.ones_like(start)
    first.step()
    kept = first.state_dict()
    before = {k: np.array(v) for k, v in kept["state"][0].items()}
    second.load_state_dict(kept)
    first.step()
    second.step()
    second.step()
    after = kept["state"][0]
    return {
        "arrays were saved": len(before) > 0,
        "all are as before": all(np.array_equal(v, after[k]) for k, v in before.items()),
    }


@pytest.mark.parametrize("expression", [e for e in EVERY if "SGD(p, lr=0.1)" not in e])
def test_state_dicts_are_copies(expression: str) -> None:
    """06.15 state_dict() and load_state_dict() copy arrays: later steps change no saved state."""
    want = {"arrays were saved": True, "all are as before": True}
    assert_equal(copies(expression, dyadic(2, 3)), want=want)


@observe
def continued(tt: Any, expression: str, other: str, start: Any, gradients: Any) -> Any:
    def run(optimizer: Any, p: Any, steps: Any) -> None:
        for i in steps:
            for tensor, gradient, waits in zip(p, gradients[i], (3, 0, 1), strict=True):
                tensor.grad = gradient.copy() if i >= waits else None
            optimizer.step()

    def options(optimizer: Any) -> Any:
        groups = [dict(group) for group in optimizer.param_groups]
        return [{k: v for k, v in sorted(g.items()) if k != "params"} for g in groups]

    p, q, r = ([tt.Tensor(row.copy(), requires_grad=True) for row in start] for _ in range(3))
    first = eval(expression, {"tt": tt, "p": p})
    run(first, p, range(3))
    first.param_groups[1]["weight_decay"] = 0.25
    kept, saved = first.state_dict(), options(first)
    for old, new in zip(p, q, strict=True):
        new.data[...] = old.data
    run(first, p, range(3, 6))
    first.param_groups[0]["lr"] = 5.0
    second, third = (eval(other, {"tt": tt, "p": x}) for x in (q, r))
    second.load_state_dict(kept)
    run(second, q, range(3, 6))
    second.param_groups[0]["lr"] = 6.0
    third.load_state_dict(kept)
    found = {"without a break": p, "with a break": q}
    found = {name: np.array([tensor.data for tensor in x]) for name, x in found.items()}
    return {**found, "saved options": saved, "loaded options": options(third)}


OTHER = {  # the same options at other values
    "SGD": "tt.SGD(p, lr=0.7, momentum=0.3, dampening=0.2, weight_decay=0.6)",
    "RMSprop": "tt.RMSprop(p, lr=0.7, alpha=0.3, eps=0.2, momentum=0.6, weight_decay=0.4)",
    "Adam": "tt.Adam(p, lr=0.7, betas=(0.3, 0.4), eps=0.2, weight_decay=0.6)",
    "AdamW": "tt.AdamW(p, lr=0.7, betas=(0.3, 0.4), eps=0.2, weight_decay=0.6)",
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("expression", EVERY)
def test_load_state_dict_goes_on_exactly(expression: str, dtype: str) -> None:
    """06.15 Runs with and without a break, of parameters that begin at different steps."""
    other = OTHER[expression[3:].partition("(")[0]].replace(
        "(p,", "([{'params': p[:1]}, {'params': p[1:]}],"
    )
    own = expression.replace("(p,", "([{'params': p[:1]}, {'params': p[1:], 'lr': 0.3}],")
    got = continued(own, other, normal(3, 2).astype(dtype), rows((6, 3, 2), 1).astype(dtype))
    assert_alike(got, "saved options", "loaded options", exactly=True)
    assert_alike(got, "without a break", "with a break", exactly=True)


WHOLE = {  # options that are whole numbers, none as below
    "SGD": "tt.SGD(p, lr=1, momentum=1, dampening=0, weight_decay=1, nesterov=True)",
    "RMSprop": "tt.RMSprop(p, lr=1, alpha=1, eps=0, weight_decay=1, momentum=1)",
    "Adam": "tt.Adam(p, lr=1, betas=(0, 0), eps=1, weight_decay=0)",
    "AdamW": "tt.AdamW(p, lr=1, betas=(0, 0), eps=1, weight_decay=0)",
}


@observe
def exchanged(tt: Any, expression: str, other: str) -> Any:
    first, second = (
        eval(e, {"tt": tt, "p": [tt.Tensor(np.ones(2), requires_grad=True)]})
        for e in (expression, other)
    )
    second.load_state_dict(first.state_dict())
    return {
        k: np.ravel(v).astype(float) for k, v in second.param_groups[0].items() if k != "params"
    }


@pytest.mark.parametrize("name", WHOLE)
def test_loaded_options_are_the_saved_ones(name: str) -> None:
    """06.15 Options with fractions, loaded where whole numbers were given."""
    got = exchanged(f"tt.{name}(p, **{IN_ORDER[name]})", WHOLE[name])
    assert_equal(got, want={k: np.ravel(v).astype(float) for k, v in IN_ORDER[name].items()})


@observe
def loaded_into_a_used_one(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    p, found = [tt.Tensor(start.copy(), requires_grad=True) for _ in range(2)], {}
    states = {}
    for name, used in (("a fresh one", 0), ("of one used parameter", 1)):
        optimizer = eval(expression, {"tt": tt, "p": p})
        p[1].grad = gradients[0].copy() if used else None
        optimizer.step()
        states[name] = optimizer.state_dict()
        p[0].grad = p[1].grad = None
    for name, state in states.items():
        for target in ("a new optimizer", "a used optimizer"):
            tensors = [tt.Tensor(start.copy(), requires_grad=True) for _ in range(2)]
            optimizer = eval(expression, {"tt": tt, "p": tensors})
            for _ in range(2 * (target == "a used optimizer")):
                for tensor, gradient in zip(tensors, gradients, strict=False):
                    tensor.grad = 3 * gradient
                optimizer.step()
            optimizer.load_state_dict(state)
            for tensor in tensors:
                tensor.data[...] = start
                tensor.grad = gradients[-1].copy()
            optimizer.step()
            moved = [tensor.data.copy() for tensor in tensors]
            found[f"{target} with the state of {name}"] = np.array(moved)
    return found


@pytest.mark.parametrize("expression", EVERY)
def test_loading_leaves_nothing_of_before(expression: str) -> None:
    """06.15 A used optimizer loads a state in which some parameters have none: these begin anew."""
    runs = loaded_into_a_used_one(expression, normal(3), rows((3, 3), 1))
    for state in ("a fresh one", "of one used parameter"):
        new, used = (
            f"{kind} with the state of {state}" for kind in ("a new optimizer", "a used optimizer")
        )
        assert_alike(runs, new, used, exactly=True)


@observe
def counted_on(tt: Any, expression: str, kind: str, many: int) -> Any:
    p = [tt.Tensor(np.ones(2, kind), requires_grad=True)]
    optimizer = eval(expression, {"tt": tt, "p": p})
    for _ in range(3):
        p[0].grad = np.ones(2, kind)
        optimizer.step()
    state = optimizer.state_dict()
    entry = state["state"].get(0, {})
    counts = [name for name, value in entry.items() if np.ndim(value) == 0 and value == 3]
    entry.update({name: entry[name] * 0 + many for name in counts})
    optimizer.load_state_dict(state)
    optimizer.step()
    return [int(optimizer.state_dict()["state"][0][name]) - many for name in counts]


@pytest.mark.parametrize(("kind", "many"), [("float16", 2048), ("float32", 2**24)])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_steps_are_counted_without_end(name: str, kind: str, many: int) -> None:
    """06.15 In a saved state three counted steps are changed to many; what a step after loading adds."""
    got = counted_on(f"tt.{name}(p)", kind, many)
    assert_equal(got, want=[1] * len(got))


@observe(
    shown="{expression}  # after a.step() and b.step(); p, q: ones of these shapes, with gradients"
)
def reloaded(tt: Any, expression: str, a: str, b: str, p: Any, q: Any) -> Any:
    tensors = [[tt.Tensor(np.ones(s), requires_grad=True) for s in shapes] for shapes in (p, q)]
    for tensor, size in [(t, 3 - k) for k, group in enumerate(tensors) for t in group]:
        tensor.grad = np.full(tensor.shape, float(size))
    names = {"tt": tt, "np": np, "p": tensors[0], "q": tensors[1]}
    names |= {"a": eval(a, names), "b": eval(b, names)}
    names["a"].step()
    names["b"].step()
    return eval(expression, names)


@observe
def after_refusal(tt: Any, expression: str, a: str, b: str, p: Any, q: Any) -> Any:
    tensors = [[tt.Tensor(np.ones(s), requires_grad=True) for s in shapes] for shapes in (p, q)]
    for tensor, size in [(t, 3 - k) for k, group in enumerate(tensors) for t in group]:
        tensor.grad = np.full(tensor.shape, float(size))
    names = {"tt": tt, "np": np, "p": tensors[0], "q": tensors[1]}
    names |= {"a": eval(a, names), "b": eval(b, names)}
    names["a"].step()
    names["a"].step()
    names["b"].step()
    before, refused = names["b"].state_dict(), False
    try:
        eval(expression, names)
    except ValueError:
        refused = True
    after = names["b"].state_dict()
    was, now = (
        {(i, k): v for i, e in s["state"].items() for k, v in e.items()} for s in (before, after)
    )
    return {
        "refused": refused,
        "options as before": before["param_groups"] == after["param_groups"],
        "state as before": {*was} == {*now} and all(np.array_equal(was[k], now[k]) for k in was),
    }


LOADING = "b.load_state_dict(a.state_dict())"
TWO_GROUPS = "tt.Adam([{'params': p[:1]}, {'params': p[1:]}], lr=0.5)"
TWO_AND_ONE = "tt.Adam([{'params': p[:2]}, {'params': p[2:]}], lr=0.5)"
MORE = integer(4, 4, 999)
MISMATCHES = [
    ("tt.Adam(p, lr=0.5)", "tt.Adam(q)", [(2, 3), (3,)], [(2, 3), (3,), (3,)], ("2",)),
    ("tt.Adam(p, lr=0.5)", "tt.Adam(q)", [(2, 3), (3,), (3,)], [(2, 3), (3,)], ("2",)),
    ("tt.Adam(p, lr=0.5)", "tt.Adam(q)", [(2, 3), (3,)], [(2, 3), (MORE,)], ("3", f"{MORE}")),
    ("tt.Adam(p, lr=0.5)", "tt.SGD(q, momentum=0.9)", [(3,)], [(3,)], ()),
    ("tt.SGD(p, lr=0.5, momentum=0.9)", "tt.RMSprop(q)", [(3,)], [(3,)], ()),
    (TWO_GROUPS, "tt.Adam(q)", [(3,), (2,)], [(3,), (2,)], ()),
    (TWO_AND_ONE, TWO_AND_ONE.replace(":2", ":1").replace("2:", "1:"), *[[(3,)] * 3] * 2, ("2",)),
    ("tt.Adam(p, lr=0.5)", "tt.Adam(q)", [(1,)], [(MORE,)], ("1", f"{MORE}")),
    ("tt.Adam(p, lr=0.5)", "tt.Adam(q)", [(3,)], [(MORE, 3)], ("3", f"{MORE}, 3")),
    ("tt.Adam(p, lr=0.5)", "tt.Adam(q)", [(2, 3)], [(3, 2)], ("2, 3", "3, 2")),
    ("tt.Adam(p, lr=0.5)", TWO_GROUPS.replace("p[", "q["), [(3,), (2,)], [(3,), (2,)], ()),
    *[
        (
            call.format("p"),
            call.format("q"),
            [(2,), (2,), (3,)],
            [(2,), (2,), (MORE,)],
            ("3", f"{MORE}"),
        )
        for call in ("tt.SGD({}, momentum=0.5)", "tt.RMSprop({})", "tt.AdamW({})")
    ],
]
KINDS = ["fewer", "more", "shape", "Adam-in-SGD", "SGD-in-RMSprop", "groups"]
KINDS += [
    "other-groups",
    "broadcasts",
    "rows",
    "transposed",
    "one-group",
    "SGD",
    "RMSprop",
    "AdamW",
]


@pytest.mark.parametrize(("a", "b", "p", "q", "says"), MISMATCHES, ids=KINDS)
def test_mismatched_state_is_refused(a: str, b: str, p: Any, q: Any, says: Any) -> None:
    """06.16 One misfit each, with what the message must name."""
    assert_raises(reloaded, LOADING, a, b, p, q, error="ValueError", says=says)


@pytest.mark.parametrize(("a", "b", "p", "q", "says"), MISMATCHES, ids=KINDS)
def test_mismatched_state_changes_nothing(a: str, b: str, p: Any, q: Any, says: Any) -> None:
    """06.16 The optimizer's state before and after a refused one."""
    want = {"refused": True, "options as before": True, "state as before": True}
    assert_equal(after_refusal(LOADING, a, b, p, q), want=want)


EDITS = {  # what is done to a fitting state s, and what the message must name
    "option-missing": ("s['param_groups'][1].pop('lr')", "lr"),
    "option-unknown": ("s['param_groups'][1].update(rho=1.0)", "rho"),
    "parameter-unknown": ("s['state'].update({7: s['state'][0]})", ""),
    "number-below-0": ("s['state'].update({-1: {'step': 1}})", ""),
    "number-unknown": ("s['state'].update({7: {'step': 1}})", ""),
    "first-array": ("s['state'][1].update({arrays[0]: np.ones((7, 2))})", "(7, 2)"),
    "a-parameter-more": ("s['param_groups'][1]['params'].append(2)", ""),
    "a-parameter-less": ("s['param_groups'][1]['params'].pop()", ""),
    "last-array": ("s['state'][1].update({arrays[-1]: np.ones((7, 2))})", "(7, 2)"),
}


@pytest.mark.parametrize("kind", EDITS)
def test_edited_state_is_refused(kind: str) -> None:
    """06.16 A state that fits but for one thing, in its second group; nothing of it is loaded."""
    edit, says = EDITS[kind]
    arrays = "[k for k, v in s['state'][1].items() if np.ndim(v)]"
    edited = f"[({edit}, s)[1] for s in [a.state_dict()] for arrays in [{arrays}]][0]"
    other = TWO_GROUPS.replace("p[", "q[").replace("0.5", "0.25")
    case = (f"b.load_state_dict({edited})", TWO_GROUPS, other)
    shapes = [[(3,), (2,)]] * 2
    assert_raises(reloaded, *case, *shapes, error="ValueError", says=(says,))
    want = {"refused": True, "options as before": True, "state as before": True}
    assert_equal(after_refusal(*case, *shapes), want=want)


@observe
def loads(tt: Any, expression: str, state: Any) -> Any:
    p = [tt.Tensor(np.ones(3), requires_grad=True)]
    fits = eval(expression, {"tt": tt, "p": p}).state_dict()
    state = eval(state, {"np": np, "fits": fits}) if isinstance(state, str) else state
    eval(expression, {"tt": tt, "p": p}).load_state_dict(state)


NO_STATES = {"empty": {}, "model": {"weight": 1.0}, "nothing": None, "number": 3.5, "list": []}
NO_STATES |= {
    "text": "'state'",
    "state-alone": "{'state': fits['state']}",
    "groups-alone": "{'param_groups': fits['param_groups']}",
    "pair": "(fits['state'], fits['param_groups'])",
    "state-is-None": "{**fits, 'state': None}",
    "groups-are-None": "{**fits, 'param_groups': None}",
}


@pytest.mark.parametrize("state", NO_STATES.values(), ids=NO_STATES)
def test_something_else_is_refused(state: Any) -> None:
    """06.16 What is no optimizer's state at all is a ValueError."""
    assert_raises(loads, "tt.Adam(p)", state, error="ValueError")


# ---- systems: 06.17 to 06.19 ---------------------------------------------------------------------


@observe
def in_place(tt: Any, expression: str, start: Any, gradient: Any) -> Any:
    p = [tt.Tensor(array, requires_grad=True) for array in (start, start[:1].reshape(()).copy())]
    data, before = [t.data for t in p], start.copy()
    given = [gradient.copy(), gradient[:1].reshape(()).copy()]
    optimizer = eval(expression, {"tt": tt, "p": p})
    for _ in range(3):
        p[0].grad, p[1].grad = given
        optimizer.step()
    return {
        "p.data is the same array": all(t.data is own for t, own in zip(p, data, strict=True)),
        "p.grad is the same array": all(t.grad is own for t, own in zip(p, given, strict=True)),
        "p moved": bool((data[0] != before).all() and data[1] != before[0]),
        "gradient unchanged": bool((given[0] == gradient).all()),
        "p requires grad": p[0].requires_grad,
        "p has a note": p[0].note is not None,
        "numbers": p[0].data.size,
    }


@pytest.mark.parametrize("expression", EVERY)
def test_updates_are_in_place(expression: str) -> None:
    """06.17 The arrays before and after three steps, of a vector and of a number."""
    many = integer(3, 3, 99)
    got = in_place(expression, normal(many), rows((many,), 1))
    want = dict.fromkeys(got, True) | {"p has a note": False, "numbers": many}
    assert_equal(got, want=want)


@observe
def overwritten(tt: Any, expression: str, start: Any, gradients: Any) -> Any:
    import gc
    import weakref

    p = [tt.Tensor(start, requires_grad=True)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    p[0].grad = np.empty_like(start)
    for gradient in gradients:
        p[0].grad[...] = gradient
        optimizer.step()
        after.append(p[0].data.copy())
        p[0].grad[...] = 1e6
    array, p[0].grad = weakref.ref(p[0].grad), None
    if array() is not None:
        gc.collect()
    return {"after each step": np.array(after), "gradients kept": int(array() is not None)}


@pytest.mark.parametrize("expression", EVERY)
def test_gradients_are_not_kept(expression: str) -> None:
    """06.17 The gradient's array is overwritten between steps, which must play no part."""
    start, gradients = normal(3), rows((3, 3), 1)
    want = by_formula(expression, start, gradients)
    got = overwritten(expression, start, gradients)
    assert_close(got["after each step"], want=want)
    assert_equal(got["gradients kept"], want=0)


@observe
def dtypes(tt: Any, expression: str, kinds: Any, pushed: Any = None) -> Any:
    p = [tt.Tensor(np.ones(3, kind), requires_grad=True) for kind in kinds]
    optimizer = eval(expression, {"tt": tt, "np": np, "p": p})
    for _ in range(2):
        for tensor, kind in zip(p, kinds, strict=True):
            tensor.grad = np.ones(3, pushed or kind)
        optimizer.step()
    arrays = [optimizer.state_dict()["state"].get(i, {}).values() for i in range(len(p))]
    pairs = zip(p, arrays, strict=True)
    return [sorted({str(a.dtype) for a in [t.data, *own] if np.ndim(a)}) for t, own in pairs]


@pytest.mark.parametrize("expression", EVERY)
def test_float32_stays_float32(expression: str) -> None:
    """06.18 The dtypes of parameter and state after two steps."""
    kinds = ["float32", "float16", "float64", *(["float64"] * integer(0, 0, 99))]
    assert_equal(dtypes(expression, kinds), want=[[kind] for kind in kinds])


@pytest.mark.parametrize("expression", EVERY)
def test_gradients_of_another_dtype(expression: str) -> None:
    """06.18 The dtypes of parameter and state after two steps with float64 gradients."""
    kinds = ["float32", "float16", *(["float64"] * integer(1, 0, 99))]
    assert_equal(dtypes(expression, kinds, "float64"), want=[[kind] for kind in kinds])


@pytest.mark.parametrize(
    "expression",
    [
        "tt.Adam(p, lr=np.float64(0.1))",
        "tt.SGD(p, lr=np.float64(0.1), momentum=np.float64(0.9))",
        *[
            f"tt.{name}(p, **{{k: np.float64(v) if k != 'betas' else tuple(map(np.float64, v)) for k, v in {own}.items()}})"
            for name, own in IN_ORDER.items()
        ],
    ],
    ids=[
        "tt.Adam(p, lr=np.float64(0.1))",
        "tt.SGD(p, lr=np.float64(0.1), momentum=np.float64(0.9))",
        *IN_ORDER,
    ],
)
def test_options_that_are_numpy_numbers(expression: str) -> None:
    """06.18 The dtypes of parameter and state after two steps, with options that are NumPy numbers."""
    kinds = ["float32", "float16", "float64", *(["float64"] * integer(0, 0, 99))]
    assert_equal(dtypes(expression, kinds), want=[[kind] for kind in kinds])


@observe
def dtypes_after_loading(tt: Any, expression: str, kinds: Any) -> Any:
    others = [*kinds[-1:], *kinds[:-1]]
    p, q = ([tt.Tensor(np.ones(3, t), requires_grad=True) for t in x] for x in (others, kinds))
    first, second = (eval(expression, {"tt": tt, "p": x}) for x in (p, q))
    for tensor in (*p, *q):
        tensor.grad = np.ones(3, tensor.data.dtype)
    first.step()
    second.load_state_dict(first.state_dict())
    second.step()
    pairs = zip(q, second.state_dict()["state"].values(), strict=True)
    return [
        sorted({str(a.dtype) for a in [t.data, *own.values()] if np.ndim(a)}) for t, own in pairs
    ]


@pytest.mark.parametrize("expression", [e for e in EVERY if "SGD(p, lr=0.1)" not in e])
def test_loaded_state_takes_the_dtype(expression: str) -> None:
    """06.18 A state loaded into an optimizer whose parameters are of other dtypes."""
    kinds = ["float32", "float16", "float64"]
    assert_equal(dtypes_after_loading(expression, kinds), want=[[kind] for kind in kinds])


@observe
def strided(tt: Any, expression: str, wide: Any, gradients: Any) -> Any:
    p = [tt.Tensor(wide[::2, ::-2], requires_grad=True)]
    optimizer, after = eval(expression, {"tt": tt, "p": p}), []
    for gradient in gradients:
        p[0].grad = gradient.T
        optimizer.step()
        after.append([p[0].data.copy(), wide[::2, ::-2].copy()])
    found = {"p.data": np.array([own for own, _ in after])}
    return {**found, "the array that p.data was at first": np.array([held for _, held in after])}


@pytest.mark.parametrize("expression", EVERY)
def test_any_memory_layout(expression: str) -> None:
    """06.18 Parameters and gradients that are strided views."""
    wide, gradients = normal(4, 6), rows((2, 3, 2), 1)
    want = by_formula(expression, wide[::2, ::-2], gradients.transpose(0, 2, 1))
    got = strided(expression, wide, gradients)
    assert_close(got, want=dict.fromkeys(("p.data", "the array that p.data was at first"), want))


@observe
def laid_out(tt: Any, expression: str, layouts: Any, start: Any, gradients: Any) -> Any:
    found, same = {}, True
    for own, other in layouts:
        p = [tt.Tensor(eval(own, {"np": np, "x": start.copy()}), requires_grad=True)]
        optimizer, array = eval(expression, {"tt": tt, "p": p}), p[0].data
        for gradient in gradients:
            p[0].grad = given = eval(other, {"np": np, "x": gradient.copy()})
            optimizer.step()
            same = same and p[0].grad is given
        found[f"p is {own}, its gradient {other}"] = array
    return {"arrays": found, "p.grad stays the same array": same}


@pytest.mark.parametrize("expression", EVERY)
def test_layouts_of_parameter_and_gradient(expression: str) -> None:
    """06.18 Arrays in rows, in columns, backwards, with gaps; gradients that are read-only."""
    columns, backwards, gaps, locked = LAYOUTS.values()
    layouts = [("x", columns), (columns, "x"), (columns, columns), (columns, locked)]
    layouts += [("x", locked), (backwards, gaps), (gaps, backwards), ("x", backwards)]
    start, gradients = normal(2, 3), rows((3, 2, 3), 1)
    want = by_formula(expression, start, gradients)[-1]
    got = laid_out(expression, layouts, start, gradients)
    assert_close(got["arrays"], want=dict.fromkeys(got["arrays"], want))
    assert_equal(got["p.grad stays the same array"], want=True)


@pytest.mark.parametrize("expression", EVERY)
def test_empty_parameters(expression: str) -> None:
    """06.18 A parameter without elements."""
    got = path(expression, np.zeros((0, 3)), np.zeros((2, 0, 3)))
    assert_equal(got.shape, want=(2, 0, 3))


@pytest.mark.parametrize("expression", EVERY)
def test_large_parameters(expression: str) -> None:
    """06.18 401 x 701 elements: two rows in the middle, and the last corner."""
    start, gradients = normal(401, 701), rows((2, 401, 701), 1)
    want = by_formula(expression, start, gradients)
    got = path(expression, start, gradients)
    assert_close(got[:, -3:, -5:], want=want[:, -3:, -5:])
    assert_close(got[:, 180:182], want=want[:, 180:182])


@pytest.mark.parametrize("expression", EVERY[3::2])
def test_large_parameters_in_columns(expression: str) -> None:
    """06.18 401 x 701 elements that lie in columns, compared with those in rows."""
    start, gradients = normal(401, 701), rows((1, 401, 701), 1)
    want = by_formula(expression, start, gradients)[-1]
    got = laid_out(expression, [(LAYOUTS["in columns"],) * 2], start, gradients)["arrays"]
    assert_close(got, want=dict.fromkeys(got, want))


@observe
def state_bytes(tt: Any, expression: str, n: int) -> Any:
    p = [tt.Tensor(np.ones((n, 100), np.float32), requires_grad=True)]
    optimizer = eval(expression, {"tt": tt, "p": p})
    for _ in range(2):
        p[0].grad = np.ones((n, 100), np.float32)
        optimizer.step()
    arrays = optimizer.state_dict()["state"].get(0, {}).values()
    held = sum(np.asarray(a).nbytes for a in arrays) / p[0].data.nbytes
    return {"sizes of the parameter": round(held, 2), "rows": p[0].shape[0]}


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("tt.SGD(p, lr=0.1)", 0.0),
        ("tt.SGD(p, lr=0.1, momentum=0.9)", 1.0),
        ("tt.RMSprop(p, momentum=0.9)", 2.0),
        ("tt.Adam(p)", 2.0),
        ("tt.AdamW(p)", 2.0),
    ],
    ids=["SGD", "SGD-momentum", "RMSprop-momentum", "Adam", "AdamW"],
)
def test_bytes_of_state(expression: str, want: float) -> None:
    """06.19 The bytes of the state's arrays."""
    n = integer(100, 100, 400)
    assert_equal(state_bytes(expression, n), want={"sizes of the parameter": want, "rows": n})


def test_bytes_of_rmsprop() -> None:
    """06.19 RMSprop without momentum keeps one array of the parameter's size, or two."""
    found = state_bytes("tt.RMSprop(p)", 100)["sizes of the parameter"]
    assert_above(found, limit=1.0, what="state, in sizes of the parameter")
    assert_below(found, limit=2.0, what="state, in sizes of the parameter")


@observe
def step_peak(tt: Any, expression: str) -> Any:
    import tracemalloc

    arrays = [np.ones((512, 1024), np.float32), np.ones((2048, 256), np.float32).T]
    p = [tt.Tensor(array, requires_grad=True) for array in arrays]
    optimizer = eval(expression, {"tt": tt, "p": p})
    for tensor in p:
        tensor.grad = np.ones_like(tensor.data)
    optimizer.step()
    tracemalloc.start()
    optimizer.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / p[0].data.nbytes


@pytest.mark.parametrize("expression", EVERY)
def test_step_allocates_nothing(expression: str) -> None:
    """06.19 The largest amount of new memory during one step, of two parameters of unlike shape."""
    what = "peak of new memory during one step, in sizes of the parameter"
    assert_below(step_peak(expression), limit=0.25, what=what)


# ---- with kata 05: 06.20 -------------------------------------------------------------------------


@observe
def descended(tt: Any, expression: str, start: Any, target: Any, steps: int) -> Any:
    p = [tt.Tensor(start, requires_grad=True)]
    optimizer = eval(expression, {"tt": tt, "p": p})
    for _ in range(steps):
        optimizer.zero_grad()
        ((p[0] - target) * (p[0] - target)).sum().backward()
        optimizer.step()
    return p[0].data


@pytest.mark.parametrize(
    "call",
    [
        "SGD(p, lr=0.1)",
        "SGD(p, lr=0.05, momentum=0.5)",
        "RMSprop(p, lr=0.01)",
        "Adam(p, lr=0.05)",
        "AdamW(p, lr=0.05, weight_decay=0.0)",
    ],
)
def test_descends_to_the_minimum(call: str) -> None:
    """06.20 400 steps from zeros."""
    target = np.array([0.5, -1.0, 1.5]) * real(1.0, 0.8, 1.2)
    got = descended(f"tt.{call}", np.zeros(3), target, 400)
    assert_below(float(np.abs(got - target).max()), limit=0.01, what="distance from the minimum")

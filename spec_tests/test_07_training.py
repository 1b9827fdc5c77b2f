"""Kata 07, Training: the clauses of katas/07_training/README.md, in the order in which they turn green."""

from __future__ import annotations

import math
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support import oracle
from support.asserts import (
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
)
from support.observe import observe
from support.strategies import dyadic, fill, integer, normal, one_of, real, seeds


def built(tt: Any, weights: Any) -> Any:
    """A small network with these weights."""
    model = tt.Sequential(tt.Linear(3, 5), tt.Tanh(), tt.Linear(5, 4))
    for parameter, weight in zip(model.parameters(), weights, strict=True):
        parameter.data = weight.copy()
    return model


def network(seed: int = 0, base: int | None = None) -> list[Any]:
    """Weights and biases of Linear(3, 5), Tanh, Linear(5, 4), in float64."""
    shapes = [(5, 3), (5,), (4, 5), (4,)]
    return [
        fill(s, seed + i, "normal", **({} if base is None else {"base": base}))
        for i, s in enumerate(shapes)
    ]


def data(rows: int = 7, seed: int = 9, base: int | None = None) -> tuple[Any, Any]:
    """Inputs (rows, 3) and classes (rows,), each of four classes at least once."""
    x = fill((rows, 3), seed, "normal", **({} if base is None else {"base": base}))
    return x, np.random.default_rng(seed).permutation(np.arange(rows) % 4)


# ---- 07.1: accuracy ------------------------------------------------------------------------------


@observe
def accuracy(tt: Any, logits: Any, targets: Any) -> Any:
    scores, classes = tt.Tensor(logits, requires_grad=True), tt.Tensor(targets)
    values = [tt.accuracy(a, b) for a in (scores, logits) for b in (classes, targets)]
    return {"values": values, "types": [type(v).__name__ for v in values]}


def test_accuracy_example() -> None:
    """07.1 The worked example."""
    got = accuracy(
        np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0], [1.0, 0.0]]), np.array([0, 1, 1, 0])
    )
    assert_equal(got, want={"values": [0.75] * 4, "types": ["float"] * 4})


@settings(max_examples=20)
@given(seed=seeds, rows=st.integers(1, 9), classes=st.integers(2, 5))
def test_accuracy_of_any_shape(seed: int, rows: int, classes: int) -> None:
    """07.1 Drawn logits and targets, as tensors and as arrays."""
    logits, targets = (
        fill((rows, classes), seed),
        np.random.default_rng(seed).integers(0, classes, rows),
    )
    want = sum(int(row.argmax() == t) for row, t in zip(logits, targets, strict=True)) / rows
    assert_equal(
        [round(v, 12) for v in accuracy(logits, targets)["values"]], want=[round(want, 12)] * 4
    )


@pytest.mark.parametrize(
    ("row", "targets"),
    [
        ([1000.0, 1001.0, 1002.0], [2, 1, 2]),
        ([-1001.0, -1002.0, -1000.0], [2, 2, 0]),
        ([1.0, 1.00000001, 1.00000003], [2, 0, 2]),
        ([-np.inf, 1.0, np.inf], [2, 1, 2]),
        ([1.0, 2.0, 3.0], [2, -1, 2]),
        ([3.0, 2.0, 1.0], [0, -100, 0]),
        ([1.0, 2.0, 3.0], [2, 5, 2]),
        *[([3.0, 2.0, 1.0], [0, 2**bits, 0]) for bits in (8, 16, 32)],
    ],
    ids=[
        *["large", "far-below-0", "close", "infinite", "no-class-1", "no-class-100"],
        *["no-class-5", "no-class-256", "no-class-65536", "no-class-4294967296"],
    ],
)
def test_accuracy_at_the_edges(row: Any, targets: Any) -> None:
    """07.1 Three rows, one of them wrong: with huge, close or infinite logits, or a target that is no class."""
    got = accuracy(np.array([row] * 3), np.array(targets))["values"]
    assert_equal([round(v, 12) for v in got], want=[round(2 / 3, 12)] * 4)


SHAPES = [
    ((3, 4), (3, 4)),
    ((3, 4), (2,)),
    ((3, 4), (1,)),
    ((1, 4), (3,)),
    ((3,), (3,)),
    ((3, 4), (3, 1)),
    ((3, 4), ()),
    ((2, 3, 4), (2,)),
    ((2, 3, 4), (2, 3)),
    ((2, 3, 4), (2, 4)),
    ((2, 3, 1), (2, 1)),
    ((), ()),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_accuracy_refuses_other_shapes(shapes: Any) -> None:
    """07.1 Logits and targets that do not fit, also where they would broadcast."""
    logits, targets = (np.ones(s, d) for s, d in zip(shapes, (float, int), strict=True))
    assert_raises(accuracy, logits, targets, error="ValueError", says=tuple(map(str, shapes)))


# ---- 07.2 and 07.3: batches ----------------------------------------------------------------------


@observe
def epoch_of(
    tt: Any, count: int, batch_size: int, seed: int = 0, epoch: int = 0, start: int = 0
) -> Any:
    return [
        np.asarray(b) for b in tt.batches(count, batch_size, seed=seed, epoch=epoch, start=start)
    ]


@pytest.mark.parametrize(
    ("count", "size"),
    [(7, 3), (6, 3), (2, 5), (5, 1)],
    ids=["7-by-3", "6-by-3", "2-by-5", "5-by-1"],
)
def test_batches_hold_every_index_once(count: int, size: int) -> None:
    """07.2 Several counts and sizes: the indices and the lengths."""
    got = epoch_of(count, size)
    assert_equal(
        [len(b) for b in got], want=[size] * (count // size) + [count % size] * (count % size > 0)
    )
    assert_equal(sorted(int(i) for b in got for i in b), want=list(range(count)))


@given(count=st.integers(1, 60), size=st.integers(1, 20), seed=seeds, epoch=st.integers(0, 99))
def test_batches_of_any_size(count: int, size: int, seed: int, epoch: int) -> None:
    """07.2 Drawn counts and sizes."""
    got = epoch_of(count, size, seed, epoch)
    assert_equal(sorted(int(i) for b in got for i in b), want=list(range(count)))
    assert_equal([len(b) for b in got], want=[min(size, count - i) for i in range(0, count, size)])


@observe
def indices_of_many(tt: Any, count: int, batch_size: int) -> Any:
    found = np.concatenate([np.asarray(b) for b in tt.batches(count, batch_size)])
    return {
        "samples": len(found),
        "different ones": len(np.unique(found)),
        "last": int(found.max()),
    }


@pytest.mark.parametrize("count", [200, 300, 40_000, 70_000])
def test_batches_of_many(count: int) -> None:
    """07.2 Counts that small integers do not hold."""
    want = {"samples": count, "different ones": count, "last": count - 1}
    assert_equal(indices_of_many(count, 30_000), want=want)


@observe
def batches_alone(tt: Any, count: int, batch_size: int, start: int = 0) -> Any:
    return type(tt.batches(count, batch_size, start=start)).__name__


@pytest.mark.parametrize(("count", "size"), [(5, 0), (5, -2), (-1, 3), (0, 0), (0, -3)], ids=str)
def test_batches_refuses(count: int, size: int) -> None:
    """07.2 A batch_size of 0 and below, a count of -1: at the call, also of no samples or none left."""
    says = (str(size if size < 1 else count),)
    for start in (0, 7):
        assert_raises(batches_alone, count, size, start, error="ValueError", says=says)


def test_batches_of_nothing() -> None:
    """07.2 The batches of 0 samples and of 1 sample."""
    assert_equal([b.tolist() for b in epoch_of(0, 3)], want=[])
    assert_equal([b.tolist() for b in epoch_of(1, 3)], want=[[0]])


@observe
def overwritten(tt: Any, count: int, seed: int, epoch: int) -> Any:
    pieces = list(tt.batches(count, 16, seed, epoch))
    first = [int(i) for piece in pieces for i in piece]
    for piece in pieces:
        if isinstance(piece, np.ndarray) and piece.flags.writeable:
            piece[:] = 0
    return [first, [int(i) for piece in tt.batches(count, 16, seed, epoch) for i in piece]]


def test_batches_repeat() -> None:
    """07.3 The same pair, asked twice, also where the first answer was written over."""
    first, again = overwritten(50, 3, 4)
    assert_equal(again, want=first)
    assert_equal(sorted(again), want=list(range(50)))


@observe
def orders_of(tt: Any, pairs: Any) -> Any:
    return [
        [int(i) for b in tt.batches(50, 16, seed=seed, epoch=epoch) for i in b]
        for seed, epoch in pairs
    ]


def test_batches_differ_between_epochs_and_seeds() -> None:
    """07.3 Pairs of small and large numbers: (0, 1) is not (1, 0), (1, 23) not (12, 3), (0, 1000) not (1, 0)."""
    seeds = (0, 1, 2, 11, 12, 1000, 65537)
    pairs = [(seed, epoch) for seed in seeds for epoch in (0, 1, 2, 3, 10, 23, 50, 256, 1000)]
    large = (0, 1, 2**8, 2**16, 2**24, 2**31, 2**32 - 1)
    pairs = list(dict.fromkeys([*pairs, *product(large, large)]))
    orders = {tuple(order) for order in orders_of(pairs)} - {tuple(range(50))}
    assert_equal({"different orders": len(orders)}, want={"different orders": len(pairs)})


@observe
def global_state(tt: Any, count: int) -> Any:
    tt.manual_seed(5)
    before = repr(tt.default_generator.bit_generator.state)
    first = [list(map(int, b)) for b in tt.batches(count, 4, seed=1)]
    kept = repr(tt.default_generator.bit_generator.state) == before
    np.random.seed(count)  # noqa: NPY002 - somebody else's generator must not matter either
    tt.manual_seed(6)
    again = [list(map(int, b)) for b in tt.batches(count, 4, seed=1)]
    return {"kept": kept, "same": first == again, "count": sum(map(len, first))}


def test_batches_draw_nothing_from_the_shared_generator() -> None:
    """07.3 default_generator before and after, and another manual_seed."""
    count = integer(20, 20, 99)
    assert_equal(global_state(count), want={"kept": True, "same": True, "count": count})


@observe
def with_and_without_arguments(tt: Any, count: int) -> Any:
    orders = tt.batches(count, 4), tt.batches(count, 4, 0, 0, 0)
    return [[int(i) for b in order for i in b] for order in orders]


def test_batches_begin_with_the_first_epoch() -> None:
    """07.3 The defaults: seed 0, epoch 0, from the front."""
    silent, told = with_and_without_arguments(50)
    assert_equal(silent, want=told)


@pytest.mark.parametrize("start", [3, 4, 10, 12])
def test_batches_start_leaves_out_what_was_seen(start: int) -> None:
    """07.3 The same order with start and without."""
    whole = np.concatenate(epoch_of(10, 3, 2, 1))
    got = epoch_of(10, 3, 2, 1, start)
    assert_equal([int(i) for b in got for i in b], want=whole[start:].tolist())
    assert_equal([len(b) for b in got], want=[min(3, 10 - i) for i in range(start, 10, 3)])


FACTORS = [  # that people multiply a seed with
    *(10**n for n in range(1, 10)),
    *(2**n - 1 for n in range(3, 32)),
    *(37, 97, 101, 997, 1009, 7919, 9973, 10007, 65537, 99991, 100003, 104729, 1000003),
    *(12345, 123456789, 1013904223, 1664525, 2654435761, 2654435769, 1000000007),
]


def test_batches_differ_where_a_factor_would_meet() -> None:
    """07.3 The seed 0 with epoch f, beside the seed 1 with epoch 0, for many numbers f."""
    orders = {tuple(order) for order in orders_of([(1, 0), *((0, f) for f in FACTORS)])}
    assert_equal({"different orders": len(orders)}, want={"different orders": len(FACTORS) + 1})


def test_batches_order_does_not_depend_on_their_size() -> None:
    """07.3 One order, cut into pieces of 1, 6, 8 and 100, and begun at 6."""
    whole = [int(i) for i in epoch_of(24, 24, 1, 2)[0]]
    for size in (1, 6, 8, 100):
        for start in (0, 6):
            got = epoch_of(24, size, 1, 2, start)
            assert_equal([int(i) for b in got for i in b], want=whole[start:])


# ---- 07.4 to 07.9: schedules ---------------------------------------------------------------------


@observe
def rates(tt: Any, schedule: str, base_lrs: Any, steps: int) -> Any:
    groups = [{"params": [tt.Tensor([1.0], requires_grad=True)], "lr": lr} for lr in base_lrs]
    optimizer = tt.SGD(groups, lr=0.1)
    made = eval(schedule, {"tt": tt, "np": np, "optimizer": optimizer})
    seen = [[group["lr"] for group in optimizer.param_groups]]
    for _ in range(steps):
        made.step()
        seen.append([group["lr"] for group in optimizer.param_groups])
    return np.array(seen)


def assert_rates(got: Any, want: Any, first: int = 0) -> None:
    """Step by step, so that a failure names the step (and a rate of 0 is 0 to rounding)."""
    assert_equal(got.shape, want=want.shape)
    for t, (ours, rate) in enumerate(zip(got, want, strict=True), first):
        known, name = ... if np.all(rate > 1e-12) else rate > 1e-12, f"the rate at step {t}"
        if np.any(rate > 1e-12):
            assert_close({name: ours[known]}, want={name: rate[known]})
    assert_below(float(np.max(np.abs(got - want))), limit=1e-12, what="difference of a rate")


SCHEDULES = {
    "step": ("tt.StepLR(optimizer, step_size=3)", 10),
    "step-gamma": ("tt.StepLR(optimizer, 4, 0.5)", 13),
    "warmup": ("tt.LinearWarmup(optimizer)", 8),
    "warmup-4": ("tt.LinearWarmup(optimizer, start_factor=0.25, total_iters=4)", 7),
    "cosine": ("tt.CosineAnnealingLR(optimizer, T_max=10)", 25),
    "cosine-min": ("tt.CosineAnnealingLR(optimizer, 7, eta_min=0.01)", 7),
    "one-cycle": ("tt.OneCycleLR(optimizer, max_lr=0.4, total_steps=20)", 19),
    "one-cycle-late": ("tt.OneCycleLR(optimizer, 1.5, 11, pct_start=0.6, div_factor=5)", 10),
    "one-cycle-short": ("tt.OneCycleLR(optimizer, 0.5, 3, final_div_factor=100)", 2),
}
BASES = [0.1, 0.02]
TORCH = {
    "LinearWarmup": "LinearLR",
    "1.5, 11": "1.5, total_steps=11, cycle_momentum=False",
    "0.5, 3": "0.5, total_steps=3, cycle_momentum=False",
    "total_steps=20": "total_steps=20, cycle_momentum=False",
}


def record(torch: Any) -> dict[str, Any]:
    """PyTorch's rates, clipped gradients and a whole training."""
    found = {f"rates/{name}": torch_rates(torch, *case) for name, case in SCHEDULES.items()}
    return found | torch_clipped(torch) | torch_training(torch)


def torch_rates(torch: Any, expression: str, steps: int) -> Any:
    """The rates of every group, step by step."""
    for ours, theirs in TORCH.items():
        expression = expression.replace(ours, theirs)
    groups = [{"params": [torch.ones(1, requires_grad=True)], "lr": lr} for lr in BASES]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    schedule = eval(expression, {"tt": torch.optim.lr_scheduler, "optimizer": optimizer})
    seen = [schedule.get_last_lr()]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        seen.append(schedule.get_last_lr())
    return np.array(seen)


@observe
def first_rates(tt: Any, base_lr: float) -> Any:
    optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=base_lr)
    schedule = tt.LinearWarmup(optimizer, start_factor=0.5, total_iters=2)
    seen = {"rate at step 0": optimizer.param_groups[0]["lr"]}
    schedule.step()
    seen["rate at step 1"] = optimizer.param_groups[0]["lr"]
    return seen | {"get_last_lr": schedule.get_last_lr()[0]}


def test_schedule_sets_the_rate_of_step_0_when_built() -> None:
    """07.4 lr after building and after a step; get_last_lr() gives the same."""
    base = real(0.4, 0.2, 0.9)
    want = {"rate at step 0": 0.5 * base, "rate at step 1": 0.75 * base}
    assert_close(first_rates(base), want=want | {"get_last_lr": 0.75 * base})


UP, DOWN = 0.1 * (2 + 2**0.5) / 4, 0.1 * (2 - 2**0.5) / 4
EXAMPLES = {
    "StepLR": ("2, 0.5", [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]),
    "LinearWarmup": ("0.5, 4", [0.05, 0.0625, 0.075, 0.0875, 0.1, 0.1]),
    "CosineAnnealingLR": ("T_max=4", [0.1, UP, 0.05, DOWN, 0.0, DOWN]),
    "OneCycleLR": ("1, 6, 0.5, 4, 2", [0.25, 0.625, 1.0, 0.78125, 0.34375, 0.125]),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_schedule_example(name: str) -> None:
    """07.4 The README's table of rates."""
    arguments, want = EXAMPLES[name]
    assert_rates(rates(f"tt.{name}(optimizer, {arguments})", [0.1], 5)[:, 0], np.array(want))


@pytest.mark.parametrize("name", ["step", "warmup", "cosine"])
def test_schedule_keeps_groups_apart(name: str) -> None:
    """07.4 Groups together, and each one alone, one of them with a rate of 0."""
    alone = [rates(SCHEDULES[name][0], [lr], 6) for lr in (0.8, 0.1)]
    got = rates(SCHEDULES[name][0], [0.8, 0.1, 0.0], 6)
    assert_rates(got, np.concatenate([*alone, np.zeros((7, 1))], axis=1))


@observe
def asked_for_rates(tt: Any, schedule: str, base_lr: float, steps: Any) -> Any:
    optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=0.5)
    made = eval(schedule, {"tt": tt, "optimizer": optimizer})
    before = [made.steps, *made.base_lrs, *made.get_last_lr()]
    told = np.array([made.lr_at(base_lr, step) for step in steps])
    after = [made.steps, *made.base_lrs, *made.get_last_lr()]
    return {"rates": told, "steps and base": before[:2], "unchanged": before == after}


@pytest.mark.parametrize("name", ["step", "warmup-4", "cosine-min", "one-cycle"])
def test_schedule_tells_the_rate_of_any_step(name: str) -> None:
    """07.4 lr_at is a formula of a base and a step, in any order, and changes nothing."""
    steps = [5, 2, 0, 6]
    want = rates(SCHEDULES[name][0], [0.8], 6)[steps, 0]
    got = asked_for_rates(SCHEDULES[name][0], 0.8, steps)
    assert_close(got.pop("rates"), want=want)
    assert_equal(got, want={"steps and base": [0, 0.5], "unchanged": True})


@observe
def gone_on(tt: Any, schedule: str, base_lr: float, steps: int) -> Any:
    optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=base_lr)
    made, rates = eval(schedule, {"tt": tt, "optimizer": optimizer}), []
    for _ in range(steps):
        optimizer.param_groups[0]["lr"] = 64.0  # by hand: no formula knows it
        made.step()
        rates.append(made.get_last_lr())
    return np.array(rates)


@pytest.mark.parametrize("name", ["step", "warmup-4", "cosine-min", "one-cycle"])
def test_schedule_follows_its_formula_not_the_last_rate(name: str) -> None:
    """07.4 The rates of every step to the end, where another one is set by hand before each step."""
    schedule, steps = SCHEDULES[name]
    runs = {"rates left alone": rates(schedule, [0.5], steps)[1:, 0]}
    runs["another rate set before each step"] = gone_on(schedule, 0.5, steps)[:, 0]
    assert_alike(runs, *runs)


FAR = np.array([29_999, 30_000, 45_000, 200_000])  # steps of a long training
LONG = {
    "StepLR": ("30_000, 0.5", 0.5 ** (1 + FAR // 30_000)),
    "LinearWarmup": ("0, 60_000", 0.5 * np.minimum(FAR / 60_000, 1)),
    "CosineAnnealingLR": ("60_000", 0.25 * (1 + np.cos(np.pi * FAR / 60_000))),
}


@pytest.mark.parametrize("name", LONG)
def test_schedule_of_a_long_training(name: str) -> None:
    """07.4 lr_at from a base of 0.5, up to step 200,000."""
    arguments, want = LONG[name]
    got = asked_for_rates(f"tt.{name}(optimizer, {arguments})", 0.5, FAR.tolist())
    assert_close(got["rates"], want=want)


@observe
def second_schedule(tt: Any, base_lr: float) -> Any:
    optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=base_lr)
    for _ in range(2):
        schedule = tt.StepLR(optimizer, 1, gamma=0.5)
        schedule.step()
    return [list(schedule.base_lrs), optimizer.param_groups[0]["lr"], schedule.steps]


def test_schedule_begins_with_the_rate_of_now() -> None:
    """07.4 A second schedule for an optimizer whose rate a first one has halved."""
    assert_equal(second_schedule(0.5), want=[[0.25], 0.125, 1])


@observe
def own_schedule(tt: Any, base_lr: float) -> Any:
    class Halving(tt.Schedule):
        def lr_at(self, base_lr, step):
            return base_lr / 2 ** (step + 1)

    optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=base_lr)
    schedule = Halving(optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(2):
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    optimizer.param_groups[0]["lr"] = 3 * base_lr
    return {"rates": rates, "steps": schedule.steps, "set by hand": schedule.get_last_lr()}


def test_schedule_of_ones_own_needs_only_lr_at() -> None:
    """07.4 A subclass with lr_at and no more; get_last_lr gives the rate that a group has now."""
    want = {"rates": [0.25, 0.125, 0.0625], "steps": 2, "set by hand": [1.5]}
    assert_equal(own_schedule(0.5), want=want)


NO_STEPS = [
    "StepLR(optimizer, 0)",
    "CosineAnnealingLR(optimizer, 0)",
    "LinearWarmup(optimizer, 0.5, 0)",
    "OneCycleLR(optimizer, 0.5, 0)",
]


HALF_STEPS = [
    "StepLR(optimizer, 2.5)",
    "CosineAnnealingLR(optimizer, 2.5)",
    "LinearWarmup(optimizer, 0.5, 2.5)",
    "OneCycleLR(optimizer, 0.5, 2.5)",
]


@pytest.mark.parametrize("schedule", HALF_STEPS)
def test_schedules_refuse_half_steps(schedule: str) -> None:
    """07.4 Building each schedule with 2.5 steps, and with other floats."""
    floats = {n: n for n in ("2.5", "2.25", "0.5")}
    floats |= {"4.0": "4", "np.nan": "nan", "np.inf": "inf", "np.float64(3)": "3"}
    for number, says in floats.items():
        call = f"tt.{schedule.replace('2.5', number)}"
        assert_raises(rates, call, [0.1], 0, error="ValueError", says=(says,))


@pytest.mark.parametrize("schedule", HALF_STEPS)
def test_schedules_count_with_numpy_too(schedule: str) -> None:
    """07.4 A number of steps that NumPy computed is a whole number too."""
    ours, theirs = (schedule.replace("2.5", n) for n in ("3", "np.int64(3)"))
    want = rates(f"tt.{ours}", BASES, 2)
    assert_rates(rates(f"tt.{theirs}", BASES, 2), want)


@pytest.mark.parametrize("schedule", NO_STEPS)
def test_schedules_refuse_no_steps(schedule: str) -> None:
    """07.4 Building each schedule with 0 steps, and with -3."""
    less = schedule.removesuffix("0)") + "-3)"
    assert_raises(rates, f"tt.{schedule}", [0.1], 0, error="ValueError", says=("0",))
    assert_raises(rates, f"tt.{less}", [0.1], 0, error="ValueError", says=("-3",))


def half_cosine(start: float, end: float, share: Any) -> Any:
    """From start to end as the share of the way runs from 0 to 1."""
    return end + (start - end) * (1 + np.cos(np.pi * share)) / 2


@pytest.mark.parametrize("name", ["step", "step-gamma"])
def test_step_lr(name: str) -> None:
    """07.5 Rates that PyTorch gives."""
    assert_rates(rates(SCHEDULES[name][0], BASES, SCHEDULES[name][1]), torch_knows(name))


def torch_knows(name: str) -> Any:
    """PyTorch's rates of a schedule."""
    return oracle.own("07", f"rates/{name}")


@settings(max_examples=20)
@example(base=4, size=2, steps=5, gamma=0)
@given(
    base=st.integers(1, 40),
    size=st.integers(1, 9),
    steps=st.integers(0, 30),
    gamma=st.integers(0, 4),
)
def test_step_lr_formula(base: int, size: int, steps: int, gamma: int) -> None:
    """07.5 Drawn settings, by the formula."""
    got = rates(f"tt.StepLR(optimizer, {size}, gamma={gamma / 4})", [base / 8], steps)
    assert_rates(got[:, 0], base / 8 * (gamma / 4) ** (np.arange(steps + 1) // size))


@observe
def rates_at_drops(tt: Any, sizes: int, times: int) -> Any:
    optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=0.5)
    made = [(size, tt.StepLR(optimizer, size, gamma=0.5)) for size in range(1, sizes)]
    return [[m.lr_at(1.0, times * size + late) for size, m in made] for late in (-1, 0)]


def test_step_lr_drops_at_its_step() -> None:
    """07.5 step_size from 1 to 199: the rate just before the third drop, and at it."""
    assert_equal(rates_at_drops(200, 3), want=[[0.25] * 199, [0.125] * 199])


@pytest.mark.parametrize("name", ["warmup", "warmup-4"])
def test_linear_warmup(name: str) -> None:
    """07.6 Rates that PyTorch gives."""
    assert_rates(rates(SCHEDULES[name][0], BASES, SCHEDULES[name][1]), torch_knows(name))


@settings(max_examples=20)
@example(base=4, total=4, factor=0)
@example(base=4, total=4, factor=16)  # a line downwards
@given(base=st.integers(1, 40), total=st.integers(1, 9), factor=st.integers(0, 16))
def test_linear_warmup_formula(base: int, total: int, factor: int) -> None:
    """07.6 Drawn settings, by the formula."""
    got = rates(f"tt.LinearWarmup(optimizer, {factor / 8}, {total})", [base / 8], 12)
    want = base / 8 * np.interp(np.arange(13), [0, total], [factor / 8, 1.0])
    assert_rates(got[:, 0], want)


@pytest.mark.parametrize("name", ["cosine", "cosine-min"])
def test_cosine_annealing(name: str) -> None:
    """07.7 Rates that PyTorch gives."""
    assert_rates(rates(SCHEDULES[name][0], BASES, SCHEDULES[name][1]), torch_knows(name))


@settings(max_examples=20)
@example(base=1, half=4, steps=9, low=8)  # eta_min above the base
@example(base=0, half=4, steps=9, low=8)  # no rate to begin with
@given(
    base=st.integers(1, 40), half=st.integers(1, 9), steps=st.integers(0, 30), low=st.integers(0, 9)
)
def test_cosine_annealing_formula(base: int, half: int, steps: int, low: int) -> None:
    """07.7 Drawn settings, by the formula."""
    got = rates(f"tt.CosineAnnealingLR(optimizer, {half}, {low / 8})", [base / 8], steps)
    assert_rates(got[:, 0], half_cosine(base / 8, low / 8, np.arange(steps + 1) / half))


@pytest.mark.parametrize("name", ["one-cycle", "one-cycle-late", "one-cycle-short"])
def test_one_cycle(name: str) -> None:
    """07.8 Rates that PyTorch gives."""
    assert_rates(rates(SCHEDULES[name][0], BASES, SCHEDULES[name][1]), torch_knows(name))


LAST = 1 / 8  # the last rate of max_lr 1, div_factor 4, final_div_factor 2
FALL = [LAST + (1 - LAST) * (1 + math.cos(math.pi * t / 4)) / 2 for t in (1, 2, 3)]


@settings(max_examples=20)
@example(top=4, half=2)  # the shortest way up, from step 0 to step 1
@given(top=st.integers(1, 16), half=st.integers(2, 30))
def test_one_cycle_formula(top: int, half: int) -> None:
    """07.8 Drawn settings, by the formula."""
    total, peak, t = 2 * half, half - 1, np.arange(2 * half)
    base = [0.3, 0.0]  # plays no part
    got = rates(f"tt.OneCycleLR(optimizer, {top / 8}, {total}, 0.5, 8, 4)", base, total - 1)
    up = half_cosine(top / 64, top / 8, t / peak)
    down = half_cosine(top / 8, top / 256, (t - peak) / (total - 1 - peak))
    assert_rates(got, np.where(t <= peak, up, down)[:, None] * np.ones(2))


@pytest.mark.parametrize(
    ("share", "want"),
    [
        ("4, 0.25", [1.0, 0.75 + 0.25 * LAST, 0.25 + 0.75 * LAST, LAST, LAST]),
        ("4, 0", [FALL[0], FALL[1], FALL[2], LAST, LAST]),
        ("4, 1", [0.25, 0.4375, 0.8125, 1.0, LAST]),
        ("1, 0.3", [LAST, LAST]),
        ("1, 1", [1.0, LAST]),
    ],
    ids=["peak-at-0", "peak-before-0", "peak-at-the-end", "one-step", "one-step-up"],
)
def test_one_cycle_of_one_way(share: str, want: list[float]) -> None:
    """07.8 With its peak at step 0, before it, or at the last step, OneCycleLR goes one way only."""
    got = rates(f"tt.OneCycleLR(optimizer, 1, {share}, 4, 2)", [0.3], len(want) - 1)[:, 0]
    assert_rates(got, np.array(want))


@pytest.mark.parametrize("share", [30, -0.5, 1.5, math.nan], ids=str)
def test_one_cycle_refuses_what_is_no_share(share: float) -> None:
    """07.8 Building it with 30, -0.5, 1.5 and nan."""
    call = f"tt.OneCycleLR(optimizer, 0.5, 6, pct_start=float('{share}'))"
    assert_raises(rates, call, [0.1], 0, error="ValueError", says=(str(share),))


def test_one_cycle_ends() -> None:
    """07.8 The last allowed step, and the one after it."""
    highest = rates("tt.OneCycleLR(optimizer, 0.5, 6)", [0.1], 6).max()
    assert_above(highest, limit=0.4, what="the highest rate on the way")
    over = ("tt.OneCycleLR(optimizer, 0.5, 6)", [0.1], 7)
    assert_raises(rates, *over, error="ValueError", says=("6", "7"))


@observe
def steps_beyond_the_end(tt: Any, total: int) -> Any:
    optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=0.1)
    schedule, seen = tt.OneCycleLR(optimizer, 0.5, total), []
    for _ in range(total + 2):
        try:
            schedule.step()
        except ValueError as error:
            seen.append([schedule.steps, schedule.get_last_lr()[0], str(total + 1) in str(error)])
    return {"refused": seen, "last": schedule.lr_at(0.1, total)}


def test_one_cycle_refuses_again() -> None:
    """07.8 Two steps too many: both are refused, and neither changes step or rate."""
    got, total = steps_beyond_the_end(46), 46
    assert_equal(got["refused"], want=[[total, got["last"], True]] * 2)


@observe
def resumed_rates(tt: Any, schedule: str, base_lrs: Any, stop: int, more: int) -> Any:
    def build(lrs):
        groups = [{"params": [tt.Tensor([1.0], requires_grad=True)], "lr": lr} for lr in lrs]
        optimizer = tt.SGD(groups, lr=0.1)
        return optimizer, eval(schedule, {"tt": tt, "optimizer": optimizer})

    first = build(base_lrs)[1]
    for _ in range(stop):
        first.step()
    optimizer, second = build([9.0 for _ in base_lrs])
    second.load_state_dict(first.state_dict())
    seen = [[group["lr"] for group in optimizer.param_groups]]
    for _ in range(more):
        second.step()
        seen.append([group["lr"] for group in optimizer.param_groups])
    return np.array(seen)


RESUMED = ["step", "warmup", "cosine", "one-cycle"]


@pytest.mark.parametrize("name", RESUMED, ids=[f"load_state_dict-{n}" for n in RESUMED])
def test_schedule_resumes(name: str) -> None:
    """07.9 Rates with and without a break."""
    whole = rates(SCHEDULES[name][0], BASES, 7)
    assert_rates(resumed_rates(SCHEDULES[name][0], BASES, 3, 4), whole[3:], first=3)


@observe
def schedules_that_load(tt: Any, schedule: str, steps: int, base_lr: float) -> Any:
    def build():
        optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=9.0)
        return eval(schedule, {"tt": tt, "optimizer": optimizer})

    found, names = {}, ("rates of a new schedule", "of one that had made steps")
    for name, before in zip(names, (0, steps), strict=True):
        made = build()
        for _ in range(before):
            made.step()
        made.load_state_dict({"steps": 1, "base_lrs": [base_lr]})
        found[name] = made.get_last_lr()
        for _ in range(3):
            made.step()
            found[name] += made.get_last_lr()
    return {name: np.array(rates) for name, rates in found.items()}


@pytest.mark.parametrize("name", ["step", "warmup-4", "cosine-min", "one-cycle"])
def test_schedule_forgets_its_past(name: str) -> None:
    """07.9 A state with another base rate and a step that has been, for a new schedule and a used one."""
    runs = schedules_that_load(SCHEDULES[name][0], 5, real(0.5, 0.2, 0.9))
    assert_alike(runs, *runs)


@observe
def load_other_groups(tt: Any, saved: Any, loading: Any) -> Any:
    def build(lrs):
        groups = [{"params": [tt.Tensor([1.0], requires_grad=True)], "lr": lr} for lr in lrs]
        return tt.StepLR(tt.SGD(groups, lr=0.1), 3)

    build(loading).load_state_dict(build(saved).state_dict())


def test_schedule_refuses_other_groups() -> None:
    """07.9 A state of three groups for a schedule of two, and the other way round."""
    sizes = ([0.1] * integer(3, 3, 99), [0.1, 0.2])
    says = (str(len(sizes[0])), "2")
    assert_raises(load_other_groups, *sizes, error="ValueError", says=says)
    assert_raises(load_other_groups, *sizes[::-1], error="ValueError", says=says)


@observe
def load_too_far(tt: Any, base_lr: float) -> Any:
    def build(lr, total):
        optimizer = tt.SGD([tt.Tensor([1.0], requires_grad=True)], lr=lr)
        return tt.OneCycleLR(optimizer, max_lr=lr, total_steps=total)

    far, short = build(base_lr, 9), build(0.5, 3)
    for _ in range(6):
        far.step()
    before = [short.state_dict(), short.get_last_lr()]
    try:
        short.load_state_dict(far.state_dict())
    except ValueError:
        return {"unchanged": [short.state_dict(), short.get_last_lr()] == before}
    return "no error"


def test_schedule_refused_is_unchanged() -> None:
    """07.9 The schedule after a state that was refused."""
    assert_equal(load_too_far(0.125), want={"unchanged": True})


@observe
def state_of_a_schedule(tt: Any, base_lrs: Any) -> Any:
    def build(lrs, gamma):
        groups = [{"params": [tt.Tensor([1.0], requires_grad=True)], "lr": lr} for lr in lrs]
        return tt.StepLR(tt.SGD(groups, lr=0.1), 1, gamma)

    first, second = build(base_lrs, 0.5), build([9.0 for _ in base_lrs], 0.25)
    first.step()
    state = first.state_dict()
    first.step()
    kept = repr(sorted(state.items()))
    second.load_state_dict(state)
    state["base_lrs"][0] = 99.0
    first.step()
    second.step()
    return {"state": kept, "saved one": first.get_last_lr(), "loaded one": second.get_last_lr()}


def test_schedule_state_is_a_copy() -> None:
    """07.9 What is in a state, one that is written to after loading, and a schedule with another gamma."""
    want = {"saved one": [1 / 8, 1 / 16], "loaded one": [1 / 16, 1 / 32]}
    state = repr([("base_lrs", [1.0, 0.5]), ("steps", 1)])
    assert_equal(state_of_a_schedule([1.0, 0.5]), want={"state": state} | want)


@observe
def refused_by_one_group(tt: Any, states: Any) -> Any:
    class Picky(tt.Schedule):
        def lr_at(self, base_lr, step):
            if base_lr * step > 1:
                raise ValueError(f"no rate at step {step}")
            return base_lr / (1 + step)

    groups = [{"params": [tt.Tensor([1.0], requires_grad=True)], "lr": lr} for lr in (0.25, 0.5)]
    schedule, found = Picky(tt.SGD(groups, lr=0.1)), []
    schedule.step()
    for steps, base_lrs in states:
        before = repr([schedule.steps, schedule.base_lrs, schedule.get_last_lr()])
        try:
            schedule.load_state_dict({"steps": steps, "base_lrs": base_lrs})
        except ValueError:
            found.append(
                repr([schedule.steps, schedule.base_lrs, schedule.get_last_lr()]) == before
            )
    return {"unchanged": found}


def test_schedule_refused_by_one_group_is_unchanged() -> None:
    """07.9 A state whose second group has no rate, and states of one group and of three."""
    states = [(3, [0.125, 0.75]), (2, [0.125]), (2, [0.125] * 3)]
    assert_equal(refused_by_one_group(states), want={"unchanged": [True] * 3})


# ---- 07.10 and 07.11: clipping -------------------------------------------------------------------


@observe
def clipped(tt: Any, gradients: Any, max_norm: float) -> Any:
    parameters = [tt.Tensor(np.zeros(np.shape(g)), requires_grad=True) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    norm = tt.clip_grad_norm_((p for p in parameters), max_norm)
    pairs = zip(parameters, gradients, strict=True)
    same = all(p.grad is g or np.shares_memory(p.grad, g) for p, g in pairs)
    return {
        "norm": norm,
        "gradients": [p.grad for p in parameters],
        "in place": same,
        "type": type(norm).__name__,
    }


def test_clip_example() -> None:
    """07.10 The worked example."""
    got = clipped([np.array([3.0, 0.0]), np.array([[4.0]])], 1.0)
    assert_close(got["norm"], want=5.0)
    assert_close(
        got["gradients"], want=[np.array([3.0, 0.0]) / (5 + 1e-6), np.array([[4.0]]) / (5 + 1e-6)]
    )
    assert_equal([got["in place"], got["type"]], want=[True, "float"])


CLIPPING = {
    "tight": ([(2, 3), (5,), ()], 0.5),
    "one": ([(4, 3)], 2.0),
    "near": ([(3,), (2, 2)], 1.0),
}


def to_clip(shapes: Any, base: int = 0) -> list[Any]:
    """Gradients of some shapes."""
    return [fill(s, 40 + i, base=base) for i, s in enumerate(shapes)]


def torch_clipped(torch: Any) -> dict[str, Any]:
    """The norm and the clipped gradients of every case."""
    found = {}
    for name, (shapes, max_norm) in CLIPPING.items():
        parameters = [torch.zeros(s, dtype=torch.float64, requires_grad=True) for s in shapes]
        for parameter, gradient in zip(parameters, to_clip(shapes), strict=True):
            parameter.grad = torch.tensor(gradient)
        found[f"clip/{name}/norm"] = torch.nn.utils.clip_grad_norm_(parameters, max_norm).numpy()
        found |= {f"clip/{name}/{i}": p.grad.numpy() for i, p in enumerate(parameters)}
    return found


@pytest.mark.parametrize("name", CLIPPING)
def test_clip(name: str) -> None:
    """07.10 Drawn gradients: values that PyTorch gives."""
    shapes, max_norm = CLIPPING[name]
    got = clipped(to_clip(shapes), max_norm)
    assert_close(
        got["gradients"], want=[oracle.own("07", f"clip/{name}/{i}") for i in range(len(shapes))]
    )
    assert_close(got["norm"], want=oracle.own("07", f"clip/{name}/norm"))


@settings(max_examples=20)
@given(seed=seeds, max_norm=st.integers(1, 40))
def test_clip_keeps_the_direction(seed: int, max_norm: int) -> None:
    """07.10 Drawn gradients: each one times the same factor."""
    gradients = [fill((2, 3), seed), fill((4,), seed + 1) * 3]
    norm = math.sqrt(sum(float((g * g).sum()) for g in gradients))
    assume(abs(norm - max_norm / 8) > 1e-5)  # there both are right: to multiply and to leave it
    got = clipped(gradients, max_norm / 8)
    assert_close(
        got["gradients"], want=[g * min(1.0, max_norm / 8 / (norm + 1e-6)) for g in gradients]
    )
    assert_close(got["norm"], want=norm)


def test_clip_leaves_small_gradients_alone() -> None:
    """07.11 A norm below max_norm; the gradients before and after."""
    gradients = [normal(3, 5), normal(7, seed=1)]
    got = clipped(gradients, 100.0)
    assert_equal(got["gradients"], want=gradients)
    assert_close(got["norm"], want=math.sqrt(sum(float((g * g).sum()) for g in gradients)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_clip_leaves_numbers_far_apart_alone(dtype: str) -> None:
    """07.11 The largest and the smallest number of a dtype together, below max_norm."""
    of = np.finfo(dtype)
    gradients = [np.array([of.max, -of.smallest_subnormal], dtype), np.array([of.tiny / 2], dtype)]
    got = clipped(gradients, math.inf)["gradients"]
    assert_equal([g.tolist() for g in got], want=[g.tolist() for g in gradients])


@pytest.mark.parametrize("max_norm", [0.5, math.inf], ids=str)
def test_clip_leaves_zeros_alone(max_norm: float) -> None:
    """07.11 Gradients that are zero, -0.0 or empty; the norm is 0.0. And no limit at all."""
    got = clipped([np.array([0.0, -0.0]), np.zeros((0, 3))], max_norm)
    assert_equal(
        [got["norm"], got["type"], repr(got["gradients"][0].tolist())],
        want=[0.0, "float", "[0.0, -0.0]"],
    )
    free = clipped([np.array([3.0, -4.0])], 20 * max_norm)
    assert_equal([free["norm"], free["gradients"][0].tolist()], want=[5.0, [3.0, -4.0]])


@observe
def clipped_with_gaps(tt: Any, gradient: Any, max_norm: float) -> Any:
    used, unused = (tt.Tensor(np.zeros(3), requires_grad=True) for _ in range(2))
    none = [[unused], unused, [], iter(()), {}.values()]
    nothing = [tt.clip_grad_norm_(of, max_norm) for of in none]
    used.grad = gradient
    norm = tt.clip_grad_norm_([unused, used], max_norm)
    alone = tt.clip_grad_norm_(used, max_norm)
    weight = tt.Linear(3, 1).weight
    weight.grad = np.array([[6.0, -3.0, 6.0]])
    return {
        "nothing": [str(n) for n in nothing],
        "norm": norm,
        "unused": unused.grad is None,
        "alone": alone,
        "parameter": [tt.clip_grad_norm_(weight, max_norm), weight.grad],
    }


def test_clip_passes_over_missing_gradients() -> None:
    """07.11 Parameters with and without a gradient; a single tensor or parameter; none at all."""
    got = clipped_with_gaps(np.array([2.0, -1.0, 2.0]), 1.5)
    assert_equal([got["nothing"], got["norm"], got["unused"]], want=[["0.0"] * 5, 3.0, True])
    assert_close(got["alone"], want=1.5 * 3 / (3 + 1e-6))
    assert_close(got["parameter"], want=[9.0, np.array([[2.0, -1.0, 2.0]]) * (4.5 / (9 + 1e-6))])


@observe
def clipped_by(tt: Any, parameters: str, max_norm: float) -> Any:
    used, unused = (tt.Tensor(np.zeros(3), requires_grad=True) for _ in range(2))
    used.grad = np.array([3.0, 0.0, 4.0])
    return tt.clip_grad_norm_(eval(parameters, {"used": used, "unused": unused}), max_norm)


@pytest.mark.parametrize("parameters", ["[used, unused]", "used", "[unused]", "unused", "[]"])
@pytest.mark.parametrize("max_norm", [0.0, -1.5, float("nan")], ids=str)
def test_clip_refuses(max_norm: float, parameters: str) -> None:
    """07.11 max_norm of 0, below 0, and nan; also where no gradient is there."""
    says = (str(max_norm).removesuffix(".0"),)
    assert_raises(clipped_by, parameters, max_norm, error="ValueError", says=says)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_keeps_the_dtype(dtype: str) -> None:
    """07.10 float32 gradients, and float64."""
    got = clipped([dyadic(2, 3).astype(dtype)], 0.25)["gradients"][0]
    assert_close(
        got, want=(dyadic(2, 3) * (0.25 / (np.linalg.norm(dyadic(2, 3)) + 1e-6))).astype(dtype)
    )


def test_clip_in_place_in_any_layout() -> None:
    """07.10 Gradients of any memory order, 0-d, empty, and of two dtypes: one norm for all."""
    x = dyadic(3, 4)
    laid = [np.asfortranarray(x), np.flip(x.copy()), np.repeat(x, 2, axis=1)[:, ::2]]
    gradients = [*laid, np.array(-0.5), np.zeros((0, 3)), x.astype(np.float32).T]
    norm = math.sqrt(sum(float(np.square(g, dtype=float).sum()) for g in gradients))
    got, dtypes = clipped(gradients, 0.25), [g.dtype.name for g in gradients]
    assert_equal([got["in place"], [g.dtype.name for g in got["gradients"]]], want=[True, dtypes])
    found = [np.float32(g) for g in (got["norm"], *got["gradients"])]  # float32 may be its sum
    assert_close(found, want=[np.float32(g) for g in (norm, *(g * 0.25 / norm for g in gradients))])


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float16", 100.0), ("float32", 1e30), ("float64", 1e200)],
    ids=["float16", "float32", "float64"],
)
def test_clip_does_not_overflow(dtype: str, size: float) -> None:
    """07.10 Gradients whose squares are too large for their dtype: the norm, and what is clipped."""
    got = clipped([np.array([-3 * size, 1.0], dtype), np.array([-4 * size], dtype)], 1.0)
    assert_equal(round(got["norm"] / size, 2), want=5.0)
    clipped_to = [(np.round(g.astype(float), 2) + 0.0).tolist() for g in got["gradients"]]
    assert_equal(clipped_to, want=[[-0.6, 0.0], [-0.8]])


@pytest.mark.parametrize(
    ("dtype", "size"), [("float16", 2.0**-12), ("float32", 1e-30), ("float64", 1e-200)]
)
def test_clip_loses_no_small_gradient(dtype: str, size: float) -> None:
    """07.10 Gradients whose squares are too small for their dtype have a norm too, below max_norm."""
    gradients = [np.array([-3 * size, 0.0], dtype), np.array([-4 * size], dtype)]
    got = clipped(gradients, 1.0)
    assert_equal(round(got["norm"] / size, 2), want=5.0)
    assert_equal([g.tolist() for g in got["gradients"]], want=[g.tolist() for g in gradients])


def all_nan(arrays: Any) -> str:
    """The text of arrays of these shapes that hold nothing but nan."""
    return str([np.full(np.shape(a), math.nan).tolist() for a in arrays])


@pytest.mark.parametrize("beside", [3.0, 0.0, math.inf, -math.inf], ids=str)
def test_clip_hides_no_nan(beside: float) -> None:
    """07.10 One nan, beside finite gradients, zeros and infinities; other gradients before it and after it."""
    broken = np.array([beside, math.nan])
    gradients = [np.array([400.0]), np.zeros(2), broken, np.array([[-0.5]]), np.zeros(1)]
    got = clipped(gradients, 1.0)
    assert_equal(str([g.tolist() for g in got["gradients"]]), want=all_nan(gradients))
    assert_equal(str(got["norm"]), want="nan")


@pytest.mark.parametrize("order", list(permutations(["inf", "nan", "2.0"])), ids="-".join)
@pytest.mark.parametrize("apart", [True, False], ids=["each-alone", "together"])
def test_clip_finds_a_nan_anywhere(order: Any, apart: bool) -> None:
    """07.10 nan before, between and behind inf and 2.0, in three gradients and in one."""
    numbers = np.array(list(map(float, order)))
    gradients = list(numbers.reshape(-1, 1)) if apart else [numbers]
    got = clipped(gradients, 1.0)
    assert_equal(str([g.tolist() for g in got["gradients"]]), want=all_nan(gradients))
    assert_equal(str(got["norm"]), want="nan")


@observe
def norm_of_equal_numbers(tt: Any, number: float, count: int, dtype: str) -> Any:
    parameters = [tt.Tensor(np.zeros(count), requires_grad=True) for _ in range(2)]
    for parameter in parameters:
        parameter.grad = np.full(count, number, dtype)
    return tt.clip_grad_norm_(parameters, 1e6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("number", [-1.0, 0.3])
def test_clip_sums_many_numbers(number: float, dtype: str) -> None:
    """07.10 The norm of two times 50,000 equal numbers."""
    want = abs(float(np.array(number, dtype))) * math.sqrt(100_000)
    assert_equal(round(norm_of_equal_numbers(number, 50_000, dtype), 2), want=round(want, 2))


# ---- 07.12 and 07.13: one step -------------------------------------------------------------------


@observe
def steps_by_hand(
    tt: Any,
    weight: float,
    x: Any,
    y: Any,
    steps: int = 1,
    clip: float | None = None,
    accumulate: int = 1,
    stale: float = 0.0,
) -> Any:
    model = tt.Linear(1, 1, bias=False)
    (w,) = model.parameters()
    w.data = np.array([[weight]])
    w.grad = np.array([[stale]])
    trainer = tt.Trainer(
        model, tt.SGD([w], lr=0.1), loss=tt.mse_loss, clip=clip, accumulate=accumulate
    )
    losses = [trainer.train_step(x, y) for _ in range(steps)]
    return {
        "w": w.data[0, 0],
        "losses": losses,
        "type": type(losses[0]).__name__,
        "counts": [trainer.steps, trainer.seen],
        "sum": trainer.loss_sum,
        "last": trainer.last_loss,
    }


PENCIL = (np.array([[1.0], [3.0]]), np.array([[0.0], [3.0]]))


def test_step_example() -> None:
    """07.12 The worked example: loss and weights of one step."""
    w = real(2.0, 1.5, 3.0)
    got = steps_by_hand(w, *PENCIL)
    want = {"loss": (w**2 + (3 * w - 3) ** 2) / 2, "w": w - 0.1 * (10 * w - 9)}
    assert_close({"loss": got["losses"][0], "w": got["w"]}, want=want, terms=10.0)
    assert_equal(got["type"], want="float")


def test_step_clears_old_gradients() -> None:
    """07.12 A gradient that was there before."""
    assert_close(steps_by_hand(2.0, *PENCIL, stale=100.0)["w"], want=0.9)
    assert_close(steps_by_hand(2.0, *PENCIL, steps=2)["w"], want=0.9 - 0.1 * (0.9 + 3 * (2.7 - 3)))


def test_step_clips() -> None:
    """07.12 One update with clip=1 and a gradient of 11."""
    assert_close(steps_by_hand(2.0, *PENCIL, clip=1.0)["w"], want=2 - 0.1 * 11 / (11 + 1e-6))


@observe
def step_of_two_groups(tt: Any, x: Any, y: Any, clip: Any) -> Any:
    model = tt.Sequential(tt.Linear(3, 4), tt.Linear(4, 4), tt.Linear(4, 4))
    scale = tt.Parameter([1.0])
    groups = [{"params": [*model[0].parameters(), scale]}, {"params": list(model[1].parameters())}]
    trainer = tt.Trainer(
        model, tt.SGD(groups, lr=0.0), loss=lambda o, y: tt.cross_entropy(o * scale, y), clip=clip
    )
    found = []
    for times in (1, 3, 1):
        trainer.train_step(times * x, y)
        found.append([np.array(p.grad) for p in (*model.parameters(), scale)])
    norm = float(np.sqrt(sum((p.grad**2).sum() for p in model.parameters())))
    return {"first step": found[0], "the same after another": found[2], "norm": norm}


def test_step_of_parameters_elsewhere() -> None:
    """07.12 A step clears the gradients of two groups, of a layer in no group and of the loss's parameter, and clips the model's."""
    got = step_of_two_groups(*data(), None)
    assert_alike(got, "first step", "the same after another")
    assert_close(step_of_two_groups(*data(), 0.01)["norm"], want=0.01, terms=1e4)


def test_step_counts() -> None:
    """07.12 steps, seen, loss_sum and last_loss after two steps."""
    got = steps_by_hand(2.0, *PENCIL, steps=2)
    assert_equal(got["counts"], want=[2, 4])
    assert_close(
        {"loss_sum": got["sum"], "last_loss": got["last"]},
        want={"loss_sum": 2 * sum(got["losses"]), "last_loss": got["losses"][1]},
    )


@observe
def step_rates(tt: Any, x: Any, y: Any) -> Any:
    seen, model = [], tt.Linear(3, 4)

    class Recorder(tt.SGD):
        def step(self, *args, **keywords):
            seen.append([schedule.steps, self.param_groups[0]["lr"]])
            super().step(*args, **keywords)

    optimizer = Recorder(model.parameters(), lr=0.5)
    schedule = tt.StepLR(optimizer, 1, gamma=0.5)
    trainer = tt.Trainer(model, optimizer, schedule=schedule)
    for _ in range(3):
        trainer.train_step(x, y)
    return {"updates": seen, "after": [schedule.steps, schedule.get_last_lr()[0]]}


def test_step_moves_the_schedule_last() -> None:
    """07.12 The first update has the rate of step 0."""
    assert_equal(
        step_rates(*data()),
        want={"updates": [[0, 0.5], [1, 0.25], [2, 0.125]], "after": [3, 0.0625]},
    )


@observe
def steps_of_a_short_schedule(tt: Any, x: Any, y: Any, how: str) -> Any:
    model = tt.Linear(3, 4)
    optimizer = tt.SGD(model.parameters(), lr=0.5)
    schedule = tt.OneCycleLR(optimizer, max_lr=0.5, total_steps=2)
    trainer = tt.Trainer(model, optimizer, schedule=schedule)
    weights, stopped, update = [model.weight.data.copy()], "no error", optimizer.step

    def step():
        update()
        weights.append(model.weight.data.copy())

    optimizer.step = step
    try:
        if how == "fit":
            trainer.fit(x, y, 5, len(x))
        for _ in range(5):
            trainer.train_step(x, y)
    except ValueError as error:
        stopped = str(error)
    return {
        "says": stopped,
        "steps": trainer.steps,
        "updates": len(weights) - 1,
        "seen": trainer.seen + trainer.epoch * len(x),
    }


@pytest.mark.parametrize("how", ["train_step", "fit"])
def test_step_of_a_schedule_that_runs_out(how: str) -> None:
    """07.12 The last step of a schedule, and one more."""
    got = steps_of_a_short_schedule(*data(7), how)
    updates = got["updates"]
    assert_equal("total_steps" in got["says"], want=True)
    assert_equal([got["steps"], got["seen"]], want=[updates, updates * 7])


@observe
def clip_to_nothing(tt: Any, x: Any, y: Any) -> Any:
    model = tt.Linear(3, 4)
    return tt.Trainer(model, tt.SGD(model.parameters(), lr=0.5), clip=0.0).train_step(x, y)


def test_step_refuses_to_clip_to_nothing() -> None:
    """07.12 clip=0.0 is given, too: no positive max_norm."""
    assert_raises(clip_to_nothing, *data(), error="ValueError", says=("0",))


@observe(uses=(built,))
def arrays_and_tensors(tt: Any, weights: Any, x: Any, y: Any) -> Any:
    found = {}
    for name, kind in (("arrays", np.asarray), ("tensors", tt.Tensor)):
        model = built(tt, weights)
        trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.5), accumulate=2)
        loss = trainer.train_step(kind(x), kind(y))
        history = trainer.fit(kind(x), kind(y), 1, 4, validation=(kind(x), kind(y)))
        found[name] = {"loss": loss, "weights": [p.data for p in model.parameters()]}
        found[name] |= {"seen": trainer.steps, "history": [*history[0].values()]}
    return found


def test_steps_on_tensors() -> None:
    """07.12 train_step, and fit after it, on arrays and on tensors."""
    got = arrays_and_tensors(network(), *data(7))
    assert_equal(got["tensors"].pop("seen"), want=got["arrays"].pop("seen"))
    assert_alike(got, "arrays", "tensors")


@observe(uses=(built,))
def step_in_parts(tt: Any, weights: Any, x: Any, y: Any, accumulate: int, clip: Any = None) -> Any:
    model = built(tt, weights)
    optimizer = tt.SGD(model.parameters(), lr=0.5, momentum=0.9)
    schedule = tt.StepLR(optimizer, 1, gamma=0.5)
    options = {"schedule": schedule, "accumulate": accumulate, "clip": clip}
    trainer = tt.Trainer(model, optimizer, **options)
    losses = [trainer.train_step(x, y) for _ in range(2)]
    return {
        "losses": losses,
        "weights": [p.data for p in model.parameters()],
        "counts": [trainer.steps, trainer.seen, schedule.steps],
    }


def test_accumulation_example() -> None:
    """07.13 Two parts of one sample each: loss 2 + 4.5, gradient 2 + 9, as for the whole batch."""
    w = real(2.0, 1.5, 3.0)
    got = steps_by_hand(w, *PENCIL, accumulate=2)
    want = {"loss": (w**2 + (3 * w - 3) ** 2) / 2, "w": w - 0.1 * (10 * w - 9)}
    assert_close({"loss": got["losses"][0], "w": got["w"]}, want=want, terms=10.0)


@observe
def sizes_of_parts(tt: Any, rows: int, accumulate: int) -> Any:
    sizes, model = [], tt.Linear(1, 1)

    def loss(logits, y):
        sizes.append(len(y))
        return tt.mse_loss(logits, y)

    optimizer = tt.SGD(model.parameters(), lr=0.1)
    trainer = tt.Trainer(model, optimizer, loss=loss, accumulate=accumulate)
    trainer.train_step(np.ones((rows, 1), np.float32), np.ones((rows, 1), np.float32))
    return sorted(sizes)


@pytest.mark.parametrize(("rows", "k"), [(6, 4), (7, 5), (9, 2), (4, 4), (3, 7), (8, 1)], ids=str)
def test_accumulation_works_in_parts(rows: int, k: int) -> None:
    """07.13 How many samples the parts have together, and how many the largest has."""
    sizes = sizes_of_parts(rows, k)
    want = {"together": rows, "the largest part": -(-rows // min(rows, k))}
    assert_equal({"together": sum(sizes), "the largest part": max(sizes)}, want=want)


@pytest.mark.parametrize(
    ("rows", "accumulate"),
    [(8, 2), (8, 4), (7, 2), (7, 3), (7, 5)],
    ids=[f"train_step-{n}-in-{k}" for n, k in ((8, 2), (8, 4), (7, 2), (7, 3), (7, 5))],
)
def test_accumulation_equals_the_big_batch(rows: int, accumulate: int) -> None:
    """07.13 Losses and weights of the whole batch and of k parts."""
    x, y = data(rows)
    whole, parts = (step_in_parts(network(), x, y, k) for k in (1, accumulate))
    for part in ("losses", "weights"):
        runs = {f"{part} of the whole batch": whole[part], f"{part} of the parts": parts[part]}
        assert_alike(runs, *runs)


@observe(uses=(built,))
def step_with_ignored(tt: Any, weights: Any, x: Any, y: Any, accumulate: int, loss: str) -> Any:
    model = built(tt, weights)
    optimizer = tt.SGD(model.parameters(), lr=0.5)
    options = {"loss": eval(loss, {"tt": tt}), "accumulate": accumulate}
    options["metrics"] = [lambda logits, y: 0.5]
    trainer = tt.Trainer(model, optimizer, **options)
    return {
        "before": trainer.evaluate(x, y, -(-len(x) // accumulate))["loss"],
        "loss": trainer.train_step(x, y),
        "weights": [p.data for p in model.parameters()],
        "loss a sample": trainer.loss_sum / len(x),
        "seen": trainer.seen,
    }


IGNORED = {
    "a-part": ("tt.cross_entropy", [-100, -100, -100, -100, 1, 1, 3]),
    "some": ("tt.cross_entropy", [0, -100, 2, 1, -100, -100, 3]),
    "own-index": ("tt.CrossEntropyLoss(ignore_index=2)", [2, 2, 2, 2, 1, 0, 3]),
    "index-0": ("tt.CrossEntropyLoss(ignore_index=0)", [0, 0, 3, 0, 1, 2, 0]),
    "texts": (
        "lambda logits, y: tt.cross_entropy(logits.reshape(-1, 2, 2), y)",
        [[0, 1], [1, 1], [0, -100], [-100, 1], [-100, -100], [1, 0], [-100, 0]],
    ),
    "class-156": (  # what -100 becomes in uint8
        "lambda logits, y: tt.cross_entropy(logits.pad((156, 0)), y)",
        [156, 157, 156, 158, 159, 156, 157],
    ),
}
TARGETS = [
    *product(list(IGNORED)[:-1], ("int64", "int16")),
    ("own-index", "uint8"),
    ("index-0", "uint8"),
]
TARGETS += [("class-156", "uint8")]


@pytest.mark.parametrize(("name", "dtype"), TARGETS)
def test_accumulation_passes_over_ignored_targets(name: str, dtype: str) -> None:
    """07.13 Targets of -100 in one part, in several, in rows of two, and an ignore_index of one's own; the books, too."""
    (loss, y), x = IGNORED[name], data(7)[0]
    y = np.array(y, dtype)
    whole, *others = (step_with_ignored(network(), x, y, k, loss) for k in (1, 2, 3))
    for parts in (whole, *others):
        assert_close({"loss of the step": parts["loss"]}, want={"loss of the step": whole["loss"]})
        assert_close(parts["weights"], want=whole["weights"])
        # the books count samples, not the targets among them
        books = {"loss_sum / samples": parts["loss a sample"]}
        assert_close(books, want={"loss_sum / samples": whole["loss"]})
        assert_equal(parts["seen"], want=len(x))


def test_accumulation_counts_float_targets() -> None:
    """07.13 Only integers are class numbers: a float target of -100 counts like any other."""
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([[-100.0], [4.0], [1.0]])
    whole, parts = (steps_by_hand(2.0, x, y, accumulate=k) for k in (1, 2))
    assert_close([parts["w"], *parts["losses"]], want=[whole["w"], *whole["losses"]])


def test_accumulation_is_one_step() -> None:
    """07.13 Clipped once, counted once; more parts than samples."""
    x, y = data(7)
    whole, parts = (step_in_parts(network(), x, y, k, clip=0.1) for k in (1, 9))
    assert_close(parts["weights"], want=whole["weights"])
    assert_equal(parts["counts"], want=[2, 14, 2])


@observe
def step_memory(tt: Any, rows: int, accumulate: int) -> Any:
    import tracemalloc

    model = tt.Sequential(
        tt.Linear(3, 64), tt.Tanh(), tt.Linear(64, 64), tt.Tanh(), tt.Linear(64, 4)
    )
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), accumulate=accumulate)
    x, y = np.ones((rows, 3), np.float32), np.zeros(rows, np.int64)
    trainer.train_step(x, y)
    tracemalloc.start()
    trainer.train_step(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1000


def test_accumulation_saves_memory() -> None:
    """07.13 The most memory in use at a time with eight parts: less than a quarter of that with one."""
    whole = step_memory(2048, 1)
    assert_above(
        whole, limit=2.048 * 64 * 4, what="peak memory in kB, of a step on the whole batch"
    )
    assert_below(
        step_memory(2048, 8), limit=0.22 * whole, what="peak memory in kB, of a step in eight parts"
    )


@observe
def refused_step(tt: Any, value: float, accumulate: int) -> Any:
    model = tt.Linear(2, 1)
    optimizer = tt.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = tt.StepLR(optimizer, 9)

    def loss(logits, targets):
        return tt.mse_loss(logits, targets) * (-1.0 if value < 0 else 1.0)

    def look():
        counts = [trainer.steps, trainer.seen, trainer.loss_sum, trainer.last_loss, schedule.steps]
        found = {"weights": [p.data.tolist() for p in model.parameters()], "counts": counts}
        return found | {"optimizer": repr(optimizer.state_dict())}

    trainer = tt.Trainer(model, optimizer, loss, schedule, accumulate=accumulate)
    trainer.train_step(np.array([[1.0, 2.0], [1.0, 0.5]]), np.ones((2, 1)))
    before = look()
    try:
        trainer.train_step(np.array([[1.0, 2.0], [1.0, value]]), np.ones((2, 1)))
    except ValueError as error:
        return {"says": str(error), "changed": [n for n, v in look().items() if v != before[n]]}
    return {"says": "no error"}


@pytest.mark.parametrize("accumulate", [1, 2], ids=["whole", "in-parts"])
@pytest.mark.parametrize(
    ("value", "name"),
    [(math.nan, "nan"), (1e200, "inf"), (-1e200, "-inf")],
    ids=["train_step-nan", "train_step-inf", "train_step-minus-inf"],
)
def test_step_refuses_a_loss_that_is_not_finite(value: float, name: str, accumulate: int) -> None:
    """07.12 A loss of nan or inf after a good step, also in parts; weights, counts, the state of the optimizer."""
    got = refused_step(value, accumulate)
    says = name if name in got["says"] else got["says"]
    assert_equal(got | {"says": says}, want={"says": name, "changed": []})


@observe(uses=(built,))
def step_on_nothing(tt: Any, weights: Any, x: Any, accumulate: int) -> Any:
    model, y = built(tt, weights), np.full(len(x), -100)
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.5), accumulate=accumulate)
    try:
        trainer.train_step(x, y)
        return "no error"
    except ValueError as error:
        return {"says nan": "nan" in str(error), "steps": trainer.steps}


@pytest.mark.parametrize("accumulate", [1, 3])
def test_accumulation_of_ignored_targets_only(accumulate: int) -> None:
    """07.13 Every target is ignored: the loss is nan, in parts as in one."""
    want = {"says nan": True, "steps": 0}
    assert_equal(step_on_nothing(network(), data(7)[0], accumulate), want=want)


@observe
def build_with(tt: Any, accumulate: int) -> Any:
    model = tt.Linear(3, 4)
    tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), accumulate=accumulate)


def test_accumulation_refuses_no_parts() -> None:
    """07.13 accumulate of 0, and of -2."""
    assert_raises(build_with, 0, error="ValueError", says=("0",))
    assert_raises(build_with, -2, error="ValueError", says=("-2",))


# ---- 07.14: fit ----------------------------------------------------------------------------------


@observe
def what_fit_shows(tt: Any, rows: int, batch_size: int, epochs: int) -> Any:
    log = []

    class Watched(tt.Linear):
        def forward(self, x):
            log.append({"training": self.training, "x": x.data[:, 0].tolist()})
            return super().forward(x)

    model = Watched(1, 2)
    model.eval()

    def spy(logits, y):
        log[-1]["y"] = np.asarray(y)[:, 0].tolist()
        return (logits * 0).sum() + np.asarray(y)[:, 1].mean()

    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), loss=spy, metrics=())
    x = np.arange(rows, dtype=np.float64)[:, None]
    history = trainer.fit(x, np.concatenate([x, x * x], axis=1), epochs, batch_size)
    return {
        "log": log,
        "history": history,
        "own": trainer.history,
        "epoch": trainer.epoch,
        "seen": trainer.seen,
    }


def test_fit_shows_every_sample_once_an_epoch() -> None:
    """07.14 What the model is shown, and its mode."""
    log = what_fit_shows(7, 3, 2)["log"]
    shown = [{"training": seen["training"], "samples": len(seen["x"])} for seen in log]
    assert_equal(shown, want=[{"training": True, "samples": n} for n in (3, 3, 1, 3, 3, 1)])
    orders = [[x for seen in epoch for x in seen["x"]] for epoch in (log[:3], log[3:])]
    assert_equal([sorted(order) for order in orders], want=[list(map(float, range(7)))] * 2)
    assert_equal(orders[0] != orders[1], want=True)


def test_fit_keeps_x_and_y_together() -> None:
    """07.14 Every sample comes with its own target."""
    log = what_fit_shows(7, 3, 2)["log"]
    assert_equal([seen["y"] for seen in log], want=[seen["x"] for seen in log])


def test_fit_writes_the_history() -> None:
    """07.14 The lines: epoch from 1, loss as the mean over the samples, lr."""
    got = what_fit_shows(7, 3, 2)
    assert_equal([sorted(h) for h in got["history"]], want=[["epoch", "loss", "lr"]] * 2)
    assert_close(
        [[h["epoch"], h["loss"], h["lr"]] for h in got["own"]],
        want=[[1, 13.0, 0.1], [2, 13.0, 0.1]],
    )
    assert_equal([got["epoch"], got["seen"]], want=[2, 0])


@observe
def order_of_fit(tt: Any, rows: int, batch_size: int, **options: Any) -> Any:
    shown, model = [], tt.Linear(1, 2)

    def spy(logits, y):
        shown.extend(int(i) for i in np.asarray(y))
        return (logits * 0).sum()

    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), loss=spy, **options)
    trainer.fit(np.ones((rows, 1), np.float32), np.arange(rows), 2, batch_size)
    seed = options.get("seed", 0)
    drawn = [b for epoch in (0, 1) for b in tt.batches(rows, batch_size, seed, epoch)]
    return {"shown": shown, "drawn": [int(i) for b in drawn for i in b]}


@pytest.mark.parametrize("options", [{}, {"seed": 3}], ids=["seed-0", "seed-3"])
def test_fit_goes_in_the_order_of_batches(options: Any) -> None:
    """07.14 What the model is shown, against batches(); seed 0 if not given."""
    got = order_of_fit(20, 6, **options)
    assert_equal(got["shown"], want=got["drawn"])


@observe
def rates_set_by_hand(tt: Any, x: Any, y: Any, epochs: int) -> Any:
    def halve(trainer, event):
        if event == "epoch":
            trainer.optimizer.param_groups[0]["lr"] /= 2

    model = tt.Linear(3, 4)
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.5), callbacks=[halve])
    return {"lr": [line["lr"] for line in trainer.fit(x, y, epochs, 4)]}


def test_fit_notes_the_rate_of_now() -> None:
    """07.14 The history where a callback halves the rate after each epoch, without a schedule."""
    assert_equal(rates_set_by_hand(*data(), 4), want={"lr": [0.5, 0.25, 0.125, 0.0625]})


@observe(uses=(built,))
def trained(
    tt: Any,
    weights: Any,
    x: Any,
    y: Any,
    calls: Any,
    batch_size: int,
    schedule: Any = None,
    **options: Any,
) -> Any:
    model = built(tt, weights)
    optimizer = tt.SGD(model.parameters(), lr=0.3, momentum=0.9)
    made = eval(schedule, {"tt": tt, "np": np, "optimizer": optimizer}) if schedule else None
    trainer = tt.Trainer(model, optimizer, schedule=made, **options)
    lines = []
    for epochs in calls:
        history = trainer.fit(x, y, epochs, batch_size)
        lines.append(len(history))
    return {
        "lines": lines,
        "loss": [h["loss"] for h in history],
        "lr": [h["lr"] for h in history],
        "weights": [p.data for p in model.parameters()],
    }


def torch_training(torch: Any) -> dict[str, Any]:
    """Twelve epochs of one batch each: momentum, clipping and a schedule at once."""
    x, y = (torch.tensor(a) for a in data(8, base=0))
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4)
    ).double()
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), network(base=0), strict=True):
            parameter.copy_(torch.tensor(weight))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    schedule, losses = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.5), []
    for _ in range(12):
        optimizer.zero_grad()
        losses.append(torch.nn.functional.cross_entropy(model(x), y))
        losses[-1].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        schedule.step()
    found = {f"fit/weight{i}": p.detach().numpy() for i, p in enumerate(model.parameters())}
    return found | {"fit/loss": torch.stack(losses).detach().numpy()}


def test_fit_equals_pytorch() -> None:
    """07.14 Twelve epochs with momentum, clip and schedule: losses and weights that PyTorch gives."""
    settings = {"schedule": "tt.StepLR(optimizer, 5, gamma=0.5)", "clip": 0.5}
    got = trained(network(base=0), *data(8, base=0), [12], 8, **settings)
    weights = [oracle.own("07", f"fit/weight{i}") for i in range(4)]
    assert_close(np.array(got["loss"]), want=oracle.own("07", "fit/loss"), depth=12)
    assert_close(got["weights"], want=weights, depth=12)
    assert_close(got["lr"], want=[0.3] * 4 + [0.15] * 5 + [0.075] * 3)


def test_fit_is_reproducible() -> None:
    """07.14 Losses of two trainings with seed 1 and one with seed 2."""
    x, y = data(20)
    first, again, other = (trained(network(), x, y, [3], 6, seed=s)["loss"] for s in (1, 1, 2))
    runs = {"seed 1": first, "seed 1 again": again}
    assert_alike(runs, *runs, exactly=True)
    equal = [a == b for a, b in zip(first, other, strict=True)]
    assert_equal({"seed 1 equals seed 2": equal}, want={"seed 1 equals seed 2": [False] * 3})


def test_fit_counts_epochs_from_the_first() -> None:
    """07.14 fit(0), fit(2), fit(1), fit(5), fit(5) must equal fit(5)."""
    x, y = data(10)
    whole, pieces = (trained(network(), x, y, calls, 4) for calls in ([5], [0, 2, 1, 5, 5]))
    for part in ("loss", "weights"):
        runs = {"fit(5)": whole[part], "fit(0), fit(2), fit(1), fit(5), fit(5)": pieces[part]}
        assert_alike(runs, *runs, exactly=part == "loss")
    assert_equal(pieces["lines"], want=[0, 2, 2, 5, 5])


@observe
def learned_by_heart(tt: Any, x: Any, y: Any, epochs: int) -> Any:
    tt.manual_seed(0)
    model = tt.Sequential(tt.Linear(8, 16), tt.Tanh(), tt.Linear(16, 4))
    trainer = tt.Trainer(model, tt.Adam(model.parameters(), lr=0.1))
    trainer.fit(x, y, epochs, 4)
    return trainer.evaluate(x, y)


def test_fit_learns_eight_points_by_heart() -> None:
    """07.14 200 steps on 8 samples: loss below 0.001, accuracy 1."""
    got = learned_by_heart(np.eye(8) + normal(8, 8) / 8, np.arange(8) % 4, 100)
    assert_below(got["loss"], limit=1e-3, what="loss on eight samples after 200 steps")
    assert_equal(got["accuracy"], want=1.0)


@observe
def fit_and_evaluate(tt: Any, method: str, x: Any, y: Any, *args: Any) -> Any:
    model = tt.Linear(3, 4)
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    return getattr(trainer, method)(x, y, *args)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_lengths_must_agree(method: str) -> None:
    """07.14 More x than y, and none."""
    args, rows = (1, 2) if method == "fit" else (2,), integer(7, 7, 99)
    x, y = data(rows)
    says = (str(rows), "5")
    assert_raises(fit_and_evaluate, method, x, y[:5], *args, error="ValueError", says=says)
    assert_raises(fit_and_evaluate, method, x[:0], y[:0], *args, error="ValueError", says=("0",))
    assert_raises(
        fit_and_evaluate, method, x, y, *args[:-1], 0, error="ValueError", says=("batch_size",)
    )


def test_fit_refuses_a_batch_size_where_no_epoch_is_left() -> None:
    """07.14 No epoch, and a batch_size of -1."""
    assert_raises(fit_and_evaluate, "fit", *data(), 0, -1, error="ValueError", says=("-1",))


# ---- 07.15 and 07.16: evaluate -------------------------------------------------------------------


@observe(uses=(built,))
def evaluated(tt: Any, weights: Any, x: Any, y: Any, batch_size: int, tensors: bool = False) -> Any:
    model = built(tt, weights)
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    return (
        trainer.evaluate(tt.Tensor(x), tt.Tensor(y), batch_size)
        if tensors
        else trainer.evaluate(x, y, batch_size)
    )


def by_hand(weights: list[Any], x: Any, y: Any) -> dict[str, float]:
    """Loss and accuracy of the network, in NumPy."""
    w1, b1, w2, b2 = weights
    logits = np.tanh(x @ w1.T + b1) @ w2.T + b2
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
    return {"loss": float(losses.mean()), "accuracy": float((logits.argmax(axis=1) == y).mean())}


@observe
def evaluated_by_hand(tt: Any, x: Any, y: Any, batch_size: int) -> Any:
    model = tt.Linear(1, 1, bias=False)
    (w,) = model.parameters()
    w.data = np.array([[2.0]])
    return tt.Trainer(model, tt.SGD([w], lr=0.1), loss=tt.mse_loss, metrics=()).evaluate(
        x, y, batch_size
    )


def test_evaluate_example() -> None:
    """07.15 Losses 1, 1 and 16 in batches of 2: the mean is 6, not 8.5."""
    got = evaluated_by_hand(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [3.0], [2.0]]), 2)
    assert_close(got, want={"loss": 6.0})


@pytest.mark.parametrize("size", [100, 7, 1, 3], ids=lambda size: f"evaluate-by-{size}")
def test_evaluate_weighs_the_last_batch(size: int) -> None:
    """07.15 Seven samples in batches of several sizes."""
    x, y = data(7)
    got, want = evaluated(network(), x, y, size), by_hand(network(), x, y)
    assert_close(got["loss"], want=want["loss"])
    assert_equal(round(got["accuracy"] * 7, 9), want=round(want["accuracy"] * 7, 9))


@settings(max_examples=20)
@given(rows=st.integers(4, 12), size=st.integers(1, 12), seed=seeds)
def test_evaluate_of_any_sizes(rows: int, size: int, seed: int) -> None:
    """07.15 Drawn counts and batch sizes."""
    weights, (x, y) = network(seed), data(rows, seed)
    got, want = evaluated(weights, x, y, size, tensors=True), by_hand(weights, x, y)
    assert_close(got["loss"], want=want["loss"])
    assert_equal(round(got["accuracy"] * rows, 9), want=round(want["accuracy"] * rows, 9))


@observe
def measured(tt: Any, x: Any, y: Any, batch_size: int) -> Any:
    def target(logits, targets):
        return np.asarray(targets).mean()

    model = tt.Linear(3, 1)
    trainer = tt.Trainer(
        model, tt.SGD(model.parameters(), lr=0.1), loss=tt.mse_loss, metrics=(target,)
    )
    found = trainer.evaluate(x, y, batch_size)
    return {
        "names": sorted(found),
        "target": found["target"],
        "types": sorted({type(v).__name__ for v in found.values()}),
    }


def test_evaluate_reports_any_metric() -> None:
    """07.15 A metric of the test's own: name, value, types."""
    got = measured(normal(5, 3), np.arange(5.0)[:, None], 2)
    assert_equal([got["names"], got["types"]], want=[["loss", "target"], ["float"]])
    assert_close(got["target"], want=2.0)


@observe
def measured_beside_ignored(tt: Any, y: Any, batch_size: int) -> Any:
    def first(logits, targets):
        return np.asarray(targets == 0).mean()

    model = tt.Linear(3, 4)
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), metrics=(first,))
    return trainer.evaluate(np.ones((len(y), 3), np.float32), y, batch_size)["first"]


def test_metrics_are_over_all_samples() -> None:
    """07.15 Targets that the loss ignores are samples like others for a metric."""
    y = np.array([0, -100, -100, 0, one_of(1, 2, 3), 0, -100])
    for batch_size in (2, 3, 7):
        assert_close(measured_beside_ignored(y, batch_size), want=float((y == 0).mean()))


@pytest.mark.parametrize("name", IGNORED)
def test_evaluate_passes_over_ignored_targets(name: str) -> None:
    """07.15 Several batch sizes with targets of -100."""
    (loss, y), x = IGNORED[name], data(7)[0]
    whole, *others = (step_with_ignored(network(), x, np.array(y), k, loss) for k in (1, 2, 3))
    assert_close([got["before"] for got in others], want=[whole["before"]] * 2)


def test_evaluate_of_ignored_targets_only() -> None:
    """07.15 Every target is ignored: the loss is nan, in one batch and in several; the accuracy is 0."""
    x, y = data(7)[0], np.full(7, -100)
    got = [evaluated(network(), x, y, size) for size in (7, 2)]
    assert_equal([str(found["loss"]) for found in got], want=["nan", "nan"])
    assert_equal([found["accuracy"] for found in got], want=[0.0, 0.0])


@observe
def default_sizes(tt: Any) -> Any:
    sizes = []

    class Watched(tt.Linear):
        def forward(self, x):
            sizes.append(len(x.data))
            return super().forward(x)

    model, x = Watched(1, 2), np.ones((257, 1), np.float32)
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    trainer.fit(x[:33], np.zeros(33, np.int64), 1)
    fitted = len(sizes)
    trainer.evaluate(x, np.zeros(257, np.int64))
    return {
        "fit, 33 samples": sizes[:fitted],
        "evaluate, 257 samples": sum(sizes[fitted:]),
        "evaluate, at a time": max(sizes[fitted:]),
    }


def test_batch_sizes_unless_told() -> None:
    """07.15 evaluate gives the mean over all samples: at most 256 at a time unless told, as fit works in batches of 32."""
    got = default_sizes()
    largest = got.pop("evaluate, at a time")
    assert_equal(got, want={"fit, 33 samples": [32, 1], "evaluate, 257 samples": 257})
    assert_below(largest, limit=256, what="samples at a time")


@observe
def modes(tt: Any, x: Any, y: Any, training: bool, fails: str) -> Any:
    seen, ran = [], []

    class Watched(tt.Dropout):
        def forward(self, x):
            ran.append(self.training)
            return super().forward(x)

    model = tt.Sequential(tt.Linear(3, 4), Watched(0.5))
    model.train(training)

    def spy(logits, targets):
        kept = [logits.requires_grad, (model[0].weight * 2).requires_grad]
        seen.append([model.training, kept, len(logits.data)])
        if fails:
            raise KeyboardInterrupt if fails == "Ctrl-C" else KeyError("a metric that fails")
        return tt.cross_entropy(logits, targets)

    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), loss=spy)
    try:
        trainer.evaluate(x, y, 4)
    except (KeyError, KeyboardInterrupt):
        seen.append("failed")
    again = tt.Tensor([1.0], requires_grad=True) * 2
    inside = {"model trains": ran[0], "it trains in the loss": seen[0][0]}
    inside |= {"requires_grad": seen[0][1]}
    return {
        "inside": inside,
        "failed": seen[-1] == "failed",
        "training after": [m.training for m in model.modules()],
        "notes after": again.requires_grad,
        "samples": None if fails else sum(line[2] for line in seen),
    }


@pytest.mark.parametrize("fails", ["", "error", "Ctrl-C"], ids=["quietly", "on-error", "on-ctrl-c"])
@pytest.mark.parametrize(
    "training", [True, False], ids=["evaluate-in-train-mode", "evaluate-in-eval-mode"]
)
def test_evaluate_puts_the_mode_back(training: bool, fails: str) -> None:
    """07.16 While it evaluates: the mode, and requires_grad of the model's answer and of the loss. Afterwards: modes and notes as before."""
    rows = integer(7, 7, 99)
    got = modes(*data(rows), training, fails)
    inside, samples = {"requires_grad": [False] * 2}, None if fails else rows
    inside |= {"model trains": False, "it trains in the loss": False}
    want = {"inside": inside, "failed": bool(fails), "training after": [training] * 3}
    assert_equal(got, want=want | {"notes after": True, "samples": samples})


@observe
def modes_after_refusals(tt: Any, x: Any, y: Any) -> Any:
    model = tt.Sequential(tt.Linear(3, 4), tt.Dropout(0.5))
    trainer, refused = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1)), []
    for arguments in ((x, y, 0), (x, y[1:]), (x[:0], y[:0]), (x[:, :2], y)):
        try:
            trainer.evaluate(*arguments)
        except Exception as error:
            refused.append(bool(str(error)))
    again = tt.Tensor([1.0], requires_grad=True) * 2
    return {
        "refused": refused,
        "modes": [m.training for m in model.modules()],
        "notes": again.requires_grad,
    }


def test_evaluate_puts_the_mode_back_when_it_refuses() -> None:
    """07.16 The modes after wrong batch_size, lengths and shapes."""
    want = {"refused": [True] * 4, "modes": [True] * 3, "notes": True}
    assert_equal(modes_after_refusals(*data()), want=want)


@observe
def modes_of_a_frozen_part(tt: Any, x: Any, y: Any) -> Any:
    inside = []

    class Watched(tt.Module):
        def forward(self, x):
            inside.append(self.training)
            return x

    model = tt.Sequential(tt.Linear(3, 4), tt.Dropout(0.5), tt.Sequential(Watched()))
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    model[1].eval()
    trainer.evaluate(x, y, 4)
    thawed = [m.training for m in model.modules()]
    model.eval()[2].train()
    trainer.evaluate(x, y, 4)
    training = [m.training for m in model.modules()]
    twice = tt.Dropout(0.5).eval()
    model = tt.Sequential(tt.Linear(3, 4), tt.Sequential(twice), tt.Sequential(tt.ReLU(), twice))
    tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1)).evaluate(x, y, 4)
    alike = tt.Sequential(tt.Linear(3, 4), tt.Dropout(0.5), tt.Dropout(0.5))
    alike[1].eval()
    tt.Trainer(alike, tt.SGD(alike.parameters(), lr=0.1)).evaluate(x, y, 4)

    class Listed(tt.Module):
        def __init__(self):
            self.layers, self.more = [tt.Linear(3, 4), tt.Dropout(0.5)], {"a": (tt.Dropout(0.5),)}

        def forward(self, x):
            return self.more["a"][0](self.layers[1](self.layers[0](x)))

    listed = Listed()
    listed.layers[1].eval()
    tt.Trainer(listed, tt.SGD(listed.parameters(), lr=0.1)).evaluate(x, y, 4)
    parts = {"frozen part": thawed, "training part": training, "inside": inside}
    parts |= {"one in a list": [m.training for m in (*listed.layers, *listed.more["a"])]}
    parts |= {"one of two alike": [m.training for m in alike.modules()]}
    return parts | {"a frozen part of two": twice.training}


def test_evaluate_puts_every_part_back() -> None:
    """07.16 A part in another mode than the model, and one that stands in two places of the model."""
    frozen = [True, True, False, True, True]
    want = {"frozen part": frozen, "training part": [False, False, False, True, True]}
    want |= {"a frozen part of two": False, "inside": [False] * 4}
    want |= {"one of two alike": [True, True, False, True], "one in a list": [True, False, True]}
    assert_equal(modes_of_a_frozen_part(*data()), want=want)


@observe
def traces(tt: Any, x: Any, y: Any) -> Any:
    model = tt.Sequential(tt.Linear(3, 4), tt.Dropout(0.5))
    trainer = tt.Trainer(model, tt.Adam(model.parameters(), lr=0.1), schedule=None)
    trainer.fit(x, y, 2, 4)
    tt.manual_seed(3)
    told = []
    trainer.callbacks.append(lambda trainer, event: told.append(event))
    model[0].bias.requires_grad = False

    def look():
        found = {"the state": trainer.state_dict(), "last_loss": trainer.last_loss, "told": told}
        found |= {"gradients": [p.grad for p in model.parameters()]}
        found |= {"requires_grad": [p.requires_grad for p in model.parameters()]}
        return {name: repr(value) for name, value in found.items()}

    before = look()
    first, second = trainer.evaluate(x, y, 4), trainer.evaluate(x, y, 2)
    changed = [name for name, value in look().items() if value != before[name]]
    with tt.no_grad():
        trainer.evaluate(x, y, 4)
        notes = [(next(model.parameters()) * 2).requires_grad]
    notes.append((next(model.parameters()) * 2).requires_grad)
    same = {"changed": changed, "notes without and with": notes}
    return same | {"first": first["loss"], "second": second["loss"]}


def test_evaluate_changes_nothing() -> None:
    """07.16 What a state holds, gradients, requires_grad, callbacks told, and whether notes are kept."""
    got = traces(*data())
    found = {name: got[name] for name in ("changed", "notes without and with")}
    assert_equal(found, want={"changed": [], "notes without and with": [False, True]})
    assert_alike(got, "second", "first")


# ---- 07.17: callbacks, validation, progress ------------------------------------------------------


@observe
def events(tt: Any, x: Any, y: Any, epochs: int, batch_size: int, answer: Any) -> Any:
    seen, order, losses = [], [], []
    model = tt.Linear(3, 4)

    def watch(trainer, event):
        seen.append([event, trainer.steps, trainer.epoch, trainer.seen, len(trainer.history)])
        return answer

    def note(trainer, event):
        order.append(len(seen))
        if event == "step":
            losses.append(trainer.last_loss)

    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), callbacks=(watch, note))
    history = trainer.fit(x, y, epochs, batch_size)
    return [seen, order, losses, [line["loss"] for line in history]]


TOLD = [  # event, steps, epoch, seen, lines of the history
    ["step", 1, 0, 4, 0],
    ["step", 2, 0, 7, 0],
    ["epoch", 2, 1, 0, 1],
    ["step", 3, 1, 4, 1],
    ["step", 4, 1, 7, 1],
    ["epoch", 4, 2, 0, 2],
]


@pytest.mark.parametrize("answer", [None, True, False], ids=str)
def test_callbacks_are_told_of_steps_and_epochs(answer: Any) -> None:
    """07.17 What each callback is called with, and the counters at that time; whatever the first one returns."""
    seen, order, losses, means = events(*data(7), 2, 4, answer)
    assert_equal(seen, want=TOLD)
    assert_equal(order, want=[1, 2, 3, 4, 5, 6])
    assert_close([(4 * losses[i] + 3 * losses[i + 1]) / 7 for i in (0, 2)], want=means)


@observe
def lists_of_callbacks(tt: Any, count: int) -> Any:
    model = tt.Linear(3, 4)
    some = [{}, {"callbacks": ()}, {"callbacks": (print,)}, {"callbacks": [print] * count}, {}]
    trainers = [tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), **s) for s in some]
    for trainer in trainers[:4]:
        trainer.callbacks.append(print)
    return [len(trainer.callbacks) for trainer in trainers]


def test_each_trainer_has_callbacks_of_its_own() -> None:
    """07.17 Trainers built with none, with a tuple and with a list, and one more callback for each but the last."""
    count = integer(3, 3, 9)
    assert_equal(lists_of_callbacks(count), want=[1, 1, 2, count + 1, 0])


@observe
def validated(tt: Any, x: Any, y: Any, held_out: Any) -> Any:
    model = tt.Sequential(tt.Linear(3, 4), tt.Dropout(0.5))
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    modes = []
    trainer.callbacks.append(lambda trainer, event: modes.append(model.training))
    history = trainer.fit(x, y, 2, 4, validation=held_out)
    return {"history": history, "last": trainer.evaluate(*held_out), "modes": modes}


@observe
def names_of_a_line(tt: Any, x: Any, y: Any) -> Any:
    def share(logits, targets):
        return 0.5

    lines = []
    for metrics in ((), (share,), [share, tt.accuracy]):
        model = tt.Linear(3, 4)
        trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1), metrics=metrics)
        lines.append(sorted(trainer.fit(x, y, 1, 4, validation=(x, y))[0]))
    return lines


def test_fit_validates_by_every_metric() -> None:
    """07.17 The names in the history without a metric, with one of the test's own, and with two."""
    own, line = "val_share", ["epoch", "loss", "lr", "val_loss"]
    want = [line, [*line, own], sorted([*line, own, "val_accuracy"])]
    assert_equal(names_of_a_line(*data(7)), want=want)


@observe
def modes_after_a_callback(tt: Any, x: Any, y: Any, part: Any) -> Any:
    modes = []

    class Watched(tt.Linear):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x)

    model = tt.Sequential(Watched(3, 4))
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    changed = model if part is None else model[part]
    trainer.callbacks.append(lambda trainer, event: changed.eval())
    trainer.fit(x, y, 2, 3)
    return {"modes of six steps": modes}


@pytest.mark.parametrize("part", [None, 0], ids=["the-model", "a-part"])
def test_fit_trains_after_a_callback_that_evaluates(part: Any) -> None:
    """07.14 A callback that calls eval() of the model, or of a part of it."""
    got = modes_after_a_callback(*data(7), part)
    assert_equal(got, want={"modes of six steps": [True] * 6})


def test_fit_validates_after_each_epoch() -> None:
    """07.17 The names in the history, and the mode of training afterwards."""
    got = validated(*data(7), data(5, seed=2))
    names = ["epoch", "loss", "lr", "val_accuracy", "val_loss"]
    assert_equal([sorted(line) for line in got["history"]], want=[names] * 2)
    last = got["history"][-1]
    assert_close(last["val_loss"], want=got["last"]["loss"])
    assert_equal(round(last["val_accuracy"], 9), want=round(got["last"]["accuracy"], 9))
    assert_equal(got["modes"], want=[True] * 6)


@observe
def progress(tt: Any, records: Any) -> Any:
    import contextlib
    import io

    show = tt.print_progress
    model, heard = tt.Linear(3, 4), io.StringIO()
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    with contextlib.redirect_stdout(heard):
        for record in records:
            show(trainer, "step")
            trainer.history.append(record)
            show(trainer, "epoch")
    return heard.getvalue()


def test_print_progress() -> None:
    """07.17 What is printed for four lines of history, whatever names and numbers stand in them."""
    loss = real(0.25, 0.1, 0.9)
    line = {"epoch": 4, "loss": 0.123456, "val_accuracy": 0.5}
    other = {"val_recall": 0.125, "error": 1234567.0, "epoch": 123456, "rank": 7}
    zeros = {"lr": 0.0, "epoch": 0, "val_accuracy": 0.0, "val_loss": math.nan}
    got = progress([{"epoch": 3, "loss": loss, "lr": 0.1}, line, other, zeros])
    lines = f"epoch 3  loss {loss:.4g}  lr 0.1", "epoch 4  loss 0.1235  val_accuracy 0.5"
    lines = *lines, "val_recall 0.125  error 1.235e+06  epoch 1.235e+05  rank 7"
    lines = *lines, "lr 0  epoch 0  val_accuracy 0  val_loss nan"
    assert_equal(got, want="".join(f"{line}\n" for line in lines))


# ---- 07.18: Ctrl-C -------------------------------------------------------------------------------


@observe
def interrupted(tt: Any, weights: Any, x: Any, y: Any, epochs: int, stop: int, where: str) -> Any:
    import signal

    def build(pressing):
        model = tt.Sequential(tt.Linear(3, 5), tt.Dropout(0.5), tt.Linear(5, 4))
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.data = weight.copy()
        optimizer, calls = tt.SGD(model.parameters(), lr=0.3, momentum=0.9), []

        def press():
            calls.append(0)
            if pressing and len(calls) == stop:
                signal.raise_signal(signal.SIGINT)

        def loss(logits, targets):
            if where == "forward" and model.training:
                press()
            return tt.cross_entropy(logits, targets)

        update = optimizer.step

        def step():
            update()
            if where == "update":
                press()

        def callback(trainer, event):
            if where == event:
                press()

        def metric(logits, targets):
            if where == "validation":
                press()
            return 0.5

        optimizer.step = step
        return model, tt.Trainer(model, optimizer, loss, callbacks=[callback], metrics=[metric])

    def run(pressing):
        tt.manual_seed(4)
        model, trainer = build(pressing)
        stopped = "fit was not interrupted"
        try:
            trainer.fit(x, y, epochs, 3, (x[:2], y[:2]))
        except KeyboardInterrupt:
            stopped = {
                "steps": trainer.steps,
                "epoch": trainer.epoch,
                "seen": trainer.seen,
                "in train mode": model.training,
            }
            try:
                trainer.fit(x, y, epochs, 3, (x[:2], y[:2]))
            except KeyboardInterrupt:
                stopped["in train mode"] = "the second fit was interrupted, too"
        losses = [sorted(h.items()) for h in trainer.history]
        return {
            "stopped": stopped,
            "steps": trainer.steps,
            "losses": losses,
            "weights": [p.data for p in model.parameters()],
        }

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return [run(False), run(True)]
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("where", "stop", "books"),
    [
        ("step", 4, (4, 1, 3)),
        ("epoch", 1, (3, 1, 0)),
        ("forward", 2, (2, 0, 6)),
        ("update", 4, (4, 1, 3)),
        ("update", 3, None),
        ("validation", 2, None),
    ],
    ids=[
        "fit-between-steps",
        "fit-between-epochs",
        "fit-in-forward",
        "fit-in-update",
        "fit-in-the-last-update",
        "fit-in-validation",
    ],
)
def test_ctrl_c_leaves_a_whole_trainer(where: str, stop: int, books: Any) -> None:
    """07.18 An interrupt at each place of a step; then the same fit again."""
    epochs = integer(3, 3, 30)
    whole, resumed = interrupted(network(), *data(7), epochs, stop, where)
    assert_equal([whole["steps"], len(whole["losses"])], want=[3 * epochs, epochs])
    names = ("steps", "epoch", "seen") if books else ()  # else two answers are right
    stopped = {name: resumed["stopped"][name] for name in (*names, "in train mode")}
    assert_equal(stopped, want=dict(zip(names, books or (), strict=True)) | {"in train mode": True})
    assert_equal([resumed["steps"], resumed["losses"]], want=[whole["steps"], whole["losses"]])
    runs = {"whole": whole["weights"], "resumed": resumed["weights"]}
    assert_alike(runs, *runs, exactly=True)


@observe
def told_when_interrupted(tt: Any, x: Any, y: Any, where: str, stop: int) -> Any:
    import signal

    model = tt.Linear(3, 4)
    optimizer, told, presses = tt.SGD(model.parameters(), lr=0.3), [], []

    def press(trainer, event):
        presses.extend([0] * (event == where))
        if event == where and len(presses) == stop:
            signal.raise_signal(signal.SIGINT)

    trainer = tt.Trainer(model, optimizer, callbacks=[press])
    trainer.callbacks.append(lambda trainer, event: told.append([event, trainer.steps]))
    update = optimizer.step

    def step():
        update()
        press(trainer, "update")

    optimizer.step = step
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        trainer.fit(x, y, 2, 4)
        stopped = "fit was not interrupted"
    except KeyboardInterrupt:
        stopped = "interrupted"
        try:
            trainer.fit(x, y, 2, 4)
        except KeyboardInterrupt:
            stopped = "interrupted twice"
    finally:
        signal.signal(signal.SIGINT, before)
    return {"stopped": stopped, "told": told}


@pytest.mark.parametrize(
    ("where", "stop"),
    [("update", 1), ("update", 2), ("update", 3), ("step", 2), ("epoch", 1), ("epoch", 2)],
    ids=[
        "fit-at-1",
        "fit-at-2",
        "fit-at-3",
        "fit-told-of-2",
        "fit-told-of-epoch-1",
        "fit-told-of-epoch-2",
    ],
)
def test_ctrl_c_keeps_no_step_from_the_callbacks(where: str, stop: int) -> None:
    """07.18 The callbacks are told of every step that the books hold, also of the one that Ctrl-C met."""
    want = [["step", 1], ["step", 2], ["epoch", 2], ["step", 3], ["step", 4], ["epoch", 4]]
    got = told_when_interrupted(*data(7), where, stop)
    assert_equal(got, want={"stopped": "interrupted", "told": want})


# ---- 07.19 and 07.20: checkpoints ----------------------------------------------------------------


@observe(uses=(built,))
def saved_and_loaded(tt: Any, weights: Any, x: Any, y: Any, stop: int, part: str) -> Any:
    import os
    import tempfile

    def build(weights, seed):
        model = built(tt, weights)
        optimizer = tt.Adam(model.parameters(), lr=0.1)
        return tt.Trainer(model, optimizer, schedule=tt.CosineAnnealingLR(optimizer, 9), seed=seed)

    def look(trainer):
        if part == "weights":
            return [p.data.tolist() for p in trainer.model.parameters()]
        if part == "books":
            names = ["epoch", "steps", "seen", "loss_sum", "seed"]
            return {name: getattr(trainer, name) for name in names} | {"history": trainer.history}
        if part == "draws":
            return tt.rand(4).tolist()
        if part == "schedule":
            trainer.schedule.step()
            return [trainer.schedule.steps, trainer.schedule.get_last_lr()]
        before = [p.data.copy() for p in trainer.model.parameters()]
        for parameter in trainer.model.parameters():
            parameter.grad = np.ones(parameter.shape)
        trainer.optimizer.step()
        return [
            (p.data - b).tolist() for p, b in zip(trainer.model.parameters(), before, strict=True)
        ]

    tt.manual_seed(6)
    trainer = build(weights, 5)
    trainer.fit(x, y, 1, 3)
    for _ in range(stop):
        trainer.train_step(x[:2], y[:2])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "training.ckpt")
        tt.save_checkpoint(path, trainer)
        want = look(trainer)
        tt.manual_seed(99)
        trainer = build([w + 1 for w in weights], 77)
        tt.load_checkpoint(path, trainer)
    return {"saved": {part: want}, "loaded": {part: look(trainer)}}


@pytest.mark.parametrize(
    "part",
    ["weights", "books", "optimizer", "schedule", "draws"],
    ids=lambda part: f"load_state_dict-{part}",
)
def test_load_restores(part: str) -> None:
    """07.19 One part of what was saved, compared with what was loaded."""
    got = saved_and_loaded(network(), *data(7), 2, part)
    assert_equal(got["loaded"], want=got["saved"])


@observe
def kept_tensors(tt: Any, mean: Any) -> Any:
    class Net(tt.Module):
        def __init__(self):
            self.weight, self.mean = tt.Parameter([1.0]), tt.Tensor(np.zeros(mean.shape))

    models = {"the same one": Net(), "a new one": Net()}
    trainers = [tt.Trainer(m, tt.SGD(m.parameters(), lr=0.1)) for m in models.values()]
    models["the same one"].mean.data[:] = mean
    state = trainers[0].state_dict()
    models["the same one"].mean.data[:] = 64
    for trainer in trainers:
        trainer.load_state_dict(state)
    return {name: model.mean.data for name, model in models.items()}


def test_state_has_tensors_that_are_no_parameters() -> None:
    """07.19 A tensor that the model keeps and nobody trains, such as a running mean."""
    mean = dyadic(3)
    assert_close(kept_tensors(mean), want={"the same one": mean, "a new one": mean})


def exchanged(state: Any, part: Any, new: Any) -> Any:
    """The state with another part in the place of one, wherever it stands."""
    if repr(state) == repr(part):
        return new
    if isinstance(state, dict):
        return {name: exchanged(value, part, new) for name, value in state.items()}
    return state


@observe(uses=(built, exchanged))
def refused_state(tt: Any, weights: Any, damage: str) -> Any:
    def build(weights, rate):
        model = built(tt, weights)
        optimizer = tt.Adam(model.parameters(), lr=rate)
        return tt.Trainer(model, optimizer, schedule=tt.OneCycleLR(optimizer, rate, 4))

    tt.manual_seed(6)
    other = build([w + 1 for w in weights], 0.25)
    other.fit(np.ones((4, 3)), np.array([0, 1, 2, 3]), 2)
    state = other.state_dict()
    moved = other.schedule.state_dict()
    if damage == "optimizer":
        sgd = tt.SGD(other.model.parameters()).state_dict()
        state = exchanged(state, other.optimizer.state_dict(), sgd)
    elif damage == "schedule":
        state = exchanged(state, moved, None)
    elif damage.startswith("part"):  # one of the parts, whatever its name, is missing or no part
        state = {n: part for i, (n, part) in enumerate(state.items()) if i != int(damage[5:])}
    else:
        state = exchanged(state, moved, {**moved, "steps": 99})
    trainer = build(weights, 0.125)
    trainer.optimizer.param_groups[0]["lr"] = 0.0625  # set by hand: no schedule knows it
    parts = [trainer.model, trainer.optimizer, trainer.schedule, *trainer.model.parameters()]

    def seen():
        averages, rates = trainer.optimizer.state_dict(), trainer.schedule.state_dict()
        found = {"weights": [part.data for part in parts[3:]], "optimizer": averages}
        found |= {"a rate set by hand": [g["lr"] for g in trainer.optimizer.param_groups]}
        found |= {"schedule": rates, "the state of the trainer": trainer.state_dict()}
        return {name: repr(part) for name, part in found.items()}

    before = seen()
    try:
        trainer.load_state_dict(state)
    except Exception:
        now = [trainer.model, trainer.optimizer, trainer.schedule, *trainer.model.parameters()]
        same = all(a is b for a, b in zip(now, parts, strict=True))
        changed = [name for name, part in seen().items() if part != before[name]]
        return {"changed": changed, "the same parts": same}
    if damage.startswith("part"):  # another layout may have fewer, or do without one
        return {"changed": [], "the same parts": True}
    return "no error"


@pytest.mark.parametrize(
    "damage",
    ["optimizer", "schedule", "steps", "part-0", "part-1", "part-2", "part-3", "part-4"],
)
def test_refused_state_changes_nothing(damage: str) -> None:
    """07.19 Model, optimizer and schedule after a refused state."""
    want = {"changed": [], "the same parts": True}
    assert_equal(refused_state(network(), damage), want=want)


@observe(uses=(built,))
def refused_leaves(tt: Any, weights: Any, x: Any, y: Any, replaced: Any) -> Any:
    def build():
        model = built(tt, weights)
        optimizer = tt.Adam(model.parameters(), lr=0.1)
        schedule = tt.CosineAnnealingLR(optimizer, 9)
        return tt.Trainer(model, optimizer, schedule=schedule)

    def damaged(state, name, inner):
        part = {**state[name], inner: replaced} if inner is not None else replaced
        return {**state, name: part}

    trainer, changed = build(), []
    start = trainer.state_dict()
    trainer.fit(x, y, 2, 3)
    names = [(n, None) for n in start]
    names += [(n, inner) for n in start if isinstance(start[n], dict) for inner in start[n]]
    for name, inner in names:
        before = repr(trainer.state_dict())
        try:
            trainer.load_state_dict(damaged(start, name, inner))
            trainer = build()
            trainer.fit(x, y, 2, 3)
        except Exception:
            if repr(trainer.state_dict()) != before:
                changed.append(f"{name}, {inner}" if inner else name)
    return {"changed where this is damaged": changed}


@pytest.mark.parametrize("replaced", [None, 7, "text"], ids=str)
def test_state_refused_for_any_reason_changes_nothing(replaced: Any) -> None:
    """07.19 A trainer after states in which one value is another, whatever error that gives."""
    want = {"changed where this is damaged": list[str]()}
    assert_equal(refused_leaves(network(), *data(), replaced), want=want)


PASTS = {
    "another-order": "trainer.fit(x, y, 2, 3)",
    "other-sizes": "trainer.fit(x[:5], y[:5], 1, 2), trainer.evaluate(x, y)",
    "an-interrupt": "stopped(5, 3), stopped(8, 3)",
    "steps-by-hand": "[trainer.train_step(x[:2], y[:2]) for _ in range(3)]",
    "a-rate-by-hand": "trainer.optimizer.param_groups[0].update(lr=9.0), trainer.fit(x, y, 1, 7)",
    "a-refused-step": "refused()",
    "a-state-of-its-own": "[trainer.load_state_dict(trainer.state_dict()), trainer.fit(x, y, 1, 4)]",
}


@observe
def lived_before(tt: Any, x: Any, y: Any, past: str) -> Any:
    def build(seed):
        tt.manual_seed(seed)
        model = tt.Sequential(tt.Linear(3, 5), tt.Sequential(tt.Dropout(0.25)), tt.Linear(5, 4))
        optimizer = tt.Adam(model.parameters(), lr=0.1)
        schedule = tt.CosineAnnealingLR(optimizer, 40)
        return tt.Trainer(model, optimizer, schedule=schedule, clip=0.5, accumulate=2, seed=seed)

    def stopped(steps, size):
        def stop(trainer, event):
            if event == "step" and trainer.steps == steps:
                raise KeyboardInterrupt

        trainer.callbacks.append(stop)
        try:
            trainer.fit(x, y, 9, size)
        except KeyboardInterrupt:
            trainer.callbacks.remove(stop)

    def refused():
        try:
            trainer.train_step(x * np.nan, y)
        except ValueError:
            return

    found, start = {}, build(5).state_dict()
    for name, before in (("a new trainer", "0"), ("one that was used", past)):
        trainer = build(77)
        eval(before, {"trainer": trainer, "stopped": stopped, "refused": refused, "x": x, "y": y})
        trainer.load_state_dict(start)
        stopped(4, 3)
        trainer.fit(x, y, 3, 3)
        found[name] = {"steps": trainer.steps, "validation": trainer.evaluate(x, y, 4)["loss"]}
        found[name] |= {k: [line[k] for line in trainer.history] for k in ("loss", "lr")}
        found[name] |= {"weights": [p.data for p in trainer.model.parameters()]}
    return found


@pytest.mark.parametrize("past", PASTS)
def test_load_leaves_nothing_of_the_past(past: str) -> None:
    """07.19 The same state for a trainer built anew and for one that was used before: training goes on alike."""
    runs = lived_before(*data(), PASTS[past])
    assert_alike(runs, *runs, exactly=True)


@observe(uses=(built,))
def rewound(tt: Any, weights: Any, x: Any, y: Any, epochs: int) -> Any:
    def build():
        model = built(tt, weights)
        optimizer = tt.Adam(model.parameters(), lr=0.1)
        return tt.Trainer(model, optimizer, schedule=tt.CosineAnnealingLR(optimizer, 9))

    def outcome(trainer):
        history = [sorted(line.items()) for line in trainer.fit(x, y, 3, 3)]
        return [history, [p.data.tolist() for p in trainer.model.parameters()], trainer.steps]

    trainer, second, third = build(), build(), build()
    trainer.fit(x, y, epochs, 3)
    state = trainer.state_dict()
    kept, found = repr(state), {"the saved one": outcome(trainer)}
    for name, other in (("a new one", second), ("the same one", trainer), ("another", third)):
        other.load_state_dict(state)
        found[name] = outcome(other)
    return {"runs": found, "state is as it was": repr(state) == kept}


@pytest.mark.parametrize("epochs", [0, 1])
def test_load_goes_back(epochs: int) -> None:
    """07.19 A state from before or after an epoch: trainers built anew and the trained one itself go on from it alike."""
    got = rewound(network(), *data(7), epochs)
    for name in ("a new one", "the same one", "another"):
        assert_alike(got["runs"], "the saved one", name, exactly=True)
    assert_equal(got["state is as it was"], want=True)


@observe
def kinds_after_loading(tt: Any) -> Any:
    import os
    import tempfile

    def build(betas):
        model = tt.Linear(3, 4)
        return tt.Trainer(model, tt.Adam(model.parameters(), lr=0.1, betas=betas))

    trainer = build((0.5, 0.75))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "training.ckpt")
        tt.save_checkpoint(path, build([0.25, 0.5]))
        tt.load_checkpoint(path, trainer)
        lists = repr(trainer.optimizer.param_groups[0]["betas"])
        tt.save_checkpoint(path, build((0.25, 0.5)))
        tt.load_checkpoint(path, trainer)
    return {"list": lists, "tuple": repr(trainer.optimizer.param_groups[0]["betas"])}


def test_load_restores_tuples_and_lists() -> None:
    """07.19 Tuples come back as tuples, lists as lists."""
    assert_equal(kinds_after_loading(), want={"list": "[0.25, 0.5]", "tuple": "(0.25, 0.5)"})


@observe
def any_state(tt: Any, array: Any) -> Any:
    import os
    import tempfile

    class Holder:
        def __init__(self, state):
            self.state = state

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.state = state

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "any.ckpt")
        tt.save_checkpoint(
            path,
            Holder(
                {"list": [array], "tuple": (1, array * 2), "dict": {7: array * 4, "8": array * 8}}
            ),
        )
        holder = Holder({})
        tt.load_checkpoint(path, holder)
    state = holder.state
    of_dict = {"dict": state["dict"][7], "text": state["dict"]["8"]}
    return {"list": state["list"][0], "tuple": state["tuple"][1], **of_dict}


def test_load_restores_arrays_anywhere() -> None:
    """07.19 Arrays in a list, in a tuple, in a dict under a number and under a text of digits."""
    array = dyadic(2, 3)
    want = {"list": array, "tuple": array * 2, "dict": array * 4, "text": array * 8}
    assert_close(any_state(array), want=want)


@observe
def there_and_back(tt: Any, state: Any, own: str) -> Any:
    import json
    import os
    import tempfile

    class Holder:
        def __init__(self, state=None):
            self.state = state

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.state = state

    def told(value):
        kind = type(value).__name__
        if isinstance(value, dict):
            return [kind, sorted(([told(k), told(v)] for k, v in value.items()), key=repr)]
        if isinstance(value, (list, tuple)):
            return [kind, [told(v) for v in value]]
        if isinstance(value, np.ndarray):
            return [kind, str(value.dtype), list(value.shape), repr(value.tolist())]
        return [kind, repr(value)]

    with tempfile.TemporaryDirectory() as folder:
        path, home = os.path.join(folder, "any.ckpt"), os.getcwd()
        if own == "header":  # what the answer itself writes about a state, as a state
            tt.save_checkpoint(path, Holder(state))
            with np.load(path) as archive:
                state = json.loads(archive["header"].tobytes())
        holder = Holder()
        try:
            os.chdir(folder)
            path = "any.ckpt" if own == "relative" else path
            tt.save_checkpoint(path, Holder(state))
            tt.load_checkpoint(path, holder)
        finally:
            os.chdir(home)
    return {"saved": told(state), "loaded": told(holder.state)}


KINDS = ["bool", "int8", "int64", "uint8", "uint64", "float16", "float32", "float64"]
STATES = {
    "numbers": [0.1, -0.0, 1e-320, math.inf, -math.inf, math.nan, 1, 1.0, -5, 2**127 + 1],
    "lists": [
        [1, 2.5, True],
        [True, 0],
        [1.0, 2],
        [1, 2],
        [2.0, 3.0],
        [1.5, None],
        (1, 2.0),
        [2**70, 1],
    ],
    "alike": [[dyadic(2), dyadic(2)], [dyadic(2).tolist(), dyadic(2)], [[1, 2], [3, 4]], ["1", 1]],
    "words": [None, True, False, "", 'a \n"quoted" ü', "None", "1", "array", "0"],
    "empty": [{}, [], (), {"a": {}, "b": ()}, [[], [()]]],
    "nested": ((1,), [(2, [3])], {"a": ({"b": (4,)},), "c": [{5: (6,)}]}),
    "keys": {5: "number", "5": "text", -1: "minus", "-1": "text", 0: 1, "": 2, "a.b": 3, "a/b": 4},
    "names": {"header": dyadic(2), "file": dyadic(3), "a": {"b": dyadic(4)}, "a.b": dyadic(5)},
    "paths": {"a/b": dyadic(2), "a": {"b": dyadic(3)}, "arr_0": dyadic(4), "0": dyadic(5)},
    "dtypes": [np.array([0, 1, 1]).astype(kind) for kind in KINDS],
    "layouts": [np.array(2.5), np.zeros((0, 3)), dyadic(2, 3).T, dyadic(5)[::-2]],
    "values": [np.array([math.nan, -math.inf, -0.0, 5e-324]), dyadic(2, 3) / 3],
    "numpy": [np.ones(1, kind)[0] for kind in KINDS if kind != "float64"],  # that is a float
    "plain": 7,
    "marks": [
        [
            dyadic(2),
            *(form.format(0) for form in ("@{}", "${}", "#{}", "<{}>", "array:{}", "arr_{}")),
        ],
        [
            {"array": "0"},
            {"number": "0"},
            {"dict": []},
            {"list": [1]},
            {"__array__": 0},
            ["array", 0],
        ],
    ],
}


@pytest.mark.parametrize("name", STATES)
def test_load_restores_any_plain_state(name: str) -> None:
    """07.19 Numbers, texts, None, containers, keys and arrays of many kinds, with their types."""
    got = there_and_back(STATES[name], "")
    assert_equal(got["loaded"], want=got["saved"])


@pytest.mark.parametrize("own", ["header", "relative"])
def test_load_restores_what_looks_like_a_checkpoint(own: str) -> None:
    """07.19 The answer's own header as a state, and a file named without its folder."""
    state = {"list": [dyadic(2, 3)], "tuple": (1, dyadic(2)), 7: {"a": None}}
    got = there_and_back(state, own)
    assert_equal(got["loaded"], want=got["saved"])


@observe
def resumed(tt: Any, weights: Any, x: Any, y: Any, stop: int, optimizer: str, schedule: str) -> Any:
    import contextlib
    import os
    import tempfile

    def build(weights, seed, callbacks=()):
        model = tt.Sequential(tt.Linear(3, 5), tt.ReLU(), tt.Dropout(0.4), tt.Linear(5, 4))
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.data = weight.copy()
        made = eval(optimizer, {"tt": tt, "parameters": model.parameters()})
        rate = eval(schedule, {"tt": tt, "optimizer": made})
        return model, tt.Trainer(
            model, made, schedule=rate, clip=2.0, seed=seed, callbacks=callbacks
        )

    def outcome(model, trainer):
        books = [
            trainer.epoch,
            trainer.steps,
            trainer.seed,
            [sorted(h.items()) for h in trainer.history],
        ]
        rates = [group["lr"] for group in trainer.optimizer.param_groups]
        weights = [p.data.tolist() for p in model.parameters()]
        return {
            "books": books,
            "rates": rates,
            "weights": weights,
            "next draws": tt.rand(3).tolist(),
        }

    def save_and_stop(trainer, event):
        if event == "step" and trainer.steps == stop:
            tt.save_checkpoint(path, trainer)
            raise KeyboardInterrupt

    tt.manual_seed(8)
    model, trainer = build(weights, 5)
    trainer.fit(x, y, 4, 3)
    whole = outcome(model, trainer)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "training.ckpt")
        tt.manual_seed(8)
        model, trainer = build(weights, 5, [save_and_stop])
        with contextlib.suppress(KeyboardInterrupt):
            trainer.fit(x, y, 4, 3)
        tt.manual_seed(99)
        model, trainer = build([w + 1 for w in weights], 77)
        tt.load_checkpoint(path, trainer)
    at = {"epoch": trainer.epoch, "steps": trainer.steps, "seen": trainer.seen}
    trainer.fit(x, y, 4, 3)
    return {"at": at, "whole": whole, "resumed": outcome(model, trainer)}


SETTINGS = {
    "sgd": ("tt.SGD(parameters, lr=0.3, momentum=0.9)", "tt.StepLR(optimizer, 4)"),
    "adam": ("tt.Adam(parameters, lr=0.05)", "tt.OneCycleLR(optimizer, 0.1, 12)"),
    "adamw": ("tt.AdamW(parameters, lr=0.05)", "tt.CosineAnnealingLR(optimizer, 12)"),
    "rmsprop": ("tt.RMSprop(parameters, lr=0.05)", "tt.LinearWarmup(optimizer, 0.1, 10)"),
}


@pytest.mark.parametrize(
    ("name", "stop"),
    [("sgd", 3), ("sgd", 5), ("adam", 5), ("adamw", 8), ("rmsprop", 1)],
    ids=[
        "state_dict-sgd-3",
        "state_dict-sgd-5",
        "state_dict-adam-5",
        "state_dict-adamw-8",
        "state_dict-rmsprop-1",
    ],
)
def test_resume_is_bit_exact(name: str, stop: int) -> None:
    """07.19 A run with a checkpoint at several steps, and one without."""
    got = resumed(network(), *data(7), stop, *SETTINGS[name])
    at = {"epoch": (stop - 1) // 3, "steps": stop, "seen": (stop - 1) % 3 * 3 + 3}
    assert_equal(got["at"], want=at | {"seen": min(at["seen"], 7)})
    for part in ("books", "rates", "weights", "next draws"):
        runs = {f"{part} without a break": got["whole"][part]}
        runs |= {f"{part} from the checkpoint": got["resumed"][part]}
        assert_alike(runs, *runs, exactly=True)


@observe(uses=(built,))
def stored(tt: Any, weights: Any, x: Any, y: Any, dtype: str) -> Any:
    import json
    import os
    import tempfile

    save = tt.save_checkpoint
    model = built(tt, [w.astype(dtype) for w in weights])
    trainer = tt.Trainer(model, tt.Adam(model.parameters(), lr=0.1))
    trainer.fit(x, y, 1, 4)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a checkpoint")
        save(path, trainer)
        save(path, trainer)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].tobytes())
        weights = [p.data for p in model.parameters()]
        kept = [
            any(
                a.shape == w.shape and a.dtype == w.dtype and (a == w).all()
                for a in arrays.values()
            )
            for w in weights
        ]
        return {
            "files": os.listdir(folder),
            "format": header["format"],
            "version": header["version"],
            "kept": kept,
            "state": "state" in header,
        }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_checkpoint_is_an_npz_without_pickle(dtype: str) -> None:
    """07.20 What the file holds: arrays and a header in JSON; no other file is left."""
    want = {
        "files": ["a checkpoint"],
        "format": "tinytorch checkpoint",
        "version": 1,
        "kept": [True] * 4,
        "state": True,
    }
    assert_equal(stored(network(), *data(), dtype), want=want)


@observe
def save_without_luck(tt: Any, name: str, failing: str) -> Any:
    import os
    import pathlib
    import tempfile

    save = tt.save_checkpoint
    model = tt.Linear(3, 4)
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    happened, fsync, replace, rename = [], os.fsync, os.replace, os.rename
    sizes, beside = [], []

    def forced(number):
        happened.append("fsync")
        number = number if isinstance(number, int) else number.fileno()  # os.fsync takes both
        sizes.append(os.fstat(number).st_size)
        if failing == "fsync":
            raise OSError("no space left on this device")
        if failing == "Ctrl-C":
            raise KeyboardInterrupt

    def fail(part, *args, **keywords):
        happened.append("replace")
        sizes.append(os.path.getsize(part))
        beside.append(os.path.samefile(os.path.dirname(os.path.abspath(part)), folder))
        raise OSError("no space left on this device")

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, name)
        save(path, trainer)
        before = path.read_bytes()
        trainer.train_step(np.ones((2, 3), np.float32), np.array([0, 1]))
        os.fsync = forced
        os.replace = os.rename = fail
        try:
            save(path, trainer)
        except (OSError, KeyboardInterrupt):
            happened.append("told")
        finally:
            os.fsync, os.replace, os.rename = fsync, replace, rename
        kept = path.read_bytes() == before
        alone = os.listdir(folder) == [name]
        return {
            "happened": happened,
            "the old file is kept": kept,
            "written beside it": all(beside),
            "forced in full": len({*sizes}) == 1,
            "no other file": alone,
        }


NAMES_OF_FILES = ["training.ckpt", "training", "training.tmp", "training.part"]


@pytest.mark.parametrize("name", NAMES_OF_FILES)
def test_checkpoint_is_written_whole_or_not_at_all(name: str) -> None:
    """07.20 A failure while writing: all had been forced to the disk, and the old file is still there."""
    want = {"the old file is kept": True, "written beside it": True}
    want |= {"forced in full": True, "no other file": True}
    for failing, happened in (
        ("replace", ["fsync", "replace", "told"]),
        ("fsync", ["fsync", "told"]),
        ("Ctrl-C", ["fsync", "told"]),
    ):
        got = save_without_luck(name, failing)
        assert_equal(got, want={"happened": happened, **want})


@observe
def save_strange(tt: Any, strange: str) -> Any:
    import contextlib
    import os
    import tempfile

    class Strange:
        def state_dict(self):
            return {"epoch": 1, "strange": eval(strange, {"np": np})}

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "training.ckpt")
        try:
            tt.save_checkpoint(path, Strange())
        except TypeError:
            files = os.listdir(folder)
            with open(path, "wb") as file:
                file.write(b"old")
            with contextlib.suppress(TypeError):
                tt.save_checkpoint(path, Strange())
            with open(path, "rb") as file:
                return [files, file.read().decode()]
    return "saved"


STRANGE = {
    "function": "print",
    "class": "dict",
    "set": "{1, 2}",
    "bytes": "b'weights'",
    "complex": "1j",
    "range": "range(3)",
    "objects": "np.array([None, {}], dtype=object)",
    "array-of-texts": "np.array(['a', 'b'])",
    "array-of-bytes": "np.array([b'a'])",
    "dates": "np.array(['2026-11-27'], 'datetime64[D]')",
    "durations": "np.array([1, 2], 'timedelta64[s]')",
    "one-duration": "np.timedelta64(1, 's')",
    "array-of-complex": "np.array([1j, 2.0])",
    "records": "np.array([(1, 2.0)], [('a', int), ('b', float)])",
    "in-a-list": "[(1, {'a': [print]})]",
    "objects-in-a-tuple": "(np.array([[print]], dtype=object),)",
}


@pytest.mark.parametrize("name", STRANGE)
def test_checkpoint_refuses_what_is_not_plain(name: str) -> None:
    """07.20 Several objects in the state; no file is written, and an old one is kept."""
    assert_equal(save_strange(STRANGE[name]), want=[[], "old"])


def trainer_of(tt, rows, optimizer="Adam", schedule=False):
    """A trainer of two layers."""
    model = tt.Sequential(tt.Linear(3, rows), tt.Tanh(), tt.Linear(rows, 4))
    adam = getattr(tt, optimizer)(model.parameters(), lr=0.1)
    return tt.Trainer(model, adam, schedule=tt.StepLR(adam, 3) if schedule else None)


def damaged(path, damage, version):
    """A checkpoint damaged in one way, and where it lies then."""
    import json

    content = bytearray(path.read_bytes())
    if damage.startswith("cut"):
        content = content[: int(damage[4:]) * len(content) // 100]
    elif damage == "flipped":
        middle = slice(len(content) // 2, len(content) // 2 + 64)
        content[middle] = bytes(255 - byte for byte in content[middle])
    elif damage == "text":
        content = b"weights, biases\n1, 2\n"
    path.write_bytes(content)
    other = path.with_name(f"{path.name}.{'npy' if damage == 'npy' else 'npz'}")
    if damage == "npy":
        np.save(other, np.ones(3))
    elif damage == "npz":
        np.savez(other, weights=np.ones(3))
    elif damage.startswith(("version", "format")):
        with np.load(path) as archive:
            arrays = dict(archive)
        header = json.loads(arrays["header"].tobytes()) | {damage.split("-")[0]: version}
        if damage == "version-and-layout":
            header["state"] = {"all": [], "looks": [], "otherwise": []}
        elif damage == "version-without-state":
            del header["state"]
        elif damage == "version-of-objects":
            arrays["0"] = np.array([{}], dtype=object)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        np.savez(other, **arrays)
    return other if other.exists() else path


def written_down(tt, trainer):
    """All that loading could change of a trainer, as one text."""
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    books = [trainer.epoch, trainer.steps, trainer.seen, trainer.seed, len(trainer.history), rates]
    weights = [p.data.tolist() for p in trainer.model.parameters()]
    return repr([books, weights, tt.default_generator.bit_generator.state, trainer.state_dict()])


@observe(
    shown="load_checkpoint of a file with the damage {damage}: what the error names, the trainer after it",
    uses=(trainer_of, damaged, written_down),
)
def load_damaged(tt: Any, damage: str, version: int) -> Any:
    import pathlib
    import tempfile

    x, y = np.ones((4, 3), np.float32), np.array([0, 1, 2, 3])
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "training.ckpt")
        kind = "SGD" if damage == "other-optimizer" else "Adam"
        rows = 6 if damage == "other-model" else 5
        saved = trainer_of(tt, rows, kind, damage == "schedule")
        saved.fit(x, y, 1, 3)
        parts = {"only-a-model": saved.model, "only-an-optimizer": saved.optimizer}
        tt.save_checkpoint(path, parts.get(damage, saved))
        path = damaged(path, damage, version)
        trainer = trainer_of(tt, 5)
        trainer.fit(x, y, 1, 2)
        before = written_down(tt, trainer)
        try:
            tt.load_checkpoint(path, trainer)
        except ValueError as error:
            named = [word for word in ("training.ckpt", str(version)) if word in str(error)]
            return {
                "named in the ValueError": named if "version" in damage else named[:1],
                "unchanged": written_down(tt, trainer) == before,
            }
    return "it was loaded"


DAMAGES = [
    "cut-0",
    "cut-2",
    "cut-50",
    "cut-99",
    "flipped",
    "text",
    "npy",
    "npz",
    "version",
    "version-and-layout",
    "version-without-state",
    "version-of-objects",
    "version-0",
    "format",
    "other-model",
    "other-optimizer",
    "schedule",
    "only-a-model",
    "only-an-optimizer",
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: f"load_checkpoint-{damage}")
def test_checkpoint_refuses_other_files(damage: str) -> None:
    """07.20 A file damaged in one way each: the error and the trainer after it."""
    version = 0 if damage == "version-0" else integer(97531, 10_000, 99_999)
    named = ["training.ckpt", str(version)] if "version" in damage else ["training.ckpt"]
    got = load_damaged(damage, version)
    assert_equal(got, want={"named in the ValueError": named, "unchanged": True})


@observe
def load_nothing(tt: Any, name: str) -> Any:
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        tt.load_checkpoint(pathlib.Path(folder, name), tt.Linear(1, 1))


def test_load_of_no_file() -> None:
    """07.20 There is no such file: a FileNotFoundError, not a damaged file."""
    assert_raises(load_nothing, "training.ckpt", error="FileNotFoundError", says=("training.ckpt",))


@observe
def load_a_trap(tt: Any, where: str) -> Any:
    import os
    import tempfile

    class Trap:
        def __reduce__(self):
            return os.mkdir, (trace,)

    model = tt.Linear(3, 4)
    trainer = tt.Trainer(model, tt.SGD(model.parameters(), lr=0.1))
    with tempfile.TemporaryDirectory() as folder:
        path, trace = os.path.join(folder, "training.npz"), os.path.join(folder, "the code ran")
        tt.save_checkpoint(path, trainer)
        with np.load(path) as archive:
            arrays = dict(archive)
        start = '{"format": "tinytorch checkpoint", "version": 1, "state": '
        text = f"{start}__import__('os').mkdir({trace!r})}}".encode()
        trap = np.array([Trap()], dtype=object)
        traps = {n: a if n == "header" else trap for n, a in arrays.items()}
        if where == "header":
            traps = {**arrays, "header": np.frombuffer(text, np.uint8)}
        np.savez(path, **traps)
        try:
            tt.load_checkpoint(path, trainer)
        except ValueError as error:
            return {"named": "training.npz" in str(error), "the code ran": os.path.exists(trace)}
        return {"named": "it was loaded", "the code ran": os.path.exists(trace)}


@pytest.mark.parametrize("where", ["arrays", "header"])
def test_load_runs_no_code(where: str) -> None:
    """07.20 A file with a pickled object, and one with a call in its header; nothing in it is run."""
    assert_equal(load_a_trap(where), want={"named": True, "the code ran": False})

"""Kata 09, Spatial: batch norm as a layer, cost, a network (katas/09_spatial/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import oracle
from support.asserts import (
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
)
from support.expressions import evaluate, type_of
from support.observe import observe
from support.strategies import fill, integer, normal, positive, real
from test_09_spatial.images import NORM, Shape, batch, convolved, filled, normed

# ---- norms: 09.21, 09.22 -------------------------------------------------------------------------


BUFFERS = ["num_batches_tracked", "running_mean", "running_var"]
TWO = pytest.mark.parametrize("layer", ["BatchNorm1d", "BatchNorm2d"])


@observe
def norm_layer(tt: Any, layer: str, n: int) -> Any:
    made, bare = getattr(tt, layer)(n), getattr(tt, layer)(n, affine=False)
    other = getattr(tt, layer)(n, 0.5, 0.25, True)
    names = ("weight", "bias", "running_mean", "running_var")
    return {
        "parameters": [name for name, _ in made.named_parameters()],
        "state": list(made.state_dict()),
        "state without affine": sorted(bare.state_dict()),
        "weight, bias": [bare.weight, bare.bias],
        "dtypes": [str(getattr(made, name).dtype) for name in (*names, "num_batches_tracked")],
        "start": [getattr(made, name).tolist() for name in names],
        "tracked": [made.num_batches_tracked.shape, made.num_batches_tracked.item()],
        "buffers": [
            isinstance(t, tt.Tensor) and not t.requires_grad
            for t in (made.running_mean, made.running_var)
        ],
        "settings": [
            made.num_features,
            made.eps,
            made.momentum,
            other.eps,
            other.momentum,
            bare.affine,
        ],
    }


@TWO
def test_batch_norm_layer_has_its_state(layer: str) -> None:
    """09.21 Names, shapes, dtypes and first values; the number of features is drawn."""
    n = integer(3, 1, 9)
    got = norm_layer(layer, n)
    assert_equal(sorted(got.pop("state")), want=["bias", *BUFFERS, "weight"])
    ones, zeros = [1.0] * n, [0.0] * n
    want = {"parameters": ["weight", "bias"], "state without affine": BUFFERS}
    want |= {"weight, bias": [None, None], "dtypes": [*["float32"] * 4, "int64"]}
    want |= {"start": [ones, zeros, zeros, ones], "tracked": [(), 0], "buffers": [True, True]}
    assert_equal(got, want=want | {"settings": [n, 1e-5, 0.1, 0.5, 0.25, False]})


@observe
def norm_run(tt: Any, call: str, batches: Any, weight: Any, bias: Any) -> Any:
    layer, twin, found = eval(call, {"tt": tt}), eval(call, {"tt": tt}), []
    if weight is not None:
        layer.weight, layer.bias = tt.Parameter(weight), tt.Parameter(bias)
    buffers = [layer.running_mean, layer.running_var]
    for x in batches:
        found.append(layer(tt.Tensor(x)).data)
    trained = {k: v.astype(np.float64) for k, v in layer.state_dict().items() if "running" in k}
    tracked = layer.num_batches_tracked.item()
    evaluated = layer.eval()(tt.Tensor(batches[0])).data
    after = {k: v.astype(np.float64) for k, v in layer.state_dict().items() if "running" in k}
    return {
        "outs": found,
        "trained": trained,
        "evaluated": evaluated,
        "after": after,
        "tracked": [tracked, layer.num_batches_tracked.item(), twin.num_batches_tracked.item()],
        "twin": float(abs(twin.running_mean.data).sum()),
        "the same tensors": [layer.running_mean is buffers[0], layer.running_var is buffers[1]],
    }


@pytest.mark.parametrize("momentum", [0.1, 0.5, 0.0, 1.0, None], ids=str)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [("BatchNorm1d", (4, 3)), ("BatchNorm1d", (2, 3, 5)), ("BatchNorm2d", (2, 3, 2, 3))],
    ids=["1d", "1d-3-axes", "2d"],
)
def test_batch_norm_layer_trains_and_evaluates(
    layer: str, shape: Shape, momentum: float | None
) -> None:
    """09.21 Three batches, then eval mode: values, running statistics, count; a second layer is untouched."""
    batches, (w, b) = [normal(*shape, seed=i) + i for i in range(3)], filled((3,), (3,), seed=9)
    got = norm_run(f"tt.{layer}(3, momentum={momentum})", batches, w, b)
    mean, var = np.zeros(3), np.ones(3)
    for i, x in enumerate(batches):
        part = 1 / (i + 1) if momentum is None else momentum
        mean, var = (1 - part) * mean + part * batch(x)[0], (1 - part) * var + part * batch(x)[2]
    assert_close(got["outs"], want=[normed(x, *batch(x)[:2], w, b) for x in batches], depth=10)
    assert_norm_state(got, batches[0], mean, var, w, b)


def assert_norm_state(got: Any, x: Any, mean: Any, var: Any, w: Any, b: Any) -> None:
    """Running statistics, kept in float32, and what is made of them in eval mode, which changes nothing."""
    assert_equal(got["tracked"], want=[3, 3, 0])
    assert_equal([got["twin"], got["the same tensors"]], want=[0.0, [True, True]])
    if mean.any():
        assert_close(got["trained"]["running_mean"], want=mean, depth=1e5)
    assert_close(got["trained"]["running_var"], want=var, depth=1e5)
    assert_unchanged(got["after"], was=got["trained"])
    assert_close(got["evaluated"], want=normed(x, mean, var, w, b), depth=1e6)


@pytest.mark.parametrize("momentum", [0.1, 0.0, None], ids=str)
@TWO
def test_batch_norm_layer_evaluates_before_it_has_trained(
    layer: str, momentum: float | None
) -> None:
    """09.21 Eval mode from the start: mean 0, variance 1, with the layer's own eps, weight and bias."""
    x, (w, b) = normal(2, 3, *[2, 3][: 2 if layer == "BatchNorm2d" else 1]), filled((3,), (3,))
    eps = real(0.5, 0.2, 0.9)
    call = f"tt.{layer}(3, {eps}, momentum={momentum}).eval()"
    got = norm_run(call, [x], w, b)
    assert_close(got["evaluated"], want=normed(x, np.zeros(3), np.ones(3), w, b, eps), depth=1e6)
    assert_equal(got["tracked"], want=[0, 0, 0])


@observe
def norm_layer_loaded(tt: Any, x: Any, mean: Any, var: Any, count: int) -> Any:
    layer = tt.BatchNorm1d(3, momentum=None)
    layer(tt.Tensor(x))
    layer.eval()(tt.Tensor(x))
    state = layer.state_dict() | {"running_mean": mean, "running_var": var}
    layer.load_state_dict(state | {"num_batches_tracked": np.array(count)})
    evaluated = layer.eval()(tt.Tensor(x)).data
    layer.train()(tt.Tensor(x))
    after = [layer.running_mean.data, layer.running_var.data]
    return {"evaluated": evaluated, "after": [a.astype(np.float64) for a in after]}


def test_batch_norm_layer_goes_on_from_a_state() -> None:
    """09.21 Statistics and the count come from the state that was loaded, after a call in eval mode."""
    x, mean, var, count = normal(4, 3), normal(3, seed=1), positive(3), integer(4, 2, 9)
    got = norm_layer_loaded(x, mean, var, count)
    assert_close(got["evaluated"], want=normed(x, mean, var), depth=1e6)
    part, (m, _, v) = 1 / (count + 1), batch(x)
    want = [(1 - part) * mean + part * m, (1 - part) * var + part * v]
    assert_close(got["after"], want=want, depth=1e6)


@observe
def norm_layer_without_history(tt: Any, x: Any) -> Any:
    layer = tt.BatchNorm1d(3)
    with tt.no_grad():
        out = layer(tt.Tensor(x))
    moved, one = layer.running_mean.data.astype(np.float64), layer.num_batches_tracked.item()
    layer(tt.Tensor(x[:0]))
    empty = layer.running_mean.data.astype(np.float64)
    counts = [one, layer.num_batches_tracked.item()]
    return {"out": out, "moved": moved, "after an empty batch": empty, "counts": counts}


def test_batch_norm_layer_without_history() -> None:
    """09.21 In training mode under no_grad: what counts is the mode; then a batch of no images, which counts."""
    x = normal(4, 3)
    got, (mean, var, _) = norm_layer_without_history(x), batch(x)
    assert_close(got["out"], want=normed(x, mean, var), depth=10)
    for name in ("moved", "after an empty batch"):
        assert_close(got[name], want=0.1 * mean, depth=1e6)
    assert_equal(got["counts"], want=[1, 2])


def test_batch_norm_layer_without_affine() -> None:
    """09.21 eps is used, and there is neither weight nor bias."""
    x, eps = normal(4, 3), real(0.5, 0.2, 0.9)
    got, (mean, var, moved) = (
        norm_run(f"tt.BatchNorm1d(3, eps={eps}, affine=False)", [x], None, None),
        batch(x),
    )
    assert_close(got["outs"], want=[normed(x, mean, var, eps=eps)], depth=10)
    want = normed(x, 0.1 * mean, 0.9 + 0.1 * moved, eps=eps)
    assert_close(got["evaluated"], want=want, depth=1e6)


@observe(parts=("weight.grad", "bias.grad"))
def norm_layer_gradients(tt: Any, x: Any, c: Any, training: bool) -> Any:
    layer = tt.BatchNorm2d(3).train(training)
    layer(tt.Tensor(x)).backward(c)
    return [layer.weight.grad.astype(np.float64), layer.bias.grad.astype(np.float64)]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
def test_batch_norm_layer_learns(training: bool) -> None:
    """09.21 The gradients of weight and bias, while training and while evaluating."""
    x, c = filled((2, 3, 2, 3), (2, 3, 2, 3), seed=60)
    mean, var = batch(x)[:2] if training else (np.zeros(3), np.ones(3))
    want = [(c * normed(x, mean, var)).sum((0, 2, 3)), c.sum((0, 2, 3))]
    assert_close(norm_layer_gradients(x, c, training), want=want, depth=1e6)


@pytest.mark.parametrize("kind", ["BatchNorm1d", "BatchNorm2d"])
def test_batch_norm_of_one_channel(kind: str) -> None:
    """09.21 A layer of a single channel, while training: mean 0, variance 1, and its statistics."""
    x = normal(3, 1, *(4, 2)[: 2 if kind == "BatchNorm2d" else 1]) + real(1.0, 0.5, 2.0)
    got = norm_run(f"tt.{kind}(1)", [x], None, None)
    assert_close(got["outs"], want=[normed(x, *batch(x)[:2])], depth=100)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("tt.BatchNorm1d(0)", ("0",)),
        ("tt.BatchNorm2d(-{n})", ("-{n}",)),
        ("tt.BatchNorm1d(3)(tt.Tensor(np.ones((2, {n}))))", ("3", "(2, {n})")),
        ("tt.BatchNorm1d(3)(tt.Tensor(np.ones({n})))", ("({n},)",)),
        ("tt.BatchNorm1d(3)(tt.Tensor(np.ones((2, 3, 2, {n}))))", ("(2, 3, 2, {n})",)),
        ("tt.BatchNorm2d(3)(tt.Tensor(np.ones((2, {n}, 2, 2))))", ("3", "(2, {n}, 2, 2)")),
        ("tt.BatchNorm2d(3)(tt.Tensor(np.ones(({n}, 3))))", ("({n}, 3)",)),
        ("tt.BatchNorm2d(3)(tt.Tensor(np.ones((3, 3, {n}))))", ("(3, 3, {n})",)),
        ("tt.BatchNorm2d(3).eval()(tt.Tensor(np.ones((2, {n}, 2, 2))))", ("3", "(2, {n}, 2, 2)")),
        ("tt.BatchNorm2d(3, affine=False)(tt.Tensor(np.ones((2, {n}, 2, 2))))", ("3", "(2, {n}, 2, 2)")),
        ("tt.BatchNorm2d({n})(tt.Tensor(np.ones((1, {n}, 1, 1))))", ("(1, {n}, 1, 1)",)),
    ],
)  # fmt: skip
def test_batch_norm_layer_refuses(call: str, says: tuple[str, ...]) -> None:
    """09.22 Features, channels and axes that do not fit."""
    n = str(integer(4, 4, 9))
    call = call.replace("{n}", n)
    assert_raises(
        type_of,
        call,
        error="ValueError",
        says=tuple(s.replace("{n}", n) for s in says),
    )


@observe
def norm_layer_after_a_refusal(tt: Any, n: int) -> Any:
    layer, errors = tt.BatchNorm2d(n), []
    for shape in [(1, n, 1, 1), (2, n + 1, 2, 2), (2, n)]:
        try:
            layer(tt.Tensor(np.ones(shape)))
        except ValueError:
            errors.append(len(shape))
    return [errors, {k: v.tolist() for k, v in layer.state_dict().items() if k != "weight"}]


def test_batch_norm_layer_refuses_and_changes_nothing() -> None:
    """09.22 The state after calls that were refused, the count included."""
    n = integer(3, 2, 9)
    state = {"bias": [0.0] * n, "running_mean": [0.0] * n, "running_var": [1.0] * n}
    assert_equal(
        norm_layer_after_a_refusal(n), want=[[4, 4, 2], state | {"num_batches_tracked": 0}]
    )


# ---- systems: 09.23, 09.24 -----------------------------------------------------------------------


@observe(shown="{expression}, forward and back: how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, expression: str, shapes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    code, counts = compile(expression, "call", "eval"), []
    for each in shapes:
        leaves = [tt.Tensor(np.ones(shape), requires_grad=True) for shape in each]
        names = {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))}
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = eval(code, names)
            out.backward(out.data)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "size": out.size}


GROWN = {  # a call, small operands, and which of their axes grow with what
    "conv2d": (
        "tt.conv2d(a, b, c, padding=1)",
        ((2, 2, 5, 4), (3, 2, 3, 3), (3,)),
        {"channels": "a1 b1", "kernels": "b0 c0", "rows": "a2", "columns": "a3"},
    ),
    "max_pool2d": (
        "tt.max_pool2d(a, 2)",
        ((2, 2, 4, 4),),
        {"channels": "a1", "rows": "a2", "columns": "a3"},
    ),
    "avg_pool2d": (
        "tt.avg_pool2d(a, 3, 2, 1)",
        ((2, 2, 5, 4),),
        {"channels": "a1", "rows": "a2", "columns": "a3"},
    ),
    "AdaptiveAvgPool2d": (
        "tt.AdaptiveAvgPool2d(1)(a)",
        ((2, 2, 5, 4),),
        {"channels": "a1", "images": "a0", "rows": "a2", "columns": "a3"},
    ),
    "batch_norm": (
        NORM.format(""),
        ((2, 2, 5, 4), (2,), (2,)),
        {"channels": "a1 b0 c0", "images": "a0", "rows": "a2", "columns": "a3"},
    ),
}


def grown(shapes: Any, axes: str, n: int) -> Any:
    """The shapes with n along some axes, such as a1, axis 1 of the first operand."""
    found = [list(shape) for shape in shapes]
    for letter, axis in axes.split():
        found["abc".index(letter)][int(axis)] = n
    return tuple(map(tuple, found))


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name, (_, _, axes) in GROWN.items() for what in axes]
)
def test_steps_do_not_grow_with_the_image(name: str, what: str) -> None:
    """09.23 Steps for small operands, and where there is more of one thing."""
    call, small, axes = GROWN[name]
    large = grown(small, axes[what], integer(200, 150, 250))
    size = evaluate(call, *map(np.ones, large)).size  # first: a screen shows the last call
    got = counted_steps(call, [small, small, large])
    assert_equal(got["size"], want=size)
    assert_below(
        got["large"] / got["small"],
        limit=1.3,
        what=f"steps for many {what}, per step for few",
    )


@observe(
    shown="{expression}: bytes that are kept beside operands and result, and the result's size"
)
def kept_memory(tt: Any, expression: str, learns: bool, arrays: Any) -> Any:
    import tracemalloc

    leaves = [tt.Tensor(array, requires_grad=learns) for array in arrays]
    names = {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))}
    code = compile(expression, "call", "eval")
    small = tt.Tensor(arrays[0][:, :, 1:])
    eval(code, names | {"a": small})  # imports, and what hangs on options alone
    tracemalloc.start()
    try:
        out = eval(code, names)
        return {"kept": tracemalloc.get_traced_memory()[0] - out.data.nbytes, "size": out.size}
    finally:
        tracemalloc.stop()


KEPT = {  # a call, its shapes, and how many numbers may be kept: for each of x, of conv2d of the result
    "conv2d": ("tt.conv2d(a, b, c, padding=1)", (6, (3, 6, 3, 3), (3,)), 6 * 9 / 3),
    "conv2d-stride": ("tt.conv2d(a, b, c, stride=3)", (6, (3, 6, 3, 3), (3,)), 6 * 9 / 3),
    "conv2d-groups": ("tt.conv2d(a, b, c, groups=3)", (6, (6, 2, 3, 3), (6,)), 6 * 9 / 6),
    "conv2d-of-few-pixels": ("tt.conv2d(a, b, padding=1, stride=25)", (6, (3, 6, 1, 1)), 6 / 3),
    "max_pool2d": ("tt.max_pool2d(a, 2)", (6,), 1),
    "max_pool2d-overlapping": ("tt.max_pool2d(a, 3, 1, 1)", (6,), 1),
    "max_pool2d-of-25-places": ("tt.max_pool2d(a, 5, 1, 2)", (6,), 1),
    "avg_pool2d": ("tt.avg_pool2d(a, 3, 1, 1)", (6,), 1),
    "batch_norm": (NORM.format(""), (6, (6,), (6,)), 2),
}


@pytest.mark.parametrize("learns", [True, False], ids=["with-history", "without"])
@pytest.mark.parametrize("name", KEPT)
def test_what_a_graph_keeps(name: str, learns: bool) -> None:
    """09.24 Bytes that are there after a call; how many rows the images have is drawn, and was not seen before."""
    (call, (channels, *shapes), each), rows = KEPT[name], 18 + 16 * [*KEPT].index(name) + 8 * learns
    dtype = np.dtype(np.float64 if "conv2d" in name else np.float32)
    images = (integer(4, 3, 6), channels, rows + integer(4, 0, 3), 20)
    arrays = [array.astype(dtype) for array in filled(images, *shapes)]
    got, out = kept_memory(call, learns, arrays), evaluate(call, *arrays)
    assert_equal(got["size"], want=out.size)
    counted = out.size if "conv2d" in name else arrays[0].size
    limit = (dtype.itemsize * each * counted if learns else 0) + 10_000
    assert_below(max(got["kept"], 0), limit=limit, what="bytes kept beside operands and result")


@observe(
    shown="conv2d(x, weight).backward(c)  # c * weight would overflow. Shown: whether anything does, and weight.grad"
)
def slopes_of_frozen_images(tt: Any, x: Any, weight: Any, c: Any, learns: bool) -> Any:
    image, kernels = tt.Tensor(x, requires_grad=learns), tt.Tensor(weight, requires_grad=True)
    out, overflows = tt.conv2d(image, kernels), []
    with np.errstate(over="call", call=lambda kind, flag: overflows.append(kind)):
        out.backward(c)
    return {"overflows": bool(overflows), "gradient": kernels.grad}


def test_no_gradient_of_images_that_need_none() -> None:
    """09.24 A gradient of the images would overflow: it does where they require one, else nothing does."""
    x, w, c = filled((3, 2, 4, 5), (3, 2, 2, 2), (3, 3, 3, 4))
    for learns in (True, False):
        got = slopes_of_frozen_images(x / 1e200, w * 1e200, c * 1e200, learns)
        assert_close(got["gradient"], want=convolved(x, w, c=c)[1], depth=10)
    assert_equal(got["overflows"], want=False)


# ---- end to end: 09.25 ---------------------------------------------------------------------------


NET = "tt.Sequential(tt.Conv2d(1, 4, 3, padding=1, bias=False), tt.BatchNorm2d(4), tt.ReLU(), tt.MaxPool2d(2), tt.Conv2d(4, 6, 3, stride=2, groups=2), tt.AvgPool2d((1, 2)), tt.Flatten(), tt.BatchNorm1d(6), tt.Linear(6, 3))"
PICTURES = (4, 1, 8, 10)


def record(torch: Any) -> dict[str, Any]:
    """A network of torch.nn in float64: its state, what it gives while training and after, its state then."""
    torch.manual_seed(0)
    net = eval(NET, {"tt": torch.nn}).double()
    state = {
        k: fill(tuple(v.shape), i, base=0) / 4 for i, (k, v) in enumerate(net.state_dict().items())
    }
    state |= {k: abs(v) for k, v in state.items() if "var" in k or "tracked" in k}
    net.load_state_dict(
        {k: torch.tensor(np.floor(v) if "tracked" in k else v) for k, v in state.items()}
    )
    found = {f"before/{k}": v.numpy().copy() for k, v in net.state_dict().items()}
    x = fill(PICTURES, 99, "normal", base=0)
    found |= {"x": x, "trained": net(torch.tensor(x)).detach().numpy()}
    found |= {"evaluated": net.eval()(torch.tensor(x)).detach().numpy()}
    return found | {f"after/{k}": v.numpy().copy() for k, v in net.state_dict().items()}


@observe
def state_names(tt: Any, call: str) -> Any:
    return {k: v.shape for k, v in eval(call, {"tt": tt}).state_dict().items()}


@observe
def with_a_state(tt: Any, call: str, state: Any, x: Any) -> Any:
    net, x = eval(call, {"tt": tt}), tt.Tensor(x)
    for name, array in state.items():
        *path, last = name.split(".")
        part = net[int(path[0])]
        kind = tt.Parameter if last in ("weight", "bias") else tt.Tensor
        setattr(part, last, kind(array.astype(np.int64) if "tracked" in last else array))
    trained = net(x)
    return {"trained": trained, "evaluated": net.eval()(x), "state": net.state_dict()}


def test_a_network_is_pytorchs() -> None:
    """09.25 A network with PyTorch's state: values in both modes, and the state afterwards."""
    names = list(state_names(NET))
    state, after = ({k: oracle.own("09", f"{w}/{k}") for k in names} for w in ("before", "after"))
    got = with_a_state(NET, state, oracle.own("09", "x"))
    for mode in ("trained", "evaluated"):
        assert_close(got[mode], want=oracle.own("09", mode), depth=100)
    moved = {k: after[k] for k in names if not (after[k] == state[k]).all()}
    found = {k: got["state"][k].astype(np.float64) for k in moved}
    assert_close(found, want=moved, depth=10)


@observe
def trained(tt: Any, x: Any, y: Any, seed: int) -> Any:
    import os
    import tempfile

    trainers = []
    for _ in range(2):
        tt.manual_seed(seed)
        parts = [tt.Conv2d(1, 4, 3), tt.BatchNorm2d(4), tt.ReLU(), tt.AdaptiveAvgPool2d(1)]
        net = tt.Sequential(*parts, tt.Flatten(), tt.Linear(4, 2))
        trainers.append(tt.Trainer(net, tt.Adam(net.parameters(), lr=0.05)))
    first, second = trainers
    first.fit(x, y, epochs=6, batch_size=8)
    before = first.model.state_dict()
    first.evaluate(x, y, batch_size=5)
    after = first.model.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        tt.save_checkpoint(os.path.join(folder, "checkpoint"), first)
        tt.load_checkpoint(os.path.join(folder, "checkpoint"), second)
    for trainer in trainers:
        trainer.fit(x, y, epochs=7, batch_size=8)
    return {
        "losses": [line["loss"] for line in first.history],
        "before": before,
        "after": after,
        "went on": first.model.state_dict(),
        "went on from a checkpoint": second.model.state_dict(),
    }


def striped(seed: int) -> Any:
    """Images with stripes that lie (class 0) or stand (class 1), among noise."""
    y = np.arange(32) % 2
    x = fill((32, 1, 6, 6), seed, "normal") / 4
    lying = np.resize([1.0, -1.0], 6)[:, None] * np.ones(6)
    x += np.where(y[:, None, None, None] == 0, lying, lying.T)
    return x.astype(np.float32), y


def test_a_network_learns() -> None:
    """09.25 Stripes that lie or stand: the loss, the state around evaluate, and a checkpoint of it."""
    x, y = striped(3)
    got = trained(x, y, integer(1, 1, 99))
    assert_below(got["losses"][-1] / got["losses"][0], limit=0.5, what="last loss, per first loss")
    assert_unchanged(got["after"], was=got["before"])
    assert_alike(got, "went on", "went on from a checkpoint", exactly=True)

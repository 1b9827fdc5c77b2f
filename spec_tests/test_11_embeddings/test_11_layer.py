"""Kata 11, Embeddings: the layer, tied weights, training (katas/11_embeddings/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.asserts import (
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_zeros,
)
from support.expressions import evaluate, type_of
from support.observe import observe
from support.strategies import BASE_SEED, integer, normal


def row_numbers(shape: Any, rows: int, seed: int = 0) -> Any:
    """Row numbers from 0 to rows - 1."""
    return np.random.default_rng([BASE_SEED, seed, rows]).integers(0, rows, shape)


def summed(ids: Any, c: Any, rows: int, padding: int | None = None) -> Any:
    """The gradient of a table, one use after the other."""
    found, ids = np.zeros((rows, c.shape[-1])), np.asarray(ids)
    for index in np.ndindex(ids.shape):
        if ids[index] != padding:
            found[ids[index]] += c[index]
    return found


# ---- 11.10 to 11.12 ------------------------------------------------------------------------------


@observe
def made(tt: Any, call: str) -> Any:
    layer = eval(call, {"tt": tt, "np": np})
    names = ("num_embeddings", "embedding_dim", "padding_idx")
    settings = [getattr(layer, name) for name in names]
    return {
        "parameters": [name for name, _ in layer.named_parameters()],
        "state": {name: array.shape for name, array in layer.state_dict().items()},
        "a Parameter of float32": [isinstance(layer.weight, tt.Parameter), str(layer.weight.dtype)],
        "a Module": isinstance(layer, tt.Module),
        "settings": settings,
        "types": [type(setting).__name__ for setting in settings],
        "generators": sum(isinstance(v, np.random.Generator) for v in vars(layer).values()),
    }


MADE = {  # a call, and the padding_idx that the layer keeps; V is n, D is 3
    "Embedding({n}, 3)": None,
    "Embedding(num_embeddings={n}, embedding_dim=3)": None,
    "Embedding({n}, 3, 0)": 0,
    "Embedding({n}, 3, padding_idx=2)": 2,
    "Embedding({n}, 3, padding_idx=-1)": -1,
    "Embedding({n}, 3, -{n})": 0,
    "Embedding(np.int64({n}), np.int32(3), np.int64(1))": 1,
    "Embedding({n}, 3, None, np.random.default_rng(1))": None,
}


@pytest.mark.parametrize("sizes", [(1, 3), (3, 1), (1, 1)])
def test_embedding_layer_of_one(sizes: tuple[int, int]) -> None:
    """11.10 A table of one row, of one column and of both."""
    got = made(f"tt.Embedding{sizes}")
    assert_equal(
        {**got["state"], "settings": got["settings"][:2]},
        want={"weight": sizes, "settings": list(sizes)},
    )


@pytest.mark.parametrize("call", MADE)
def test_embedding_layer_has_its_table(call: str) -> None:
    """11.10 Name, kind, shape and dtype of the one Parameter."""
    n = integer(4, 3, 9)
    got = made("tt." + call.replace("{n}", str(n)))
    want = {"parameters": ["weight"], "state": {"weight": (n, 3)}, "a Module": True}
    want["a Parameter of float32"] = [True, "float32"]
    assert_equal({name: got[name] for name in want}, want=want)


@pytest.mark.parametrize("call", MADE)
def test_embedding_layer_keeps_its_arguments(call: str) -> None:
    """11.11 The attributes, and that they are ints; padding_idx of many kinds."""
    n, padding = integer(4, 3, 9), MADE[call]
    got = made("tt." + call.replace("{n}", str(n)))
    assert_equal(got["settings"], want=[n, 3, None if padding is None else padding % n])
    kind = "NoneType" if padding is None else "int"
    assert_equal([got["types"], got["generators"]], want=[["int", "int", kind], 0])


@observe(shown="{layer}s that are made after manual_seed, and from generators: their weights")
def beginnings(tt: Any, layer: str, rows: int, seed: int) -> Any:
    make = getattr(tt, layer)
    tt.manual_seed(seed)
    first, second = make(rows, 3), make(rows, 3)
    tt.manual_seed(seed)
    again = make(rows, 3)
    own = [make(rows, 3, generator=np.random.default_rng(100 + seed)) for _ in range(2)]
    tt.manual_seed(seed)
    make(rows, 3, generator=np.random.default_rng(100 + seed))
    later = make(rows, 3)
    longer = make(rows + 2, 3, generator=np.random.default_rng(100 + seed))
    layers = {"first": first, "after the same seed": again, "second": second}
    layers |= {"from a generator": own[0], "from an equal one": own[1], "later": later}
    weights = {name: made.weight.data for name, made in layers.items()}
    return weights | {"the first rows of a longer one": longer.weight.data[:rows]}


def check_beginnings(layer: str) -> None:
    """Which of several tables begin alike; every number of the others is another one."""
    rows = integer(4, 2, 9)
    got = beginnings(layer, rows, integer(7, 1, 999))
    three = ("first", "second", "from a generator")
    numbers = {float(x) for name in three for x in got[name].ravel()}
    assert_above(len(numbers), limit=3 * rows * 2.5, what="different numbers of three tables")
    assert_alike(got, "first", "after the same seed")
    assert_alike(got, "first", "later")
    assert_alike(got, "from a generator", "from an equal one")
    assert_alike(got, "from a generator", "the first rows of a longer one")


def test_embedding_layer_starts_again() -> None:
    """11.10 Layers made after the same seed, from equal generators, and a longer one."""
    check_beginnings("Embedding")


@observe(shown="{layer}({rows}, 50).weight")
def start(tt: Any, layer: str, rows: int) -> Any:
    tt.manual_seed(5)
    return getattr(tt, layer)(rows, 50).weight.data


def check_start(layer: str) -> None:
    """Mean, variance and tails of a start, within 5 sigma."""
    x = start(layer, integer(800, 700, 900)).astype(np.float64)
    n, one, two = x.size, float((abs(x) < 1).mean()), float((abs(x) < 2).mean())
    assert_below(abs(float(x.mean())), limit=5 / n**0.5, what="|mean|")
    assert_below(abs(float(x.var()) - 1), limit=5 * (2 / n) ** 0.5, what="|variance - 1|")
    assert_below(
        abs(one - 0.682689),
        limit=5 * (0.2166 / n) ** 0.5,
        what="distance of the share within 1 from 0.68",
    )
    assert_below(
        abs(two - 0.954500),
        limit=5 * (0.0434 / n) ** 0.5,
        what="distance of the share within 2 from 0.95",
    )


def test_embedding_layer_starts_normal() -> None:
    """11.10 Mean, variance and tails of many numbers."""
    check_start("Embedding")


@observe(
    shown="Embedding({rows}, 3, padding_idx={padding}) and Embedding({rows}, 3), from equal generators"
)
def padded_start(tt: Any, rows: int, padding: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    padded = tt.Embedding(rows, 3, padding_idx=padding, generator=rng)
    plain = tt.Embedding(rows, 3, generator=np.random.default_rng(seed))
    others = np.arange(rows) != padding % rows
    return {
        "padding": padded.weight.data[padding],
        "without padding_idx": plain.weight.data[others],
        "with padding_idx": padded.weight.data[others],
        "at the padding": plain.weight.data[padding],
    }


@pytest.mark.parametrize("padding", [1, 0, -1])
def test_embedding_layer_starts_with_zeros_at_the_padding(padding: int) -> None:
    """11.10 The row of the padding, and the others beside those of a layer without it."""
    got = padded_start(integer(4, 3, 9), padding, integer(3, 1, 999))
    assert_zeros(got["padding"], beside=got["at the padding"])
    assert_alike(got, "without padding_idx", "with padding_idx", exactly=True)


@observe(shown="Embedding(4, 3, 1), its weight replaced, written to, loaded; what it gives")
def layer_called(tt: Any, ids: Any, weight: Any) -> Any:
    layer = tt.Embedding(len(weight), weight.shape[1], padding_idx=1)
    before = {name: repr(value) for name, value in vars(layer).items()}
    layer(ids)
    layer.weight = tt.Parameter(weight.copy())
    found = {"replaced": layer(ids).data.copy()}
    layer.weight.data[...] = weight * 2
    found["written to"] = layer(tt.Tensor(ids)).data.copy()
    layer.load_state_dict({"weight": weight * 3})
    found["loaded"] = layer.eval()(ids)
    layer.train()
    found["by name"] = layer(input=ids[0]).data.copy()
    layer.weight = tt.Parameter(np.concatenate([weight, weight * 4]))
    found["longer"] = layer(ids + 4)
    after = {name: repr(value) for name, value in vars(layer).items()}
    found["left on it"] = [
        k for k in after if k not in ("weight", "training") and before.get(k) != after[k]
    ]
    return found


def test_embedding_layer_computes_embedding() -> None:
    """11.11 Values with a weight that was replaced, written to and loaded; the padding's row is read too."""
    ids, weight = np.array([[1, 0, 3], [2, 1, 1]]), normal(4, 3)
    got = layer_called(ids, weight)
    assert_equal(got.pop("left on it"), want=[])
    want = {"replaced": weight[ids], "written to": 2 * weight[ids], "loaded": 3 * weight[ids]}
    want |= {"by name": 3 * weight[ids[0]], "longer": 4 * weight[ids]}
    assert_close(got, want=want)


@observe(
    shown="two layers, the second with padding_idx={padding}, walked back: weight.grad of each"
)
def layer_gradients(tt: Any, ids: Any, c: Any, padding: int) -> Any:
    plain, padded = tt.Embedding(4, 3), tt.Embedding(4, 3, padding_idx=padding)
    for layer in (plain, padded):
        layer(ids).backward(c)
    return {"plain": plain.weight.grad, "padded": padded.weight.grad}


@pytest.mark.parametrize("padding", [2, 0, -1])
def test_embedding_layer_learns(padding: int) -> None:
    """11.11 The gradient of the table, in float32, in a layer without padding and in one with it."""
    ids, c = np.array([[0, 1, 3], [2, 0, 3]]), normal(2, 3, 3).astype(np.float32)
    want = {"plain": summed(ids, c, 4), "padded": summed(ids, c, 4, padding % 4)}
    want = {name: slope.astype(np.float32) for name, slope in want.items()}
    assert_close(layer_gradients(ids, c, padding), want=want)


@observe(shown="Embedding(4, 3).eval()(ids).sum().backward(); weight.grad")
def learned_in_eval_mode(tt: Any, ids: Any) -> Any:
    layer = tt.Embedding(4, 3).eval()
    layer(ids).sum().backward()
    return layer.weight.grad


def test_embedding_layer_learns_in_eval_mode() -> None:
    """11.11 eval() cuts no history: the gradient of a sum counts the uses of each row."""
    ids = row_numbers((3, 4), 3)
    uses = np.bincount(ids.ravel(), minlength=4).astype(np.float32)
    assert_close(learned_in_eval_mode(ids), want=np.outer(uses, np.ones(3, np.float32)))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        ("({n}.0)", "TypeError", ("float64", "{n}.")),
        ("([True])", "TypeError", ("bool", "True")),
        ("(tt.Tensor([1]))", "TypeError", ("float32",)),
        ("([0, 3{n}])", "IndexError", ("3{n}", "20")),
        ("(-{n})", "IndexError", ("-{n}", "20")),
    ],
)
def test_embedding_layer_refuses_rows(call: str, error: str, says: tuple[str, ...]) -> None:
    """11.11 Row numbers that the function refuses."""
    n = str(integer(4, 2, 9))
    says = tuple(s.replace("{n}", n) for s in says)
    call = f"tt.Embedding(20, 2){call.replace('{n}', n)}"
    assert_raises(evaluate, call, error=error, says=says)


SIZES = ["0", "-{n}", "{n}.0", "{n}.5", "None", "'{n}'", "[{n}]"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("call", ["Embedding({}, 3)", "Embedding(3, {})"], ids=["V", "D"])
def test_embedding_layer_refuses_sizes(call: str, size: str) -> None:
    """11.12 Sizes that are no whole number of at least 1."""
    size = size.replace("{n}", str(integer(4, 2, 9)))
    call = f"tt.{call.format(size)}"
    assert_raises(type_of, call, error="ValueError", says=(size.strip("'"),))


@pytest.mark.parametrize("padding", ["{n}", "-{n}1", "1{n}", "1.0", "'{n}'", "[0]"])
def test_embedding_layer_refuses_a_padding(padding: str) -> None:
    """11.12 A padding_idx that is none of the rows."""
    n = str(integer(4, 2, 9))
    padding = padding.replace("{n}", n)
    call = f"tt.Embedding({n}, 3, padding_idx={padding})"
    assert_raises(type_of, call, error="ValueError", says=(padding.strip("'"),))


@observe(shown="the next draw after {call} was refused, and without it")
def draws_after(tt: Any, call: str, seed: int) -> Any:
    rng, fresh, error = np.random.default_rng(seed), np.random.default_rng(seed), "none"
    tt.manual_seed(seed)
    try:
        eval(f"tt.{call}", {"tt": tt, "rng": rng})
    except ValueError:
        error = "ValueError"
    after = [rng.random(), tt.rand(1).item()]
    tt.manual_seed(seed)
    return {"error": error, "after": after, "fresh": [fresh.random(), tt.rand(1).item()]}


@pytest.mark.parametrize("call", ["Embedding(3, 0{})", "Embedding(0, 3{})", "Embedding(3, 2, 3{})"])
def test_embedding_layer_refuses_before_it_draws(call: str) -> None:
    """11.12 The generator that was passed and the default one after a refusal."""
    for more in (", generator=rng", ""):
        got = draws_after(call.format(more), integer(3, 1, 999))
        assert_equal(got["error"], want="ValueError")
        assert_equal(got["after"], want=got["fresh"])


# ---- tied: 11.23 ---------------------------------------------------------------------------------


@observe(shown="table.weight = head.weight = Parameter(weight); head(table(ids)).backward(c)")
def tied(tt: Any, ids: Any, weight: Any, c: Any, padding: Any) -> Any:
    table = tt.Embedding(*weight.shape, padding_idx=padding)
    head = tt.Linear(weight.shape[1], weight.shape[0], bias=False)
    table.weight = head.weight = tt.Parameter(weight)
    model = tt.Sequential(table, head)
    out = model(ids)
    out.backward(c)
    return {
        "out": out.data.copy(),
        "gradient": table.weight.grad,
        "names": [name for name, _ in model.named_parameters()],
        "state": list(model.state_dict()),
        "one": table.weight is head.weight,
    }


@pytest.mark.parametrize("padding", [None, 0, 2], ids=str)
def test_tied_weights_receive_both_gradients(padding: int | None) -> None:
    """11.23 Values, the gradient and the names of a table that is the last layer as well."""
    ids, weight, c = np.array([[3, 0, 3], [2, 1, 0]]), normal(5, 3), normal(2, 3, 5)
    got = tied(ids, weight, c, padding)
    assert_close(got.pop("out"), want=weight[ids] @ weight.T)
    want = summed(ids, c @ weight, 5, padding) + np.einsum("btv,btd->vd", c, weight[ids])
    assert_close(got.pop("gradient"), want=want, depth=10)
    names = {"names": ["0.weight"], "state": ["0.weight", "1.weight"], "one": True}
    assert_equal(got, want=names)


@observe(shown="three steps of {call} on a table that is the last layer as well")
def tied_steps(tt: Any, call: str, ids: Any, weight: Any, c: Any) -> Any:
    table, head = tt.Embedding(*weight.shape), tt.Linear(*weight.shape[::-1], bias=False)
    head.weight = table.weight
    table.weight.data = weight.copy()
    model = tt.Sequential(table, head)
    optimizer = eval(call, {"tt": tt, "parameters": model.parameters()})
    for _ in range(3):
        optimizer.zero_grad()
        model(ids).backward(c)
        optimizer.step()
    moved = table.weight.data.copy()
    return {"moved": moved, "table": table(ids), "head": head(tt.Tensor(np.eye(weight.shape[1])))}


def tied_by_hand(ids: Any, weight: Any, c: Any, lr: float) -> Any:
    """Three steps of plain gradient descent."""
    weight = weight.copy()
    for _ in range(3):
        slope = summed(ids, c @ weight, len(weight)) + np.einsum("tv,td->vd", c, weight[ids])
        weight -= lr * slope
    return weight


def test_tied_weights_move_once() -> None:
    """11.23 Three steps of SGD, against the same by hand; then what both layers give."""
    ids, weight, c = row_numbers((6,), 4), normal(4, 3), normal(6, 4)
    got = tied_steps("tt.SGD(parameters, lr=0.05)", ids, weight, c)
    want = tied_by_hand(ids, weight, c, 0.05)
    assert_close(got, want={"moved": want, "table": want[ids], "head": want.T}, depth=10)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_tied_weights_under_other_optimizers(name: str) -> None:
    """11.23 After steps of Adam and AdamW both layers use what the table has become."""
    ids, weight, c = row_numbers((6,), 4), normal(4, 3), normal(6, 4)
    got = tied_steps(f"tt.{name}(parameters, lr=0.05)", ids, weight, c)
    assert_above(float(abs(got["moved"] - weight).mean()), limit=0.02, what="way of a number")
    assert_close(got["table"], want=got["moved"][ids])
    assert_close(got["head"], want=got["moved"].T)


# ---- end to end: 11.24 ---------------------------------------------------------------------------


@observe(shown="a Trainer on Sequential(Embedding(12, 8, padding_idx=0), Linear(8, 12)), y = x + 1")
def trained(tt: Any, x: Any, y: Any, seed: int, optimizer: str) -> Any:
    tt.manual_seed(seed)
    model = tt.Sequential(tt.Embedding(12, 8, padding_idx=0), tt.Linear(8, 12))
    start = model.state_dict()
    trainer = tt.Trainer(model, getattr(tt, optimizer)(model.parameters(), lr=0.1))
    trainer.fit(x, y, epochs=30, batch_size=16)
    twin = tt.Sequential(tt.Embedding(12, 8), tt.Linear(8, 12))
    twin.load_state_dict(model.state_dict())
    rows = model[0].weight.data
    return {
        "losses": [line["loss"] for line in trainer.history],
        "padding": rows[0],
        "moved": rows[1:] - start["0.weight"][1:],
        "model": model(x).data,
        "with its state": twin(x).data,
        "names": list(start),
    }


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_a_model_learns_which_number_is_next(optimizer: str) -> None:
    """11.24 The loss, the row of the padding, and a second model that gets the state."""
    x = np.random.default_rng([BASE_SEED, 8]).permutation(np.arange(96) % 12)
    got = trained(x, (x + 1) % 12, integer(3, 1, 999), optimizer)
    assert_below(got["losses"][-1] / got["losses"][0], limit=0.5, what="last loss, per first loss")
    assert_zeros(got["padding"], beside=got["moved"])
    assert_alike(got, "model", "with its state", exactly=True)
    assert_equal(got["names"], want=["0.weight", "1.weight", "1.bias"])

"""PyTorch's names on the reference: what is given equals its twin, what is not names what is used here."""

from __future__ import annotations

import inspect
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tito.course.manifest import ROOT

A = np.array([[-1.5, 0.25, 2.0], [3.0, -0.5, 0.0]], np.float32)
TWINS = {  # as in PyTorch: as here, or as in NumPy
    "tt.minimum(x, 0.5)": "np.minimum(a, 0.5)",
    "x.minimum(tt.Tensor([0.5, 1.0, -3.0]))": "np.minimum(a, np.float32([0.5, 1.0, -3.0]))",
    "tt.minimum(x, np.nan)": "np.full((2, 3), np.nan, np.float32)",
    "tt.minimum(tt.Tensor(np.array([3, 200], np.uint8)), 5)": "np.array([3, 5], np.uint8)",
    "tt.minimum(x > 0, True)": "a > 0",
    "tt.minimum(x > 0, x)": "np.minimum(a > 0, a)",
    "tt.clamp(x, 0, 1)": "np.clip(a, 0, 1)",
    "x.clamp(min=0)": "np.clip(a, 0, None)",
    "x.view(3, 2)": "a.reshape(3, 2)",
    "x.view(-1)": "a.reshape(-1)",
    "x.numel()": "6",
    "tt.numel(x)": "6",
    "x.relu()": "np.maximum(a, 0)",
    "x.sigmoid()": "tt.sigmoid(x).data",
    "x.tanh()": "np.tanh(a)",
    "x.softmax(dim=1)": "tt.softmax(x, axis=1).data",
    "x.log_softmax(1)": "tt.log_softmax(x, axis=1).data",
    "tt.std(x)": "np.sqrt(x.var().data)",
    "x.std(dim=0, keepdim=True)": "np.sqrt(x.var(axis=0, keepdims=True).data)",
    "x.std(0, unbiased=False)": "np.sqrt(x.var(axis=0, correction=0).data)",
    "x.var(unbiased=False)": "x.var(correction=0).data",
    "x.var(dim=1, unbiased=True)": "x.var(axis=1).data",
    "tt.zeros_like(x)": "np.zeros((2, 3), np.float32)",
    "tt.ones_like(x > 0)": "np.ones((2, 3), bool)",
    "tt.full_like(x, 0.5)": "np.full((2, 3), 0.5, np.float32)",
    "x.masked_fill(x < 0, 0.5)": "np.where(a < 0, np.float32(0.5), a)",
    "tt.masked_fill(x, np.array([True, False, True]), -np.inf)": "np.where([True, False, True], np.float32(-np.inf), a)",
    "~(x > 0)": "~(a > 0)",
    "(x > 0) & (x < 1)": "(a > 0) & (a < 1)",
    "(x > 0) | (x < -1)": "(a > 0) | (a < -1)",
    "(x > 0) ^ (x < 1)": "(a > 0) ^ (a < 1)",
    "True & (x > 0)": "a > 0",
    "tt.Tensor(np.array([6])) & 3": "np.array([2])",
    "x.amax(dim=1)": "a.max(1)",
    "x.amin(0)": "a.min(0)",
    "tt.sum(x, dim=1)": "a.sum(1)",
    "tt.mean(x)": "a.mean()",
    "tt.max(x)": "a.max()",
    "tt.reshape(x, (3, 2))": "a.reshape(3, 2)",
    "tt.pow(x, 2)": "a ** 2",
    "tt.mm(x, x.T)": "a @ a.T",
    "tt.concat([x, x])": "np.concatenate([a, a])",
    "int(tt.Tensor(2.75))": "2",
    "['zero', 'one'][tt.Tensor(np.array(1))]": "'one'",
    "f'{tt.Tensor(2.675):.2f}'": "f'{np.float32(2.675):.2f}'",
    "f'{x[0, :1]}'": "'Tensor([-1.5])'",
    "x.sum(axis=[0, 1])": "a.sum()",
    "x.mean(dim=[1])": "a.mean(1)",
    "x.permute([1, 0])": "a.T",
    "tt.arange(0, end=3)": "np.float32([0, 1, 2])",
    "tt.arange(end=3)": "np.float32([0, 1, 2])",
    "tt.arange(end=3, step=2)": "np.float32([0, 2])",
    "tt.Sequential(tt.ReLU(), tt.Tanh(), tt.GELU())[0:1](x)": "np.maximum(a, 0)",
    "repr(tt.Sequential(tt.ReLU(), tt.Tanh(), tt.GELU())[-2:])": "repr(tt.Sequential(tt.Tanh(), tt.GELU()))",
    "repr(tt.Sequential(*tt.Sequential(tt.ReLU(), tt.Tanh())[1:]))": "repr(tt.Sequential(tt.Tanh()))",
    "repr(tt.Sequential(tt.ReLU(), tt.Tanh())[-1])": "'Tanh()'",
    "tt.arange(3, requires_grad=True).requires_grad": "True",
    "tt.full((2,), fill_value=0.5)": "np.float32([0.5, 0.5])",
    "tt.GELU(approximate='tanh')(x)": "tt.gelu(x).data",
    "tt.ReLU(inplace=False)(x)": "np.maximum(a, 0)",
    "tt.mse_loss(x, x + 1, reduction='sum')": "np.float32(6)",
    "tt.Linear(2, 3).load_state_dict({'weight': np.ones((3, 2)), 'bias': np.ones(3)}, strict=True)": "None",
    "tt.Linear(2, 3).zero_grad(set_to_none=True)": "None",
    "tt.SGD([tt.Parameter([1.0])], lr=0.5).zero_grad(set_to_none=True)": "None",
    "tt.clip_grad_norm_([tt.Parameter([1.0])], 1.0, norm_type=2)": "0.0",
}
REFUSED = {
    "x.to('cpu')": ("AttributeError", "astype"),
    "x.cuda()": ("AttributeError", "memory"),
    "x.clone()": ("AttributeError", "x * 1"),
    "x.add_(1)": ("AttributeError", "y = x + 1"),
    "x.requires_grad_()": ("AttributeError", "requires_grad=True"),
    "x.sort()": ("AttributeError", "np.sort"),
    "tt.as_tensor(A)": ("AttributeError", "Tensor(array)"),
    "tt.nn": ("AttributeError", "tinytorch.Linear"),
    "tt.float32": ("AttributeError", "NumPy"),
    "tt.load": ("AttributeError", "load_checkpoint"),
    "tt.nonsense": ("AttributeError", "no attribute 'nonsense'"),
    "x & x": ("TypeError", "compare first"),
    "~x": ("TypeError", "compare first"),
    "x.masked_fill(x, 0.5)": ("TypeError", "x < 0"),
    "['zero', 'one'][tt.Tensor(1.0)]": ("TypeError", "int(x)"),
    "f'{x:.2f}'": ("TypeError", "item()"),
    "int(x)": ("ValueError", "(2, 3)"),
    "tt.GELU(approximate='none')": ("TypeError", "the one with tanh"),
    "tt.ReLU(inplace=True)": ("TypeError", "no operation changes its operand"),
    "tt.ReLU(slope=1)": ("TypeError", "ReLU takes no arguments; got slope"),
    "tt.Linear(2, 3).load_state_dict({}, strict=False)": ("TypeError", "leave out of the state"),
    "tt.Linear(2, 3).zero_grad(set_to_none=False)": ("TypeError", "leaves None"),
    "tt.Linear(2, 3).children()": ("AttributeError", "Module has no children, named_children"),
    "tt.Linear(2, 3).apply(print)": ("AttributeError", "model.modules()"),
    "tt.SGD([tt.Parameter([1.0])], lr=0.5).add_param_group({})": ("AttributeError", "all groups"),
    "tt.clip_grad_norm_([tt.Parameter([1.0])], 1.0, norm_type=1)": ("TypeError", "sum of squares"),
    "tt.mse_loss(x, x, 'sum')": ("TypeError", 'reduction="sum"'),
    "tt.no_grad(print)": ("TypeError", "@no_grad()"),
    "tt.no_grad.__enter__()": ("TypeError", "with no_grad():"),
    "x.squeeze((0, 1))": ("TypeError", "one axis at a time"),
    "tt.concatenate([x, x])": ("TypeError", "join them with cat"),
    "x + [x, x]": ("TypeError", "one by one"),
}


@pytest.fixture(scope="module")
def tt() -> ModuleType:
    import tinytorch

    return tinytorch


def evaluated(tt: ModuleType, expression: str) -> Any:
    scope = {"tt": tt, "np": np, "a": A, "x": tt.Tensor(A)}
    return eval(expression, scope)


@pytest.mark.parametrize("expression", TWINS)
def test_a_given_name_equals_its_twin(tt: ModuleType, expression: str) -> None:
    """Same values, same dtype."""
    got, want = evaluated(tt, expression), evaluated(tt, TWINS[expression])
    if isinstance(got, tt.Tensor):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got.data, want, rtol=1e-6)
    else:
        assert (type(got), got) == (type(want), want)


@pytest.mark.parametrize("expression", REFUSED)
def test_a_refusal_names_what_is_used_here(tt: ModuleType, expression: str) -> None:
    """The error is of PyTorch's kind, and says ours."""
    error, says = REFUSED[expression]
    with pytest.raises((AttributeError, TypeError, ValueError)) as caught:
        evaluated(tt, expression)
    assert type(caught.value).__name__ == error
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["minimum", "std", "masked_fill"])
def test_composites_keep_the_history(tt: ModuleType, name: str) -> None:
    """Their gradients are those of differences."""
    uses = {
        "minimum": lambda a, b: tt.minimum(a, b),
        "std": lambda a, b: tt.std(a * b, axis=1),
        "masked_fill": lambda a, b: (a * b).masked_fill(A > 0, 0.5),
    }
    rng = np.random.default_rng(0)
    pair = [tt.Tensor(rng.normal(size=(2, 3)), requires_grad=True) for _ in range(2)]
    assert tt.gradcheck(uses[name], pair)


def test_retain_graph_changes_nothing(tt: ModuleType) -> None:
    """A second walk adds the same gradient, whatever is asked for."""
    x = tt.Tensor([1.5], requires_grad=True)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert x.grad.tolist() == [6.0]


def without(folder: Path, *locked: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run code on the reference without some of its modules."""
    package = folder / "tinytorch"
    shutil.copytree(ROOT / "reference" / "tinytorch", package)
    for name in locked:
        (package / f"{name}.py").unlink()
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_star_binds_what_is_unlocked(tmp_path: Path) -> None:
    """`from tinytorch import *` binds the exported names of the katas that are there, and no others."""
    code = "from tinytorch import *; print(Tensor([1.5]), relu.__name__, 'Linear' in globals())"
    done = without(tmp_path, "layers", "losses", "autograd", "optimizers", "training", code=code)
    assert (done.stdout, done.stderr) == ("Tensor([1.5]) relu False\n", "")


def test_a_locked_method_names_its_kata(tmp_path: Path) -> None:
    """`x.relu()` before kata 02 says which kata builds it."""
    code = "import tinytorch; x = tinytorch.Tensor(1.5); print(hasattr(x, 'relu')); x.relu()"
    done = without(tmp_path, "activations", code=code)
    assert done.stdout == "False\n"
    assert "relu is built in kata 02: make module-02" in done.stderr


def test_a_function_alone_takes_lists_and_arrays() -> None:
    """`from tinytorch import relu` and nothing else: Tensor is known all the same."""
    code = "from tinytorch import relu; print(relu([1.0, -2.0]))"
    path = {"PYTHONPATH": str(ROOT / "reference")}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=path, capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "Tensor([1., 0.])", ran.stderr


@pytest.mark.parametrize("name", ["save", "load"])
def test_an_answer_gives_the_arguments_in_their_order(tt: ModuleType, name: str) -> None:
    """`torch.save` leads to save_checkpoint(path, trainer): so its signature says, too."""
    with pytest.raises(AttributeError) as caught:
        getattr(tt, name)
    said = re.search(r"here it is (\w+)\((.*)\)", str(caught.value))
    assert said
    assert said[2].split(", ") == list(inspect.signature(getattr(tt, said[1])).parameters)


def test_ctrl_c_is_not_lost_where_the_block_raises(tt: ModuleType) -> None:
    """What waited comes when the block has ended, with the block's own error as its context."""

    def update() -> None:
        with tt.uninterrupted():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("a step failed")

    with pytest.raises(KeyboardInterrupt) as caught:
        update()
    assert isinstance(caught.value.__context__, ValueError)

# Generated from katas/katas.toml by: make stubs
"""tinytorch: your framework. `from tinytorch import Linear` imports YOUR Linear.

A name is looked up when it is first asked for, so the package can be imported at any stage of the
course; a name that a later kata builds says which.
"""

import importlib
from pathlib import Path
from typing import Any

EXPORTS = {
    "Tensor": "tensor",
    "primitive": "tensor",
    "composite": "tensor",
    "grad_mode": "tensor",
    "default_generator": "tensor",
    "maximum": "tensor",
    "where": "tensor",
    "cat": "tensor",
    "stack": "tensor",
    "zeros": "tensor",
    "ones": "tensor",
    "full": "tensor",
    "arange": "tensor",
    "rand": "tensor",
    "randn": "tensor",
    "manual_seed": "tensor",
    "add": "tensor",
    "subtract": "tensor",
    "multiply": "tensor",
    "divide": "tensor",
    "power": "tensor",
    "negative": "tensor",
    "matmul": "tensor",
    "exp": "tensor",
    "log": "tensor",
    "sqrt": "tensor",
    "absolute": "tensor",
    "clip": "tensor",
    "concatenate": "tensor",
    "relu": "activations",
    "leaky_relu": "activations",
    "sigmoid": "activations",
    "tanh": "activations",
    "softplus": "activations",
    "silu": "activations",
    "gelu": "activations",
    "softmax": "activations",
    "log_softmax": "activations",
    "Parameter": "layers",
    "Module": "layers",
    "Linear": "layers",
    "Dropout": "layers",
    "Sequential": "layers",
    "Flatten": "layers",
    "ReLU": "layers",
    "LeakyReLU": "layers",
    "Sigmoid": "layers",
    "Tanh": "layers",
    "Softplus": "layers",
    "SiLU": "layers",
    "GELU": "layers",
    "Softmax": "layers",
    "LogSoftmax": "layers",
    "mse_loss": "losses",
    "l1_loss": "losses",
    "nll_loss": "losses",
    "cross_entropy": "losses",
    "binary_cross_entropy_with_logits": "losses",
    "MSELoss": "losses",
    "L1Loss": "losses",
    "NLLLoss": "losses",
    "CrossEntropyLoss": "losses",
    "BCEWithLogitsLoss": "losses",
    "no_grad": "autograd",
    "gradcheck": "autograd",
    "defvjp": "autograd",
    "defvjp_fused": "autograd",
    "unbroadcast": "autograd",
    "Optimizer": "optimizers",
    "SGD": "optimizers",
    "Adam": "optimizers",
    "AdamW": "optimizers",
    "RMSprop": "optimizers",
    "Trainer": "training",
    "accuracy": "training",
    "batches": "training",
    "Schedule": "training",
    "StepLR": "training",
    "LinearWarmup": "training",
    "CosineAnnealingLR": "training",
    "OneCycleLR": "training",
    "clip_grad_norm_": "training",
    "uninterrupted": "training",
    "print_progress": "training",
    "save_checkpoint": "training",
    "load_checkpoint": "training",
}
KATAS = {
    "tensor": "01",
    "activations": "02",
    "layers": "03",
    "losses": "04",
    "autograd": "05",
    "optimizers": "06",
    "training": "07",
}


def __getattr__(name: str) -> Any:
    module = EXPORTS.get(name, name)
    if name == "__all__":  # of `from tinytorch import *`: what is unlocked
        here = Path(__file__).parent
        return [n for n, home in EXPORTS.items() if (here / f"{home}.py").is_file()]
    if module not in KATAS:
        if name.startswith("__"):
            raise AttributeError(name)
        return importlib.import_module("tinytorch.names").found(name)
    number = KATAS[module]
    try:
        found = importlib.import_module(f"tinytorch.{module}")
    except ModuleNotFoundError as error:
        if error.name != f"tinytorch.{module}":
            raise
        raise ImportError(f"{name} is built in kata {number}: make module-{number}", name=name) from None
    if name == module:
        return found
    if not hasattr(found, name):
        raise ImportError(f"{name} belongs to kata {number}, but src/tinytorch/{module}.py defines no {name}: see katas/{number}_*/README.md", name=name)
    own = importlib.import_module("tinytorch.names").spelled(name, getattr(found, name))
    globals()[name] = own  # from now on Python finds it without asking here
    return own


def __dir__() -> list[str]:
    return sorted([*EXPORTS, *KATAS])

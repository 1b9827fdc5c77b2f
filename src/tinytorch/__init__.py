# Generated from the kata.toml files by: make stubs
"""tinytorch: your framework. `from tinytorch import Linear` imports YOUR Linear.

A name is looked up when it is first asked for, so the package can be imported at any stage of the
course; a name that a later kata builds says which.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors; a kata that has no file yet is Any to them
    from tinytorch.tensor import Tensor as Tensor
    from tinytorch.door import primitive as primitive
    from tinytorch.door import composite as composite
    from tinytorch.door import grad_mode as grad_mode
    from tinytorch.door import default_generator as default_generator
    from tinytorch.tensor import maximum as maximum
    from tinytorch.tensor import where as where
    from tinytorch.tensor import cat as cat
    from tinytorch.tensor import stack as stack
    from tinytorch.tensor import zeros as zeros
    from tinytorch.tensor import ones as ones
    from tinytorch.tensor import full as full
    from tinytorch.tensor import arange as arange
    from tinytorch.tensor import rand as rand
    from tinytorch.tensor import randn as randn
    from tinytorch.tensor import manual_seed as manual_seed
    from tinytorch.tensor import add as add
    from tinytorch.tensor import subtract as subtract
    from tinytorch.tensor import multiply as multiply
    from tinytorch.tensor import divide as divide
    from tinytorch.tensor import power as power
    from tinytorch.tensor import negative as negative
    from tinytorch.tensor import matmul as matmul
    from tinytorch.tensor import exp as exp
    from tinytorch.tensor import log as log
    from tinytorch.tensor import sqrt as sqrt
    from tinytorch.tensor import absolute as absolute
    from tinytorch.tensor import clip as clip
    from tinytorch.tensor import concatenate as concatenate
    from tinytorch.activations import relu as relu
    from tinytorch.activations import leaky_relu as leaky_relu
    from tinytorch.activations import sigmoid as sigmoid
    from tinytorch.activations import tanh as tanh
    from tinytorch.activations import softplus as softplus
    from tinytorch.activations import silu as silu
    from tinytorch.activations import gelu as gelu
    from tinytorch.activations import softmax as softmax
    from tinytorch.activations import log_softmax as log_softmax
    from tinytorch.layers import Parameter as Parameter
    from tinytorch.layers import Module as Module
    from tinytorch.layers import Linear as Linear
    from tinytorch.layers import Dropout as Dropout
    from tinytorch.layers import Sequential as Sequential
    from tinytorch.layers import Flatten as Flatten
    from tinytorch.layers import ReLU as ReLU
    from tinytorch.layers import LeakyReLU as LeakyReLU
    from tinytorch.layers import Sigmoid as Sigmoid
    from tinytorch.layers import Tanh as Tanh
    from tinytorch.layers import Softplus as Softplus
    from tinytorch.layers import SiLU as SiLU
    from tinytorch.layers import GELU as GELU
    from tinytorch.layers import Softmax as Softmax
    from tinytorch.layers import LogSoftmax as LogSoftmax
    from tinytorch.losses import mse_loss as mse_loss
    from tinytorch.losses import l1_loss as l1_loss
    from tinytorch.losses import nll_loss as nll_loss
    from tinytorch.losses import cross_entropy as cross_entropy
    from tinytorch.losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
    from tinytorch.losses import MSELoss as MSELoss
    from tinytorch.losses import L1Loss as L1Loss
    from tinytorch.losses import NLLLoss as NLLLoss
    from tinytorch.losses import CrossEntropyLoss as CrossEntropyLoss
    from tinytorch.losses import BCEWithLogitsLoss as BCEWithLogitsLoss
    from tinytorch.autograd import no_grad as no_grad
    from tinytorch.autograd import gradcheck as gradcheck
    from tinytorch.autograd import defvjp as defvjp
    from tinytorch.autograd import defvjp_fused as defvjp_fused
    from tinytorch.autograd import unbroadcast as unbroadcast
    from tinytorch.optimizers import Optimizer as Optimizer
    from tinytorch.optimizers import SGD as SGD
    from tinytorch.optimizers import Adam as Adam
    from tinytorch.optimizers import AdamW as AdamW
    from tinytorch.optimizers import RMSprop as RMSprop
    from tinytorch.training import Trainer as Trainer
    from tinytorch.training import accuracy as accuracy
    from tinytorch.training import batches as batches
    from tinytorch.training import Schedule as Schedule
    from tinytorch.training import StepLR as StepLR
    from tinytorch.training import LinearWarmup as LinearWarmup
    from tinytorch.training import CosineAnnealingLR as CosineAnnealingLR
    from tinytorch.training import OneCycleLR as OneCycleLR
    from tinytorch.training import clip_grad_norm_ as clip_grad_norm_
    from tinytorch.training import uninterrupted as uninterrupted
    from tinytorch.training import print_progress as print_progress
    from tinytorch.training import save_checkpoint as save_checkpoint
    from tinytorch.training import load_checkpoint as load_checkpoint
    from tinytorch.dataloader import Dataset as Dataset
    from tinytorch.dataloader import IterableDataset as IterableDataset
    from tinytorch.dataloader import TensorDataset as TensorDataset
    from tinytorch.dataloader import Subset as Subset
    from tinytorch.dataloader import random_split as random_split
    from tinytorch.dataloader import default_collate as default_collate
    from tinytorch.dataloader import DataLoader as DataLoader
    from tinytorch.dataloader import prefetched as prefetched
    from tinytorch.dataloader import Transform as Transform
    from tinytorch.dataloader import Compose as Compose
    from tinytorch.dataloader import Normalize as Normalize
    from tinytorch.dataloader import RandomHorizontalFlip as RandomHorizontalFlip
    from tinytorch.dataloader import RandomCrop as RandomCrop
    from tinytorch.dataloader import Cutout as Cutout
    from tinytorch.dataloader import read_idx as read_idx
    from tinytorch.dataloader import read_cifar10 as read_cifar10
    from tinytorch.spatial import conv2d as conv2d
    from tinytorch.spatial import max_pool2d as max_pool2d
    from tinytorch.spatial import avg_pool2d as avg_pool2d
    from tinytorch.spatial import batch_norm as batch_norm
    from tinytorch.spatial import Conv2d as Conv2d
    from tinytorch.spatial import MaxPool2d as MaxPool2d
    from tinytorch.spatial import AvgPool2d as AvgPool2d
    from tinytorch.spatial import AdaptiveAvgPool2d as AdaptiveAvgPool2d
    from tinytorch.spatial import BatchNorm1d as BatchNorm1d
    from tinytorch.spatial import BatchNorm2d as BatchNorm2d
    from tinytorch.tokenization import CharTokenizer as CharTokenizer
    from tinytorch.tokenization import BPETokenizer as BPETokenizer
    from tinytorch.tokenization import check_ids as check_ids
    from tinytorch.tokenization import pre_tokenize as pre_tokenize
    from tinytorch.tokenization import count_pairs as count_pairs
    from tinytorch.tokenization import merge_pair as merge_pair
    from tinytorch.embeddings import embedding as embedding
    from tinytorch.embeddings import Embedding as Embedding
    from tinytorch.embeddings import SinusoidalPositionalEncoding as SinusoidalPositionalEncoding
    from tinytorch.embeddings import LearnedPositionalEmbedding as LearnedPositionalEmbedding
    from tinytorch.embeddings import RotaryEmbedding as RotaryEmbedding
    from tinytorch.attention import causal_mask as causal_mask
    from tinytorch.attention import scaled_dot_product_attention as scaled_dot_product_attention
    from tinytorch.attention import MultiHeadAttention as MultiHeadAttention
    from tinytorch.transformers import layer_norm as layer_norm
    from tinytorch.transformers import LayerNorm as LayerNorm
    from tinytorch.transformers import MLP as MLP
    from tinytorch.transformers import TransformerBlock as TransformerBlock
    from tinytorch.transformers import GPT as GPT
    from tinytorch.transformers import token_probabilities as token_probabilities

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
    "Dataset": "dataloader",
    "IterableDataset": "dataloader",
    "TensorDataset": "dataloader",
    "Subset": "dataloader",
    "random_split": "dataloader",
    "default_collate": "dataloader",
    "DataLoader": "dataloader",
    "prefetched": "dataloader",
    "Transform": "dataloader",
    "Compose": "dataloader",
    "Normalize": "dataloader",
    "RandomHorizontalFlip": "dataloader",
    "RandomCrop": "dataloader",
    "Cutout": "dataloader",
    "read_idx": "dataloader",
    "read_cifar10": "dataloader",
    "conv2d": "spatial",
    "max_pool2d": "spatial",
    "avg_pool2d": "spatial",
    "batch_norm": "spatial",
    "Conv2d": "spatial",
    "MaxPool2d": "spatial",
    "AvgPool2d": "spatial",
    "AdaptiveAvgPool2d": "spatial",
    "BatchNorm1d": "spatial",
    "BatchNorm2d": "spatial",
    "CharTokenizer": "tokenization",
    "BPETokenizer": "tokenization",
    "check_ids": "tokenization",
    "pre_tokenize": "tokenization",
    "count_pairs": "tokenization",
    "merge_pair": "tokenization",
    "embedding": "embeddings",
    "Embedding": "embeddings",
    "SinusoidalPositionalEncoding": "embeddings",
    "LearnedPositionalEmbedding": "embeddings",
    "RotaryEmbedding": "embeddings",
    "causal_mask": "attention",
    "scaled_dot_product_attention": "attention",
    "MultiHeadAttention": "attention",
    "layer_norm": "transformers",
    "LayerNorm": "transformers",
    "MLP": "transformers",
    "TransformerBlock": "transformers",
    "GPT": "transformers",
    "token_probabilities": "transformers",
}
KATAS = {
    "tensor": "01",
    "activations": "02",
    "layers": "03",
    "losses": "04",
    "autograd": "05",
    "optimizers": "06",
    "training": "07",
    "dataloader": "08",
    "spatial": "09",
    "tokenization": "10",
    "embeddings": "11",
    "attention": "12",
    "transformers": "13",
}


def __getattr__(name: str) -> Any:
    if name == "__all__":  # of `from tinytorch import *`
        return __dir__()
    module = EXPORTS.get(name, name)
    if module not in KATAS:
        if name.startswith("__"):
            raise AttributeError(f"module 'tinytorch' has no attribute {name!r}", name=name)
        return importlib.import_module("tinytorch.names").found(name)
    number = KATAS[module]
    try:
        found = importlib.import_module(f"tinytorch.{module}")
    except ModuleNotFoundError as error:
        if error.name != f"tinytorch.{module}":
            raise
        raise _missing(f"{name} is built in kata {number}: make module-{number}", name) from None
    if name == module:
        return found
    if not hasattr(found, name):
        raise _missing(f"{name} belongs to kata {number}, but src/tinytorch/{module}.py defines no {name}: see katas/{number}_*/README.md", name)
    own = importlib.import_module("tinytorch.names").spelled(name, getattr(found, name))
    globals()[name] = own  # from now on Python finds it without asking here
    return own


def _missing(message: str, name: str) -> Exception:
    """An ImportError for `from tinytorch import NAME`, which hides an AttributeError's message; else that."""
    importing = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    return ImportError(message, name=name) if importing else AttributeError(message, name=name)


def __dir__() -> list[str]:
    """What can be had now: the katas that have a file Python can read, and what they define."""
    found = {}
    for module in KATAS:
        try:
            found[module] = vars(importlib.import_module(f"tinytorch.{module}"))
        except Exception:  # no file yet, or one that does not run
            continue
    return sorted([*found, *(name for name, module in EXPORTS.items() if name in found.get(module, ()))])

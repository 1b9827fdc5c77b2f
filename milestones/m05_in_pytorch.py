"""The training of milestone 05 in PyTorch: what the first fifty losses must be.

A maintainers' script: .venv/bin/python milestones/m05_in_pytorch.py records them in
m05_in_pytorch.json, in float64. With --whole it trains the reference and PyTorch side by side to the
last step, in float32 on Shakespeare, and prints how far they are apart.
"""

import argparse
import dataclasses
import importlib
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RECORD = HERE / "m05_in_pytorch.json"
STEPS = 50


def start(shapes, seed=0):
    """A state to start from: as a GPT starts, but the same whatever draws it, and in float64.

    Args:
        shapes: of the parameters, by name.
    """
    rng = np.random.default_rng(seed)
    state = {}
    for name in sorted(shapes):
        state[name] = 0.02 * rng.standard_normal(shapes[name])
        if len(shapes[name]) == 1:
            state[name] += 1  # weights of norms
    state["lm_head.weight"] = state["token_embedding.weight"]
    return state


def losses(state, recipe, draw, steps, dtype="float64"):
    """The loss of each step, and the parameters at the end, by name.

    Args:
        state: arrays by name, with every matrix and norm of a GPT without biases.
        recipe: of the milestone.
        draw: gives the batch of a step by its number.
        steps: how many.
        dtype: of everything.
    """
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    names = [name for name in state if name != "lm_head.weight"]
    kind = getattr(torch, dtype)
    p = {n: torch.tensor(state[n], dtype=kind, requires_grad=True) for n in names}
    groups = [
        {"params": [v for v in p.values() if v.ndim > 1], "weight_decay": 0.1},
        {"params": [v for v in p.values() if v.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99))
    found = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * rate(step, recipe.steps)
        x, y = (torch.from_numpy(part) for part in draw(step))
        logits = forward(torch.nn.functional, p, x, recipe)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        optimizer.step()
        found.append(loss.item())
    return found, {name: value.detach().numpy() for name, value in p.items()}


def rate(step, total, warm_up=100):
    """The share of the base rate: up on a line, down along half a cosine to a tenth."""
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return 0.1 + 0.9 * (1 + math.cos(math.pi * (step - warm_up) / (total - warm_up))) / 2


def forward(F, p, ids, recipe):
    """Logits (B, T, V) of a GPT without biases."""
    width, heads = recipe.width, recipe.heads
    x = p["token_embedding.weight"][ids] + p["position_embedding.weight"][: ids.shape[1]]
    for i in range(recipe.layers):
        normal = F.layer_norm(x, (width,), p[f"blocks.{i}.norm1.weight"])
        mixed = F.linear(normal, p[f"blocks.{i}.self_attn.in_proj_weight"])
        q, k, v = (z.unflatten(-1, (heads, -1)).transpose(1, 2) for z in mixed.chunk(3, dim=-1))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + F.linear(seen, p[f"blocks.{i}.self_attn.out_proj.weight"])
        normal = F.layer_norm(x, (width,), p[f"blocks.{i}.norm2.weight"])
        inside = F.gelu(F.linear(normal, p[f"blocks.{i}.mlp.linear1.weight"]), approximate="tanh")
        x = x + F.linear(inside, p[f"blocks.{i}.mlp.linear2.weight"])
    return F.linear(F.layer_norm(x, (width,), p["norm.weight"]), p["token_embedding.weight"])


def of_shakespeare(m05):
    """The recipe of Shakespeare's model, with smaller batches: float64 takes its time."""
    return dataclasses.replace(m05.RECIPES["shakespeare"], batch=4)


def recorded(m05, text):
    """The first losses on the bundled text, with Shakespeare's model."""
    recipe = of_shakespeare(m05)
    shapes = {n: p.shape for n, p in m05.reader(text, recipe).model.named_parameters()}
    return losses(start(shapes), recipe, m05.random_batches(text.learn, recipe), STEPS)[0]


def whole(m05, text):
    """Train both to the end; prints the losses of the last steps, and on the text held out."""
    recipe = m05.RECIPES["shakespeare"]
    trainer, draw = m05.reader(text, recipe), m05.random_batches(text.learn, recipe)
    state = {name: p.data.copy() for name, p in trainer.model.named_parameters()}
    clock, ours = [time.monotonic()], []
    for step in range(recipe.steps):
        trainer.model.train()
        ours.append(trainer.train_step(*draw(step)))
    clock.append(time.monotonic())
    mine = m05.whole_loss(trainer.model, text, recipe)
    clock[-1:] = [clock[-1], time.monotonic()]
    theirs, end = losses(state, recipe, draw, recipe.steps, "float32")
    clock.append(time.monotonic())
    trainer.model.load_state_dict(end | {"lm_head.weight": end["token_embedding.weight"]})
    other = m05.whole_loss(trainer.model, text, recipe)
    print(f"held out, all of it: {mine:.6f} and {other:.6f} nats, {abs(mine - other):.1e} apart")
    apart = np.abs(np.subtract(ours, theirs))
    print(
        f"losses of the steps: {apart.max():.1e} apart at most, {apart[:STEPS].max():.1e} in the first {STEPS}"
    )
    print(f"seconds: {clock[1] - clock[0]:.1f} and {clock[3] - clock[2]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--whole", action="store_true", help="both to the last step, on Shakespeare"
    )
    parser.add_argument("--seed", help="of the milestone, with --whole")
    asked = parser.parse_args()
    sys.path[:0] = [str(HERE.parent / "reference"), str(HERE.parent / "src"), str(HERE)]
    m05 = importlib.import_module("m05_transformer_2017")
    datasets = importlib.import_module("tito.milestone.datasets")
    if asked.whole:
        return whole(m05, m05.Text.of(m05.stage.shakespeare_or_alice()[0], 0))
    torch = importlib.import_module("torch")
    made = f"recorded from torch {torch.__version__} by: python milestones/m05_in_pytorch.py"
    record = {"generated": made, "losses": recorded(m05, m05.Text.of(datasets.load_alice(), 0))}
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {RECORD.name}")


if __name__ == "__main__":
    main()

"""`tito data`: fetch the data sets, with a progress bar."""

from __future__ import annotations

from rich.progress import Progress, TaskID

from tito.milestone.cifar10 import fetch_cifar10, fetch_shakespeare
from tito.milestone.datasets import fetch_mnist

SETS = {"MNIST": fetch_mnist, "CIFAR-10": fetch_cifar10, "tiny Shakespeare": fetch_shakespeare}


def data() -> int:
    """Fetch MNIST, CIFAR-10 and tiny Shakespeare; a good file costs no request."""
    tasks: dict[str, TaskID] = {}
    with Progress() as bar:

        def progress(name: str, done: int, total: int | None) -> None:
            task = tasks[name] if name in tasks else tasks.setdefault(name, bar.add_task(name))
            bar.update(task, completed=done, total=total)

        paths = {name: fetched(progress=progress) for name, fetched in SETS.items()}
    for name, found in paths.items():
        count = f"{len(found)} file{'s' * (len(found) > 1)}"
        print(f"{name} is complete: {count} in {found[0].parent}")
    print("  next: make milestone-03")
    return 0

"""`tito data`: fetch the data sets, with a progress bar."""

from __future__ import annotations

from rich.progress import Progress, TaskID

from tito.milestone.datasets import fetch_mnist


def data() -> int:
    """Fetch MNIST; a good file costs no request."""
    tasks: dict[str, TaskID] = {}
    with Progress() as bar:

        def progress(name: str, done: int, total: int | None) -> None:
            task = tasks[name] if name in tasks else tasks.setdefault(name, bar.add_task(name))
            bar.update(task, completed=done, total=total)

        paths = fetch_mnist(progress=progress)
    print(f"MNIST is complete: {len(paths)} files in {paths[0].parent}\n  next: make milestone-03")
    return 0

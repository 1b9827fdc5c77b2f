"""`tito data`: fetch the data sets, with a progress bar."""

from __future__ import annotations

from rich.progress import Progress, TaskID

from tito.course import Refusal
from tito.datasets import DataError, fetch_mnist


def data() -> int:
    """Fetch MNIST; a good file costs no request."""
    tasks: dict[str, TaskID] = {}
    try:
        with Progress() as bar:

            def progress(name: str, done: int, total: int | None) -> None:
                task = tasks[name] if name in tasks else tasks.setdefault(name, bar.add_task(name))
                bar.update(task, completed=done, total=total)

            paths = fetch_mnist(progress=progress)
    except DataError as error:
        raise Refusal(str(error)) from None
    print(f"MNIST is complete: {len(paths)} files in {paths[0].parent}\n  next: make milestone-03")
    return 0

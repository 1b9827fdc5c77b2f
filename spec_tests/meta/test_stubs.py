"""What a stub keeps of the reference's comments: those of the signature and the tables, no solution's."""

from __future__ import annotations

from pathlib import Path

from tito.course.manifest import Kata
from tito.course.stubs import stub

REFERENCE = '''"""A module."""

SCALE = 2  # a constant keeps its comment


# Explains a helper that goes.
# In two lines.
def _helper(x):
    return x
    # and a comment behind it


# A section of its own stays.

# Explains a public function.
def double(
    x,  # of the signature
):
    """Twice x."""
    # The trick is to shift.
    y = x + x  # the solution
    return y
    # Or x * 2.


# Operations: double(x)
# kata: begin
rule(double)
# kata: end
'''


def test_comments_of_the_solution_go(tmp_path: Path) -> None:
    """Beside blanks and around private helpers nothing is left; all other comments are."""
    kata = Kata(1, "01_doubling", "doubling", "Doubling", "", 5, 1, {"twice": ["double"]})
    (tmp_path / "tinytorch").mkdir()
    kata.file(tmp_path).write_text(REFERENCE)
    comments = [line.strip() for line in stub(kata, tmp_path).splitlines() if "#" in line]
    assert comments[1:] == [
        "SCALE = 2  # a constant keeps its comment",
        "# A section of its own stays.",
        "# Explains a public function.",
        "x,  # of the signature",
        "# Operations: double(x)",
        "# your code here",
    ]

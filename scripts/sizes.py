"""Print how large files and functions are, and fail where one grows out of its room.

Lines are counted as they stand. A function is long over 50 lines. Names files over 400 lines; fails over 450, or
where more than 3 % of the functions are long.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOMS = ("core", "intake", "bot", "sandbox", "app.py")
NAMED_LINES, MOST_LINES = 400, 450
LONG_FUNCTION, MOST_LONG_SHARE = 50, 0.03


def files(root: Path) -> Iterator[Path]:
    """Yield our source files; generated migrations are data."""
    for room in ROOMS:
        path = root / room
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.exists() else []


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Yield each function's name and lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def main(root: Path) -> int:
    """Print the figures; return the exit status."""
    lines: dict[str, int] = {}
    sizes: list[tuple[str, int]] = []
    for path in files(root):
        source = path.read_text("utf-8")
        if not source.strip():
            continue
        name = path.relative_to(root).as_posix()
        lines[name] = source.count("\n")
        sizes += [(f"{name}:{function}", length) for function, length in functions(source)]
    if not sizes:
        return 0
    long = [(name, n) for name, n in sizes if n > LONG_FUNCTION]
    share = len(long) / max(1, len(sizes))
    print(
        f"sizes: {len(lines)} files, median {median(lines.values()):.0f} lines, longest {max(lines.values())}; "
        f"{len(sizes)} functions, median {median(n for _, n in sizes):.0f}, {share:.1%} over {LONG_FUNCTION}"
    )
    for name, n in sorted(lines.items()):
        if n > NAMED_LINES:
            print(f"  {name}: {n} lines")
    for name, n in sorted(long):
        print(f"  {name}: {n} lines")
    failed = [
        f"{name} has {n} lines, {MOST_LINES} is the most" for name, n in lines.items() if n > MOST_LINES
    ]
    if share > MOST_LONG_SHARE:
        failed.append(
            f"{share:.1%} of the functions are over {LONG_FUNCTION} lines, {MOST_LONG_SHARE:.0%} is the most"
        )
    for line in failed:
        print(f"sizes: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent.parent))

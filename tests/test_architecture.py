"""`docs/architecture.md` names files and functions: each is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/architecture.md").read_text("utf-8")
FILES = sorted(set(re.findall(r"`([a-z_0-9/]+\.py)[`:]", TEXT)))
NAMES = sorted(set(re.findall(r"`([a-z_0-9/]+\.py):([A-Za-z_.]+)`", TEXT)))


def defined(file: str) -> set[str]:
    """What a file defines: names at its top, its classes' methods with and without the class before them."""
    found: set[str] = set()
    for node in ast.parse((ROOT / file).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [m.name for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)]
            found |= {*methods, *(f"{node.name}.{name}" for name in methods)}
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("file", FILES)
def test_each_file_is_there(file: str) -> None:
    """Files of the mail door are named without their folder."""
    assert (ROOT / file).is_file() or (ROOT / "intake/email" / file).is_file()


@pytest.mark.parametrize(("file", "name"), NAMES)
def test_each_name_is_there(file: str, name: str) -> None:
    assert name in defined(file)


def test_the_rows_of_a_hop_name_what_the_service_runs() -> None:
    """Both doors' readers: what a worker calls, not what only tests do."""
    assert ("bot/reader.py", "Reader.read") in NAMES
    assert "bot/read.py:" not in TEXT

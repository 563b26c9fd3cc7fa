"""Each acceptance case of mail and (C) of Slack has at least one test of its name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

COUNTS = {"T": 14, "D": 10, "L": 9, "E": 8, "B": 5, "P": 6, "S": 7, "C": 33}
CASES = [f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)]


def _tests() -> set[str]:
    """The ids that test functions in this folder are named after."""
    found = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = re.match(r"test_([A-Z]\d+)_[a-z]", node.name)
                found |= {name[1]} if name else set()
    return found


@pytest.mark.parametrize("case", CASES)
def test_each_case_has_a_test_of_its_name(case: str) -> None:
    assert case in _tests(), f"no test_{case}_… in tests/cases"


def test_no_test_is_named_after_a_case_that_is_none() -> None:
    assert _tests() <= set(CASES)

"""The shape of the code: small files, small functions, no assert, no pickle, nothing left to do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "src" / "heatproof").rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
"""Lines of a function's statements, without signature and docstring."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_file_keeps_the_house_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= LONGEST_FILE
    assert not any(mark in text for mark in ("TODO", "FIXME", "XXX"))
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: raise a named error instead"
        if isinstance(node, ast.FunctionDef):
            body = node.body[ast.get_docstring(node) is not None :] or node.body
            assert (body[-1].end_lineno or 0) - body[0].lineno < LONGEST_FUNCTION, node.name
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert ast.unparse(node.func) not in {"torch.load", "torch.save", "yaml.load", "yaml.unsafe_load"}
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def test_there_are_files() -> None:
    assert len(FILES) > 60

"""The README's Python examples run, in order, as a reader would paste them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from heatproof.runs import RunConfig

ROOT = Path(__file__).resolve().parents[2]


def _examples() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_each_example_is_short() -> None:
    assert len(_examples()) >= 3
    for example in _examples():
        lines = [
            line for line in example.splitlines() if line.strip() and not line.startswith(("#", "import"))
        ]
        assert len(lines) <= 5, example


def test_examples_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, example in enumerate(_examples()):
        exec(compile(example, f"README.md example {number}", "exec"), names)
    assert "certificates" in names
    assert "result" in names


def test_the_configuration_is_valid() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (document,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    config = RunConfig.from_mapping(yaml.safe_load(document))
    assert config.data.name == "my_arrays.npz"
    assert config.objective.smoothing == 0.25


@pytest.mark.parametrize("command", ["make demo", "make test", "heatproof train", "heatproof certify"])
def test_readme_names_the_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/design.md", "docs/benchmarks.md"]
)
def test_what_the_pages_point_to_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = re.findall(r"`((?:tests|benchmarks|tools|docs)/[^`*]+?)`", text)
    for name in [*((ROOT / page).parent / link for link in links), *(ROOT / path for path in paths)]:
        assert Path(name).exists(), name

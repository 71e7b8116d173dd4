"""The Python examples of README and docs run in order, as pasted; the commands and files named are there."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from heatproof.certification import CertificationSettings, guarantee
from heatproof.noise import Gaussian
from heatproof.runs import RunConfig

ROOT = Path(__file__).resolve().parents[2]
DOCS = ("benchmarks", "certification", "design", "equation", "studies", "training")


def _examples(page: str = "README.md") -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
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
    for page in ("README.md", "docs/certification.md", "docs/equation.md", "docs/training.md"):
        for number, example in enumerate(_examples(page)):
            exec(compile(example, f"{page} example {number}", "exec"), names)
    assert "certificates" in names
    assert "result" in names


def test_the_guarantee_is_the_one_that_is_printed() -> None:
    settings = CertificationSettings(noise=Gaussian(noise_std=0.25), unit=1.0, dimension=1, classes=2)
    assert f"> {guarantee(settings)}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_knows_the_options_that_the_readme_gives_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (part for part in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL) if "heatproof" in part)
    for line in block.splitlines():
        _, command, *words = line.partition("#")[0].split()
        module = import_module(f"heatproof.cli.{command}")
        source = inspect.getsource(module)
        for option in (word for word in words if word.startswith("--")):
            name = option.removeprefix("--").replace("-", "_")
            assert f'"{option}"' in source or f"    {name}: Annotated[" in source, (command, option)


def test_the_configuration_is_valid() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (document,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    config = RunConfig.from_mapping(yaml.safe_load(document))
    assert config.data.name == "my_arrays.npz"
    assert config.objective.smoothing_noise == Gaussian(noise_std=0.25)


@pytest.mark.parametrize("command", ["make demo", "make test", "heatproof train", "heatproof certify"])
def test_readme_names_the_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{name}.md" for name in DOCS)]
)
def test_what_the_pages_point_to_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = re.findall(r"`((?:tests|benchmarks|tools|docs)/[^`*]+?)`", text)
    for name in [*((ROOT / page).parent / link for link in links), *(ROOT / path for path in paths)]:
        assert Path(name).exists(), name

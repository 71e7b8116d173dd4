"""Build wheel and sdist, then install the wheel into an empty environment and use it there.

The environment has the package's own dependencies and nothing else: an import of a development or optional
package that is not declared fails here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

USE = """
import torch, heatproof as hp
from importlib.resources import files
assert files("heatproof").joinpath("py.typed").is_file()
data = hp.load("digits")
model = hp.networks.MLP(widths=(32,)).build(data.event_shape, data.classes)
hp.train(model, data, settings=hp.TrainingSettings(epochs=2))
x, y = data.test.x[:3], data.test.y[:3]
certificates = hp.certify(model, x, y, noise_std=0.25, estimation_samples=200, grid_step=data.grid_step)
result = hp.attack(model, x, y, radius=0.25, input_range=data.input_range)
print(len(certificates), result.robust_accuracy.value)
"""


def main() -> None:
    """Build, install, use."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        _run(sys.executable, "-m", "build", "--outdir", str(there / "dist"), str(ROOT))
        wheel = next((there / "dist").glob("*.whl"))
        sdist = next((there / "dist").glob("*.tar.gz"))
        for built in (wheel, sdist):
            print(f"built {built.name} ({built.stat().st_size:,} bytes)")
        venv.create(there / "empty", with_pip=True)
        programs = there / "empty" / "bin"
        _run(str(programs / "python"), "-m", "pip", "install", "--quiet", str(wheel))
        _run(str(programs / "python"), "-c", USE, cwd=there)
        _run(str(programs / "heatproof"), "--version", cwd=there)
        _run(str(programs / "heatproof"), "demo", "--quick", "--out", str(there / "demo"), cwd=there)
    print("package: 1 passed, 0 failed")


def _run(*command: str, cwd: Path = ROOT) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    subprocess.run(command, cwd=cwd, env=environment, check=True)


if __name__ == "__main__":
    main()

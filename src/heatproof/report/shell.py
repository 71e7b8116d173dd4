"""What every self-contained page is made of: template, style, scripts with their hashes, the file at once."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import os
import secrets
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from heatproof._check import message
from heatproof.errors import InputError, StorageError
from heatproof.report._style import RUN_COLOURS, theme

__all__ = ["check_place", "render_template", "write_page"]


def render_template(name: str, **contents: object) -> str:
    """Return the HTML of a template of this folder (about 0.95 MB, nearly all of it the Vega libraries).

    The template extends `shell.html` and is given, beside `contents`: `style`, `libraries`, `drawing`,
    `policy`, `themes` and `run_colours`. All is escaped but what the template marks as safe.
    """
    libraries, drawing = _libraries(), _own("draw.js")
    page: str = _template(name).render(
        themes={name: theme(name) for name in RUN_COLOURS},
        run_colours=RUN_COLOURS,
        libraries=libraries,
        drawing=drawing,
        policy=_policy(libraries, drawing),
        style=_own("style.css"),
        **contents,
    )
    return page


def check_place(path: str | os.PathLike[str]) -> Path:
    """Return the path of a page that is to be written. Errors: `InputError` if it cannot be one."""
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(message("path", str(target), "a file in a folder that exists"), name="path")
    return target


def write_page(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a page at once: readers see the old file or the whole new one. Return the path.

    Errors: `InputError` if the folder does not exist or `path` is a folder; `StorageError` if it cannot be
    written, which leaves an older page as it was.
    """
    target = check_place(path)
    waiting = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        with waiting.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        waiting.replace(target)
    except OSError as error:
        advice = "Choose another file: --out on the command line."
        raise StorageError(f"path: {target} cannot be written ({error.strerror}). {advice}") from error
    finally:
        with contextlib.suppress(OSError):
            waiting.unlink(missing_ok=True)
    return target


def _template(name: str) -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_own),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment.get_template(name)


def _own(name: str) -> str:
    """Return a text file of this folder; a script's hash is taken of exactly this text."""
    return files("heatproof.report").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _libraries() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, in the version that altair writes for."""
    import altair as alt
    import vl_convert

    wanted = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    known = vl_convert.get_vegalite_versions()
    script = "window.vegaEmbed = vegaEmbed;"
    bundle: str = vl_convert.javascript_bundle(script, vl_version=wanted if wanted in known else None)
    return bundle.replace("</script", "<\\/script").replace("\r\n", "\n")


def _policy(*scripts: str) -> str:
    """Return a content security policy: own scripts by hash, pictures from data addresses, nothing else.

    Vega compiles its expressions with `Function`, hence 'unsafe-eval'; the hashes still keep out every
    script and event handler that a name might smuggle in.
    """
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    rules: Mapping[str, str] = {
        "default-src": "'none'",
        "script-src": f"{hashes} 'unsafe-eval'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())

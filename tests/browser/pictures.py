"""Keeping screenshots as the pictures of docs/pictures/."""

from io import BytesIO

from PIL import Image

from tests.partner import ROOT

_KEPT = ROOT / "docs" / "pictures"


def keep(screenshot: bytes, what: str, name: str) -> None:
    """Write a screenshot to ``docs/pictures/<what>-<name>.png``."""
    _KEPT.mkdir(exist_ok=True)
    # A palette makes a file of a quarter of the size.
    Image.open(BytesIO(screenshot)).convert("RGB").quantize(256).save(_KEPT / f"{what}-{name}.png", optimize=True)

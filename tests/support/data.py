"""Where the real CRM exports are: `TRIBUTARY_DATA`, or the folder `shared/data` beside the checkout."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[3] / "shared" / "data"


def folder(name: str) -> Path:
    """The folder of one export; where the data are absent, skips with the reason: they are not ours to ship."""
    found = Path(os.environ.get("TRIBUTARY_DATA", BESIDE)) / name
    if not found.is_dir():
        pytest.skip(f"the real CRM export {name} is not here; name its parent folder in TRIBUTARY_DATA")
    return found

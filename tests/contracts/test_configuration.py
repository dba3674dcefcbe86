"""The configuration page lists every setting there is."""

from pathlib import Path

import pytest

from services.attribution.settings import Settings as Attribution
from services.ingest.settings import Settings as Ingest
from services.rewards.settings import Settings as Rewards
from shared.settings import ServiceSettings

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("settings", [Ingest, Attribution, Rewards])
def test_every_setting_is_documented(settings: type[ServiceSettings]) -> None:
    """A setting that the page does not name does not exist for its users."""
    for name in settings.model_fields:
        assert f"`TRIBUTARY_{name.upper()}`" in PAGE

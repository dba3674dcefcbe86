"""The pictures of the models: current, well-formed, and to the cent what the production code divides."""

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from tributary.cli import app
from tributary.pictures import deal, draw
from tributary.pictures.shares import Figure, shares

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "docs/guides/models"
REMEDY = "draw them anew: .venv/bin/tributary program pictures --out docs/guides/models"


def test_the_committed_pictures_are_what_the_command_draws(tmp_path: Path) -> None:
    """A changed model or drawing cannot leave an old picture in the guide."""
    result = CliRunner().invoke(app, ["program", "pictures", "--out", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    committed = {path.name: path.read_bytes() for path in COMMITTED.iterdir()}
    assert committed.keys() == drawn.keys(), REMEDY
    stale = sorted(name for name, picture in drawn.items() if committed[name] != picture)
    assert not stale, f"{stale} are stale; {REMEDY}"


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    """The command names the remedy instead of showing a traceback."""
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["program", "pictures", "--out", str(tmp_path / "file" / "below")])
    assert result.exit_code == 2
    assert "Choose another folder" in result.stderr


@pytest.mark.parametrize("kind", deal.KINDS)
def test_the_shares_add_up_to_the_deal(kind: str) -> None:
    """Partners sum to the deal, and each partner's touchpoints to the partner; only reports exceed it."""
    model = deal.model(kind)
    found = shares(model)
    whole = len(deal.PARTNERS) if not model.pays else 1
    assert found.total == Figure(Fraction(whole), whole * deal.AMOUNT_MINOR)
    for partner, figure in found.partners.items():
        own = [share for touch, share in zip(deal.TOUCHES, found.touches, strict=True) if touch.partner == partner]
        assert sum(share.part for share in own) == figure.part
        assert sum(share.amount_minor for share in own) == figure.amount_minor


def test_known_shares_of_the_example_deal() -> None:
    """By hand: 30% to the first, 50% to the last, 20% over the five between; linear by sevenths."""
    found = shares(deal.model("position"))
    assert [figure.percentage for figure in found.touches] == ["30%", "4%", "4%", "4%", "4%", "4%", "50%"]
    assert found.partners["brightfield"].amount == "$31,920.00"
    linear = shares(deal.model("linear")).partners["brightfield"]
    assert (linear.percentage, linear.fraction, linear.amount) == ("42.86%", "3/7", "$36,000.00")


@pytest.mark.parametrize(("name", "picture"), draw.pictures().items())
def test_a_picture_is_self_contained_and_can_be_read_aloud(name: str, picture: str) -> None:
    """It parses, has a title and a description, and loads nothing from elsewhere."""
    root = ET.fromstring(picture)  # noqa: S314  our own drawing
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    for tag in ("title", "desc"):
        found = root.find(f"{space}{tag}")
        assert found is not None
        assert found.text
    assert {element.tag.removeprefix(space) for element in root.iter()} <= {
        "svg", "title", "desc", "rect", "text", "line", "circle", "path", "g",
    }  # fmt: skip
    assert "href" not in picture
    assert ("for reports only" in picture) == (name in {"participation.svg", "overview.svg"})

"""Where the refused rows go, when they cannot go there."""

from pathlib import Path

from typer.testing import CliRunner

from tributary.cli import app


def test_a_folder_that_takes_no_file_is_a_clear_message(tmp_path: Path) -> None:
    """The import says what it could not write and what to do; it does not end in a traceback."""
    file = tmp_path / "partners.csv"
    file.write_text("id,name,tier,tier_since\na,A,gold,not a day\n")
    (tmp_path / "partners.refused.csv").mkdir()  # a file of that name cannot be written
    result = CliRunner().invoke(app, ["import", "partners", str(file), "--dry-run"])
    assert result.exit_code == 2
    assert "cannot be written" in result.output
    assert "import it again" in result.output

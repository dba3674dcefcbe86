"""The demo, as a newcomer starts it: a command that ends by itself, with balanced and verified books."""

import os
import re
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

BIN = Path(sys.executable).parent
COMMAND = [str(BIN / "tributary"), "demo"]
PLAIN = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb", "COLUMNS": "80"}
TIMEOUT_S = 150
"""The demo takes about half a minute; a busy machine several times as long."""


def figures(line_start: str, text: str) -> list[Decimal]:
    """The amounts on the line that begins so."""
    [line] = [line for line in text.splitlines() if line.strip().startswith(line_start)]
    return [Decimal(found.replace(",", "")) for found in re.findall(r"-?[\d,]+\.\d\d", line)]


def test_the_demo_ends_with_balanced_and_verified_books(tmp_path: Path) -> None:
    """It loads everything, shows who earned what, proves the books, exits 0, and leaves nothing behind."""
    done = subprocess.run(
        COMMAND, cwd=tmp_path, env={**PLAIN, "TMPDIR": str(tmp_path)}, capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    out = done.stdout
    assert "12 partners" in out
    assert "2,000 touchpoints from the partners, 40 of them sent twice" in out
    assert "150 deals from the CRM" in out
    [commission], [owed] = figures("commission, our expense", out), figures("owed to partners", out)
    assert commission > 0
    assert commission + owed == 0
    pending, payable, together = figures("together ", out.split("One deal")[0])
    assert pending + payable == together > 0
    assert figures("all won deals", out) == figures("✓ credited and unattributed", out)
    assert figures("all accounts", out) == [0]
    assert "✗" not in out
    assert "adjustment after no. " in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_a_second_run_on_the_same_folder_stays_up_until_it_is_interrupted(tmp_path: Path) -> None:
    """The same facts change nothing; a further late report is booked; the addresses answer until Ctrl-C."""
    folder = tmp_path / "demo"
    first = subprocess.run(
        [*COMMAND, "--data", folder], env=PLAIN, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert first.returncode == 0, first.stdout + first.stderr
    second = subprocess.Popen(
        [*COMMAND, "--data", folder, "--keep-running"], env={**PLAIN, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with second:
        assert second.stdout is not None
        lines = []
        for line in second.stdout:
            lines.append(line)
            if "Ctrl-C stops it" in line:
                break
        out = "".join(lines)
        [address] = re.findall(r"http://\S+/rewards/v1/docs", out)
        assert httpx.get(address, trust_env=False).is_success
        second.send_signal(signal.SIGINT)
        assert second.wait(TIMEOUT_S) == 0
    assert "change nothing" in out
    assert figures("all won deals", out) == figures("all won deals", first.stdout)
    assert out.count("adjustment after no. ") > first.stdout.count("adjustment after no. ")

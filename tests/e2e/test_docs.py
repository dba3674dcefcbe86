"""The commands of the README and the guides are executed, in order, against a running system."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.system import Tributary

ROOT = Path(__file__).parents[2]
DOCS = (
    "README.md", "docs/guides/program-owner.md", "docs/guides/crm-administrator.md", "docs/guides/partner-system.md",
    "docs/guides/finance.md",
)  # fmt: skip
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXPECTED = re.compile(r"# → *(.*)$", re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    return [(doc, block) for doc in DOCS for block in BLOCK.findall((ROOT / doc).read_text())]


async def test_every_documented_command_does_what_the_document_says(tributary: Tributary, tmp_path: Path) -> None:
    """One shell runs all blocks; the output of each holds what the document shows behind `# →`."""
    system = tributary.system
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    script = ["set -eu"]
    for number, (_, block) in enumerate(blocks()):
        script += [f"echo '=== {number}'", block]
    text = "\n".join(script)
    replaced = {
        "http://127.0.0.1:8001": system.ingest_url, "http://127.0.0.1:8002": system.attribution_url,
        "http://127.0.0.1:8003": system.rewards_url, ".tributary/admin.key": str(system.key_file),
        ".venv/bin/tributary": str(Path(sys.executable).with_name("tributary")),
    }  # fmt: skip
    for documented, actual in replaced.items():
        text = text.replace(documented, actual)
    limit_s = 240  # the finance guide waits up to a minute for the first seal
    environment = {**os.environ, "TRIBUTARY_STATE": str(system.data), "COLUMNS": "120"}
    run = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=limit_s, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2_000:] + run.stderr[-2_000:]
    outputs = re.split(r"=== \d+\n", run.stdout)[1:]
    for (doc, block), output in zip(blocks(), outputs, strict=True):
        for expected in EXPECTED.findall(block):
            assert expected in output, f"{doc}: {expected!r} is not in the output of\n{block}\n{output}"


@pytest.mark.parametrize(
    "path",
    ["README.md", "CONTRIBUTING.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md"))],
)
def test_every_link_between_documents_leads_somewhere(path: str) -> None:
    """A relative link names a file or folder that exists."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / path).read_text()):
        if not target.startswith("http"):
            assert (ROOT / path).parent.joinpath(target).exists(), f"{path} links to {target}"

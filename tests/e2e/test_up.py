"""`tributary up` with the real services: starts, is stopped by Ctrl-C in order, continues where it stopped."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.support import facts
from tributary import runner

PATIENCE_S = 120
COMMAND = str(Path(sys.executable).with_name("tributary"))


class Up:
    """One run of the command, its output read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""

    @classmethod
    async def start(cls, data: Path, ports: runner.Ports) -> "Up":
        process = await asyncio.create_subprocess_exec(
            COMMAND, "up", "--data", str(data), "--ingest-port", str(ports.ingest), "--attribution-port",
            str(ports.attribution), "--rewards-port", str(ports.rewards), env={**os.environ, "COLUMNS": "120"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        up = cls(process)
        await up.until("Ctrl-C stops it.")
        return up

    async def until(self, text: str) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.output:
                line = await self.process.stdout.readline()
                assert line, self.output
                self.output += line.decode()

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        self.output += (await self.process.stdout.read()).decode()
        return await self.process.wait()


@pytest.mark.long
async def test_up_stops_in_order_and_continues_where_it_stopped(tmp_path: Path) -> None:
    """What was accepted before the stop is worked in after the next start; nothing is left running in between."""
    data, ports = tmp_path / "state", runner.Ports.free()
    up = await Up.start(data, ports)
    key = {"Authorization": f"Bearer {(data / runner.KEY_FILE).read_text().strip()}"}
    ingest, rewards = f"http://127.0.0.1:{ports.ingest}/ingest/v1", f"http://127.0.0.1:{ports.rewards}/rewards/v1"
    async with httpx.AsyncClient(headers=key, timeout=30) as http:
        assert (await http.post(f"{ingest}/programs", json=facts.document())).status_code == 202
        assert (await http.post(f"{ingest}/partners", json=facts.partner("ada"))).status_code == 202
        touch = facts.touchpoint("t1", "ada", "demo", facts.ago(3), crm_id="A1")
        assert (await http.post(f"{ingest}/touchpoints", json=touch)).status_code == 202
        deal = facts.deal("D1", {"crm_id": "A1"}, "100.00", facts.ago(1))
        assert (await http.post(f"{ingest}/deals", json=deal)).status_code == 202
        assert await up.stop() == 0
        assert "Traceback" not in up.output
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{ingest}/health/live")

        again = await Up.start(data, ports)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                shown = (await http.get(f"{rewards}/partners/ada/balance")).json()
                if shown["balances"]:
                    break
                await asyncio.sleep(0.1)
        assert shown["balances"][0]["pending"]["amount"] == "5.00"
        for port, service in ((ports.ingest, "ingest"), (ports.attribution, "attribution"), (ports.rewards, "rewards")):
            metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
            assert "tributary_http_request_seconds" in metrics, service
        assert await again.stop() == 0
        assert "Traceback" not in again.output

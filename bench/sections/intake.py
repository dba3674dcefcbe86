"""HTTP intake: touchpoints in batches to one ingest process, against decoding and producing the same bodies."""

from __future__ import annotations

from bench import client, workload
from bench.floors import intake as floor
from bench.report import Figure, percentile, ratio
from bench.stage import Stage, load_program
from bench.topic import create_topic
from bench.workload import Workload

PATH = "/ingest/v1/touchpoints"
FLOOR_TOPIC = "floor.touchpoints"


async def run(stage: Stage) -> list[Figure]:
    """Touchpoints per second until all are answered 202, client in a process of its own."""
    sizes = stage.sizes
    load = Workload(accounts=max(1, sizes.intake_touchpoints // 25), per_account=25, now=stage.now)
    bodies = list(workload.bodies(load.touchpoints(), sizes.intake_batch))
    ours: list[float] = []
    floors: list[float] = []
    requests: list[float] = []
    async with stage.system("intake", ["ingest"]) as system:
        await load_program(system)
        await create_topic(system.kafka, FLOOR_TOPIC, partitions=6)
        for turn in range(stage.repeat + 1):
            stage.say(f"intake: repetition {turn} of {stage.repeat}" if turn else "intake: warming up")
            with stage.measured("intake-floor"):
                seconds = await floor.produce(system.kafka, FLOOR_TOPIC, bodies, sizes.intake_connections)
            sender = await client.Sender.prepare(
                system.ingest_url, stage.folder / "intake.requests",
                (client.request("POST", PATH, system.admin_key, body) for body in bodies), sizes.intake_connections,
            )  # fmt: skip
            sent = await sender.send()
            if turn:
                floors.append(load.touchpoint_count / seconds)
                ours.append(load.touchpoint_count / sent.seconds)
                requests.extend(sent.requests)
    return [
        Figure("intake", f"batches of {sizes.intake_batch}", "touchpoints/s", tuple(ours), tuple(floors), ratio(0.6)),
        Figure("intake", "a request, p50", "ms", (percentile(requests, 50) * 1000,)),
        Figure("intake", "a request, p99", "ms", (percentile(requests, 99) * 1000,)),
    ]

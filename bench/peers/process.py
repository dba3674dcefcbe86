"""The peers' side of the race: run by a Python of its own that has them installed, never by the project's.

`python process.py FILE PARTNERS JOURNEYS` draws the workload and writes it to FILE, so that both sides read the same.
Then it answers each line of JSON with one: `{"build": peer}` makes the peer's own form of the workload, `{"run": peer,
"model": name}` computes on it. Each answer has the seconds; that to a run also what every partner was given.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

# The peers and what they bring along: the project does not have them.
import numpy as np  # type: ignore[import-not-found]
import pandas as pd  # type: ignore[import-untyped]
import polars as pl  # type: ignore[import-not-found]
import shapley_attribution as shapley  # type: ignore[import-not-found]
from mam import MAM  # type: ignore[import-not-found]
from mta import MTA  # type: ignore[import-not-found]

SEED: Final = 7
SEPARATOR: Final = " > "
HOURS: Final = 2_160.0
WON: Final = 0.30
HALF_LIFE_HOURS: Final = 168.0

Totals = Mapping[str, float]
Load = dict[str, Any]


def draw(partners: int, journeys: int) -> Load:
    """The workload, in the order of drawing that its published totals belong to. Touches stand journey by journey."""
    dice = np.random.default_rng(SEED)
    lengths = 1 + dice.poisson(4, journeys)
    touches = int(lengths.sum())
    by_rank = 1 / np.arange(1, partners + 1)
    of = dice.choice(partners, touches, p=by_rank / by_rank.sum())
    hours = dice.uniform(0, HOURS, touches)
    won = dice.random(journeys) < WON
    amounts = np.round(dice.lognormal(9, 1, journeys), 2)
    ends = np.cumsum(lengths)
    for begin, end in zip(ends - lengths, ends, strict=True):
        hours[begin:end] = np.sort(hours[begin:end])[::-1]
    return {
        "names": [f"p{number:03d}" for number in range(partners)], "lengths": lengths, "partners": of, "hours": hours,
        "won": won, "amounts": amounts,
    }  # fmt: skip


def _paths(load: Load, *, hours: bool = False) -> list[list[Any]]:
    """The partners' names, or the hours before the close, of each journey."""
    names = load["names"]
    of = load["hours"].tolist() if hours else [names[number] for number in load["partners"].tolist()]
    ends = np.cumsum(load["lengths"]).tolist()
    return [of[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def mam(load: Load) -> dict[str, Callable[[], Totals]]:
    """marketing-attribution-models: gives money, as floats, in sum over all journeys; a lost one is worth nothing."""
    won = load["won"]
    frame = pl.DataFrame(
        {
            "journey_id": np.arange(len(won)),
            "path": [SEPARATOR.join(path) for path in _paths(load)],
            "hours": [SEPARATOR.join(map(repr, hours)) for hours in _paths(load, hours=True)],
            "won": won,
            "value": np.where(won, load["amounts"], 0.0),
        }
    )
    model = MAM(
        frame, "journey", "path", "won", user_id_colname="journey_id", time_till_conv_colname="hours",
        conversion_value_colname="value",
    )  # fmt: skip

    def totals(result: Any) -> Totals:  # noqa: ANN401  its class is the peer's
        return dict(result.to_polars().rows())

    return {
        "linear": lambda: totals(model.run_linear()),
        "u": lambda: totals(model.run_position_based()),
        "decay": lambda: totals(model.run_time_decay(HALF_LIFE_HOURS)),
    }


def shapley_attribution(load: Load) -> dict[str, Callable[[], Totals]]:
    """shapley-attribution: gives won deals, as floats; its decay goes by the order of touches, not by their time."""
    paths, won = _paths(load), load["won"].astype(int)

    def runner(model: Any) -> Callable[[], Totals]:  # noqa: ANN401  as above
        return lambda: {str(name): value for name, value in model().fit(paths, won).get_attribution().items()}

    return {
        "linear": runner(shapley.LinearAttribution),
        "u": runner(shapley.PositionBasedAttribution),
        "decay": runner(shapley.TimeDecayAttribution),
    }


def mta(load: Load) -> dict[str, Callable[[], Totals]]:
    """mta: gives won deals, as floats, on distinct paths; its decay goes by the order of partners, not by time."""
    paths = [SEPARATOR.join(path) for path in _paths(load)]
    every = Counter(paths)
    won = Counter(path for path, is_won in zip(paths, load["won"].tolist(), strict=True) if is_won)
    frame = pd.DataFrame(
        {
            "path": list(every),
            "total_conversions": [won[path] for path in every],
            "total_null": [count - won[path] for path, count in every.items()],
        }
    )
    model = MTA(frame, allow_loops=True, add_timepoints=False)
    return {
        "linear": lambda: model.linear(share="proportional", normalize=False).attribution["linear"],
        "u": lambda: model.position_based(normalize=False).attribution["pos_based"],
        "decay": lambda: model.time_decay(normalize=False).attribution["time_decay"],
    }


PEERS: Final[Mapping[str, Callable[[Load], dict[str, Callable[[], Totals]]]]] = {
    "marketing-attribution-models": mam,
    "shapley-attribution": shapley_attribution,
    "mta": mta,
}


def facts(load: Load) -> dict[str, object]:
    """What the published totals are about, to tell a workload that was drawn otherwise."""
    return {
        "touches": len(load["partners"]),
        "won": int(load["won"].sum()),
        "value": f"{np.where(load['won'], load['amounts'], 0.0).sum():.2f}",
        "paths": len(set(map(tuple, _paths(load)))),
    }


def _write(load: Load, file: Path) -> None:
    plain = {name: value if isinstance(value, list) else value.tolist() for name, value in load.items()}
    file.write_text(json.dumps(plain, separators=(",", ":")), encoding="ascii")


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result, with no garbage collected and nothing printed meanwhile."""
    gc.collect()
    gc.disable()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            begin = time.perf_counter()
            result = work()
            return time.perf_counter() - begin, result
    finally:
        gc.enable()


def main(file: Path, partners: int, journeys: int, asked: TextIO, answers: TextIO) -> None:
    """Draw the workload, then do what each line asks."""
    load = draw(partners, journeys)
    _write(load, file)
    print(json.dumps(facts(load)), file=answers, flush=True)
    models: dict[str, dict[str, Callable[[], Totals]]] = {}
    for line in asked:
        question = json.loads(line)
        if "build" in question:
            peer = question["build"]
            seconds, models[peer] = _timed(partial(PEERS[peer], load))
            answer: dict[str, object] = {"seconds": seconds}
        else:
            seconds, totals = _timed(models[question["run"]][question["model"]])
            answer = {"seconds": seconds, "totals": {name: float(value) for name, value in totals.items()}}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.stdin, sys.stdout)

"""Splitting in memory, beside the libraries that do the nearest thing: one workload, in turn, in one run.

A peer gives each partner one sum, as a float, over all journeys, lost ones included. We give every won deal's partners
their exact cents; so once that is timed, and once every journey split as if it had been won.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from bench import race
from bench.race import Deals, Load, Peers
from bench.report import Figure, Wanted, ratio
from bench.stage import Stage
from shared.models import Linear, ModelRule, TimeDecay, TimeDecayOrdinalGeometric, TimeDecayOrdinalLinear, UFirstLast

PARTNERS: Final = (12, 200)
MAM: Final = "marketing-attribution-models"
PEERS: Final = (MAM, "shapley-attribution", "mta")
MODELS: Final[Mapping[str, ModelRule]] = {
    "linear": Linear(kind="linear"),
    "U": UFirstLast(kind="u_first_last"),
    "time decay": TimeDecay(kind="time_decay", half_life="7 days"),
    "decay by order": TimeDecayOrdinalGeometric(kind="time_decay_ordinal_geometric"),
    "decay by partner": TimeDecayOrdinalLinear(kind="time_decay_ordinal_linear"),
}
"""Ours, each by the same definition as the peer's it is compared with."""
THEIRS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "linear": [(peer, "linear") for peer in PEERS],
    "U": [(peer, "u") for peer in PEERS],
    "time decay": [(MAM, "decay")],
    "decay by order": [("shapley-attribution", "decay")],
    "decay by partner": [("mta", "decay")],
}
"""Which peers have the model, and what it is called there."""
WANTED: Final[Mapping[str, Wanted]] = {"linear": ratio(0.5), "U": ratio(1), "time decay": ratio(1)}
"""Of won deals, beside the fastest published library. Its linear model is one division of a column."""
CENTS: Final = 100
SHARE: Final = 10**9
"""The amount by which the shares of a won deal are compared with peers that know no money."""

T = TypeVar("T")
Seconds = dict[tuple[str, str], list[float]]
"""By (contender, model); ours are `won` and `all`."""


async def run(stage: Stage) -> list[Figure]:
    """Journeys per second, of the same workload, warm."""
    stage.say("peers: installing the other libraries, if they are not there")
    python = await race.install(stage.folder.parent / "peers")
    figures: list[Figure] = []
    for partners in PARTNERS:
        file = stage.folder / f"journeys-{partners}.json"
        stage.say(f"peers: {stage.sizes.peers_journeys:,} journeys of {partners} partners")
        async with Peers.started(python, file, partners, stage.sizes.peers_journeys) as peers:
            figures += await _race(stage, peers, Load.read(file), partners)
    return figures


async def _race(stage: Stage, peers: Peers, load: Load, partners: int) -> list[Figure]:
    forms = {peer: await peers.build(peer) for peer in PEERS}
    ours, deals = _timed(lambda: Deals.of(load))
    taken: Seconds = {}
    for turn in range(stage.repeat + 1):
        stage.say(f"peers: repetition {turn} of {stage.repeat}" + ("" if turn else ", warming up"))
        for name, model in MODELS.items():
            await _turn(stage, peers, deals, (name, model), taken, check=not turn)
    figures = [each for name in MODELS for each in _figures(name, partners, len(deals.journeys), taken)]
    return figures + [
        Figure("peers", f"its own form, {partners} partners, beside {peer}", "s", (ours,), (theirs,))
        for peer, theirs in forms.items()
    ]


async def _turn(
    stage: Stage, peers: Peers, deals: Deals, model: tuple[str, ModelRule], taken: Seconds, *, check: bool
) -> None:
    """Every contender once; the first time, all must give the same."""
    name, rule = model
    deals.forget()
    with stage.measured(f"peers-{name.replace(' ', '-')}"):
        seconds, found = _timed(lambda: deals.split_won(rule))
    taken.setdefault(("won", name), []).append(seconds)
    deals.forget()
    seconds, _ = _timed(lambda: deals.split_all(rule))
    taken.setdefault(("all", name), []).append(seconds)
    deals.check(found)
    shares = Deals(deals.journeys, [SHARE] * len(deals.journeys), deals.won).split_won(rule) if check else []
    for peer, called in THEIRS[name]:
        seconds, theirs = await peers.run(peer, called)
        taken.setdefault((peer, name), []).append(seconds)
        if check:
            race.compare(*((found, theirs, CENTS) if peer == MAM else (shares, theirs, SHARE)))


def _figures(name: str, partners: int, journeys: int, taken: Seconds) -> list[Figure]:
    def rates(contender: str) -> tuple[float, ...]:
        return tuple(journeys / seconds for seconds in taken[contender, name][1:])

    figures = []
    for peer, _ in THEIRS[name]:
        what = f"{name}, {partners} partners, beside {peer}"
        wanted = WANTED[name] if peer == MAM else None
        figures.append(Figure("peers", what, "journeys/s", rates("won"), rates(peer), wanted))
        if peer == MAM:
            figures.append(Figure("peers", f"{what}, all as if won", "journeys/s", rates("all"), rates(peer)))
    return figures


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds and result, with no garbage collected meanwhile, as in the peers' process."""
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        result = work()
        return time.perf_counter() - begin, result
    finally:
        gc.enable()

"""The words the example is made of. All names are invented; every domain ends in `.example`, which nobody can own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner of the example. `tiers` are (tier, days before the anchor since it is held), oldest first.

    `early`, `middle` and `late` are what it does in each third of a purchase; empty where it is not involved.
    `weight` is how often it works on deals, relative to the others.
    """

    id: str
    name: str
    kind: str
    tiers: tuple[tuple[str, int], ...]
    weight: int
    early: tuple[str, ...] = ()
    middle: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


PARTNERS: Final = (
    Partner(
        "maple-it", "Maple IT Consulting", "consultant", (("silver", 700), ("gold", 300)), 9,
        early=("recommendation", "referral", "consultation"), middle=("requirements_workshop", "consultation"),
    ),
    Partner(
        "harbor-distribution", "Harbor Distribution", "distributor", (("gold", 700),), 8,
        early=("training", "event_invitation"), middle=("training", "product_demo"),
    ),
    Partner(
        "millstone-resale", "Millstone Resale", "reseller", (("silver", 700),), 8,
        middle=("product_demo", "consultation"), late=("product_demo", "consultation"),
    ),
    Partner(
        "lakeside-integration", "Lakeside Integration", "integrator", (("silver", 700), ("gold", 150)), 7,
        middle=("solution_design", "requirements_workshop"), late=("solution_design", "implementation"),
    ),
    Partner(
        "lantern-agency", "Lantern Agency", "agency", (("registered", 600),), 5,
        early=("event_invitation", "referral"), middle=("event_invitation",),
    ),
    Partner(
        "cobblestone-engineering", "Cobblestone Engineering", "engineer", (("silver", 650),), 6,
        early=("recommendation",), middle=("requirements_workshop", "solution_design"), late=("consultation",),
    ),
    Partner(
        "orchard-training", "Orchard Training", "trainer", (("registered", 700), ("silver", 200)), 5,
        early=("training",), middle=("training",), late=("training",),
    ),
    Partner(
        "pinecrest-resale", "Pinecrest Resale", "reseller", (("registered", 500),), 5,
        middle=("product_demo",), late=("product_demo", "consultation"),
    ),
    Partner(
        "riverbend-systems", "Riverbend Systems", "integrator", (("silver", 680),), 5,
        middle=("solution_design",), late=("solution_design", "implementation", "product_demo"),
    ),
    Partner(
        "saltmarsh-distribution", "Saltmarsh Distribution", "distributor", (("registered", 640),), 4,
        early=("training", "event_invitation"), late=("product_demo",),
    ),
    Partner(
        "quarry-automation", "Quarry Automation", "machine-builder", (("registered", 420),), 4,
        early=("referral", "recommendation"), middle=("product_demo",),
    ),
    Partner(
        "tidepool-advisory", "Tidepool Advisory", "consultant", (("registered", 380), ("silver", 90)), 3,
        early=("recommendation", "consultation"), late=("consultation",),
    ),
)  # fmt: skip

COMPANY_FIRST: Final = (
    "Amberfield", "Birchwater", "Clearbrook", "Dunmore Hill", "Eastgate", "Fairhaven", "Greenlock", "Highmoor",
    "Ironbridge Lane", "Juniper Hill", "Kettlewell", "Longmeadow", "Moorfield", "Northgate", "Oakhurst", "Pebble Bay",
)  # fmt: skip
COMPANY_SECOND: Final = (
    "Plastics", "Foods", "Castings", "Packaging", "Ceramics", "Bearings", "Textiles", "Coatings", "Optics", "Pumps",
)  # fmt: skip

PRODUCTS: Final = (  # name, price of one in cents, most that are bought at once
    ("Metrology Suite", 4_800_00, 24),
    ("Line Inspector", 2_350_00, 40),
    ("Calibration Manager", 1_490_00, 30),
    ("Gauge Analytics", 960_00, 60),
)

PLACES: Final = ("plant one", "the new hall", "three lines", "the laboratory", "incoming goods", "both sites")

SHARED_DOMAINS: Final = ("email.com", "mail.com", "inbox.com")
"""Free-mail domains: they name no company, so touchpoints with nothing else wait in the review list."""

"""Compensation plans from the doors of ingest to the books: each version of one program governs a year of closes.

Load-bearing idea: every case has deals, accounts and partners of its own, so that its figures can be worked out by
hand; all cases share one ledger, which is proved at the end.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from tests.support import exports, facts
from tests.support.desk import Desk, credited, money, usd
from tests.support.system import JsonObject, Tributary


def by_tier(value: object) -> JsonObject:
    return dict.fromkeys(("registered", "silver", "gold"), value)


def only(product: str, **plan: object) -> JsonObject:
    """A plan for one product; without a `rate` or `amount`, 10 % for all tiers."""
    rated = {} if plan.keys() & {"rate", "amount"} else {"rate": by_tier("10%")}
    return {"when": {"products": [product]}, **rated, **plan}


TEN = by_tier("10%")
COMPENSATION: Mapping[int, JsonObject] = {
    2018: {"plans": {"influence": {"rate": TEN, "churn": {"within": "365 days", "takes_back": "pro_rata"}}}},
    2019: {"plans": {"influence": {"rate": TEN, "basis": "cash", "hold": "14 days"}}},
    2020: {
        "pays_in": "partner_currency", "exchange": {"source": "ecb", "at_most": "7 days"},
        "plans": {"influence": {"rate": TEN}},
    },
    2021: {
        "pays_in": "program_currency", "ceiling": "30%",
        "plans": {
            "growth": only("growth", brackets={"apply": "marginal", "per": "quarter", "steps": [
                {"from": 0, "to": 10_000, "rate": "10%"}, {"from": 10_000, "rate": "20%"},
            ]}),
            "capped": only("capped", caps=[{"amount": 1_000, "per": "year"}]),
            "spiff": only(
                "spiff", on="fixed", amount=by_tier(300), budget=500, starts="2021-03-01", ends="2021-05-31"
            ),
            "team": only("team"),
            "recruiting": only("team", pays="recruiters", on="credited_amount", rate=by_tier("5%")),
            "much": only("dear", rate=by_tier("20%")),
            "more": only("dear", rate=by_tier("25%")),
            "subscription": only("subscription", on="first_year_value", recurring="6 months"),
        },
    },
    2022: {"plans": {"influence": {"rate": by_tier("5%")}}},
}  # fmt: skip
"""What the version that governs the closes of a year pays."""


def document(version: int, year: int, compensation: JsonObject) -> JsonObject:
    return facts.document(version=version, effective_from=f"{year}-01-01", compensation=compensation)


@pytest.fixture(scope="module")
async def desk(tributary: Tributary) -> Desk:
    """The system with all versions of the program but the one a test brings."""
    for version, (year, compensation) in enumerate(COMPENSATION.items(), 1):
        await tributary.activate(document(version, year, compensation))
    return Desk(tributary)


@pytest.mark.parametrize("is_paid", [False, True], ids=["before a payment", "after a payment"])
async def test_a_refund_and_a_chargeback_of_one_sale_never_take_back_more_than_it_paid(
    desk: Desk, is_paid: bool
) -> None:
    """50 % refunded, then all of it charged back: 100.00 is booked, 50.00 and 50.00 are taken back, and no more."""
    deal, partner, closed = f"R{is_paid:d}", f"ree-{is_paid:d}", date(2018, 3, 1)
    await desk.partners(**{partner: {}})
    await desk.sell(deal, partner, "1000.00", closed)
    await desk.receipt(f"{deal}-sale", deal, "payment", date(2018, 3, 5), usd("1000.00"))
    assert await desk.balance(partner) == {"payable": "100.00"}
    if is_paid:
        assert (await desk.pay(partner, usd("100.00"), date(2018, 4, 2))).status_code == 201
    await desk.receipt(f"{deal}-r", deal, "refund", date(2018, 5, 1), usd("500.00"), of=f"{deal}-sale")
    await desk.receipt(f"{deal}-c", deal, "chargeback", date(2018, 6, 1), usd("1000.00"), of=f"{deal}-sale")
    await desk.receipt(f"{deal}-x", deal, "chargeback", date(2018, 6, 2), usd("300.00"))
    journals = await desk.journals(deal)
    assert [(journal["kind"], credited(journal)) for journal in journals] == [
        ("accrual", Decimal(100)), ("adjustment", Decimal(-50)), ("reversal", Decimal(-50)),
    ]  # fmt: skip
    assert journals[1]["reason"]["cause"] == "500.00 of 1,000.00 USD went back to the customer"
    assert journals[2]["reason"]["cause"] == "1,000.00 of 1,000.00 USD went back to the customer"
    assert await desk.balance(partner) == ({"payable": "-100.00", "paid": "100.00"} if is_paid else {})


async def test_what_was_paid_and_is_taken_back_is_carried_forward_or_claimed(desk: Desk) -> None:
    """-100.00 is offset by what is earned later; or it is claimed, repaid in part, and the rest written off."""
    await desk.partners(cara={}, otto={})
    for partner in ("cara", "otto"):
        await desk.sell(f"L-{partner}", partner, "1000.00", date(2018, 3, 1))
    await desk.system.settle()
    for partner in ("cara", "otto"):
        assert (await desk.pay(partner, usd("100.00"), date(2018, 4, 2))).status_code == 201
        await desk.show(f"L-{partner}", "1000.00", date(2018, 3, 1), version=2, stage="lost")
    await desk.system.settle()
    assert await desk.balance("otto") == await desk.balance("cara") == {"payable": "-100.00", "paid": "100.00"}
    await recover(desk, "claimed", "100.00")
    await recover(desk, "repaid", "60.00")
    off = {
        "partner": "otto", "amount": usd("40.00"), "account": "recoverable", "effective_on": "2018-07-01",
        "reason": "not worth a letter", "reference": "board 12",
    }  # fmt: skip
    assert (await desk.system.ask("adjustments", off, once="otto off")).status_code == 201
    for partner in ("cara", "otto"):
        await desk.sell(f"M-{partner}", partner, "3000.00", date(2018, 8, 1))
    await desk.system.settle()
    assert await desk.balance("cara") == {"payable": "200.00", "paid": "100.00"}
    assert await desk.balance("otto") == {"payable": "300.00", "paid": "40.00"}
    refused = await desk.pay("cara", usd("200.01"), date(2018, 9, 2))
    assert (refused.status_code, refused.json()["title"]) == (409, "More than is payable")


async def recover(desk: Desk, step: str, amount: str) -> None:
    body = {"partner": "otto", "step": step, "amount": usd(amount), "on": "2018-06-01", "reference": "letter 7"}
    answer = await desk.system.ask("recoveries", body, once=f"otto {step}")
    assert answer.status_code == 201, answer.text


async def test_after_a_payment_a_deal_is_reopened_lost_won_again_and_credited_to_another(desk: Desk) -> None:
    """Each change takes back or gives exactly what it changes, whatever was paid."""
    await desk.partners(ron={}, nia={})
    closed, deal = date(2018, 3, 1), "W1"
    await desk.sell(deal, "ron", "1000.00", closed)
    await desk.system.settle()
    assert (await desk.pay("ron", usd("100.00"), date(2018, 4, 2))).status_code == 201
    for version, (stage, payable) in enumerate(
        (("open", "-100.00"), ("won", None), ("lost", "-100.00"), ("won", None)), 2
    ):
        await desk.show(deal, "1000.00", closed, version=version, stage=stage)
        await desk.system.settle()
        assert (await desk.balance("ron")).get("payable") == payable
    await desk.touch(deal, "nia", closed)
    await desk.system.accept("touchpoints/withdrawals", [{"id": f"{deal}-ron", "reason": "It was Nia's."}])
    await desk.system.settle()
    assert await desk.balance("ron") == {"payable": "-100.00", "paid": "100.00"}
    assert await desk.balance("nia") == {"payable": "100.00"}
    assert sum(credited(journal) for journal in await desk.journals(deal)) == 100


async def test_a_customer_that_leaves_takes_back_what_was_left_of_the_year(desk: Desk) -> None:
    """After 73 of 365 days 20 % is kept."""
    await desk.partners(chuck={})
    await desk.sell("C1", "chuck", "1000.00", date(2018, 3, 1))
    await desk.system.settle()
    await desk.receipt("C1-left", "C1", "churn", date(2018, 5, 13))
    assert [credited(journal) for journal in await desk.journals("C1")] == [100, -80]
    (cut,) = (await desk.earning("C1", "influence"))["cuts"]
    assert cut["why"] == "the customer left on 2018-05-13, within 365 days of the close: 73 days count"


async def test_a_cash_plan_pays_as_the_customer_does(desk: Desk) -> None:
    """Nothing is earned until money comes; 40 % and 60 % bring 40.00 and 60.00; a refund of a quarter takes 25.00."""
    await desk.partners(kai={})
    await desk.sell("K1", "kai", "1000.00", date(2019, 3, 1))
    await desk.system.settle()
    assert (await desk.earning("K1", "influence"))["nothing_earned"] == "the customer has paid 0.00 of 1,000.00 USD"
    assert await desk.journals("K1") == []
    await desk.receipt("K1-1", "K1", "payment", date(2019, 4, 1), usd("400.00"))
    await desk.receipt("K1-2", "K1", "payment", date(2019, 6, 1), usd("600.00"))
    await desk.receipt("K1-3", "K1", "refund", date(2019, 7, 1), usd("250.00"), of="K1-2")
    assert [credited(journal) for journal in await desk.journals("K1")] == [40, 60, -25]
    assert await desk.balance("kai") == {"payable": "75.00"}
    shown = await desk.earning("K1", "influence")
    assert shown["cuts"] == [
        {"why": "the customer has paid 750.00 of 1,000.00 USD", "before": usd("100.00"), "after": usd("75.00")}
    ]


async def test_a_deal_in_another_currency_waits_for_its_rate_and_keeps_it(desk: Desk) -> None:
    """Without the rate of the close nothing is booked; with it, at that rate; and a refund later is at it too."""
    closed, ecb = date(2020, 3, 10), await desk.system.key("ecb", "exchange-rates:write")
    await desk.partners(eve={}, jun={"currency": "JPY"})
    await desk.sell("X1", "eve", "1000.00", closed, currency="EUR")
    await desk.sell("X2", "jun", "1000.00", closed, currency="EUR")
    await publish(desk, ecb, "USD", "2020-03-02", "2")  # too old
    await desk.system.settle()
    waiting = await desk.earning("X1", "influence")
    assert waiting["waits_for"] == (
        "no exchange rate EUR to USD of 'ecb' on 2020-03-10 or in the 7 days before; it is booked when the rate arrives"
    )
    assert (waiting["earned"], waiting["posted"]["payable"]) == (money("100.00", "EUR"), usd("0.00"))
    assert await desk.journals("X1") == await desk.journals("X2") == []
    await publish(desk, ecb, "USD", "2020-03-09", "1.1")
    await publish(desk, ecb, "JPY", "2020-03-10", "117.425")
    await publish(desk, ecb, "USD", "2020-06-01", "1.3")
    await desk.system.settle()
    await desk.receipt("X1-r", "X1", "refund", date(2020, 6, 1), money("500.00", "EUR"))
    first, second = await desk.journals("X1")
    assert (credited(first), credited(second)) == (Decimal("110.00"), Decimal("-55.00"))
    assert first["reason"]["conversion"]["quotes"] == second["reason"]["conversion"]["quotes"] == [
        {"source": "ecb", "base": "EUR", "quote": "USD", "on": "2020-03-09", "rate": "1.1"}
    ]  # fmt: skip
    assert await desk.balance("eve") == {"payable": "55.00"}
    assert await desk.balance("jun", "JPY") == {"payable": "11743"}  # 11,742.5: half away from zero
    paid = await desk.pay("jun", money("11743", "JPY"), date(2020, 5, 1))
    assert (paid.status_code, await desk.balance("jun", "JPY")) == (201, {"paid": "11743"})
    paid = await desk.pay("eve", usd("55.00"), date(2020, 7, 1), sent=money("49.10", "EUR"))
    assert (paid.status_code, await desk.balance("eve", "EUR")) == (201, {"paid": "49.10"})
    assert await desk.balance("eve") == {}


async def publish(desk: Desk, key: str, quote: str, on: str, rate: str) -> None:
    await desk.system.accept("exchange-rates", [{"base": "EUR", "quote": quote, "on": on, "rate": rate}], key=key)


async def test_a_late_deal_lifts_a_quarter_over_its_bracket_by_one_journal(desk: Desk) -> None:
    """14,000.00 together: 1,000.00 and 800.00 above the bracket; the deals keep 10 %, the true-up is 400.00."""
    await desk.partners(gil={})
    await desk.sell("G1", "gil", "8000.00", date(2021, 3, 20), product="growth")
    await desk.system.settle()
    assert await desk.true_ups("gil") == []
    await desk.sell("G2", "gil", "6000.00", date(2021, 2, 10), product="growth")
    await desk.system.settle()
    assert [credited(journal) for deal in ("G1", "G2") for journal in await desk.journals(deal)] == [800, 600]
    (true_up,) = await desk.true_ups("gil")
    assert (true_up["scope"], credited(true_up)) == ("2021-Q1", Decimal(400))
    assert true_up["reason"]["cause"] == "2 deals of 2021-Q1 together: 14,000.00 of base; brackets add 400.00"
    await desk.show("G1", "8000.00", date(2021, 3, 20), version=2, stage="lost", product="growth")
    await desk.system.settle()
    assert [credited(journal) for journal in await desk.true_ups("gil")] == [400, -400]
    assert await desk.balance("gil") == {"payable": "600.00"}


async def test_a_cap_of_the_year_says_what_it_cut(desk: Desk) -> None:
    """800.00 and 700.00 are 1,000.00."""
    await desk.partners(cap={})
    await desk.sell("Y1", "cap", "8000.00", date(2021, 3, 20), product="capped")
    await desk.sell("Y2", "cap", "7000.00", date(2021, 9, 10), product="capped")
    await desk.system.settle()
    journals = await desk.true_ups("cap")
    assert sum(credited(journal) for journal in journals) == -500
    cap = "the plan's cap of 1,000.00 USD per year"
    assert journals[-1]["reason"]["cuts"] == [{"why": cap, "before": "1500.00", "after": "1000.00"}]
    assert await desk.balance("cap") == {"payable": "1000.00"}


async def test_the_earliest_closes_have_the_budget_of_a_spiff(desk: Desk) -> None:
    """300.00 each of 500.00: the second close has what is left, wherever a deal closes earlier and arrives later."""
    await desk.partners(sam={}, tom={}, uma={})
    await desk.sell("S2", "tom", "2000.00", date(2021, 4, 2), product="spiff")
    await desk.sell("S3", "uma", "2000.00", date(2021, 6, 1), product="spiff")
    await desk.system.settle()
    assert await desk.balance("tom") == {"payable": "300.00"}
    await desk.sell("S1", "sam", "2000.00", date(2021, 4, 1), product="spiff")
    await desk.system.settle()
    assert (await desk.balance("sam"), await desk.balance("tom")) == ({"payable": "300.00"}, {"payable": "200.00"})
    (cut,) = await desk.true_ups("tom")
    assert "the plan's budget of 500.00 USD is used up: 300.00 -> 200.00" in cut["reason"]["cause"]
    late = await desk.earning("S3", "spiff")
    assert late["nothing_earned"] == "the plan pays for deals closed from 2021-03-01 to 2021-05-31"


async def test_a_recruiter_is_paid_beside_its_recruit_and_the_base_is_named(desk: Desk) -> None:
    """10 % to the recruit; 5 % of the recruit's credited amount to the one that brought it."""
    await desk.partners(rita={}, ralf={"recruiter": "rita"})
    await desk.sell("T1", "ralf", "2000.00", date(2021, 3, 1), product="team")
    await desk.system.settle()
    assert await desk.balance("ralf") == {"payable": "200.00"}
    assert await desk.balance("rita") == {"payable": "100.00"}
    shown = await desk.earning("T1", "recruiting")
    assert (shown["partner"], shown["base"], shown["rate"]) == ("rita", usd("2000.00"), "5%")
    (component,) = shown["components"]
    assert (component["of"], component["base"], component["amount"]) == ("ralf", usd("2000.00"), usd("100.00"))


async def test_all_plans_together_stay_below_the_ceiling_of_the_deal(desk: Desk) -> None:
    """20 % and 25 % of 900.00 are 405.00, and the ceiling of 30 % is 270.00: 120.00 and 150.00."""
    await desk.partners(dee={})
    await desk.sell("D1", "dee", "900.00", date(2021, 3, 1), product="dear")
    await desk.system.settle()
    assert {j["plan"]: credited(j) for j in await desk.journals("D1")} == {"much": 120, "more": 150}
    (cut,) = (await desk.earning("D1", "more"))["cuts"]
    assert cut == {"why": "cut to the deal's ceiling", "before": usd("225.00"), "after": usd("150.00")}


async def test_a_renewal_pays_for_as_long_as_the_plan_says(desk: Desk) -> None:
    """The first deal and a renewal four months later pay 10 % of the first year; one of seven months later does not."""
    await desk.partners(sue={})
    year = {"product": "subscription", "first_year_value": usd("400.00"), "account": "A-sub"}
    await desk.sell("N1", "sue", "1200.00", date(2021, 1, 10), **year)
    await desk.sell("N2", "sue", "1200.00", date(2021, 5, 9), kind="renewal", **year)
    await desk.sell("N3", "sue", "1200.00", date(2021, 8, 9), kind="renewal", **year)
    await desk.system.settle()
    assert [credited(j) for deal in ("N1", "N2", "N3") for j in await desk.journals(deal)] == [40, 40]
    assert (await desk.earning("N3", "subscription"))["nothing_earned"] == (
        "the plan pays for renewals and expansions closed before 2021-07-10, 6 months after the first deal"
    )


async def test_where_nothing_is_earned_each_plan_says_why(desk: Desk) -> None:
    """A deal for which no plan is, and one of a partner that nobody knows."""
    await desk.partners(nell={})
    await desk.sell("Z1", "nell", "1000.00", date(2021, 3, 1), product="other")
    await desk.sell("Z2", "nobody", "1000.00", date(2018, 3, 1))
    await desk.system.settle()
    told = {earning["plan"]: earning["nothing_earned"] for earning in (await desk.deal("Z1"))["earnings"]}
    assert told.keys() == COMPENSATION[2021]["plans"].keys() - {"recruiting"}  # she was brought by nobody
    assert told.pop("spiff") == "the deal's product is 'other'; the plan pays for 'spiff'"
    assert all(reason.startswith("the deal's product is 'other'; the plan pays for") for reason in told.values())
    (unknown,) = (await desk.deal("Z2"))["earnings"]
    assert unknown["nothing_earned"] == "the partner is not in the directory; the earning waits until it is"


async def test_a_new_version_leaves_old_deals_alone_until_they_are_re_rated(desk: Desk) -> None:
    """5 % stands after a version that pays 8 % is there, and the order books 3 % more and names itself."""
    await desk.partners(vera={})
    await desk.sell("V1", "vera", "1000.00", date(2022, 3, 1))
    await desk.system.settle()
    newer = document(len(COMPENSATION) + 1, 2023, {"plans": {"influence": {"rate": by_tier("8%")}}})
    await desk.system.activate(newer)
    await desk.sell("V2", "vera", "1000.00", date(2023, 3, 1))
    await desk.system.settle()
    assert [(credited(j), j["program_version"]) for d in ("V1", "V2") for j in await desk.journals(d)] == [
        (Decimal(50), 5), (Decimal(80), 6),
    ]  # fmt: skip
    order = {
        "program": newer["program"], "version": 6, "first": "2022-01-01", "last": "2022-12-31",
        "reason": "promised at the partner day", "reference": "minutes 4",
    }  # fmt: skip
    answer = await desk.system.ask("re-rates", order, once="re-rate")
    assert answer.status_code == 201, answer.text
    await desk.system.settle()
    _, difference = await desk.journals("V1")
    number = answer.json()["id"]
    assert (credited(difference), difference["reason"]["cause"]) == (Decimal(30), f"re-rate {number} ordered")
    assert (difference["reason"]["rerate"], difference["reason"]["plan_version"]) == (number, 6)
    assert len(await desk.journals("V2")) == 1


@exports.FORMATS
async def test_the_exported_books_of_all_this_are_exact(desk: Desk, form: str) -> None:
    """In three currencies, with claims, write-offs and exchange differences."""
    await exports.assert_exact(desk.system, form)


async def test_the_books_of_all_this_verify(desk: Desk) -> None:
    """Every check holds."""
    verification = await desk.system.get("rewards", "verification")
    assert verification["ok"], verification

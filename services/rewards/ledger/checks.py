"""The checks of the books that SQL can make. Each gives one row: how much was examined, faults, the first fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.rewards.ledger import guards


def _check(examined: str, faults: str, first: str = "") -> str:
    """`examined`: a table to count. `faults`: a query of (place, fault), where `place` orders the faults.

    `first` is a WITH clause that `faults` may use.
    """
    return f"""{first}
        SELECT (SELECT count(*) FROM rewards.{examined}) AS examined, count(*) AS faults,
            (array_agg(fault ORDER BY place))[1] AS first
        FROM ({faults}) AS f (place, fault)
        """  # noqa: S608  both are the constants below


CHECKS: Final[Mapping[str, str]] = {
    "every journal balances per currency": _check("journal", """
        SELECT journal_id, format('journal %s is off by %s minor units of %s', journal_id, sum(amount_minor), currency)
        FROM rewards.entry GROUP BY journal_id, currency HAVING sum(amount_minor) <> 0"""),
    "every journal has all its legs": _check("journal", """
        SELECT j.journal_id, format('journal %s announces %s legs and has %s',
            j.journal_id, j.leg_count, count(e.leg_no))
        FROM rewards.journal j LEFT JOIN rewards.entry e USING (journal_id, recorded_at)
        GROUP BY j.journal_id, j.recorded_at, j.leg_count
        HAVING count(e.leg_no) <> j.leg_count OR max(e.leg_no) <> j.leg_count"""),
    "every leg has a journal and an account in its currency": _check("entry", """
        SELECT e.journal_id, format('leg %s of journal %s has no journal or no such account', e.leg_no, e.journal_id)
        FROM rewards.entry e LEFT JOIN rewards.journal j USING (journal_id, recorded_at)
        LEFT JOIN rewards.account a ON a.account_id = e.account_id AND a.currency = e.currency
        WHERE j.journal_id IS NULL OR a.account_id IS NULL"""),
    "every balance is the sum of its legs": _check("account", """
        SELECT a.account_id, format('account %s %s stands at %s, its legs sum to %s', a.code, a.currency,
            coalesce(b.posted_minor::text, 'nothing'), coalesce(s.total, 0))
        FROM rewards.account a LEFT JOIN rewards.balance b USING (account_id)
        LEFT JOIN (SELECT account_id, sum(amount_minor) AS total FROM rewards.entry GROUP BY account_id) s
            USING (account_id)
        WHERE b.posted_minor IS DISTINCT FROM coalesce(s.total, 0)"""),
    "every balance has counted its legs": _check("account", """
        SELECT a.account_id, format('account %s %s is at version %s and has %s legs', a.code, a.currency,
            coalesce(b.version::text, 'none'), coalesce(s.legs, 0))
        FROM rewards.account a LEFT JOIN rewards.balance b USING (account_id)
        LEFT JOIN (SELECT account_id, count(*) AS legs FROM rewards.entry GROUP BY account_id) s
            USING (account_id)
        WHERE b.version IS DISTINCT FROM coalesce(s.legs, 0)"""),
    "running balances have no gap": _check("entry", """
        SELECT (account_id, version), format(
            'account %s: leg %s of journal %s says balance %s at version %s',
            account_id, leg_no, journal_id, balance_after, version)
        FROM (SELECT account_id, journal_id, leg_no, balance_after, account_version AS version,
                row_number() OVER w AS nth, sum(amount_minor) OVER w AS running FROM rewards.entry
            WINDOW w AS (PARTITION BY account_id ORDER BY account_version ROWS UNBOUNDED PRECEDING)) n
        WHERE version <> nth OR balance_after <> running"""),
    "every currency sums to zero": _check("balance", """
        SELECT currency, format('%s is off by %s minor units', currency, sum(amount_minor))
        FROM rewards.entry GROUP BY currency HAVING sum(amount_minor) <> 0"""),
    "every posting key has its journal, and every journal one key": _check("posting_key", """
        SELECT coalesce(k.journal_id, j.journal_id), CASE
            WHEN j.journal_id IS NULL
            THEN format('key %s names the missing journal %s', k.idempotency_key, k.journal_id)
            WHEN j.journals > 1 THEN format('journal %s is there %s times', j.journal_id, j.journals)
            ELSE format('journal %s has %s keys', j.journal_id, coalesce(k.keys, 0)) END
        FROM (SELECT journal_id, min(idempotency_key) AS idempotency_key, count(*) AS keys
            FROM rewards.posting_key GROUP BY journal_id) k
        FULL JOIN (SELECT journal_id, count(*) AS journals FROM rewards.journal GROUP BY journal_id) j
            USING (journal_id)
        WHERE (k.keys, j.journals) IS DISTINCT FROM (1, 1)"""),
    "every adjustment follows a journal of the same deal or scope, partner and plan": _check("journal", """
        SELECT j.journal_id, format('journal %s (%s) adjusts %s', j.journal_id, j.kind,
            coalesce('journal ' || j.adjusts_journal_id, 'nothing'))
        FROM rewards.journal j LEFT JOIN rewards.journal b ON b.journal_id = j.adjusts_journal_id
            AND b.journal_id < j.journal_id AND (b.partner, b.deal_source, b.deal_id, b.plan, b.scope)
                IS NOT DISTINCT FROM (j.partner, j.deal_source, j.deal_id, j.plan, j.scope)
        WHERE (j.kind NOT IN ('accrual', 'payment', 'manual', 'recovery') OR j.adjusts_journal_id IS NOT NULL)
            AND b.journal_id IS NULL"""),
    "every reversal takes back exactly what was earned": _check("journal", """
        SELECT r.journal_id, format('reversal %s leaves %s minor units', r.journal_id, sum(e.amount_minor))
        FROM owed r
        JOIN owed j ON (j.partner, j.plan, j.of) = (r.partner, r.plan, r.of) AND j.journal_id <= r.journal_id
        JOIN rewards.entry e ON (e.journal_id, e.recorded_at) = (j.journal_id, j.recorded_at)
        JOIN rewards.account a USING (account_id)
        WHERE r.kind = 'reversal' AND a.role = 'commission'
            AND e.currency = (SELECT o.currency FROM rewards.entry o WHERE o.journal_id = r.journal_id LIMIT 1)
        GROUP BY r.journal_id HAVING sum(e.amount_minor) <> 0""", """
        WITH owed AS (
            SELECT *, CASE WHEN scope IS NULL THEN ARRAY[deal_source, deal_id] ELSE ARRAY[program, scope, ''] END AS of
            FROM rewards.journal WHERE plan IS NOT NULL)"""),
    "every journal of a deal has its credit": _check("journal", """
        SELECT j.journal_id, format('journal %s is for deal %s/%s, which nobody credited',
            j.journal_id, j.deal_source, j.deal_id)
        FROM rewards.journal j WHERE j.deal_id IS NOT NULL AND NOT EXISTS (SELECT FROM rewards.credit_snapshot c
            WHERE c.deal_source = j.deal_source AND c.deal_id = j.deal_id)"""),
    "every journal that is named as reversed is taken back leg by leg": _check("reversal", """
        SELECT r.journal_id, format('journal %s does not take back each leg of journal %s', r.journal_id,
            r.reverses_journal_id)
        FROM rewards.reversal r LEFT JOIN legs n ON n.journal_id = r.journal_id
        LEFT JOIN legs o ON o.journal_id = r.reverses_journal_id
        WHERE n.taken_back IS NULL OR n.taken_back IS DISTINCT FROM o.legs""", """
        WITH legs AS (
            SELECT journal_id, array_agg(ROW(leg_no, account_id, currency, amount_minor)::text ORDER BY leg_no) AS legs,
                array_agg(ROW(leg_no, account_id, currency, -amount_minor)::text ORDER BY leg_no) AS taken_back
            FROM rewards.entry WHERE journal_id IN (SELECT journal_id FROM rewards.reversal
                UNION SELECT reverses_journal_id FROM rewards.reversal) GROUP BY journal_id)"""),
    "every adjustment by hand is booked as it was asked for, and by two where it takes two": _check("adjustment", """
        SELECT coalesce(j.journal_id, a.adjustment_id), format('journal %s does not book adjustment %s as it was '
            'asked for and decided', coalesce(j.journal_id::text, 'none'), coalesce(a.adjustment_id::text, 'none'))
        FROM (SELECT * FROM rewards.adjustment a JOIN rewards.adjustment_decision d USING (adjustment_id)
            WHERE d.outcome = 'booked') a
        FULL JOIN (SELECT * FROM rewards.journal WHERE kind = 'manual') j USING (journal_id)
        WHERE a.adjustment_id IS NULL OR j.partner IS DISTINCT FROM a.partner
            OR (a.needs_approval AND a.proposed_by = a.decided_by)
            OR NOT EXISTS (SELECT FROM rewards.entry e JOIN rewards.account c USING (account_id)
                WHERE e.journal_id = j.journal_id AND e.recorded_at = j.recorded_at AND c.role = a.account
                AND c.partner = a.partner AND (e.currency, e.amount_minor) = (a.currency, -a.amount_minor))
            OR NOT EXISTS (SELECT FROM rewards.entry e JOIN rewards.account c USING (account_id)
                WHERE e.journal_id = j.journal_id AND e.recorded_at = j.recorded_at AND c.role = a.against
                AND (e.currency, e.amount_minor) = (a.currency, a.amount_minor))"""),
    "every true-up has the total of its scope": _check("journal", """
        SELECT j.journal_id, format('journal %s is for %s of plan %s, in which partner %s has no deals',
            j.journal_id, j.scope, j.plan, j.partner)
        FROM rewards.journal j WHERE j.scope IS NOT NULL AND NOT EXISTS (SELECT FROM rewards.scope_total t
            WHERE (t.program, t.plan, t.partner, t.span) = (j.program, j.plan, j.partner, j.scope))"""),
    "every scope's total equals its lines": _check("scope_total", """
        SELECT ROW(t.scope_key, partner, program_version)::text, format(
            'the total of %s, plan %s, partner %s, %s, version %s is not the sum of its lines',
            program, plan, partner, span, program_version)
        FROM rewards.scope_total t FULL JOIN (
            SELECT program, plan, partner, span, program_version, count(*) AS deals, sum(base_minor) AS base,
                sum(pending_minor) AS pending, sum(payable_minor) AS payable
            FROM rewards.earning_line GROUP BY program, plan, partner, span, program_version) l
            USING (program, plan, partner, span, program_version)
        WHERE (coalesce(t.deals, 0), coalesce(t.base_minor, 0), coalesce(t.pending_minor, 0),
            coalesce(t.payable_minor, 0)) IS DISTINCT FROM (coalesce(l.deals, 0), coalesce(l.base, 0),
            coalesce(l.pending, 0), coalesce(l.payable, 0))"""),
    "months are closed in order": _check("period_lock", """
        SELECT o.month, format('%s is open and %s is closed', to_char(o.month, 'YYYY-MM'), to_char(c.month, 'YYYY-MM'))
        FROM rewards.period_lock o JOIN LATERAL (SELECT max(month) AS month FROM rewards.period_lock
            WHERE closed_at IS NOT NULL) c ON o.month < c.month WHERE o.closed_at IS NULL"""),
    "nothing was booked into a closed month": _check("journal", """
        SELECT j.journal_id, format('journal %s of %s came after it was closed', j.journal_id,
            to_char(j.period, 'YYYY-MM'))
        FROM rewards.journal j JOIN (
            SELECT p.period, (SELECT min(l.closed_at) FROM rewards.period_lock l WHERE l.month >= p.period) AS closed_at
            FROM (SELECT DISTINCT period FROM rewards.journal) p) c USING (period)
        WHERE j.recorded_at > c.closed_at"""),
    "every journal names the month it adjusts": _check("journal", """
        SELECT journal_id, format('journal %s counts in %s, is of %s and adjusts %s', journal_id,
            to_char(effective_on, 'YYYY-MM'), to_char(period, 'YYYY-MM'),
            coalesce(to_char(adjusts_period, 'YYYY-MM'), 'none'))
        FROM (SELECT *, effective_on - (EXTRACT(day FROM effective_on)::integer - 1) AS month FROM rewards.journal) j
        WHERE period < month OR adjusts_period IS DISTINCT FROM nullif(month, period)"""),
    "every journal lies in the partition of its month": _check("journal", """
        SELECT journal_id, format('%s of journal %s lies in the DEFAULT partition', what, journal_id) FROM (
            SELECT journal_id, 'the header' FROM rewards.journal WHERE tableoid = to_regclass('rewards.journal_default')
            UNION ALL SELECT journal_id, 'a leg' FROM rewards.entry
            WHERE tableoid = to_regclass('rewards.entry_default')) AS d (journal_id, what)"""),
    "every guard of the ledger is in place": guards.IN_PLACE,
    "the service may read the ledger and not write it": guards.RIGHTS,
}  # fmt: skip

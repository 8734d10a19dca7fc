"""May I mail these people? (rules 9, requirements 39-41)"""

import contextlib

import psycopg
import pytest

from optsync.core.problems import Problem
from optsync.ledger import check, domains, holds, people
from tests.flows.ledger.desk import KEY, Desk, contact


def allowed(desk: Desk, *addresses: str, sender_scope: int = 0, non_commercial: bool = False) -> list[bool]:
    verdicts = check.may_mail(desk.conn, KEY, addresses, sender_scope=sender_scope, non_commercial=non_commercial)
    assert [verdict.address for verdict in verdicts] == list(addresses)
    return [verdict.allowed for verdict in verdicts]


def test_r39_each_address_gets_its_verdict_with_a_reason_in_the_order_asked(desk: Desk) -> None:
    desk.opt_out("ann@example.com", "one-click")
    asked = ["bob@example.com", "ANN@example.com", "bob@example.com", "Ann <ann@example.com>"]
    assert allowed(desk, *asked) == [True, False, True, False]
    assert check.may_mail(desk.conn, KEY, ["ann@example.com"])[0].why == "unsubscribed (one-click)"


def test_a_waiting_lift_and_an_undecided_hold_block(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.link("bob@example.com", contact(2))
    desk.opt_out("ann@example.com")
    desk.lift("ann@example.com", "when-unticked")
    who = desk.find("bob@example.com").address_id
    hold_id = holds.hold_inbound(desk.conn, desk.org_id, "run 1", [(who, 1, contact(2))])
    assert allowed(desk, "ann@example.com", "bob@example.com") == [False, False]
    holds.drop(desk.conn, KEY, hold_id, "kim", None)
    assert allowed(desk, "bob@example.com") == [True]


def test_a_completed_lift_unblocks(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    desk.lift("ann@example.com")
    assert allowed(desk, "ann@example.com") == [True]


def test_r36_a_one_sender_opt_out_blocks_that_sender_only(desk: Desk) -> None:
    desk.opt_out("ann@example.com", scope=7)
    assert allowed(desk, "ann@example.com") == [True]
    assert allowed(desk, "ann@example.com", sender_scope=7) == [False]
    assert allowed(desk, "ann@example.com", sender_scope=8) == [True]
    desk.opt_out("ann@example.com")
    assert allowed(desk, "ann@example.com", sender_scope=8) == [False]


def test_r40_r41_non_commercial_mail_passes_opt_outs_but_never_blocked_domains(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    assert domains.block(desk.conn, "Blocked.example", actor="kim")
    asked = ["ann@example.com", "x@blocked.example", "x@deep.sub.blocked.example", "x@notblocked.example"]
    assert allowed(desk, *asked) == [False, False, False, True]
    assert allowed(desk, *asked, non_commercial=True) == [True, False, False, True]
    assert domains.allow(desk.conn, "blocked.example", actor="kim")
    assert allowed(desk, *asked) == [False, True, True, True]


def test_r41_a_subdomain_is_blocked_alone_and_only_the_domain_itself_ends_its_block(desk: Desk) -> None:
    domains.block(desk.conn, "*.mail.blocked.example", actor="kim")
    assert not domains.block(desk.conn, "@mail.blocked.example.", actor="kim")
    asked = ["x@blocked.example", "x@mail.blocked.example", "x@a.mail.blocked.example", "x@xmail.blocked.example"]
    assert allowed(desk, *asked) == [True, False, False, True]
    assert not domains.allow(desk.conn, "blocked.example", actor="kim")
    events = desk.conn.execute("SELECT kind, actor, evidence FROM event").fetchall()
    assert events == [("domain blocked", "kim", {"domain": "mail.blocked.example"})]


def test_a_domain_in_other_letters_is_the_same(desk: Desk) -> None:
    domains.block(desk.conn, "BÜCHER.example", actor="kim")
    assert [one.domain for one in domains.listing(desk.conn)] == ["xn--bcher-kva.example"]
    assert allowed(desk, "x@bücher.example", "x@a.xn--bcher-kva.example") == [False, False]


@pytest.mark.parametrize(
    "text", ["", "com", "ann@example.com", "a b.example", "<script>.example", ".", "*.", "a..b", "x" * 300]
)
def test_what_is_no_domain_is_refused_and_changes_nothing(desk: Desk, text: str) -> None:
    with pytest.raises(Problem, match="is not a domain"):
        domains.block(desk.conn, text, actor="kim")
    assert domains.listing(desk.conn) == []


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com, bob@example.org",
        "bob@example.org;ann@example.com",
        '"ann"@example.com',
        "'ann@example.com'",
        "ann@example.com,",
        "ann@example.com (Ann)",
        "ann @example.com",
        "x@blocked.example,bob@example.org",
        "@",
        "ann",
    ],
)
def test_what_is_not_one_address_is_blocked_because_it_may_be_anybodys(desk: Desk, text: str) -> None:
    desk.opt_out("ann@example.com")
    domains.block(desk.conn, "blocked.example", actor="kim")
    for passes in (False, True):
        [verdict] = check.may_mail(desk.conn, KEY, [text], non_commercial=passes)
        assert (verdict.allowed, verdict.why) == (False, check.NOT_ONE)


@pytest.mark.parametrize(
    "text", ["Bob <bob@example.org>", "mailto:bob@example.org", "o'neil+a/b@bücher.example.", "b@host"]
)
def test_one_address_in_an_odd_spelling_is_allowed(desk: Desk, text: str) -> None:
    assert allowed(desk, text) == [True]


def test_an_erased_person_is_still_blocked(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    people.erase(desk.conn, KEY, "ann@example.com", actor="kim", reason="article 17")
    assert allowed(desk, "ann@example.com") == [False]


def test_with_the_database_away_nobody_is_mailed(desk: Desk) -> None:
    with desk.database.connect() as session:
        session.close()
        [verdict] = check.may_mail(session, KEY, ["ann@example.com"])
    assert not verdict.allowed
    assert verdict.why == check.IN_DOUBT


def test_a_question_that_the_database_refuses_is_doubt_too(desk: Desk) -> None:
    with desk.database.connect(autocommit=False) as session:
        with contextlib.suppress(psycopg.errors.UndefinedTable):
            session.execute("SELECT FROM no_such_table")
        [verdict] = check.may_mail(session, KEY, ["ann@example.com"])
    assert (verdict.allowed, verdict.why) == (False, check.IN_DOUBT)


def test_ten_thousand_addresses_are_one_question(desk: Desk) -> None:
    desk.opt_out("p77@example.com")
    verdicts = check.may_mail(desk.conn, KEY, [f"p{n}@example.com" for n in range(10_000)])
    assert [n for n, verdict in enumerate(verdicts) if not verdict.allowed] == [77]


def test_nobody_is_asked_about_nobody(desk: Desk) -> None:
    assert check.may_mail(desk.conn, KEY, []) == []

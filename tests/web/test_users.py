"""Users: invited, with a role, removed; each change in the audit, and sessions end with it (requirement 29)."""

import json
import re
from typing import Any

import pytest

from optsync.access import users
from optsync.core.problems import Problem
from tests.installation import Site
from tests.web.colleagues import PASSWORD, Visitor, by_password, colleague, invited, link_of, settled


@pytest.fixture
def admin(site: Site) -> Visitor:
    """An admin with an account, who is not the only one."""
    return by_password(site, settled(site, "admin"))


def events_about(site: Site, name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, actor and evidence of every event about this user."""
    with site.installation.database.connect() as conn:
        found = conn.execute(
            "SELECT kind, actor, evidence FROM event WHERE evidence ->> 'name' = %s ORDER BY event_id", [name]
        )
        return list(found)


def test_r29_an_admin_invites_somebody_whose_link_works_once_and_who_then_sets_a_password(
    site: Site, admin: Visitor
) -> None:
    answer, text = admin.post("/settings/users", name="Ada Byron", address=" Ada@Example.com ", role="operator")
    link = re.search(r'value="(http[^"]+/sign-in/[^"]+)"', text)
    assert answer.status == 200
    assert link is not None
    path = link[1].removeprefix(site.url)
    ada = Visitor(site)
    assert ada.get(path)[0].status == 200
    assert not ada.is_in(), "opening the link changes nothing"
    answer, _ = ada.post(path)
    assert (answer.status, answer.getheader("Location")) == (302, "/account")
    assert "Set a password" in ada.get("/account")[1]
    assert Visitor(site).post(path)[0].status == 403, "the link is used up"
    assert ada.post("/account/password/first", password1="short", password2="short")[0].status == 422
    assert ada.post("/account/password/first", password1=PASSWORD, password2=PASSWORD)[0].status == 302
    assert not ada.is_in(), "a new password ends every session"
    again = Visitor(site)
    assert again.post("/sign-in", login="ADA@example.com", password=PASSWORD)[0].status == 302
    assert again.is_in()
    kinds = [(kind, actor) for kind, actor, _ in events_about(site, "Ada Byron")]
    assert [kind for kind, _ in kinds] == ["user added", "sign-in changed"]
    assert kinds[1] == ("sign-in changed", "Ada Byron")


def test_an_invitation_that_cannot_be_is_refused_and_keeps_what_was_typed(site: Site, admin: Visitor) -> None:
    taken = colleague(site, "viewer")
    for name, address, says in [
        ("New", "no address", "no e-mail address"),
        ("", "x@example.com", "1 to 100 characters"),
        ("me@example.com", "x@example.com", "holds no e-mail address"),
        ("New", taken.email.upper(), "with this address is a user already"),
        (taken.name.upper(), "x@example.com", "with this name is a user already"),
    ]:
        answer, text = admin.post("/settings/users", name=name, address=address, role="admin")
        assert answer.status == 422
        assert says in text
        assert f'value="{address}"' in text


def test_r29_another_role_ends_every_session_of_the_user_at_once_and_is_an_event(site: Site, admin: Visitor) -> None:
    user = settled(site, "viewer")
    one, two = by_password(site, user), by_password(site, user)
    assert one.is_in()
    assert two.is_in()
    answer, _ = admin.post(f"/settings/users/{user.user_id}", step="role", role="operator")
    assert answer.status == 302
    assert not one.is_in()
    assert not two.is_in()
    kind, actor, evidence = events_about(site, user.name)[-1]
    assert (kind, evidence["before"], evidence["after"]) == (
        "user role changed",
        {"role": "viewer"},
        {"role": "operator"},
    )
    assert actor.startswith("Colleague")
    assert "@" not in json.dumps(evidence)


def test_removing_a_user_ends_their_sessions_and_their_password_opens_nothing(site: Site, admin: Visitor) -> None:
    user = settled(site, "operator")
    visitor = by_password(site, user)
    assert admin.post(f"/settings/users/{user.user_id}", step="remove")[0].status == 302
    assert not visitor.is_in()
    assert Visitor(site).post("/sign-in", login=user.email, password=PASSWORD)[0].status == 422
    assert events_about(site, user.name)[-1][0] == "user removed"
    assert admin.get(f"/settings/users/{user.user_id}")[0].status == 404
    assert admin.post(f"/settings/users/{user.user_id}", form_on="/settings/users", step="remove")[0].status == 404


@pytest.fixture
def nobody_else(new_site: Site) -> None:
    """The users that other tests have left there are gone."""
    with new_site.installation.database.connect() as conn:
        for user in users.listing(conn):
            users.remove(conn, user.user_id, actor="a test", spare_last_admin=False)


@pytest.mark.usefixtures("nobody_else")
def test_the_last_admin_is_neither_demoted_nor_removed_but_by_the_operator_of_the_machine(new_site: Site) -> None:
    last = settled(new_site, "admin")
    visitor = by_password(new_site, last)
    for values in ({"step": "role", "role": "viewer"}, {"step": "remove"}):
        answer, text = visitor.post(f"/settings/users/{last.user_id}", **values)
        assert answer.status == 422
        assert "This is the last admin" in text
    colleague(new_site, "admin")  # who never came does not count
    assert visitor.post(f"/settings/users/{last.user_id}", step="remove")[0].status == 422
    assert new_site.installation.run("users", "role", last.email, "viewer").code == 0
    assert not visitor.is_in()
    assert new_site.installation.run("users", "remove", last.email, "--json").json()["removed"]["name"] == last.name


@pytest.mark.usefixtures("nobody_else")
def test_two_admins_who_remove_each_other_at_once_leave_one(new_site: Site) -> None:
    pair = [settled(new_site, "admin"), settled(new_site, "admin")]
    for user in pair:
        by_password(new_site, user)
    refused = 0
    database = new_site.installation.database
    with database.connect() as first, database.connect() as second, first.transaction():
        users.remove(first, pair[0].user_id, actor="second")
        second.execute("SET lock_timeout = '300ms'")
        with pytest.raises(Exception, match="lock timeout"):
            users.remove(second, pair[1].user_id, actor="first")
    with database.connect() as conn:
        try:
            users.remove(conn, pair[1].user_id, actor="first")
        except Problem:
            refused += 1
        assert refused == 1
        users.remove(conn, pair[1].user_id, actor="a test", spare_last_admin=False)


def test_signing_out_everywhere_ends_every_session_of_this_user_only(site: Site) -> None:
    user, other = settled(site, "viewer"), invited(site, colleague(site, "viewer"))
    one, two = by_password(site, user), by_password(site, user)
    assert one.post("/sign-out", form_on="/account", everywhere="1")[0].status == 302
    assert not one.is_in()
    assert not two.is_in()
    assert other.is_in()


def test_another_password_ends_the_other_sessions_and_asks_for_the_old_one(site: Site) -> None:
    user = settled(site, "viewer")
    one, two = by_password(site, user), by_password(site, user)
    fresh = "another long password"
    wrong = one.post("/account/password", oldpassword="not it at all", password1=fresh, password2=fresh)
    assert wrong[0].status == 422
    assert one.post("/account/password", oldpassword=PASSWORD, password1=fresh, password2=fresh)[0].status == 302
    assert not one.is_in()
    assert not two.is_in()
    assert by_password(site, user, fresh).is_in()


def test_language_and_time_zone_of_the_account_are_those_of_its_pages(site: Site) -> None:
    visitor = invited(site, colleague(site, "viewer"))
    assert '<option value="">As the nightly sync (America/Los_Angeles)</option>' in visitor.get("/account")[1]
    answer, _ = visitor.post("/account", language="de", time_zone="Europe/Berlin")
    assert answer.status == 302
    _, text = visitor.get("/account")
    assert '<html lang="de">' in text
    assert re.search(r"\d\d:\d\d:\d\d CES?T", text)
    assert visitor.post("/account", language="xx", time_zone="Mars/Base")[0].status == 422
    visitor.post("/i18n/setlang/", form_on="/account", language="en", next="/account")
    assert '<html lang="en">' in visitor.get("/account")[1], "what is chosen in this browser goes first"


def test_an_operators_link_makes_an_admin_without_an_account_and_a_users_session_does_not_outlive_it(
    site: Site, cookie: str
) -> None:
    operator = Visitor(site, cookies=dict([cookie.partition("=")[::2]]))
    assert "That is no account" in operator.get("/account")[1]
    answer, _ = operator.post(link_of(site, colleague(site, "viewer")))
    assert answer.status == 302
    assert operator.get("/settings/users")[0].status == 403, "the operator's session ended with the user's"


def test_who_signs_in_over_an_operators_session_is_no_operator_any_more(site: Site, cookie: str) -> None:
    browser = Visitor(site, cookies=dict([cookie.partition("=")[::2]]))
    assert browser.get("/settings/users")[0].status == 200
    answer, _ = browser.post("/sign-in", login=settled(site, "viewer").email, password=PASSWORD)
    assert answer.status == 302
    assert browser.get("/settings/users")[0].status == 403
    browser.post("/sign-out", form_on="/account")
    assert not browser.is_in()


def test_the_command_line_adds_lists_and_rescues(site: Site) -> None:
    run = site.installation.run
    made = run("users", "add", "grace@example.com", "--name", "Grace", "--role", "admin", "--json")
    assert made.code == 0, made.err
    assert made.json()["user"]["role"] == "admin"
    first = "/sign-in/" + made.json()["url"].rpartition("/")[2]
    (row,) = [one for one in run("users", "list", "--json").json()["users"] if one["name"] == "Grace"]
    assert row["invitation_open"]
    link = run("users", "sign-in-link", "GRACE@example.com")
    path = "/sign-in/" + link.out.strip().rpartition("/")[2]
    assert Visitor(site).post(first)[0].status == 403, "of two links the last one counts"
    grace = Visitor(site)
    assert grace.post(path)[0].status == 302
    assert grace.is_in()
    assert run("users", "add", "grace@example.com", "--name", "Other").code == 2
    assert run("users", "role", "nobody@example.com", "admin").code == 1
    assert run("users", "role", "grace@example.com", "emperor").code == 2
    assert run("users", "remove", "grace@example.com").code == 0
    assert not grace.is_in()

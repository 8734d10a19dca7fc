"""Settings > API keys: made, shown once, replaced with an overlap, revoked; each in the audit."""

import re

import pytest

from tests.installation import Site
from tests.program import Program
from tests.web.colleagues import Visitor, colleague, invited

QUESTION = {"addresses": ["ann@example.com"]}
TEXT = re.compile(r'value="(os_live_([0-9a-f]{12})_[\w-]{43})"')


@pytest.fixture
def admin(site: Site) -> Visitor:
    """An admin's browser."""
    return invited(site, colleague(site, "admin"))


def made(text: str) -> tuple[str, str]:
    """The key on the page that shows it, and its handle."""
    found = TEXT.search(text)
    assert found is not None, text
    return found[1], found[2]


def test_a_key_is_shown_once_and_opens_what_it_may(site: Site, admin: Visitor) -> None:
    answer, text = admin.post("/settings/api-keys", name="Shop sender", scope="check", days="30")
    assert answer.status == 200
    key, handle = made(text)
    assert answer.getheader("Cache-Control") == "no-store"
    assert Program(site, key).post("/v1/check", QUESTION).status == 200
    _, listed = admin.get("/settings/api-keys")
    assert key not in listed
    assert f"os_live_{handle}_…" in listed
    assert "Shop sender" in admin.get(f"/settings/api-keys/{handle}")[1]


def test_a_key_that_cannot_be_made_keeps_what_was_typed(admin: Visitor) -> None:
    for values, says in [
        ({"name": "", "scope": "check", "days": ""}, "1 to 100 characters"),
        ({"name": "x", "days": "30"}, "Choose at least one thing"),
        ({"name": "x", "scope": "everything", "days": ""}, "Choose at least one thing"),
        ({"name": "x", "scope": "check", "days": "0"}, "Days are a whole number"),
        ({"name": "x", "scope": "check", "days": "99999999999999999999"}, "Days are a whole number"),
        ({"name": "x", "scope": "check", "days": "²"}, "Days are a whole number"),
    ]:
        answer, text = admin.post("/settings/api-keys", **values)
        assert answer.status == 422
        assert says in text
        assert f'name="days" value="{values["days"]}"' in text


def test_a_replaced_key_works_on_for_a_day_and_a_revoked_one_ends_at_once(site: Site, admin: Visitor) -> None:
    old, handle = made(admin.post("/settings/api-keys", name="Replaced", scope="check")[1])
    answer, text = admin.post(f"/settings/api-keys/{handle}", step="rotate")
    assert answer.status == 200
    new, new_handle = made(text)
    assert "works for one more day" in text
    for key in (old, new):
        assert Program(site, key).post("/v1/check", QUESTION).status == 200
    with site.installation.database.connect() as conn:
        row = conn.execute(
            "SELECT extract(epoch FROM expires_at - clock()) / 3600 FROM api_key WHERE handle = %s", [handle]
        ).fetchone()
        kinds = conn.execute(
            "SELECT kind FROM event WHERE evidence ->> 'name' = 'Replaced' ORDER BY event_id"
        ).fetchall()
    assert row is not None
    assert 23.9 < row[0] <= 24
    assert [kind for (kind,) in kinds] == ["API key made", "API key replaced", "API key made"]
    answer, _ = admin.post(f"/settings/api-keys/{new_handle}", step="revoke")
    assert answer.getheader("Location") == "/settings/api-keys?done=revoked"
    assert Program(site, new).post("/v1/check", QUESTION).code == "key-refused"
    answer, _ = admin.post(f"/settings/api-keys/{new_handle}", form_on="/settings/api-keys", step="rotate")
    assert answer.getheader("Location") == "/settings/api-keys?done=gone"


def test_without_keys_the_page_says_how_a_sender_asks(new_site: Site) -> None:
    with new_site.installation.database.connect() as conn:
        conn.execute("DELETE FROM api_key")  # those of other tests
    _, text = invited(new_site, colleague(new_site, "admin")).get("/settings/api-keys")
    assert "A check-only key is enough for a sender" in text
    assert "curl -H" in text


def test_the_command_line_replaces_a_key(site: Site) -> None:
    made_ = site.installation.run("api-keys", "make", "By hand", "--scope", "check", "--json").json()
    new = site.installation.run("api-keys", "replace", made_["handle"], "--json").json()
    assert (new["name"], new["scopes"], new["replaces"]) == ("By hand", ["check"], made_["handle"])
    assert Program(site, new["key"]).post("/v1/check", QUESTION).status == 200
    assert site.installation.run("api-keys", "replace", "0" * 12).code == 1

"""/practice: what a person sees and does there, over plain HTTP as a browser without scripts would."""

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests.conformance.practice.rest import Rest
from tests.practice import PracticeOrg

BOX = "HasOptedOutOfEmail"
SALES_BOX = "mkto_si__Marketo_Sales_Opt_Out__c"
PAGES = [
    "/practice",
    "/practice?q=berg",
    "/practice/access",
    "/practice/layouts",
    "/practice/faults",
    "/practice/faults/refuse",
]
PAGES += ["/practice/requests", "/practice/requests?pause=1"]
HOSTILE = "<script>alert(1)</script>\"'&"


@dataclass
class Browser:
    """Fetches pages and fills in forms, with the token of the page they stand on."""

    org: PracticeOrg

    def send(
        self, method: str, path: str, form: Mapping[str, str] | None = None, /, **headers: str
    ) -> tuple[int, str, str]:
        """Status, Location and text of one answer."""
        address = urlsplit(self.org.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, None if form is None else urlencode(form), sent)
            response = connection.getresponse()
            return response.status, response.headers.get("location", ""), response.read().decode()
        finally:
            connection.close()

    def see(self, path: str) -> str:
        """The text of a page that answers."""
        status, _, text = self.send("GET", path)
        assert status == 200
        assert "this is not Salesforce" in text
        return text

    def fill_in(self, path: str, /, **form: str) -> str:
        """Posts a form and follows where it leads; the text of that page."""
        status, there, _ = self.send("POST", path, form | {"token": self.token()}, Origin=self.org.url)
        assert status == 303
        return self.see(there)

    def token(self) -> str:
        """The token that every form carries."""
        tokens: set[str] = set(re.findall(r'name="token" value="(\w+)"', self.see("/practice/access")))
        assert len(tokens) == 1
        return tokens.pop()


@pytest.fixture
def browser(org: PracticeOrg) -> Browser:
    return Browser(org)


def test_every_page_answers_with_its_bar_and_lets_nothing_foreign_in(browser: Browser) -> None:
    for path in PAGES:
        assert browser.see(path).count('aria-current="page"') == 1
    address = urlsplit(browser.org.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("GET", "/practice")
    headers = connection.getresponse().headers
    connection.close()
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("asked", ["BERG@example.com", "id", "anna berg", "Berg"])
def test_a_record_is_found_by_address_id_and_name_with_its_boxes(browser: Browser, asked: str) -> None:
    lead = browser.org.create("Lead", FirstName="Anna", LastName="Berg", Email="berg@example.com", **{BOX: True})
    page = browser.see(f"/practice?q={quote(lead[:15] if asked == 'id' else asked)}")
    assert f"/practice/records/{lead}" in page
    assert f'name="{BOX}" checked' in page
    assert f'name="{SALES_BOX}"> Marketo Sales Opt Out' in " ".join(page.split())


def test_who_is_not_there_is_said_not_to_be_there(browser: Browser) -> None:
    for asked in ("nobody@example.com", "Nobody At All", "003Pr0000000999IAA"):
        assert "No Lead or Contact has that address, id or name" in browser.see(f"/practice?q={quote(asked)}")
    assert browser.send("GET", "/practice/records/nonsense")[0] == 404
    assert browser.send("GET", "/practice/faults/nonsense")[0] == 404


def test_what_was_changed_last_comes_first_without_asking(browser: Browser) -> None:
    lead = browser.org.create("Lead", LastName="Newest")
    first = re.search(r'href="/practice/records/(\w+)"', browser.see("/practice"))
    assert first
    assert first[1] == lead


@pytest.mark.parametrize("place", ["search", "record"])
def test_boxes_are_ticked_and_unticked_as_a_persons_edit(browser: Browser, place: str) -> None:
    lead = browser.org.create("Lead", Email="berg@example.com", **{BOX: True})
    path = "/practice?q=berg@example.com" if place == "search" else f"/practice/records/{lead}"
    page = browser.fill_in(path, id=lead, q="berg@example.com", do="save", **{SALES_BOX: "on"})
    assert "Saved" in page
    assert lead in page
    assert (browser.org.record(lead)[BOX], browser.org.record(lead)[SALES_BOX]) == (False, True)
    assert (browser.org.spy()["false_writes"], browser.org.spy()["api_calls"]) == (0, 0)


def test_a_lead_is_converted_into_a_new_or_an_existing_contact(browser: Browser) -> None:
    leads = [browser.org.create("Lead", Email="berg@example.com", **{BOX: True}) for _ in range(2)]
    page = browser.fill_in(f"/practice/records/{leads[0]}", do="convert", contact_id="", copy="")
    made = browser.org.record(leads[0])["ConvertedContactId"]
    assert f"/practice/records/{made}" in page
    assert browser.org.record(made)[BOX] is True
    existing = browser.org.create("Contact")
    browser.fill_in(f"/practice/records/{leads[1]}", do="convert", contact_id=existing, copy="no")
    assert browser.org.record(leads[1])["ConvertedContactId"] == existing
    assert browser.org.record(existing)[BOX] is False


@pytest.mark.parametrize(("keep", "left"), [("", False), ("yes", True), ("no", False)])
def test_a_record_is_merged_into_another(browser: Browser, keep: str, left: bool) -> None:
    loser, winner = browser.org.create("Contact", **{BOX: True}), browser.org.create("Contact")
    page = browser.fill_in(f"/practice/records/{loser}", do="merge", into=winner, keep=keep)
    assert f"/practice/records/{winner}" in page
    assert browser.org.record(loser)["MasterRecordId"] == winner
    assert browser.org.record(winner)[BOX] is left


def test_a_record_is_deleted_and_taken_out_of_the_bin(browser: Browser) -> None:
    contact = browser.org.create("Contact")
    assert "in the recycle bin" in browser.fill_in(f"/practice/records/{contact}", do="delete")
    assert browser.org.record(contact)["IsDeleted"] is True
    browser.fill_in(f"/practice/records/{contact}", do="undelete")
    assert browser.org.record(contact)["IsDeleted"] is False


def test_the_package_is_removed_and_installed(browser: Browser) -> None:
    assert "Not installed" in browser.fill_in("/practice/access", do="package", installed="no")
    assert "Marketo Sales Opt Out" not in browser.see("/practice")
    assert f"<code>{SALES_BOX}</code>" in browser.fill_in("/practice/access", do="package", installed="yes")


def test_field_level_security_is_changed_for_one_object(rest: Rest, browser: Browser) -> None:
    browser.fill_in("/practice/access", object="Lead", level="edit", **{BOX: "absent", "Phone": "read"})
    known = {field["name"]: field for field in rest.call("GET", "sobjects/Lead/describe").json["fields"]}
    assert BOX not in known
    assert known["Phone"]["updateable"] is False
    assert BOX in {field["name"] for field in rest.call("GET", "sobjects/Contact/describe").json["fields"]}
    browser.fill_in("/practice/access", object="Lead", level="absent", **{BOX: "edit"})
    assert rest.query("SELECT Id FROM Lead").code == "INVALID_TYPE"


def test_a_box_is_put_on_a_layout_and_taken_off(browser: Browser) -> None:
    form = {"layout": "Lead-Lead Layout", "field": BOX}
    assert "The layout was changed" in browser.fill_in("/practice/layouts", **form, behavior="Readonly")
    assert browser.see("/practice/layouts").count('value="Readonly" selected') == 1
    browser.fill_in("/practice/layouts", **form, behavior="")
    assert 'value="Readonly" selected' not in browser.see("/practice/layouts")


def test_permission_sets_are_shown_with_those_who_have_them(rest: Rest, browser: Browser) -> None:
    rest.call("POST", "sobjects/PermissionSet", {"Name": "Opt_Out", "Label": "<b>Opt out</b>"})
    page = browser.see("/practice/layouts")
    assert "&lt;b&gt;Opt out&lt;/b&gt;" in page
    assert "Profile Integration" in page
    assert "nobody" in page


def test_a_fault_is_ordered_seen_striking_and_taken_back(rest: Rest, browser: Browser) -> None:
    form = {"code": "QUERY_TIMEOUT", "route": "limits", "times": "", "status": "", "skip": "0", "rate": "1.0"}
    page = browser.fill_in("/practice/faults/refuse", **form)
    assert "code QUERY_TIMEOUT" in page
    assert rest.call("GET", "limits").code == "QUERY_TIMEOUT"
    assert "1 for ever" in browser.see("/practice/faults")
    assert "refuse 1" in browser.see("/practice/requests")
    browser.fill_in("/practice/faults", id="1")
    browser.fill_in("/practice/faults/reset")
    browser.fill_in("/practice/faults", do="clear")
    assert browser.org.faults() == []


def test_every_kind_of_fault_has_a_form_that_is_accepted_as_it_stands(browser: Browser) -> None:
    for kind in browser.org.fault_kinds():
        page = browser.see(f"/practice/faults/{kind['kind']}")
        assert kind["happens"] in unescape(page)
        assert kind["client_must"] in unescape(page)
        fields = dict(re.findall(r'<input id="\w+" name="(\w+)" value="([^"]*)"', page))
        browser.fill_in(f"/practice/faults/{kind['kind']}", **{name: unescape(value) for name, value in fields.items()})
        ordered = browser.org.faults()[-1]
        assert {option["name"]: option["default"] for option in kind["options"]}.items() <= ordered.items()


def test_requests_are_renewed_by_the_page_itself_until_it_is_paused(rest: Rest, browser: Browser) -> None:
    rest.query("SELECT Id FROM Lead")
    rest.call("GET", "/services/oauth2/revoke?token=secret")
    page = browser.see("/practice/requests")
    assert 'http-equiv="refresh"' in page
    assert "SELECT%20Id%20FROM%20Lead" in page
    assert "secret" not in page.replace("Neither bodies nor secrets", "")
    assert 'http-equiv="refresh"' not in browser.see("/practice/requests?pause=1")


@pytest.mark.parametrize(
    ("path", "form", "told"),
    [
        ("/practice", {"id": "nonsense"}, "NOT_FOUND"),
        ("/practice/records/{id}", {"do": "merge", "into": "nonsense"}, ": "),
        ("/practice/records/{id}", {"do": "convert"}, "only a Lead"),
        ("/practice/records/{id}", {"do": "nothing"}, "does not say what to do"),
        ("/practice/access", {"object": "Lead", "level": "perhaps"}, "access must be one of"),
        ("/practice/layouts", {"layout": "Lead-Nothing", "behavior": "Edit"}, "no such layout"),
        ("/practice/layouts", {"layout": "Lead-Lead Layout", "field": "X", "behavior": "Edit"}, "no CustomField named"),
        ("/practice/layouts", {"layout": "Lead-Lead Layout", "field": "Email", "behavior": "No"}, "no such layout"),
        ("/practice/access", {"object": "User", "level": "edit"}, "object must be Lead or Contact"),
        ("/practice/access", {"do": "app", "certificate": "x"}, "not a certificate in PEM"),
        ("/practice/faults", {"id": "99"}, "taken back already"),
        ("/practice/faults/refuse", {"rate": "often"}, "rate must be a number from 0 to 1"),
        ("/practice/faults/hold", {"seconds": ""}, "seconds must be a number"),
    ],
)
def test_what_cannot_be_done_is_said_on_the_page_and_nothing_is_changed(
    browser: Browser, path: str, form: dict[str, str], told: str
) -> None:
    here = path.format(id=browser.org.create("Contact"))
    status, _, text = browser.send("POST", here, form | {"token": browser.token()})
    assert status == 400
    assert told in unescape(re.search(r'role="alert">(.*?)</p>', text)[1])  # type: ignore[index]  # fails the test
    assert browser.org.faults() == []


def test_everything_that_comes_from_outside_is_escaped(rest: Rest, browser: Browser) -> None:
    lead = browser.org.create("Lead", LastName=HOSTILE, Email="berg@example.com", Company=HOSTILE)
    browser.org.fault("reset", route=HOSTILE, path=HOSTILE)
    rest.call("GET", f"/services/data?q={HOSTILE}".replace(" ", ""))
    seen = [browser.see(f"/practice?q={quote(HOSTILE)}"), browser.see(f"/practice/records/{lead}")]
    seen += [browser.see("/practice/faults"), browser.see("/practice/requests"), browser.see("/practice/faults/reset")]
    seen.append(browser.see(f"/practice?done={quote(HOSTILE)}"))
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;")[:20] in seen[0]
    for text in seen:
        assert "<script" not in text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[", "@:"])
def test_a_foreign_name_for_this_machine_is_refused_on_pages_and_controls(browser: Browser, host: str) -> None:
    for path in ("/practice", "/practice/api/spy"):
        status, _, text = browser.send("GET", path, Host=host)
        assert status in (400, 403)
        assert "Leads and Contacts" not in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
def test_another_site_can_neither_post_a_form_nor_use_the_controls(browser: Browser, headers: dict[str, str]) -> None:
    contact = browser.org.create("Contact")
    form: dict[str, str] = {"do": "delete", "token": browser.token()}
    assert browser.send("POST", f"/practice/records/{contact}", form, **headers)[0] == 403
    assert browser.send("POST", f"/practice/api/records/{contact}/delete", {}, **headers)[0] == 403
    assert browser.org.record(contact)["IsDeleted"] is False


def test_a_link_from_elsewhere_may_be_followed(browser: Browser) -> None:
    headers = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert browser.send("GET", "/practice?q=berg", **headers)[0] == 200
    assert browser.send("GET", "/practice", Host="localhost:8200")[0] == 200


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_form_without_this_servers_token_changes_nothing(browser: Browser, token: str) -> None:
    contact = browser.org.create("Contact")
    status, _, text = browser.send("POST", f"/practice/records/{contact}", {"do": "delete", "token": token})
    assert (status, "nothing was changed" in text) == (400, True)
    assert browser.org.record(contact)["IsDeleted"] is False


def test_looking_at_pages_is_no_request_of_a_client(browser: Browser) -> None:
    for path in PAGES:
        browser.see(path)
    assert browser.org.requests() == []

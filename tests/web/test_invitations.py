"""Invitations by mail: the link reaches its user and nobody else; where no mail is sent it is handed over by hand."""

import re
from collections.abc import Iterator
from email import message_from_string

import pytest

from optsync.access import users
from tests.flows.telling.receivers import MailServer, mail_server
from tests.installation import Installation, Site, served
from tests.servers import Servers
from tests.web.colleagues import Visitor
from tests.web.conftest import press, sign_in, submit

LINK = re.compile(r"http://\S+/sign-in/\S+")


@pytest.fixture(scope="module")
def mails() -> Iterator[MailServer]:
    """A mail server."""
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def mailing(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory, mails: MailServer) -> Iterator[Site]:
    """A site that sends mail."""
    with postgres_servers.fresh_database("embedded") as database:
        installation = Installation(database, tmp_path_factory.mktemp("mailing"))
        installation.environ |= {
            "OPTSYNC_SMTP_HOST": "127.0.0.1",
            "OPTSYNC_SMTP_PORT": str(mails.port),
            "OPTSYNC_SMTP_SECURITY": "none",
            "OPTSYNC_SMTP_FROM": "optsync@example.com",
        }
        with served(installation) as site:
            yield site


@pytest.fixture(autouse=True)
def accepting(mails: MailServer) -> None:
    """Nothing came yet, and everything is taken."""
    mails.got.clear()
    mails.refusal = ""


def mail_of(mails: MailServer) -> tuple[str, str, str]:
    """Recipient, subject and text of the one mail that came."""
    ((recipient, raw),) = mails.got
    message = message_from_string(raw)
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return recipient, str(message["Subject"]), payload.decode()


def test_r29_an_invitation_goes_out_by_mail_and_lets_its_user_in_once(mailing: Site, mails: MailServer) -> None:
    typed = {"name": "Ada Byron", "address": "Ada@Example.com", "role": "operator"}
    status, text = press(mailing, sign_in(mailing), "/settings/users", **typed)
    assert (status, LINK.search(text)) == (200, None), "who invites need not have the link"
    assert "The mail server has taken a mail to <bdi>ada@example.com</bdi>" in text
    recipient, subject, body = mail_of(mails)
    assert (recipient, subject) == ("ada@example.com", "Invitation to optsync")
    (link,) = LINK.findall(body)
    said = "admin invites you to optsync. This link lets you in; it works once, within three days:"
    assert " ".join(body.replace(link, "").split()) == said, "nothing but who invites and the link"
    path = link.removeprefix(mailing.url)
    assert Visitor(mailing).post(path)[0].status == 302
    assert Visitor(mailing).post(path)[0].status == 403


def test_the_mail_is_in_the_language_of_who_invites(mailing: Site, mails: MailServer) -> None:
    typed = {"name": "Grete", "address": "grete@example.com", "role": "viewer"}
    submit(mailing, sign_in(mailing), "/settings/users", language="de", **typed)
    _, subject, body = mail_of(mails)
    assert subject == "Einladung zu optsync"
    assert "lädt Sie zu optsync ein" in body


def test_a_mail_that_is_not_taken_leaves_the_link_to_be_handed_over(mailing: Site, mails: MailServer) -> None:
    mails.refusal = "550 nobody here"
    typed = {"name": "Gone", "address": "gone@example.com", "role": "viewer"}
    status, text = press(mailing, sign_in(mailing), "/settings/users", **typed)
    assert status == 200
    assert "could not be sent by mail" in text
    assert "refused the recipient" in text
    assert len(LINK.findall(text)) == 1
    assert mails.got == []


def test_another_invitation_is_a_mail_too_and_ends_the_link_of_the_first(mailing: Site, mails: MailServer) -> None:
    cookie = sign_in(mailing)
    press(mailing, cookie, "/settings/users", name="Twice", address="twice@example.com", role="viewer")
    (first,) = LINK.findall(mail_of(mails)[2])
    with mailing.installation.database.connect() as conn:
        found = next(one for one in users.listing(conn) if one.name == "Twice")
    mails.got.clear()
    status, text = press(mailing, cookie, f"/settings/users/{found.user_id}", step="link")
    assert (status, LINK.search(text)) == (200, None)
    (second,) = LINK.findall(mail_of(mails)[2])
    assert Visitor(mailing).post(first.removeprefix(mailing.url))[0].status == 403
    assert Visitor(mailing).post(second.removeprefix(mailing.url))[0].status == 302

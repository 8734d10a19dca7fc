"""Mail for the mailbox of List-Unsubscribe that a provider received: it opts out whom its token names."""

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from optsync import seams
from optsync.public.tokens import make_token
from tests.installation import Site
from tests.web.provider_posts import Post
from tests.web.test_mail_providers import add, call, secret_of, sources_of, state_of

BOUNDARY = "xYzZY"
LONG = "long thread " * 20_000
"""More than Django takes of a form."""


def mime(subject: str, text: str = "x") -> str:
    """A mail as it arrived."""
    return f"From: Ann <ann@writer.example.com>\r\nTo: unsubscribe@example.com\r\nSubject: {subject}\r\n\r\n{text}\r\n"


def multipart(**fields: str) -> Post:
    """A form with files, as some providers post it."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    image = 'Content-Disposition: form-data; name="attachment1"; filename="a.png"\r\nContent-Type: image/png'
    parts.append(f"--{BOUNDARY}\r\n{image}\r\n\r\nPNG\r\n--{BOUNDARY}--\r\n")
    return Post("".join(parts), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


def as_json(body: object) -> Post:
    """A post of JSON."""
    return Post(json.dumps(body), {"Content-Type": "application/json"})


def mailgun(subject: str) -> Post:
    signature = {"timestamp": "1790000000", "token": "t", "signature": "s"}
    envelope = {"recipient": "unsubscribe@example.com", "sender": "ann@x.example"}
    return multipart(**{"body-mime": mime(subject, LONG)}, **envelope, **signature)


def mandrill(subject: str) -> Post:
    told = json.dumps(
        [{"event": "inbound", "ts": 1, "msg": {"raw_msg": mime(subject), "email": "unsubscribe@x.example"}}]
    )
    return Post(urlencode({"mandrill_events": told}), {"Content-Type": "application/x-www-form-urlencoded"})


def sendgrid(subject: str) -> Post:
    envelope = json.dumps({"to": ["unsubscribe@example.com"], "from": "ann@x.example"})
    return multipart(email=mime(subject, LONG), envelope=envelope, charsets="{}")


def sparkpost(subject: str) -> Post:
    content = {"email_rfc822": mime(subject), "email_rfc822_is_base64": False}
    relay = {"protocol": "smtp", "content": content, "msg_from": "ann@x.example", "rcpt_to": "unsubscribe@example.com"}
    return as_json([{"msys": {"relay_message": relay}}])


def postmark(subject: str) -> Post:
    return as_json(
        {"FromFull": {"Email": "ann@writer.example.com", "Name": ""}, "RawEmail": mime(subject), "Headers": []}
    )


def mailjet(subject: str) -> Post:
    headers = {"Subject": subject, "From": "ann@writer.example.com", "To": ["unsubscribe@example.com"]}
    return as_json({"Sender": "ann@x.example", "Recipient": "unsubscribe@example.com", "Headers": headers, "Parts": []})


def mailersend(subject: str) -> Post:
    data = {"id": "i1", "raw": mime(subject), "sender": {"email": "a@x.example"}, "created_at": "2026-09-21T14:13:20Z"}
    return as_json({"type": "inbound.message", "data": data | {"recipients": {"rcptTo": [{"email": "u@x.example"}]}}})


MAILS: dict[str, Callable[[str], Post]] = {
    "mailersend": mailersend,
    "mailgun": mailgun,
    "mailjet": mailjet,
    "mandrill": mandrill,
    "postmark": postmark,
    "sendgrid": sendgrid,
    "sparkpost": sparkpost,
}


def call_with_mail(site: Site, slug: str, post: Post, secret: str | None) -> tuple[int, str]:
    """Hands over a mail as the provider does."""
    return call(site, f"{slug}/mail", post, secret)


@pytest.mark.parametrize("slug", sorted(MAILS))
def test_a_mail_opts_out_whom_its_token_names(new_site: Site, slug: str) -> None:
    secret, address = secret_of(add(new_site, slug)), f"{slug}@mailbox.example.com"
    token = make_token(new_site.installation.vault.link_keys, seams.real().token_bytes, address)
    post = MAILS[slug](f"unsubscribe {token}")
    assert call_with_mail(new_site, slug, post, "wrong")[0] == 403
    assert call_with_mail(new_site, slug, post, None)[0] == 403
    assert sources_of(new_site, address) == []
    assert call_with_mail(new_site, slug, post, secret) == (200, "Taken: 1.\n")
    assert sources_of(new_site, address) == [("opted out", "mail")]


def test_a_mail_that_names_nobody_is_told_on_the_provider_s_page(new_site: Site) -> None:
    secret = secret_of(add(new_site, "postmark"))
    assert call_with_mail(new_site, "postmark", postmark("Please remove me"), secret) == (200, "Taken: 0.\n")
    assert state_of(new_site, "postmark").rejected_why == "a mail that names nobody"


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "{}", '{"RecordType": "Bounce"}'])
def test_a_body_that_is_no_mail_is_refused_and_told(new_site: Site, body: str) -> None:
    secret = secret_of(add(new_site, "postmark"))
    status, text = call_with_mail(new_site, "postmark", Post(body), secret)
    if body == "{}":  # Postmark's smallest mail: nobody is named
        assert (status, text) == (200, "Taken: 0.\n")
        return
    assert (status, text) == (400, "Nothing was taken: a body that is no mail of this provider.\n")
    assert state_of(new_site, "postmark").rejected_why == "a body that is no mail of this provider"


def test_a_form_of_tens_of_thousands_of_parts_is_refused_before_it_is_read(new_site: Site) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    part = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    body = part * (3 * 1024 * 1024 // len(part)) + "--b--\r\n"
    post = Post(body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert call_with_mail(new_site, "sendgrid", post, secret)[0] == 400


def test_a_provider_that_does_not_hand_over_the_mail_itself_has_no_such_door(new_site: Site) -> None:
    for slug in ("amazon_ses", "brevo", "resend", "nobody"):
        assert call_with_mail(new_site, slug, Post("{}"), "x")[0] == 404

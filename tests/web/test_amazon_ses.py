"""Amazon SES through SNS: only what Amazon signed for the admin's own topic counts; nobody leads us elsewhere."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from optsync.webhooks import sns
from optsync.webhooks.sns import CERTIFICATE, NotSigned, is_amazons, is_topic
from tests.installation import Site
from tests.web.provider_posts import ISO, Post
from tests.web.test_mail_providers import TOPIC, add, call, secret_of, sources_of, state_of

CERT_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
TOPIC_IN_CHINA = "arn:aws-cn:sns:cn-north-1:123456789012:mail"
AMAZON = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate_of(key: rsa.RSAPrivateKey) -> bytes:
    """A certificate as Amazon's address answers it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def message(told: Any, key: rsa.RSAPrivateKey = AMAZON, version: str = "1", **more: Any) -> Post:
    """A message of SNS, signed by a key."""
    text = told if isinstance(told, str) else json.dumps(told)
    made = {"Type": "Notification", "MessageId": f"sns-{hash(text)}", "TopicArn": TOPIC, "Message": text}
    made |= {"Timestamp": ISO, "SignatureVersion": version, "SigningCertURL": CERT_URL} | more
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    seal = key.sign(sns.signed_text(made), padding.PKCS1v15(), digest)
    made["Signature"] = base64.b64encode(seal).decode()
    return Post(json.dumps(made), {"Content-Type": "text/plain; charset=UTF-8"})


def event(kind: str, address: str, **more: Any) -> dict[str, Any]:
    """An event of SES about one mail."""
    mail = {"messageId": "m1", "destination": [address], "headers": [{"name": "X-Tag", "value": "autumn"}]}
    return {"eventType": kind, "mail": mail} | more


def subscription(address: str, *, everything: bool, topics: dict[str, str], before: dict[str, str]) -> dict[str, Any]:
    """Somebody's choice on a contact list of SES."""

    def preferences(chosen: dict[str, str], everything: bool) -> dict[str, Any]:
        rows = [{"topicName": name, "subscriptionStatus": status} for name, status in chosen.items()]
        return {"unsubscribeAll": everything, "topicSubscriptionStatus": rows}

    new, old = preferences(topics, everything), preferences(before, False)
    told = {"contactList": "all", "timestamp": ISO, "source": "UnsubscribeHeader"}
    return event("Subscription", address, subscription=told | {"newTopicPreferences": new, "oldTopicPreferences": old})


@pytest.fixture
def ses(new_site: Site) -> Callable[[Post], tuple[int, str]]:
    """Calls as SNS does, for a topic that the admin entered; Amazon's certificate has been fetched before."""
    secret = secret_of(add(new_site, "amazon_ses"))
    with new_site.installation.database.connect() as conn:
        conn.execute("DELETE FROM sns_certificate")
        conn.execute("INSERT INTO sns_certificate (url, pem) VALUES (%s, %s)", [CERT_URL, certificate_of(AMAZON)])
    return lambda post: call(new_site, "amazon_ses", post, secret)


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_complaint_that_amazon_signed_is_taken(
    new_site: Site, ses: Callable[[Post], tuple[int, str]], version: str
) -> None:
    people = [f"c{version}{n}@ses.example.com" for n in (1, 2)]
    complaint = {"complainedRecipients": [{"emailAddress": one} for one in people], "complaintFeedbackType": "abuse"}
    post = message(event("Complaint", people[0], complaint=complaint), version=version)
    assert ses(post) == (200, "Taken: 2.\n")
    assert ses(post) == (200, "Taken: 0.\n")
    for one in people:
        assert sources_of(new_site, one) == [("opted out", "complaint")]


def test_leaving_a_list_or_a_topic_is_an_unsubscribe_and_coming_back_is_not_synced(
    new_site: Site, ses: Callable[[Post], tuple[int, str]]
) -> None:
    ses(message(subscription("all@ses.example.com", everything=True, topics={}, before={})))
    ses(message(subscription("one@ses.example.com", everything=False, topics={"a": "OptOut"}, before={"a": "OptIn"})))
    ses(message(subscription("back@ses.example.com", everything=False, topics={"a": "OptIn"}, before={"a": "OptOut"})))
    assert sources_of(new_site, "all@ses.example.com") == [("opted out", "mail provider")]
    assert sources_of(new_site, "one@ses.example.com") == [("opted out", "mail provider")]
    assert sources_of(new_site, "back@ses.example.com") == [("provider resubscribed", "mail provider")]


def test_a_forged_message_is_refused_whatever_is_wrong_with_it(
    new_site: Site, ses: Callable[[Post], tuple[int, str]]
) -> None:
    told = event("Complaint", "forged@ses.example.com", complaint={"complainedRecipients": []})
    told["complaint"]["complainedRecipients"].append({"emailAddress": "forged@ses.example.com"})
    good = json.loads(message(told).body)
    forged = {
        "a wrong signature": [message(told, STRANGER), changed(good, Message=json.dumps(told | {"x": 1}))],
        "another SNS topic": [message(told, TopicArn=TOPIC + "-of-somebody-else"), changed(good, TopicArn=None)],
        "a certificate that is not Amazon's": [message(told, SigningCertURL=url) for url in NOT_AMAZONS],
        "a kind of signature that Amazon does not use": [changed(good, SignatureVersion="3")],
        "a type of message that SNS does not have": [changed(good, Type="Other")],
    }
    for why, bodies in forged.items():
        for body in bodies:
            assert ses(body) == (403, f"Refused: {why}.\n"), body.body[:300]
    assert state_of(new_site, "amazon_ses").rejected_why in forged
    assert sources_of(new_site, "forged@ses.example.com") == []


def changed(good: dict[str, Any], **more: Any) -> Post:
    """A signed message that somebody changed on its way."""
    return Post(json.dumps(good | more), {})


NOT_AMAZONS = [
    "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123.pem",
    "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef0123.pem",
    "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123.pem",
    "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123456789abcdef0123.pem",
    "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123456789abcdef0123.pem",
    "https://evilsns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123.pem",
    "https://bucket.s3.amazonaws.com/SimpleNotificationService-0123456789abcdef0123.pem",
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123.pem?x=1",
    "https://sns.eu-west-1.amazonaws.com/../evil.pem",
    "https://sns.eu-west-1.amazonaws.com/x\n.pem",
    "file:///etc/passwd",
    "https://[::1/x.pem",
    "",
]


def test_only_amazons_own_host_is_amazons() -> None:
    assert is_amazons(CERT_URL, TOPIC, CERTIFICATE)
    assert is_amazons("https://sns.us-gov-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=x", TOPIC)
    odd: list[object] = [*NOT_AMAZONS, None, 7, {}]
    for url in odd:
        assert not is_amazons(url, TOPIC, CERTIFICATE), url
    with pytest.raises(NotSigned):
        sns.check({"TopicArn": TOPIC, "SigningCertURL": NOT_AMAZONS[1]}, TOPIC, lambda url: b"never asked")


def test_a_topic_in_china_is_spoken_for_by_amazons_hosts_there_and_by_no_other() -> None:
    china, topic = CERT_URL.replace("eu-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn"), TOPIC_IN_CHINA
    assert is_topic(topic)
    assert is_amazons(china, topic, CERTIFICATE)
    assert not is_amazons(china, TOPIC, CERTIFICATE)
    assert not is_amazons(CERT_URL, topic, CERTIFICATE)
    assert not is_amazons(china.replace("cn-north-1", "eu-west-1"), topic, CERTIFICATE)
    assert not is_amazons(china.replace(".com.cn", ".com.cn.evil.example"), topic, CERTIFICATE)


def test_a_subscription_is_confirmed_only_for_the_topic_that_was_entered_and_only_at_amazons(
    new_site: Site, ses: Callable[[Post], tuple[int, str]]
) -> None:
    asks: dict[str, Any] = {
        "Type": "SubscriptionConfirmation",
        "Token": "t",
        "SubscribeURL": "https://evil.example/?Token=t",
    }
    assert ses(message("hello", **asks)) == (403, "Refused: an address to confirm that is not Amazon's.\n")
    assert ses(message("hello", **asks | {"TopicArn": TOPIC + "2"})) == (403, "Refused: another SNS topic.\n")


def test_sns_is_asked_for_the_secret_before_anything_is_read(new_site: Site) -> None:
    add(new_site, "amazon_ses")
    answer, _ = new_site.request("POST", "/webhooks/amazon_ses", message("hello").body)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="optsync"')
    assert call(new_site, "amazon_ses", message("hello"), "wrong") == (403, "Refused: wrong secret.\n")


def test_the_words_of_sns_that_a_topic_is_set_up_are_no_event(ses: Callable[[Post], tuple[int, str]]) -> None:
    said = "Successfully validated SNS topic for Amazon SES event publishing."
    assert ses(message(said)) == (200, "Taken: 0.\n")

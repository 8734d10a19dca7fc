"""Messages of Amazon SNS: that Amazon signed them, and whose they are.

Sources: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages" (which fields are signed, in
which order; version 1 is SHA-1, version 2 SHA-256), "Parsing message formats". Anymail leaves this to its users.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_pem_x509_certificate

HOST: Final = re.compile(r"sns\.[a-z]{2}(?:-[a-z]+)+-[0-9]\.amazonaws\.com", re.ASCII)
HOST_CHINA: Final = re.compile(r"sns\.cn-[a-z]+-[0-9]\.amazonaws\.com\.cn", re.ASCII)
CHINA: Final = "arn:aws-cn:"
"""A topic in Amazon's Chinese regions, which have hosts of their own; neither side's speak for the other's topics."""
CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[0-9a-f]{16,64}\.pem", re.ASCII)
TOPIC: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]{4,40}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}", re.ASCII)
NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED: Final = {
    "Notification": NOTIFICATION,
    "SubscriptionConfirmation": CONFIRMATION,
    "UnsubscribeConfirmation": CONFIRMATION,
}


class NotSigned(Exception):  # noqa: N818 - it says what is wrong with a message, not with the program
    """A message that Amazon did not sign for us; the text says why, in words for the provider's page."""


def is_topic(text: str) -> bool:
    """Whether a text has the form of an SNS topic's ARN."""
    return TOPIC.fullmatch(text) is not None


def is_amazons(url: object, topic: str, path: re.Pattern[str] | None = None) -> bool:
    """Whether an address is one of SNS itself where this topic is: https, its own host, no port, no user.

    `path` must match when given.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = HOST_CHINA if topic.startswith(CHINA) else HOST
    is_host = parts.scheme == "https" and host.fullmatch(parts.netloc) is not None
    return is_host and (path is None or (path.fullmatch(parts.path) is not None and not parts.query))


def check(message: Mapping[str, Any], topic: str, certificate: Callable[[str], bytes]) -> None:
    """Raises NotSigned unless Amazon signed this message for this topic.

    `certificate` answers the PEM behind an address of Amazon's, and is asked for no other.
    """
    if message.get("TopicArn") != topic:
        raise NotSigned("another SNS topic")
    url = message.get("SigningCertURL")
    if not is_amazons(url, topic, CERTIFICATE):
        raise NotSigned("a certificate that is not Amazon's")
    text = signed_text(message)
    digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}.get(str(message.get("SignatureVersion")))  # noqa: S303 - SNS's own
    try:
        key = load_pem_x509_certificate(certificate(str(url))).public_key()
        if digest is None or not isinstance(key, rsa.RSAPublicKey):
            raise NotSigned("a kind of signature that Amazon does not use")
        key.verify(b64decode(str(message.get("Signature"))), text, padding.PKCS1v15(), digest)
    except (ValueError, InvalidSignature) as error:
        raise NotSigned("a wrong signature") from error


def signed_text(message: Mapping[str, Any]) -> bytes:
    """What Amazon signs: names and values in a fixed order, a line each; those that are absent are left out."""
    fields = SIGNED.get(str(message.get("Type")))
    if fields is None:
        raise NotSigned("a type of message that SNS does not have")
    return "".join(f"{name}\n{message[name]}\n" for name in fields if message.get(name) is not None).encode(
        errors="replace"
    )

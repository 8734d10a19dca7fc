"""Which addresses we talk to: Salesforce's own, or, for a practice org, this machine. Nothing else, ever.

A token sent to the wrong host is a stolen org, so the rule is a whitelist on the whole parsed address, never a search
in it (forcedotcom/sfdx-core#1325 shows what a substring match costs). Sources: Salesforce Help, "My Domain URL Formats"
and "My Domain URL Formats for Government Cloud" (`.my.salesforce.mil`).
"""

import ipaddress
import re
from typing import NewType
from urllib.parse import urlsplit

from optsync.core.told import told
from optsync.salesforce.errors import HostRefused

Origin = NewType("Origin", str)
"""`scheme://host[:port]` without a trailing slash, made by the checks of this module and by nothing else."""

LOGIN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
MY_DOMAIN_SUFFIXES = (".my.salesforce.com", ".my.salesforce.mil")
PAGE_SUFFIXES = (".lightning.force.com", ".my.salesforce-setup.com")
"""Where the browser shows an org's pages; the part before is that of its My Domain."""

_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]{1,253}|\[::1\])(?::([0-9]{1,5}))?/?", re.ASCII)
_MY_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?", re.ASCII)


def check_login_url(url: str, practice: bool) -> Origin:
    """The origin to sign in at. Raises HostRefused for anything but Salesforce (or, with `practice`, this machine).

    With `practice` only plain http to a loopback host passes, on any port: a practice credential never meets a real
    org, and a real one never this machine.
    """
    scheme, host, port = _parse(url, practice)
    if practice:
        return _practice_origin(scheme, host, port)
    if host not in LOGIN_HOSTS and not _is_my_domain(host):
        raise _refused(told("it is not login.salesforce.com, test.salesforce.com or a My Domain of Salesforce"))
    return _salesforce_origin(scheme, host, port)


def check_instance_url(url: str, practice: bool) -> Origin:
    """The origin of an org's API, as a token answer names it. Raises HostRefused for anything but a My Domain host."""
    scheme, host, port = _parse(url, practice)
    if practice:
        return _practice_origin(scheme, host, port)
    if not _is_my_domain(host):
        raise _refused(told("the org's API address is not a My Domain of Salesforce"))
    return _salesforce_origin(scheme, host, port)


def my_domain_of(pasted: str) -> Origin:
    """The login address of an org from any of its addresses that a person copies out of a browser.

    Lightning and Setup pages live on hosts of their own beside My Domain. Raises HostRefused for everything else.
    Source: Salesforce Help, "My Domain URL Formats".
    """
    text = pasted.strip()
    if not text.isprintable():  # urlsplit drops line ends and tabs, and what is left might look sound
        raise _refused(told("it is no address of a web page"))
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        raise _refused(told("it is no address of a web page")) from None
    host = parts.netloc.lower()
    for suffix in PAGE_SUFFIXES:
        if host.endswith(suffix):
            host = host.removesuffix(suffix) + MY_DOMAIN_SUFFIXES[0]
    return check_login_url(f"{parts.scheme}://{host}", practice=False)


def is_loopback_url(url: str) -> bool:
    """True for plain http to this machine: the mark of a practice org."""
    match = _ORIGIN.fullmatch(url.lower()) if url.isascii() else None
    return match is not None and match[1] == "http" and is_loopback_host(match[2])


def is_loopback_host(host: str) -> bool:
    """True for localhost, [::1] and four-part 127.x.y.z; short and octal spellings are no."""
    if host in ("localhost", "[::1]", "::1"):
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def check_address(host: str, address: str) -> None:
    """Raises HostRefused when the name server sent us somewhere the name cannot be: DNS is not to be trusted either."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if is_loopback_host(host) != ip.is_loopback or not (ip.is_loopback or ip.is_global):
        raise _refused(told("its name leads to a private network address"))


def _parse(url: str, practice: bool) -> tuple[str, str, str]:
    # isascii first: lower() turns some foreign letters into plain ones.
    match = _ORIGIN.fullmatch(url.lower()) if url.isascii() else None
    if match is None:
        wanted = "http://127.0.0.1:PORT" if practice else "https://NAME.my.salesforce.com"
        raise _refused(told("it is not of the form %(form)s", form=wanted))
    return match[1], match[2], match[3] or ""


def _is_my_domain(host: str) -> bool:
    name = next((host.removesuffix(suffix) for suffix in MY_DOMAIN_SUFFIXES if host.endswith(suffix)), "")
    return _MY_DOMAIN.fullmatch(name) is not None and not any(label.startswith("xn--") for label in name.split("."))


def _salesforce_origin(scheme: str, host: str, port: str) -> Origin:
    if scheme != "https" or port not in ("", "443"):
        raise _refused(told("Salesforce is reached over https on port 443 only"))
    return Origin(f"https://{host}")


def _practice_origin(scheme: str, host: str, port: str) -> Origin:
    if scheme != "http" or not is_loopback_host(host) or int(port or "80") not in range(1, 65536):
        raise _refused(told("a practice org is reached over plain http on this machine only"))
    return Origin(f"http://{host}:{int(port)}" if port else f"http://{host}")


def _refused(reason: str) -> HostRefused:
    # The address itself is left out: a hostile one may carry a secret or trick a terminal.
    return HostRefused(
        told("this address is refused: %(reason)s", reason=reason),
        means=told("a sign-in sent to the wrong host would give the org away, so nothing was sent"),
        next_step=told(
            "use the org's address from Salesforce Setup > My Domain, such as https://NAME.my.salesforce.com"
        ),
    )

"""One message to one mail server, with the standard library: a worker loads no Django."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from optsync.config.environment import Smtp
from optsync.seams import Seams

SECONDS: Final = 15.0


def send(server: Smtp, seams: Seams, to: str, subject: str, body: str) -> str:
    """Hands a message over; empty when the server took it, else why not, without addresses."""
    message = EmailMessage()
    try:
        message["From"], message["To"], message["Subject"] = server.sender, to, subject
    except ValueError:
        return "the address cannot stand in a message"
    message["Date"] = format_datetime(seams.now())
    message["Message-ID"] = f"<{seams.new_id()}@{server.sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    try:
        with _open(server) as session:
            if server.user:
                session.login(server.user, server.password or "")
            session.send_message(message)
    except smtplib.SMTPResponseException as error:
        return f"the mail server answered {error.smtp_code}"
    except smtplib.SMTPRecipientsRefused:
        return "the mail server refused the recipient"
    except smtplib.SMTPException as error:
        return f"the mail server could not be used ({type(error).__name__})"
    except OSError as error:
        return f"the mail server does not answer ({error.strerror or type(error).__name__})"
    return ""


def _open(server: Smtp) -> smtplib.SMTP:
    """A session, encrypted as the settings say; never in clear when they say otherwise."""
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=SECONDS, context=ssl.create_default_context())
    session = smtplib.SMTP(server.host, server.port, timeout=SECONDS)
    if server.security == "starttls":
        try:
            session.starttls(context=ssl.create_default_context())
        except BaseException:
            session.close()
            raise
    return session

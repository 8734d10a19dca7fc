"""What is wrong or doubtful about the settings. Starts nothing, asks nobody, writes nothing."""

from collections.abc import Callable, Mapping

from optsync.config.database import checked_url
from optsync.config.environment import Environment, environment_of, told_unknown, unknown_in, values_in
from optsync.config.postgres_layout import server_user, unusable
from optsync.config.vault import refuse_beside_data
from optsync.core.problems import Problem
from optsync.core.public_address import trouble_with


def check(values: Mapping[str, str], *, is_root: bool | None = None) -> tuple[list[Problem], list[Problem]]:
    """What keeps optsync from starting with these settings, and what it starts with although it hardly is meant."""
    found, wrong = values_in(values, is_root=is_root)
    env = environment_of(found)
    together = [problem for rule in TOGETHER if (problem := refusal_of(rule, env))]
    doubtful = doubts(values, env)
    if "OPTSYNC_PUBLIC_URL" not in wrong and (trouble := trouble_with(env.public_url)):
        doubtful.append(trouble)
    return [*wrong.values(), *together], doubtful


def url_is_readable(env: Environment) -> None:
    """libpq can read the address of the database."""
    if env.database_url is not None:
        checked_url(env.database_url)


def user_will_do(env: Environment) -> None:
    """The embedded server can run as the user that it should run as."""
    if env.database_url is None:
        try:
            server_user(env, env.data_dir / "server")
        except OSError as error:
            raise unusable(env.data_dir, error) from None


TOGETHER: tuple[Callable[[Environment], None], ...] = (url_is_readable, user_will_do, refuse_beside_data)
"""What a start looks at besides each value by itself."""


def refusal_of(rule: Callable[[Environment], None], env: Environment) -> Problem | None:
    """What a rule refuses; None when nothing."""
    try:
        rule(env)
    except Problem as problem:
        return problem
    return None


def doubts(values: Mapping[str, str], env: Environment) -> list[Problem]:
    """What is allowed and yet to be looked at."""
    found = [
        Problem(told_unknown(name, near), "it is ignored", f"rename it to {near}" if near else "unset it")
        for name, near in unknown_in(values).items()
    ]
    mail = [name for name in sorted(values) if name.startswith("OPTSYNC_SMTP_") and values[name]]
    if mail and not values.get("OPTSYNC_SMTP_HOST"):
        found.append(
            Problem(f"{mail[0]} is set without OPTSYNC_SMTP_HOST", "no e-mail is sent", "name the mail server")
        )
    if env.clock_offset_seconds:
        means = "unsubscribes and sync runs carry other times than those at which they happened"
        found.append(Problem("OPTSYNC_CLOCK_OFFSET shifts every clock", means, "unset it except for rehearsals"))
    if env.webhooks_to_loopback:
        means = "whoever may add a webhook can reach programs on this machine"
        found.append(Problem("OPTSYNC_WEBHOOKS_TO_LOOPBACK is on", means, "unset it except for development"))
    return found

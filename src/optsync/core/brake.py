"""The brake on mass changes: recording goes on, the permanent or outside write waits for a decision (rules 8)."""

HELD_ABOVE_ADDRESSES = 500
HELD_ABOVE_PERCENT = 5


def is_held(changed_addresses: int, linked_addresses: int) -> bool:
    """Whether a change set waits: more than max(500, 5 % of the addresses with a live record); the limit passes."""
    over_share = changed_addresses * 100 > linked_addresses * HELD_ABOVE_PERCENT
    return changed_addresses > HELD_ABOVE_ADDRESSES and over_share

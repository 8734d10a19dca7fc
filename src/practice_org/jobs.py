"""Bulk jobs and what they hold."""

from dataclasses import dataclass, field


@dataclass
class Jobs:
    """The org's jobs by id."""

    by_id: dict[str, object] = field(default_factory=dict)

    def close(self) -> None:
        """Lets go of all results."""
        self.by_id.clear()

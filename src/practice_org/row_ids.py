"""Ids for whatever is no record of a person: rows of the set-up, deployments."""

from practice_org.ids import record_id


class RowIds:
    """Gives ids. One that was given once is never given to something else."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}

    def of(self, prefix: str, *key: str) -> str:
        """The id of what `key` identifies: the same key has the same id for ever."""
        number = self._numbers.setdefault((prefix, *key), len(self._numbers) + 1)
        return record_id(prefix, number)

    def new(self, prefix: str) -> str:
        """The id of something new."""
        return self.of(prefix, "new", str(len(self._numbers)))

"""Errors for people: what happened, what it means, what to do next."""


class Problem(Exception):  # noqa: N818 - it is shown to people as a problem with a way out, not as a fault of the program
    """Something a person can put right. `exit_code` is what a command ends with.

    Exit codes: 1 failed, 2 wrong usage, 4 sign-in needed. The texts never hold addresses or secrets.
    """

    def __init__(self, what: str, means: str, next: str, exit_code: int = 1) -> None:  # noqa: A002 - the word of the page
        super().__init__(what)
        self.what = what
        self.means = means
        self.next = next
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"error: {self.what}\nmeans: {self.means}\nnext:  {self.next}"

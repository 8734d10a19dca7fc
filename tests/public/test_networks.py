"""Where a request came from: nobody can claim to be somewhere else, and nothing hostile gets into the evidence."""

import pytest

from optsync.public.networks import agent_of


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", ""),
        ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("a\0b\r\nc\u202ed\x7f", "ab c d"),
        ("\ud800", "?"),
        ("bot (+mailto:ann.smith@example.com)", "bot ([address])"),
        ("z" * 100_000, "z" * 200),
    ],
)
def test_what_a_program_calls_itself_is_kept_clean_and_short(said: str, kept: str) -> None:
    assert agent_of({"HTTP_USER_AGENT": said}) == kept

"""Texts as PostgreSQL can keep them: what is no text is left out, and nothing fails because of it."""

import json
from typing import Any


def storable(text: str) -> str:
    """Without NUL; a lone surrogate becomes a question mark."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode(errors="replace").decode()


def storable_json(value: Any) -> str:
    """JSON in which every text is storable."""
    return json.dumps(_storable_parts(value), ensure_ascii=False)


def _storable_parts(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): _storable_parts(part) for name, part in value.items()}
    return [_storable_parts(part) for part in value] if isinstance(value, list | tuple) else value

"""Other people's texts on the page: nothing in them may break the page or turn its text around."""

from __future__ import annotations

import json
import re
from typing import Any, Final

# control characters, those that turn the direction of writing, half surrogate pairs (no text that UTF-8 can hold)
_UNSHOWN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_BROKEN: Final = re.compile("[\ud800-\udfff]")
_IN_SCRIPT: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def shown_text(text: object, most: int | None = None) -> str:
    """Return a text without characters that cannot be shown or change how others are shown.

    Args:
        text: anything; what is no text is turned into one.
        most: characters to keep; the last becomes ``…`` where there were more.
    """
    shown = _BROKEN.sub("\ufffd", _UNSHOWN.sub("", str(text)))
    return shown if most is None or len(shown) <= most else f"{shown[: most - 1]}…"


def shown_values(value: Any) -> Any:  # noqa: ANN401 - anything that JSON can hold
    """Return nested dicts and lists with every text in them as :func:`shown_text` leaves it."""
    if isinstance(value, str):
        return shown_text(value)
    if isinstance(value, dict):
        return {shown_text(key): shown_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown_values(item) for item in value]
    return value


def script_json(content: Any) -> str:  # noqa: ANN401 - anything that JSON can hold
    """Return JSON that can stand in a ``<script>`` element: it holds no ``<``, so no text can end the element.

    Raises:
        ValueError: a number is infinite or not a number.
    """
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return written.translate(_IN_SCRIPT)

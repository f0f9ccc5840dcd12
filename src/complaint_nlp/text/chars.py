"""Character classes that several steps share, as the inside of a regular-expression class; broken characters."""

import re

__all__ = ["BOPOMOFO", "EMOJI", "HAN", "KANA_HANGUL", "is_broken"]

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005\u3007\U00020000-\U000323af"
BOPOMOFO = "\u3105-\u312f\u31a0-\u31bf"
KANA_HANGUL = "\u3041-\u3096\u30a1-\u30fa\u1100-\u11ff\uac00-\ud7a3"
# Pictographs that may start or continue an emoji sequence. Geometric marks such as ■ ● ★ are in it:
# writers use them for emphasis, and U+FE0F may follow them.
EMOJI = (
    "\u203c\u2049\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa\u24c2"
    "\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)

_SURROGATE = re.compile("[\ud800-\udfff]")


def is_broken(text: str) -> bool:
    """Return whether `text` holds half a surrogate pair, which is no character and cannot be written as UTF-8."""
    return _SURROGATE.search(text) is not None

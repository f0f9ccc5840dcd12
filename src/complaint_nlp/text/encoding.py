"""Repair of text that was decoded with the wrong encoding, where the bytes prove it.

A run is changed only when it decodes strictly the other way round, what comes out reads like Chinese
(most of its characters are frequent ones) and what stood there does not. Good Chinese fails the first
or the last test, so it is never touched.
"""

import re
from functools import cache

from complaint_nlp.text.chars import EMOJI, HAN
from complaint_nlp.text.offsets import Edit
from complaint_nlp.text.resources import frequent_chars

__all__ = ["LEADS", "repair_encoding"]

_LOST = "\ufffd"
# Shares of frequent characters: real Chinese has nine in ten, wrongly decoded text one in ten.
_READABLE, _UNREADABLE = 0.5, 0.35
# Any two-byte text decodes as some other, so Big5 and GBK want stronger proof, and more of it.
_READABLE_WHOLE, _UNREADABLE_WHOLE = 0.6, 0.25
_MIN_GBK, _MIN_LEGACY = 2, 6
_FIRST_LEAD = 0xE4  # of a Han character in UTF-8
_CONTINUATION = range(0x80, 0xC0)
_CP1252 = {bytes([byte]).decode("cp1252"): byte for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"}
_CONT = "\x80-\xbf" + "".join(re.escape(char) for char in _CP1252)
# One UTF-8 sequence read as Latin-1 or cp1252. A no-break space (0xA0) has often become a plain one, so a
# three-byte sequence may hold one space. The second group is a sequence that lost bytes.
_SEQUENCE = re.compile(
    f"([\xc2\xc3][{_CONT}]|[\xe2-\xef](?:[{_CONT}][{_CONT} ]| [{_CONT}])|[\xf0-\xf4][{_CONT}]{{3}})"
    f"|([\xe4-\xe9][{_CONT}]?[?{_LOST}]?)"
)
_LATIN_LEADS = frozenset(map(chr, (0xC2, 0xC3, *range(0xE2, 0xF5))))

# What a UTF-8 lead byte of a Han character (E4–E9) and the byte after it look like when read as GBK, and the
# same for full-width punctuation (EF BC, EF BD) and for U+FFFD (EF BF).
_GBK_LEADS = frozenset(
    bytes([lead, trail]).decode("gb18030")
    for lead in range(_FIRST_LEAD, 0xEA)
    # E4 80–E4 B7 is Extension A, which nobody writes
    for trail in range(0xB8 if lead == _FIRST_LEAD else 0x80, 0xC0)
) | {"锛", "锟"}
LEADS = _LATIN_LEADS | _GBK_LEADS
_LATIN_LEAD = re.compile(f"[{''.join(_LATIN_LEADS)}]")
_GBK_LEAD = re.compile(f"[{''.join(_GBK_LEADS)}]")
_NON_ASCII = re.compile(r"[^\x00-\x7f]+(?:\?+[^\x00-\x7f]+)*\??")
_FFFD_AS_GBK = re.compile("(?:锟斤拷)+")
_HAN = re.compile(f"[{HAN}]")
# What a repaired run may hold beside Han.
_BESIDE_HAN = re.compile(f"[\x20-\x7e\x80-\xff\u2010-\u203f\u3000-\u312f\uff01-\uffe5\ufe0f\u200d{_LOST}{EMOJI}]")


def repair_encoding(text: str, *, has_leads: bool) -> list[Edit]:
    """Return the edits that undo wrong decoding; `has_leads` False says that none of `LEADS` is in `text`."""
    if has_leads and _LATIN_LEAD.search(text):
        edits = _latin(text)
        if edits:
            return edits
    if has_leads and _GBK_LEAD.search(text):
        edits = _utf8_as_gbk(text)
        if edits:
            return edits
    # three frequent characters in a row are Chinese: this look is all that ordinary text costs
    return [] if text.isascii() or _readable().search(text) else _legacy(text)


@cache
def _readable() -> re.Pattern[str]:
    """Return the search for a stretch that reads like Chinese."""
    return re.compile(f"[{''.join(frequent_chars())}]{{3}}")


def _share(text: str) -> float:
    """Return the share of frequent characters among the Han of `text`; 0.0 without Han."""
    han = _HAN.findall(text)
    if not han:
        return 0.0
    frequent = frequent_chars()
    return sum(char in frequent for char in han) / len(han)


def _plausible(text: str) -> bool:
    """Return whether `text` holds nothing but Chinese, its punctuation, emoji and Latin."""
    return all(_HAN.match(char) or _BESIDE_HAN.match(char) for char in text)


def _latin(text: str) -> list[Edit]:
    """Return edits for UTF-8 that was read as Latin-1 or cp1252, one per character."""
    edits: list[Edit] = []
    run: list[Edit] = []
    for match in _SEQUENCE.finditer(text):
        if run and match.start() != run[-1][1]:
            edits.extend(_accepted(run))
            run = []
        if match.group(1) is None:
            run.append((match.start(), match.end(), _LOST))
            continue
        raw = bytes(0xA0 if char == " " else _CP1252.get(char, ord(char) & 0xFF) for char in match.group())
        try:
            run.append((match.start(), match.end(), raw.decode("utf-8")))
        except UnicodeDecodeError:
            edits.extend(_accepted(run))
            run = []
    edits.extend(_accepted(run))
    return edits


def _accepted(run: list[Edit]) -> list[Edit]:
    """Return `run` when what it decodes to is believable, else nothing."""
    while run and run[-1][2] == _LOST and run[-1][1] - run[-1][0] == 1:
        run.pop()  # a single accented letter at the end is no proof of a loss
    decoded = "".join(edit[2] for edit in run)
    if not decoded.strip(_LOST) or not _plausible(decoded):
        return []
    if _HAN.search(decoded):
        return run if _share(decoded) >= _READABLE else []
    # no Han: accented letters, punctuation, emoji. One lost piece among them would be a guess.
    return [] if _LOST in decoded else run


def _utf8_as_gbk(text: str) -> list[Edit]:
    """Return edits for UTF-8 that was read as GBK, one per run; 锟斤拷 becomes the U+FFFD it was."""
    edits: list[Edit] = []
    for match in _NON_ASCII.finditer(text):
        run = match.group()
        if not _GBK_LEAD.search(run):
            continue
        decoded = _decode_gbk_run(run)
        if decoded is not None:
            edits.append((match.start(), match.end(), decoded))
            continue
        edits.extend(
            (match.start() + lost.start(), match.start() + lost.end(), _LOST * (len(lost.group()) // 3 * 2))
            for lost in _FFFD_AS_GBK.finditer(run)
        )
    return edits


def _decode_gbk_run(run: str) -> str | None:
    """Return the Chinese that `run` was, or None when it was nothing else than what it is."""
    parts: list[str] = []
    pieces = re.split(f"([?{_LOST}]+)", run)
    for number in range(0, len(pieces), 2):
        raw = _two_byte(pieces[number], "gb18030")
        if raw is None:
            return None
        gap = pieces[number + 1] if number + 1 < len(pieces) else ""
        after_gap = number > 0 and bool(parts) and parts[-1] == _LOST
        cut = 0
        while after_gap and cut < min(2, len(raw)) and raw[cut] in _CONTINUATION:
            cut += 1
        body = raw[cut:]
        for tail in range(min(4, len(body) + 1)):  # an unfinished last character, when the gap ate its end
            try:
                decoded = body[: len(body) - tail].decode("utf-8")
            except UnicodeDecodeError:
                continue
            break
        else:
            return None
        if tail and not gap:
            return None
        parts.append(decoded)
        if tail:
            parts.append(_LOST)
        elif gap:
            parts.append(gap)
    decoded = "".join(parts)
    han = len(_HAN.findall(decoded))
    if han < _MIN_GBK or not _plausible(decoded) or _share(decoded) < _READABLE or _share(run) > _UNREADABLE:
        return None
    return decoded


def _two_byte(text: str, codec: str) -> bytes | None:
    """Return the bytes of `text` when each non-ASCII character takes exactly two, else None."""
    try:
        raw = text.encode(codec)
    except UnicodeEncodeError:
        return None
    return raw if len(raw) == 2 * len(text) else None


def _legacy(text: str) -> list[Edit]:
    """Return edits for GBK read as Big5 or Big5 read as GBK, when that holds for the whole text."""
    runs = [(match.start(), match.group()) for match in re.finditer(r"[^\x00-\x7f]+", text)]
    joined = "".join(run for _, run in runs)
    if len(joined) < _MIN_LEGACY or _share(joined) > _UNREADABLE_WHOLE:
        return []
    best: list[Edit] = []
    best_share = _READABLE_WHOLE
    for wrong, right in (("cp950", "gbk"), ("big5hkscs", "gbk"), ("gb18030", "cp950")):
        edits: list[Edit] = []
        for start, run in runs:
            raw = _two_byte(run, wrong)
            if raw is None:
                break
            try:
                edits.append((start, start + len(run), raw.decode(right)))
            except UnicodeDecodeError:
                break
        else:
            decoded = "".join(edit[2] for edit in edits)
            share = _share(decoded)
            if len(_HAN.findall(decoded)) >= _MIN_LEGACY and share > best_share and _plausible(decoded):
                best, best_share = edits, share
    return best

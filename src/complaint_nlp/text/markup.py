"""HTML entities and tags."""

import re
from functools import cache

from complaint_nlp.text.offsets import Edit

__all__ = ["drop_markup"]

_INLINE = (
    "a|abbr|article|aside|b|big|blockquote|body|button|caption|center|cite|code|col|dd|del|dl|dt|em|embed|figure|"
    "font|footer|form|frame|head|header|hr|html|i|iframe|img|input|ins|label|link|main|mark|meta|nav|noscript|"
    "object|ol|option|pre|q|s|script|section|select|small|span|strike|strong|style|sub|sup|svg|table|tbody|td|"
    "textarea|tfoot|th|thead|title|tt|u|ul|video"
)
_BLOCK = "br|p|div|li|tr|h[1-6]"
# The bound on attributes keeps a text of nothing but "<a <a <a" linear.
_TAG = re.compile(rf"<(/?)({_BLOCK}|{_INLINE})(?:([\s/][^<>]{{0,400}}))?>", re.IGNORECASE)
_BREAKS = re.compile(_BLOCK, re.IGNORECASE)
_OPEN_HIDDEN = re.compile(r"<!--|<(script|style)(?=[\s>])", re.IGNORECASE)
# "&amp;amp;hellip;" is undone at once, however often it was escaped.
_ENTITY = re.compile(r"&(?:amp;)*(?:(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)?")
_BARE = re.compile(r"(?:nbsp|amp|quot|lt|gt)(?![A-Za-z0-9;=])")


def drop_markup(text: str) -> list[Edit]:
    """Return edits that unescape entities and drop tags, comments, scripts and styles."""
    edits: list[Edit] = []
    if "<" in text:
        edits = _tags(text)
    if "&" in text:
        edits = _without_overlap(edits, _entities(text))
    return edits


def _tags(text: str) -> list[Edit]:
    """Return edits for real tags; "<3", "a<b" and ">_<" are none."""
    hidden = _hidden(text)
    found: list[Edit] = []
    for match in _TAG.finditer(text):
        attributes = match.group(3) or ""
        # "<b 但是 c>" is no tag: attributes have a "=" or there are none
        if "=" not in attributes and attributes.strip(" \t\r\n/"):
            continue
        # "</p>" and "<br>" end a line; "<p>" begins one that has ended already
        is_break = _BREAKS.fullmatch(match.group(2)) and (match.group(1) or match.group(2).lower() == "br")
        found.append((match.start(), match.end(), "\n" if is_break else ""))
    return _without_overlap(hidden, found)


def _hidden(text: str) -> list[Edit]:
    """Return edits for comments, scripts and styles with what they hold."""
    edits: list[Edit] = []
    closed: dict[str, bool] = {}  # an end that is missing once is not looked for again: linear
    at = 0
    lowered = text.lower() if len(text.lower()) == len(text) else text
    while match := _OPEN_HIDDEN.search(text, at):
        end_mark = f"</{match.group(1).lower()}>" if match.group(1) else "-->"
        end = lowered.find(end_mark, match.end()) if closed.get(end_mark, True) else -1
        if end < 0:
            closed[end_mark] = False
            at = match.end()
            continue
        at = end + len(end_mark)
        edits.append((match.start(), at, ""))
    return edits


def _entities(text: str) -> list[Edit]:
    """Return edits for the entities that HTML knows; "AT&T" and "R&B;" stay."""
    edits: list[Edit] = []
    for match in _ENTITY.finditer(text):
        whole, name, end = match.group(), match.group(1), match.end()
        if name is None:
            bare = _BARE.match(text, end)
            if bare:
                end, value = bare.end(), _named(bare.group())
            else:
                value = "&"
        else:
            value = _named(name) or f"&{name};"
        if value != whole or end != match.end():
            edits.append((match.start(), end, value))
    return edits


@cache
def _names() -> dict[str, str]:
    """Return HTML's entity names."""
    from html.entities import html5

    return html5


def _named(name: str) -> str:
    """Return what an entity stands for; "" when it is none."""
    if name.startswith("#"):
        from html import unescape

        # what HTML reads as nothing (a control character) is dropped as one later
        return unescape(f"&{name};") or "\u200b"
    return _names().get(f"{name};", "")


def _without_overlap(first: list[Edit], second: list[Edit]) -> list[Edit]:
    """Return both lists in order, without those of `second` that touch one of `first`."""
    if not first or not second:
        return first or second
    merged: list[Edit] = []
    at = 0
    for edit in second:
        while at < len(first) and first[at][1] <= edit[0]:
            merged.append(first[at])
            at += 1
        if at == len(first) or edit[1] <= first[at][0]:
            merged.append(edit)
    merged.extend(first[at:])
    return merged

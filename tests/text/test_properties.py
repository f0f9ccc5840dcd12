"""What must hold for any text: offsets, idempotence, no crash."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp.text import NormalizedText, Normalizer, NormalizerConfig
from complaint_nlp.text.offsets import Edit, apply_edits, compose

NORMALIZER = Normalizer()
# pieces that set every step off, and that may combine into what an earlier step would have handled
PIECES = [
    "這個",
    "软件",
    "軟體",
    "品質",
    "着",
    "著",
    "乾",
    "么",
    "裡",
    "皇后",
    "唔",
    "嘅",
    "的士",
    "嗰",
    "「",
    "」",
    "ㄧ",
    "ㄅ",
    "瓦斯味",
    "&amp;",
    "&",
    "amp;",
    "&lt;",
    "lt;",
    "<b>",
    "<br/>",
    "<",
    ">",
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "&#8203;",
    "&#38;",
    "\u200b",
    "\u200d",
    "\ufe0f",
    "😀",
    "👩",
    "\ufeff",
    "\x00",
    "\x85",
    "\ud800",
    " ",
    "\n",
    "\r\n",
    "\u3000",
    "\xa0",
    "進(jìn)",
    "(jìn)",
    "（",
    "）",
    "髒",
    "(zàng)",
    "!",
    "?",
    "??",
    "！",
    "。",
    ".",
    ",",
    "，",
    ":",
    ";",
    ")",
    "Ａ",
    "１",
    "⋯",
    "⼈",
    "a",
    "OK",
    "3",
    "æˆ‘",
    "æ",
    "Ã",
    "Â",
    "\x88",
    "浣犲ソ",
    "锟斤拷",
    "\ufffd",
    "狝",
    "好",
    "得",
    "手機",
    "の",
    "가",
]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=14).map("".join))


def check_offsets(result: NormalizedText) -> None:
    spans = result.spans
    assert len(spans) == len(result.text)
    last_start = last_end = 0
    for index, (start, end) in enumerate(spans):
        assert 0 <= start < end <= len(result.original)
        assert last_start <= start
        assert last_end <= end
        last_start, last_end = start, end
        assert result.to_original(index, index + 1) == (start, end)
    changed = [(step.start, step.end) for step in result.steps]
    for char, (start, end) in zip(result.text, spans, strict=True):
        if end - start == 1 and not any(left <= start < right for left, right in changed):
            assert result.original[start:end] == char


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_offsets_and_idempotence(text: str) -> None:
    result = NORMALIZER.normalize(text)
    check_offsets(result)
    assert NORMALIZER.normalize(result.text).text == result.text
    for step in result.steps:
        assert 0 <= step.start < step.end <= len(text)
    for damage in result.damage:
        assert 0 <= damage.start < damage.end <= len(text)
    for marks in (
        result.signals.exclamations,
        result.signals.emoji,
        result.signals.kaomoji,
        result.signals.intensifiers,
    ):
        assert all(result.text[mark.start : mark.end] == mark.text for mark in marks)


CONFIGS = st.fixed_dictionaries(
    {
        name: st.booleans()
        for name in (
            "encoding",
            "html",
            "controls",
            "whitespace",
            "glosses",
            "damage",
            "width",
            "punctuation",
            "script",
            "regional",
        )
    }
)


@given(TEXTS, CONFIGS)
@settings(max_examples=200, deadline=None)
def test_offsets_hold_whatever_is_switched_off(text: str, switches: dict[str, bool]) -> None:
    normalizer = Normalizer(NormalizerConfig(**switches))
    result = normalizer.normalize(text)
    check_offsets(result)
    assert normalizer.normalize(result.text).text == result.text
    assert {step.name for step in result.steps} <= {name for name, is_on in switches.items() if is_on}


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_everything_off_changes_nothing(text: str) -> None:
    off = NormalizerConfig(
        encoding=False,
        html=False,
        controls=False,
        whitespace=False,
        glosses=False,
        damage=False,
        width=False,
        punctuation=False,
        script=False,
    )
    result = Normalizer(off).normalize(text)
    assert result.text == text
    assert result.steps == ()
    assert result.damage == ()


@given(TEXTS, st.data())
@settings(max_examples=80, deadline=None)
def test_ranges_map_like_their_characters(text: str, data: st.DataObject) -> None:
    result = NORMALIZER.normalize(text)
    start = data.draw(st.integers(0, len(result.text)))
    end = data.draw(st.integers(start, len(result.text)))
    left, right = result.to_original(start, end)
    if start < end:
        assert (left, right) == (result.spans[start][0], result.spans[end - 1][1])
    else:
        assert left == right
    assert 0 <= left <= right <= len(text)


@st.composite
def edits_of(draw: st.DrawFn, length: int) -> list[Edit]:
    cuts = sorted(draw(st.sets(st.integers(0, length), max_size=8)))
    return [(start, end, draw(st.text("xyz", max_size=3))) for start, end in zip(cuts[::2], cuts[1::2], strict=False)]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_composed_maps_agree_with_spans_joined_one_by_one(data: st.DataObject) -> None:
    text = "abcdefghij"
    spans = [(i, i + 1) for i in range(len(text))]
    offsets = None
    for _ in range(3):
        edits = data.draw(edits_of(len(text)))
        whole = data.draw(st.booleans())
        expected: list[tuple[int, int]] = []
        at = 0
        for start, end, new in edits:
            expected += spans[at:start]
            if not whole and len(new) == end - start:
                expected += spans[start:end]
            else:
                expected += [(spans[start][0], spans[end - 1][1])] * len(new)
            at = end
        expected += spans[at:]
        offsets = compose(offsets, edits, whole=whole)
        text, spans = apply_edits(text, edits), expected
        got = offsets.spans(len(text)) if offsets else tuple((i, i + 1) for i in range(len(text)))
        assert got == tuple(spans)
        if offsets:
            assert tuple(offsets.char_span(i) for i in range(len(text))) == got


def test_spans_of_a_worked_example() -> None:
    result = NORMALIZER.normalize("  進(jìn)行&hellip;的士\u200b佢！")
    assert result.text == "进行…出租车佢！"
    assert result.spans == (
        (2, 3),
        (8, 9),
        (9, 17),
        (17, 19),
        (17, 19),
        (17, 19),
        (20, 21),
        (21, 22),
    )
    assert result.to_original(0, 2) == (2, 9)
    assert result.to_original(3, 4) == (17, 19)
    assert result.to_original(8, 8) == (22, 22)


@pytest.mark.parametrize(("start", "end"), [(-1, 0), (2, 1), (0, 3)])
def test_a_range_outside_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="not inside the text of 2 characters"):
        NORMALIZER.normalize("好的").to_original(start, end)


def test_result_survives_pickling() -> None:
    result = NORMALIZER.normalize("<b>軟體</b>很差!!! 😡")
    for lazily_filled in (False, True):
        if lazily_filled:
            assert result.steps
            assert result.signals.emoji
        again = pickle.loads(pickle.dumps(result))  # noqa: S301 - our own object
        assert again == result
        assert (again.spans, again.steps, again.signals) == (result.spans, result.steps, result.signals)
    assert hash(result) == hash(again)

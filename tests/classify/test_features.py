"""Features are what a plain implementation finds, and every weight leads back to its characters."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
import rjieba
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from complaint_nlp.classify.features import Vocabulary, encode, extract
from complaint_nlp.text import Normalizer
from complaint_nlp.train.linear import LinearOptions, choose_vocabulary

PIECES = [
    "手機",
    "手机",
    "死機了",
    "死机了",
    "客服態度差",
    "客服态度差",
    "退款",
    "！！",
    "。",
    " ",
    "\n",
    "\x00",
    "😡",
    "👩‍👧",
    "👎🏽",
    "𠮷野家",
    "iPhone 15",
    "IPHONE",
    "2025年",
    "ＡＢ",
    "é",
]
TEXTS = st.lists(
    st.one_of(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.text(max_size=12)), max_size=5
)
DOCUMENTS = [
    "手機才買一週就一直死機，客服還推三阻四，我要退款！",
    "手机才买一周就一直死机死机死机，客服还推三阻四！",
    "客服态度很差，說好三天內退款，等了30天",
    "外賣晚了2個小時，湯都涼了😡😡",
    "外卖晚了2个小时，汤都凉了",
    "APP一直閃退，app打不開",
    "",
]
FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ123456789", "abcdefghijklmnopqrstuvwxyz000000000")

Feature = tuple[str, str]
"""Kind (gram or word) and folded characters."""


def naive_tokens(text: str) -> list[str]:
    return rjieba.cut(text, False) if text else []  # noqa: FBT003 - the library's own call


def naive(text: str) -> list[tuple[Feature, int, int]]:
    """Return feature, start and length of everything in ``text``."""
    folded = text.translate(FOLD)
    found = [(("gram", folded[i : i + n]), i, n) for n in range(1, 5) for i in range(len(text) - n + 1)]
    start = 0
    for word in naive_tokens(text):
        if len(word) > 1:
            found.append((("word", folded[start : start + len(word)]), start, len(word)))
        start += len(word)
    return found


@given(TEXTS)
@example([])
@example([""])
@example(["", "", "手機"])
@example(["手機", "", "手机", ""])
@example(["\x00", "\x00\x00", "a\x00", "\x00a"])
@settings(max_examples=150, deadline=None)
def test_extract_finds_what_a_plain_implementation_finds(texts: list[str]) -> None:
    found = extract(texts)
    expected = [(row, feature, start, n) for row, text in enumerate(texts) for feature, start, n in naive(text)]
    begins = np.cumsum([0, *map(len, texts)])
    assert found.offsets.tolist() == begins.tolist()
    # the same places ...
    places = zip(found.rows.tolist(), found.starts.tolist(), found.lengths.tolist(), strict=True)
    assert Counter(places) == Counter((row, int(begins[row]) + start, n) for row, _, start, n in expected)
    # ... and equal hashes where the features are equal, nowhere else
    joined = "".join(texts).translate(FOLD)
    counts: defaultdict[str, list[int]] = defaultdict(list)
    for group in groups(found.hashes.tolist(), found.starts.tolist(), found.lengths.tolist(), joined).values():
        assert len(set(group)) == 1
        counts[group[0]].append(len(group))
    wanted: defaultdict[str, list[int]] = defaultdict(list)
    for (_, characters), count in Counter(feature for _, feature, _, _ in expected).items():
        wanted[characters].append(count)
    assert {key: sorted(value) for key, value in counts.items()} == {k: sorted(v) for k, v in wanted.items()}


def groups(hashes: list[int], starts: list[int], lengths: list[int], joined: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key, start, length in zip(hashes, starts, lengths, strict=True):
        found.setdefault(key, []).append(joined[start : start + length])
    return found


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_tokens_are_the_words_and_cover_everything(texts: list[str]) -> None:
    found = extract(texts)
    joined = "".join(texts)
    edges = [*found.tokens.tolist(), len(joined)]
    pieces = [joined[start:end] for start, end in pairwise(edges)]
    assert pieces == [word for text in texts for word in naive_tokens(text)]
    assert "".join(pieces) == joined


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_a_text_has_the_same_features_in_any_company(texts: list[str]) -> None:
    together = extract(texts)
    for row, text in enumerate(texts):
        mine = together.rows == row
        assert sorted(together.hashes[mine].tolist()) == sorted(extract([text]).hashes.tolist())


@pytest.mark.parametrize(
    ("one", "other"),
    [("付了128元", "付了937元"), ("APP闪退", "app闪退"), ("訂單A1", "訂單a7"), ("订单A1", "订单a7")],
)
def test_digits_and_letter_case_make_no_difference(one: str, other: str) -> None:
    assert extract([one]).hashes.tolist() == extract([other]).hashes.tolist()


def test_other_characters_do_make_a_difference() -> None:
    assert set(extract(["手機"]).hashes.tolist()).isdisjoint(extract(["電腦"]).hashes.tolist())
    assert extract(["ab"]).hashes.tolist() != extract(["ba"]).hashes.tolist()


KEYS = st.lists(
    st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 40), st.integers(2**64 - 40, 2**64 - 1)), unique=True
).map(sorted)


@given(KEYS, st.lists(st.integers(0, 2**64 - 1), max_size=20))
@example([], [5])
@example([0], [0, 1, 2**64 - 1])
@example([2**64 - 1], [0, 2**64 - 1])
@settings(max_examples=200, deadline=None)
def test_vocabulary_finds_its_keys_and_nothing_else(keys: list[int], others: list[int]) -> None:
    vocabulary = Vocabulary(np.array(keys, dtype=np.uint64))
    assert len(vocabulary) == len(keys)
    wanted = [*keys, *others, *((key + 1) % 2**64 for key in keys)]
    column = {key: index for index, key in enumerate(keys)}
    found = vocabulary.columns(np.array(wanted, dtype=np.uint64))
    assert found.tolist() == [column.get(key, -1) for key in wanted]


@pytest.mark.parametrize("texts", [[], [""], ["手機壞了", "", "手机坏了😡"]])
def test_an_empty_vocabulary_gives_an_empty_matrix(texts: list[str]) -> None:
    encoded = encode(texts, Vocabulary(np.zeros(0, np.uint64)), np.zeros(0, np.float32))
    assert encoded.matrix.shape == (len(texts), 0)
    assert encoded.matrix.nnz == 0
    assert len(encoded.columns) == len(encoded.share) == 0
    assert int(encoded.offsets[-1]) == len("".join(texts))


def test_encode_gives_the_values_of_scikit_learn() -> None:
    messages = Normalizer().normalize_batch(DOCUMENTS)
    texts = [message.text for message in messages]
    vocabulary, idf = choose_vocabulary(messages, LinearOptions(min_documents=1))
    ours = encode(texts, vocabulary, idf).matrix.toarray()
    peer = TfidfVectorizer(analyzer=lambda text: [feature for feature, _, _ in naive(text)], sublinear_tf=True)
    theirs = peer.fit_transform(texts).toarray()
    assert ours.shape == theirs.shape
    # the columns are ordered differently: match them by where they are in the texts
    hash_of: dict[int, set[Feature]] = {}
    for text in texts:
        found = extract([text])
        by_place: defaultdict[tuple[int, int], list[Feature]] = defaultdict(list)
        for feature, start, n in naive(text):
            by_place[start, n].append(feature)
        for key, start, n in zip(found.hashes.tolist(), found.starts.tolist(), found.lengths.tolist(), strict=True):
            hash_of.setdefault(key, set(by_place[start, n])).intersection_update(by_place[start, n])
    for column, key in enumerate(vocabulary.keys.tolist()):
        choices = [theirs[:, peer.vocabulary_[feature]] for feature in hash_of[key]]
        assert any(np.allclose(ours[:, column], choice, atol=1e-6) for choice in choices)
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-5)


def test_encode_by_hand() -> None:
    # 「退退」 of a vocabulary that knows 退 alone: twice, so 1 + ln 2 before the row is made 1 long
    key = np.unique(extract(["退"]).hashes)
    encoded = encode(["退退", "款"], Vocabulary(key), np.array([3.0], np.float32))
    assert encoded.matrix.toarray().tolist() == [[1.0], [0.0]]
    assert encoded.share.tolist() == [0.5, 0.5]
    assert encoded.starts.tolist() == [0, 1]
    both = np.unique(extract(["退", "款"]).hashes)
    row = encode(["退退款"], Vocabulary(both), np.ones(2, np.float32)).matrix.toarray()[0]
    twice, once = (1 + math.log(2)) / math.hypot(1 + math.log(2), 1), 1 / math.hypot(1 + math.log(2), 1)
    assert sorted(row.tolist()) == pytest.approx([once, twice])


@given(TEXTS, st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_shares_sum_to_the_entries_and_rows_have_length_one(texts: list[str], seed: int) -> None:
    random = np.random.default_rng(seed)
    known = np.unique(extract(texts).hashes)
    known = known[random.random(len(known)) < 0.7]
    encoded = encode(texts, Vocabulary(known), random.uniform(1, 5, len(known)).astype(np.float32))
    summed = np.zeros(encoded.matrix.shape)
    np.add.at(summed, (encoded.rows, encoded.columns), encoded.share)
    np.testing.assert_allclose(summed, encoded.matrix.toarray(), atol=1e-5)
    lengths = np.sqrt((summed**2).sum(axis=1))
    assert all(length == pytest.approx(1.0, abs=1e-5) or length == 0.0 for length in lengths)
    # every kept occurrence stands in its own text
    assert (encoded.starts >= encoded.offsets[encoded.rows]).all()
    assert (encoded.starts + encoded.lengths <= encoded.offsets[encoded.rows + 1]).all()

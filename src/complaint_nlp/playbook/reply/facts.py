"""Personal data that a reply repeats, and questions that the message has answered already.

Numbers and addresses are found by the `facts` room, in the reply as in the message. When, where and how much are
looked for by plain patterns: it is enough to know that the message says something of the kind.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from complaint_nlp.facts.identifiers import find_identifiers
from complaint_nlp.facts.types import FactKind
from complaint_nlp.playbook.reply.phrases import Hit
from complaint_nlp.playbook.reply.text import compile_phrases
from complaint_nlp.playbook.reply.types import ReplyRule

if TYPE_CHECKING:
    from complaint_nlp.facts.types import Fact
    from complaint_nlp.labels import Language
    from complaint_nlp.playbook.reply.schema import ReplyCheckFile, Slot
    from complaint_nlp.playbook.reply.text import Reply
    from complaint_nlp.text import NormalizedText

_PERSONAL = frozenset({FactKind.PHONE, FactKind.EMAIL, FactKind.ID_NUMBER, FactKind.BANK_CARD, FactKind.ACCOUNT})
# a mobile number belongs to a person; a landline may be anybody's
_MOBILE = re.compile(r"\+(?:8869|861[3-9]|852[4-9]|853\d)\d+$")
_THEIRS = re.compile(r"您[^，。！？；\n]{0,10}$")
_NO_PERSON = re.compile(
    r"(?:专线|热线|拨打|请拨|请打|来电至|致电|请洽|洽询|我的?(?:手机|电话|号码|分机)|联系我|联络我|找我|直拨|WhatsApp|客服电话|服务电话|公司电话|总机"
    r"|订单编?号?|单号|编号|案号|序号|运单|客服信箱|客服邮箱|寄到|寄至|写信到|来信|信箱是|邮箱是|我们的)[^，。！？；\n您]{0,8}$",
    re.IGNORECASE,
)
_OFFICE = re.compile(
    r"^(?:service|support|help|care|cs|contact|info|hello|customer|complaint|admin|sales)", re.IGNORECASE
)
_SHOWN = 3
# digits that a number needs to be told from another when its spaces are gone
_ENOUGH = 8

_NUMBERS: dict[Slot, frozenset[FactKind]] = {
    "order": frozenset({FactKind.ORDER, FactKind.CASE, FactKind.TRACKING}),
    "phone": frozenset({FactKind.PHONE}),
}
_ANSWERS: dict[Slot, re.Pattern[str]] = {
    "date": re.compile(
        r"(?:\d{4}[年/.-])?\d{1,2}(?:月\d{1,2}[日号]?|/\d{1,2}(?!\d))|(?<!\d)\d{1,2}[日号](?!线|店|楼|门|柜|机|出口|桌)|[一二三四五六七八九十]{1,2}月[一二三四五六七八九十]{1,3}[日号]"
        r"|昨天|昨日|昨晚|前天|前晚|今天|今早|今晚|(?:上|这|本)(?:个)?(?:周|星期|礼拜)[一二三四五六日天]|(?<!每)(?:周|星期|礼拜)[一二三四五六日天](?!到|至)"
    ),
    "place": re.compile(
        r"[㐀-鿿A-Za-z0-9]{1,6}(?:分店|旗舰店|专柜|分行|支行|分院|分公司|机场|火车站|高铁站|地铁站|捷运站|广场|百货|营业厅|服务区"
        r"|路店|街店|站店|区店|市店|门市|门店)|[㐀-鿿]{0,3}(?:[东西南北中][㐀-鿿]|[㐀-鿿][山义店港城州海江兴湖德门沟阳京门])店"
    ),
    "amount": re.compile(
        r"(?<![\d.])\d[\d,]{0,12}(?:\.\d{1,2})?\s?(?:万|千|多)?\s?(?:元|块|圆|港币|台币|人民币|蚊|rmb|hkd|ntd|twd)"
        r"|(?:nt|hk|us|rmb)?\s?[$＄¥￥]\s?\d[\d,]{0,12}|[一二两三四五六七八九十百千万]{2,10}(?:元|块)",
        re.IGNORECASE,
    ),
}
# generic words that the place pattern would take for a name
_NO_PLACE = re.compile(
    r"^(?:你们|您们|贵|本|这|那|该|某|哪|一|实体|线上|网路|网络|附近|我家|楼下|各|所有|其他|去|到|在|跟|的)*(?:个|家|间)?$"
)
_IN_QUESTION = re.compile(r"哪|什么|何时|多少|几号")
_ASKED_AFTER = re.compile(r"\s?(?:各?是|为|大约|大概)?(?:多少|什么|哪|几|何)")
_ASK_REACH = 40


class _Asked(NamedTuple):
    slot: Slot
    start: int
    end: int


class FactCheck:
    """Finds personal data and needless questions in replies."""

    def __init__(self, file: ReplyCheckFile) -> None:
        """Put the words of every slot into one search."""
        self._file = file
        self._asks = compile_phrases(file.expanded(file.asks))
        self._slots = {slot: compile_phrases(words) for slot, words in file.slots.items()}

    def personal_data(self, reply: Reply, message: NormalizedText | None) -> list[Hit]:
        """Return phones, e-mail addresses, ID, card and account numbers of the customer in ``reply``.

        Args:
            reply: the reply.
            message: the message: what stands there is the customer's whatever the words around it say.
        """
        theirs = _digits(message.text) if message is not None else ""
        written = message.text.lower() if message is not None else ""
        hits = []
        for fact in find_identifiers(reply.message):
            if fact.kind not in _PERSONAL or fact.details.get("masked"):
                continue
            digits = _digits(fact.text)
            repeated = fact.text.lower() in written or (len(digits) >= _ENOUGH and digits in theirs)
            start, end = reply.in_plain(fact.start, fact.end)
            if start < end and (repeated or _is_customers(fact, reply.plain[max(0, start - 24) : start])):
                hits.append(Hit(ReplyRule.PERSONAL_DATA, start, end, fill="…" + fact.text[-_SHOWN:]))
        return hits

    def already_answered(self, reply: Reply, message: NormalizedText | None, language: Language) -> list[Hit]:
        """Return the questions in ``reply`` for things that stand in ``message``."""
        if message is None or not message.text:
            return []
        hits = []
        answers: dict[Slot, str | None] = {}
        for asked in self._asked(reply):
            if asked.slot not in answers:
                answers[asked.slot] = answer_in(asked.slot, message)
            answer = answers[asked.slot]
            if answer is None:
                continue
            first, last = reply.sentence_at(asked.start)
            if answer in reply.own[first:last]:
                continue  # said back to be confirmed
            name = self._file.slot_names[asked.slot].get(language)
            shown = name if asked.slot == "phone" or not answer.isascii() else f"{name} {answer}"
            hits.append(Hit(ReplyRule.ALREADY_ANSWERED, asked.start, asked.end, fill=shown))
        return hits

    def _asked(self, reply: Reply) -> list[_Asked]:
        """Return what ``reply`` asks for; of two questions in the same words the first slot counts."""
        text = reply.own
        cues = [match.span() for match in self._asks.finditer(text)]
        starts = [start for start, _ in cues]
        found: dict[int, _Asked] = {}
        for slot, search in self._slots.items():
            for match in search.finditer(text):
                first, last = reply.sentence_at(match.start())
                index = bisect_right(starts, match.start()) - 1
                cue = starts[index] if index >= 0 else -1
                asks = cue >= first and match.start() - cue <= _ASK_REACH
                left = cue - 6 if asks else reply.clause_start(match.start())
                if any(
                    word in text[max(first, left, match.start() - _ASK_REACH) : match.end()]
                    for word in self._file.asks_not
                ):
                    continue
                is_question = text[last - 1 : last] in ("？", "?") or "呢" in text[match.end() : last]
                asks |= is_question and _IN_QUESTION.search(match.group()) is not None
                if asks or _ASKED_AFTER.match(text, match.end()):
                    found.setdefault(match.start(), _Asked(slot, *match.span()))
        return [found[at] for at in sorted(found)]


def answer_in(slot: Slot, message: NormalizedText) -> str | None:
    """Return the words of ``message`` (simplified) that answer the question for ``slot``."""
    if slot in _NUMBERS:
        return next((fact.text for fact in find_identifiers(message) if fact.kind in _NUMBERS[slot]), None)
    for match in _ANSWERS[slot].finditer(message.text):
        found = match.group()
        if slot == "place" and _NO_PLACE.match(re.sub(r"(?:分店|门市|门店|专柜|店|百货|广场|机场)$", "", found)):
            continue
        return found
    return None


def _is_customers(fact: Fact, before: str) -> bool:
    """Return whether the words before a number leave it to the customer, not to the organisation."""
    if _NO_PERSON.search(before):
        return False
    if fact.kind is FactKind.EMAIL:
        return _OFFICE.match(fact.text) is None
    if fact.kind is FactKind.BANK_CARD:
        return fact.details.get("checksum") != "wrong"
    is_mobile = fact.kind is FactKind.PHONE and _MOBILE.match(fact.value or "") is not None
    return fact.kind is FactKind.ID_NUMBER or is_mobile or _THEIRS.search(before) is not None


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)

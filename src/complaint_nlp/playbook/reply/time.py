"""Concrete times that a reply commits to: "今天下午五點前", "24 小時內", not when something happened."""

from __future__ import annotations

import re
from bisect import bisect_right

_NUMBER = r"(?:\d{1,3}(?:\.5)?|[一二两三四五六七八九十]{1,4}半?|半)"
_UNIT = r"个?(?:半)?(?:分钟|分|小时|钟头|个钟|工作日|工作天|营业日|天|日|周|星期|礼拜|月)"
_LENGTH = rf"{_NUMBER}(?:\s?[到至~～\-]\s?{_NUMBER})?\s?{_UNIT}"
_DAY = (
    r"(?:今天|今日|今晚|今早|明天|明日|明早|明晚|听日|后天|当天|当日|隔天|次日|"
    r"(?:本|这|下|下个|这个)?(?:周|星期|礼拜)[一二三四五六日天]|本周内?|这周内|周末|月底|本月底|"
    r"(?:\d{4}[年/\-.])?\d{1,2}(?:月|/)\d{1,2}[日号]?|[一二三四五六七八九十]{1,2}月[一二三四五六七八九十]{1,3}[日号]|\d{1,2}[日号])"
)
_CLOCK = (
    r"(?:(?:上午|下午|晚上|早上|中午|傍晚|凌晨|晚间)?\s?(?:\d{1,2}|[一二两三四五六七八九十]{1,3})(?:点钟?|时)(?!间)(?:半|整|\d{1,2}分?|[一二三四五]?十五?分)?"
    r"|(?:上午|下午|晚上|早上|中午|傍晚|晚间)?\s?\d{1,2}[:：]\d{2}|下班|打烊|关店|中午|上午|下午|傍晚|晚上)"
)
_WEEKDAY_NOTE = r"(?:\s?[(（][^()（）\n]{1,6}[)）])?"
_POINT = rf"(?:{_DAY}{_WEEKDAY_NOTE}\s?(?:的)?{_CLOCK}?|{_CLOCK})"
_DEADLINE = re.compile(
    rf"(?:{_POINT}|{_LENGTH})\s?(?:\([^()\n]{{1,12}}\)|（[^（）\n]{{1,12}}）)?\s?"
    rf"(?:之前|以前|前(?!往|来|台|天|面)|之?内|以内|为止)|{_LENGTH}\s?(?:之后|以后|后)"
    rf"|(?:最慢|最晚|最迟|最快|最多|预计|大约需要?|约需|需要?约?|约)\s?(?:{_LENGTH}|{_POINT})"
)
_APPOINTMENT = re.compile(_POINT)
_AGO = re.compile(rf"{_LENGTH}\s?(?:之前|以前|前)$")
_ACTION = re.compile(
    r"会|将|回电|回复|答复|致电|联系|联络|通知|说明|安排|送达|送到|寄出|出货|发货|完成|入帐|入账|到帐|到账|退回|退款|"
    r"拜访|打给|打电话|再打|报告|上门|到府|到您|生效|恢复|给您|向您|跟您|和您|与您|为您|告诉您|告知|派|修好|换好|见面|提供|都在|等您"
)
_PAST_DEED = r"坏|故障|已|曾|连续|发生|又|才|打电话来|来电|来信|就(?!会|能|可|给|为|帮|打|到|退)"
_PAST_AFTER_DEADLINE = re.compile(rf"\s?(?:{_PAST_DEED})")
_PAST_AFTER = re.compile(
    rf"\s?(?:{_PAST_DEED}|来店|到店|到访|光临|购买|买|下单|订|反映|反应|提到|遇到|碰到|入住|用餐|消费|收到|寄来|搭乘|等"
    r"|的订单|的包裹|的班|的经|的事|的情|的服务|在(?!.{0,10}(?:前|内)))"
)
_PAST_BEFORE = re.compile(
    r"(?:您|您在|您于|您是|您自|记录显示|提到|反映的?|等了|等待了|超过|过了|隔了|迟了|晚了|用了|买了)\s?$"
)
# how far after a point of time the act may stand
_REACH = 15


def times(sentence: str) -> list[tuple[int, int]]:
    """Return the (start, end) of the times in ``sentence`` (simplified) by which or at which something will be done."""
    found: list[tuple[int, int]] = []
    if _ACTION.search(sentence) is None:
        return found
    commas = [match.start() for match in re.finditer("[，,]", sentence)] + [len(sentence)]
    found.extend(
        match.span()
        for match in _DEADLINE.finditer(sentence)
        if not _AGO.search(match.group()) and not _is_past(sentence, match, _PAST_AFTER_DEADLINE)
    )
    for match in _APPOINTMENT.finditer(sentence):
        if _is_past(sentence, match, _PAST_AFTER):
            continue
        # the act follows: in the same clause, or right after one comma
        after = commas[min(bisect_right(commas, match.end()), len(commas) - 1)]
        if _ACTION.search(sentence, match.end(), min(match.end() + _REACH, after)):
            found.append(match.span())
    return found


def _is_past(sentence: str, match: re.Match[str], after: re.Pattern[str]) -> bool:
    before = sentence[max(0, match.start() - 6) : match.start()]
    return bool(after.match(sentence, match.end()) or _PAST_BEFORE.search(before))

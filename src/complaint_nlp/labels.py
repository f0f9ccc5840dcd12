"""The taxonomy: every task, its values in order, and their display names.

This module is the only place where a label is named. The meaning of each value is in
``docs/labels.md``. Values are lower-case English strings; every enum member *is* its value
(``Category.QUALITY == "quality"``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Language = Literal["zh-Hant", "zh-Hans", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-Hant", "zh-Hans", "en")


class Intent(StrEnum):
    """What the message is: exactly one per message."""

    COMPLAINT = "complaint"
    REQUEST = "request"
    INQUIRY = "inquiry"
    SUGGESTION = "suggestion"
    PRAISE = "praise"
    OTHER = "other"


class Category(StrEnum):
    """What a grievance is about: any number per message, the first is the primary one."""

    QUALITY = "quality"
    SERVICE = "service"
    PRICE = "price"
    COMMUNICATION = "communication"
    INCIDENT = "incident"


class Subcategory(StrEnum):
    """The sub-kind of a grievance, written ``category.sub``."""

    QUALITY_DEFECT = "quality.defect"
    QUALITY_PERFORMANCE = "quality.performance"
    QUALITY_HYGIENE = "quality.hygiene"
    QUALITY_COUNTERFEIT = "quality.counterfeit"
    QUALITY_DAMAGED_OR_WRONG = "quality.damaged_or_wrong"
    SERVICE_ATTITUDE = "service.attitude"
    SERVICE_SLOW = "service.slow"
    SERVICE_PROCESS = "service.process"
    SERVICE_AFTER_SALES = "service.after_sales"
    SERVICE_FACILITY = "service.facility"
    SERVICE_COMPETENCE = "service.competence"
    PRICE_EXPENSIVE = "price.expensive"
    PRICE_OVERCHARGE = "price.overcharge"
    PRICE_REFUND = "price.refund"
    PRICE_PROMOTION = "price.promotion"
    COMMUNICATION_MISLEADING = "communication.misleading"
    COMMUNICATION_BROKEN_PROMISE = "communication.broken_promise"
    COMMUNICATION_NOT_INFORMED = "communication.not_informed"
    COMMUNICATION_CONTRADICTORY = "communication.contradictory"
    COMMUNICATION_MISUNDERSTANDING = "communication.misunderstanding"
    INCIDENT_INJURY = "incident.injury"
    INCIDENT_DANGER = "incident.danger"
    INCIDENT_LOSS_OR_THEFT = "incident.loss_or_theft"
    INCIDENT_OUTAGE = "incident.outage"
    INCIDENT_DATA_LEAK = "incident.data_leak"
    INCIDENT_PROPERTY_DAMAGE = "incident.property_damage"

    @property
    def category(self) -> Category:
        """The category this sub-kind belongs to."""
        return Category(self.value.partition(".")[0])


class Urgency(StrEnum):
    """How soon a first answer is due, from the least to the most urgent."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 (low) to 3 (critical)."""
        return _URGENCY_RANKS[self]


_URGENCY_RANKS = {urgency: rank for rank, urgency in enumerate(Urgency)}


class Emotion(StrEnum):
    """How the customer feels: one or two per message, the stronger first."""

    ANGRY = "angry"
    DISAPPOINTED = "disappointed"
    FRUSTRATED = "frustrated"
    ANXIOUS = "anxious"
    HELPLESS = "helpless"
    CONFUSED = "confused"
    SATISFIED = "satisfied"
    HAPPY = "happy"
    NEUTRAL = "neutral"


class Need(StrEnum):
    """What the customer is after underneath: any number per message."""

    VENTING = "venting"
    RESPECT = "respect"
    COMPENSATION = "compensation"


class Demand(StrEnum):
    """What the customer asks for: any number per message."""

    REFUND = "refund"
    REPLACEMENT = "replacement"
    REPAIR = "repair"
    COMPENSATION = "compensation"
    APOLOGY = "apology"
    EXPLANATION = "explanation"
    INVESTIGATION = "investigation"
    DISCIPLINE = "discipline"
    EXPEDITE = "expedite"
    INFORMATION = "information"
    CANCELLATION = "cancellation"
    IMPROVEMENT = "improvement"


INTENSITIES: tuple[str, ...] = ("0", "1", "2", "3")
"""Emotional intensity: 0 none, 1 mild, 2 clear, 3 extreme. Reports carry it as an ``int``."""

Kind = Literal["single", "ordinal", "multilabel", "primary_multilabel"]


@dataclass(frozen=True, slots=True)
class Task:
    """One question asked of every message.

    Attributes:
        name: field name in reports, tables and labelled data.
        kind: ``single`` (one value), ``ordinal`` (one value on a scale, lowest first), ``multilabel`` (any
            number of values) or ``primary_multilabel`` (one or more, the first is the primary one).
        values: the possible values in their fixed order.
    """

    name: str
    kind: Kind
    values: tuple[str, ...]

    @property
    def is_multilabel(self) -> bool:
        """Whether a message can carry several values."""
        return self.kind in ("multilabel", "primary_multilabel")


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.name: task
        for task in (
            Task("intent", "single", tuple(Intent)),
            Task("category", "multilabel", tuple(Category)),
            Task("subcategory", "multilabel", tuple(Subcategory)),
            Task("urgency", "ordinal", tuple(Urgency)),
            Task("emotion", "primary_multilabel", tuple(Emotion)),
            Task("intensity", "ordinal", INTENSITIES),
            Task("needs", "multilabel", tuple(Need)),
            Task("demands", "multilabel", tuple(Demand)),
        )
    }
)
"""All tasks by name, in the order in which they are reported."""

# value -> (zh-Hant, zh-Hans, en); keyed by task because "compensation" is both a need and a demand
_NAMES: dict[str, dict[str, tuple[str, str, str]]] = {
    "intent": {
        "complaint": ("投訴", "投诉", "complaint"),
        "request": ("服務請求", "服务请求", "service request"),
        "inquiry": ("諮詢", "咨询", "inquiry"),
        "suggestion": ("建議", "建议", "suggestion"),
        "praise": ("表揚", "表扬", "praise"),
        "other": ("其他", "其他", "other"),
    },
    "category": {
        "quality": ("品質", "质量", "quality"),
        "service": ("服務", "服务", "service"),
        "price": ("價格", "价格", "price"),
        "communication": ("溝通", "沟通", "communication"),
        "incident": ("突發事件", "突发事件", "incident"),
    },
    "subcategory": {
        "quality.defect": ("故障瑕疵", "故障瑕疵", "defect"),
        "quality.performance": ("性能口味", "性能口味", "performance"),
        "quality.hygiene": ("衛生", "卫生", "hygiene"),
        "quality.counterfeit": ("仿冒翻新", "假冒翻新", "counterfeit"),
        "quality.damaged_or_wrong": ("破損錯漏", "破损错漏", "damaged or wrong item"),
        "service.attitude": ("服務態度", "服务态度", "attitude"),
        "service.slow": ("等候延誤", "等候延误", "slow or late"),
        "service.process": ("流程手續", "流程手续", "process"),
        "service.after_sales": ("售後服務", "售后服务", "after-sales"),
        "service.facility": ("配套設施", "配套设施", "facility"),
        "service.competence": ("專業能力", "专业能力", "competence"),
        "price.expensive": ("價格偏高", "价格偏高", "expensive"),
        "price.overcharge": ("多收亂收", "多收乱收", "overcharge"),
        "price.refund": ("退款爭議", "退款争议", "refund"),
        "price.promotion": ("優惠活動", "优惠活动", "promotion"),
        "communication.misleading": ("誤導不實", "误导不实", "misleading"),
        "communication.broken_promise": ("承諾未兌現", "承诺未兑现", "broken promise"),
        "communication.not_informed": ("未事先告知", "未事先告知", "not informed"),
        "communication.contradictory": ("說法不一", "说法不一", "contradictory"),
        "communication.misunderstanding": ("誤會", "误会", "misunderstanding"),
        "incident.injury": ("人身傷害", "人身伤害", "injury"),
        "incident.danger": ("安全隱患", "安全隐患", "danger"),
        "incident.loss_or_theft": ("遺失被竊", "遗失被盗", "loss or theft"),
        "incident.outage": ("中斷停供", "中断停供", "outage"),
        "incident.data_leak": ("資料外洩與詐騙", "信息泄露与诈骗", "data leak or fraud"),
        "incident.property_damage": ("財物損壞", "财物损坏", "property damage"),
    },
    "urgency": {
        "low": ("低", "低", "low"),
        "medium": ("中", "中", "medium"),
        "high": ("高", "高", "high"),
        "critical": ("緊急", "紧急", "critical"),
    },
    "emotion": {
        "angry": ("憤怒", "愤怒", "angry"),
        "disappointed": ("失望", "失望", "disappointed"),
        "frustrated": ("沮喪", "沮丧", "frustrated"),
        "anxious": ("焦慮", "焦虑", "anxious"),
        "helpless": ("無助", "无助", "helpless"),
        "confused": ("疑惑", "疑惑", "confused"),
        "satisfied": ("滿意", "满意", "satisfied"),
        "happy": ("高興", "高兴", "happy"),
        "neutral": ("平靜", "平静", "neutral"),
    },
    "intensity": {
        "0": ("無", "无", "none"),
        "1": ("輕微", "轻微", "mild"),
        "2": ("明顯", "明显", "clear"),
        "3": ("強烈", "强烈", "extreme"),
    },
    "needs": {
        "venting": ("求發洩", "求发泄", "venting"),
        "respect": ("求尊重", "求尊重", "respect"),
        "compensation": ("求補償", "求补偿", "compensation"),
    },
    "demands": {
        "refund": ("退款", "退款", "refund"),
        "replacement": ("換貨", "换货", "replacement"),
        "repair": ("維修", "维修", "repair"),
        "compensation": ("賠償", "赔偿", "compensation"),
        "apology": ("道歉", "道歉", "apology"),
        "explanation": ("解釋說明", "解释说明", "explanation"),
        "investigation": ("調查", "调查", "investigation"),
        "discipline": ("懲處人員", "处理人员", "discipline"),
        "expedite": ("加快處理", "加快处理", "expedite"),
        "information": ("提供資訊", "提供信息", "information"),
        "cancellation": ("取消解約", "取消解约", "cancellation"),
        "improvement": ("改善", "改进", "improvement"),
    },
}

_TASK_NAMES: dict[str, tuple[str, str, str]] = {
    "intent": ("意圖", "意图", "intent"),
    "category": ("類別", "类别", "category"),
    "subcategory": ("細類", "细类", "subcategory"),
    "urgency": ("緊急程度", "紧急程度", "urgency"),
    "emotion": ("情緒", "情绪", "emotion"),
    "intensity": ("強度", "强度", "intensity"),
    "needs": ("心理需求", "心理需求", "needs"),
    "demands": ("訴求", "诉求", "demands"),
}


def display_name(task: str, value: object | None = None, language: Language = "zh-Hant") -> str:
    """Return the name of a task (``value=None``) or of one of its values for people to read.

    Args:
        task: a task name, a key of :data:`TASKS`.
        value: one of the task's values (``2`` and ``"2"`` both name an intensity).
        language: ``zh-Hant``, ``zh-Hans`` or ``en``.

    Raises:
        KeyError: the task, value or language does not exist.
    """
    if language not in LANGUAGES:
        msg = f"unknown language {language!r}; use one of {', '.join(LANGUAGES)}"
        raise KeyError(msg)
    if task not in TASKS:
        msg = f"unknown task {task!r}; use one of {', '.join(TASKS)}"
        raise KeyError(msg)
    column = LANGUAGES.index(language)
    if value is None:
        return _TASK_NAMES[task][column]
    names = _NAMES[task].get(str(value))
    if names is None:
        msg = f"unknown {task} {value!r}; use one of {', '.join(TASKS[task].values)}"
        raise KeyError(msg)
    return names[column]

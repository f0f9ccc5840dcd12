"""Routing: who takes a case, by when, who hears of it, and what a wrong routing file says."""

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from complaint_nlp import Analyzer, ConfigError
from complaint_nlp.labels import Category, Intent, Subcategory, Urgency
from complaint_nlp.report import Route
from complaint_nlp.resources import MAX_FILE_BYTES, builtin
from complaint_nlp.text.resources import script_chars
from complaint_nlp.triage.routing import Router

SHIPPED = builtin("triage/routing.yaml").read_text(encoding="utf-8")
RECEIVED = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
HOURS = {Urgency.CRITICAL: 1, Urgency.HIGH: 4, Urgency.MEDIUM: 24, Urgency.LOW: 72}


@pytest.fixture(scope="module")
def router() -> Router:
    return Router()


def route_one(router: Router, sub: Subcategory, urgency: Urgency = Urgency.MEDIUM) -> Route:
    return router.route(
        intent=Intent.COMPLAINT, categories=[sub.category], subcategories=[sub], urgency=urgency, received_at=RECEIVED
    )


@pytest.mark.parametrize("sub", Subcategory)
def test_every_sub_kind_has_its_department(router: Router, sub: Subcategory) -> None:
    assert route_one(router, sub).department_id == router.table.routes[sub.value].department
    assert route_one(router, sub).department_id in router.table.departments


@pytest.mark.parametrize("category", Category)
def test_every_category_without_a_sub_kind_has_a_department(router: Router, category: Category) -> None:
    route = router.route(
        intent=Intent.COMPLAINT, categories=[category], subcategories=[], urgency=Urgency.LOW, received_at=RECEIVED
    )
    assert route.department_id == router.table.routes[category.value].department


@pytest.mark.parametrize("intent", Intent)
def test_without_a_grievance_the_intent_decides(router: Router, intent: Intent) -> None:
    route = router.route(intent=intent, categories=[], subcategories=[], urgency=Urgency.LOW, received_at=RECEIVED)
    assert route.department_id == router.table.intents[intent].department
    assert route.inform == ()


@pytest.mark.parametrize(("sub", "urgency"), list(product(Subcategory, Urgency)))
def test_deadline_follows_the_urgency(router: Router, sub: Subcategory, urgency: Urgency) -> None:
    route = route_one(router, sub, urgency)
    assert route.respond_within_hours == HOURS[urgency]
    assert route.respond_by == RECEIVED + timedelta(hours=HOURS[urgency])


@pytest.mark.parametrize(
    ("sub", "levels"),
    [
        (Subcategory.SERVICE_SLOW, {Urgency.CRITICAL}),
        (Subcategory.INCIDENT_OUTAGE, {Urgency.CRITICAL}),
        (Subcategory.QUALITY_HYGIENE, {Urgency.CRITICAL, Urgency.HIGH}),
        (Subcategory.INCIDENT_INJURY, {Urgency.CRITICAL, Urgency.HIGH}),
    ],
)
def test_escalation_begins_where_the_table_or_the_route_says(
    router: Router, sub: Subcategory, levels: set[Urgency]
) -> None:
    assert {urgency for urgency in Urgency if route_one(router, sub, urgency).escalate} == levels


def test_critical_is_always_escalated(router: Router) -> None:
    assert all(route_one(router, sub, Urgency.CRITICAL).escalate for sub in Subcategory)
    assert not any(route_one(router, sub, Urgency.LOW).escalate for sub in Subcategory)


def test_further_matters_inform_their_departments_once_and_never_the_owner(router: Router) -> None:
    subs = [
        Subcategory.QUALITY_DEFECT,  # after_sales, informs product_quality
        Subcategory.PRICE_REFUND,  # billing
        Subcategory.PRICE_OVERCHARGE,  # billing again
        Subcategory.SERVICE_AFTER_SALES,  # after_sales, the owner
    ]
    route = router.route(
        intent=Intent.COMPLAINT,
        categories=[Category.QUALITY, Category.PRICE, Category.SERVICE],
        subcategories=subs,
        urgency=Urgency.MEDIUM,
        received_at=RECEIVED,
    )
    assert route.department_id == "after_sales"
    assert route.inform == ("品保部", "帳務部")


def test_department_names_come_in_the_language_asked_for(router: Router) -> None:
    names = {
        language: router.route(
            intent=Intent.COMPLAINT,
            categories=[Category.PRICE],
            subcategories=[Subcategory.PRICE_PROMOTION],
            urgency=Urgency.LOW,
            received_at=RECEIVED,
            language=language,
        )
        for language in ("zh-Hant", "zh-Hans", "en")
    }
    assert {key: (route.department, route.inform) for key, route in names.items()} == {
        "zh-Hant": ("行銷部", ("帳務部",)),
        "zh-Hans": ("市场部", ("账务部",)),
        "en": ("Marketing", ("Billing",)),
    }


def test_department_names_are_in_their_script(router: Router) -> None:
    for name in router.table.departments.values():
        assert not set(name.hant) & script_chars().simplified
        assert not set(name.hans) & script_chars().traditional


def test_table_names_no_route_twice_and_uses_every_department(router: Router) -> None:
    targets = [*router.table.routes.values(), *router.table.intents.values()]
    used = {name for target in targets for name in (target.department, *target.inform)}
    assert used == set(router.table.departments)
    assert set(router.table.routes) == {*Category, *Subcategory}


def test_own_file_is_used_from_analyzer_to_report(tmp_path: Path) -> None:
    path = tmp_path / "routing.yaml"
    own = SHIPPED.replace(": 24\n", ": 0.5\n")
    for hours in (1, 4, 72):
        own = own.replace(f": {hours}\n", ": 0.5\n").replace("version: 0.5\n", "version: 1\n")
    for name in Router().table.departments.values():
        own = own.replace(f": {name.hant},", ": 甲部,").replace(f": {name.hans},", ": 乙部,")
    path.write_text(own, encoding="utf-8")
    analyzer = Analyzer.load(routing=path)
    for text, department in (
        ("手機才買一週就一直死機，我要退款！", "甲部"),
        ("手机才买一周就一直死机，我要退款！", "乙部"),
        ("這顆行動電源的螢幕壞了，我要退款，打客服没人接", "甲部"),
    ):
        report = analyzer.analyze(text, received_at=RECEIVED)
        assert report.route is not None
        assert report.route.respond_by == RECEIVED + timedelta(minutes=30)
        assert report.route.department == department


def wrong(old: str, new: str) -> tuple[str, int]:
    """Return the shipped file with one change, and the line of the change."""
    assert SHIPPED.count(old) >= 1, old
    return SHIPPED.replace(old, new, 1), SHIPPED[: SHIPPED.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("escalate_from: critical\n", "escalate_frm: critical\n", "escalate_frm", "Extra inputs"),
        ("  quality.defect:", "  quality.defekt:", "routes.quality.defekt", "neither a category nor a sub-kind"),
        (
            "  quality.hygiene: {department: product_quality, inform: [operations], escalate_from: high}",
            "  quality.hygiene: {department: product_quality, informs: [operations]}",
            "routes.quality.hygiene.informs",
            "Extra inputs",
        ),
        (
            "  price.refund: {department: billing}",
            "  price.refund: {department: bililng}",
            "routes.price.refund",
            "'bililng' is not listed under departments",
        ),
        (
            "  price.promotion: {department: marketing, inform: [billing]}",
            "  price.promotion: {department: marketing, inform: [billing, nobody]}",
            "routes.price.promotion",
            "'nobody' is not listed under departments",
        ),
        (
            "  praise: {department: service_quality}",
            "  praise: {department: nobody}",
            "intents.praise",
            "'nobody' is not listed under departments",
        ),
        ("  critical: 1\n", "  critical: soon\n", "respond_within_hours.critical", "valid number"),
        ("  critical: 1\n", "  critical: 0\n", "respond_within_hours.critical", "greater than 0"),
        ("  critical: 1\n", "  critical: -1\n", "respond_within_hours.critical", "greater than 0"),
        ("  critical: 1\n", "  critical: .nan\n", "respond_within_hours.critical", "Input should be"),
        ("  critical: 1\n", "  critical: 99999\n", "respond_within_hours.critical", "less than or equal to 8760"),
        ("  critical: 1\n", "  critical: [1]\n", "respond_within_hours.critical", "valid number"),
        ("  critical: 1\n", "  kritical: 1\n", "respond_within_hours.kritical", "Input should be 'low'"),
        ("escalate_from: critical\n", "escalate_from: panic\n", "escalate_from", "Input should be 'low'"),
        ("version: 1\n", "version: 2\n", "version", "Input should be 1"),
        (
            "  billing: {zh-Hant: 帳務部, zh-Hans: 账务部, en: Billing}",
            "  billing: {zh-Hant: 帳務部, en: Billing}",
            "departments.billing.zh-Hans",
            "Field required",
        ),
        (
            "  billing: {zh-Hant: 帳務部,",
            "  billing: {zh-Hant: '',",
            "departments.billing.zh-Hant",
            "at least 1 character",
        ),
        ("  other: {department: customer_service}", "  other: customer_service", "intents.other", "valid dictionary"),
    ],
)
def test_wrong_entry_is_refused_with_line_and_key(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    path = tmp_path / "routing.yaml"
    content, line = wrong(old, new)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Router(path)
    problem = next(line for line in str(caught.value).splitlines() if says in line)
    assert problem.startswith(f"{path}:{line}: {key}: ")


@pytest.mark.parametrize(
    ("section", "lost"),
    [
        ("respond_within_hours", "  low: 72\n"),
        ("intents", "  praise: {department: service_quality}\n"),
        ("routes", "  price: {department: billing}\n"),
    ],
)
def test_missing_value_is_refused_with_the_line_of_its_section(tmp_path: Path, section: str, lost: str) -> None:
    path = tmp_path / "routing.yaml"
    content, _ = wrong(lost, "")
    path.write_text(content, encoding="utf-8")
    line = content[: content.index(f"\n{section}:")].count("\n") + 2
    with pytest.raises(ConfigError) as caught:
        Router(path)
    value = lost.strip().partition(":")[0]
    assert str(caught.value) == f"{path}:{line}: {section}: Value error, {value!r} is missing"


@pytest.mark.parametrize("section", ["version", "respond_within_hours", "escalate_from", "departments", "intents"])
def test_missing_section_is_refused_by_name(tmp_path: Path, section: str) -> None:
    path = tmp_path / "routing.yaml"
    kept = []
    inside = False
    for line in SHIPPED.splitlines(keepends=True):
        inside = line.startswith(f"{section}:") or (inside and line.startswith(" "))
        kept.append("" if inside else line)
    path.write_text("".join(kept), encoding="utf-8")
    first = next(i for i, line in enumerate("".join(kept).splitlines(), 1) if line and not line.startswith("#"))
    with pytest.raises(ConfigError) as caught:
        Router(path)
    assert f"{path}:{first}: {section}: Field required" in str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("old", "new", "offset", "says"),
    [
        ("  high: 4\n", "  high: 4\n  high: 5\n", 1, "key 'high' stands already in line 8"),
        (
            "  quality.performance:",
            "  quality.defect: {department: billing}\n  quality.performance:",
            0,
            "key 'quality.defect' stands already",
        ),
        ("  high: 4\n", "  high: [4\n", 0, "not valid YAML"),
        ("  high: 4\n", "\thigh: 4\n", 0, "not valid YAML: found a tab character"),
        ("  high: 4\n", "  high: 4\n   medium: 1\n", 1, "not valid YAML"),
        ("  high: 4\n", "  high: &four 4\n  medium: *four\n", 1, "YAML aliases (*four) are not allowed"),
        ("  high: 4\n", "  ? [high, low]\n  : 4\n", 0, "a key must be a plain word"),
        ("  high: 4\n", "  high: !!python/object/apply:os.getcwd []\n", 0, "not valid YAML: could not determine"),
        ("\nescalate_from: critical\n", "\n---\nescalate_from: critical\n", 1, "not valid YAML"),
    ],
)
def test_yaml_that_is_none_is_refused_with_its_line(tmp_path: Path, old: str, new: str, offset: int, says: str) -> None:
    path = tmp_path / "routing.yaml"
    content, line = wrong(old, new)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Router(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    named = int(message.removeprefix(f"{path}:").partition(":")[0])
    # an unclosed bracket is noticed on the line after it
    assert line + offset <= named <= line + offset + 1
    assert says in message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version: 2024-13-45\n", "not valid YAML: month must be in 1..12"),
        (b"version: !!int one\n", "not valid YAML: invalid literal"),
        (b"version: 1\0\n", "not valid YAML"),
        (b"a: " + b"[" * 600 + b"]" * 600, "nested more than 40 levels deep"),
        (b"", "valid dictionary"),
        (b"- 1\n", "valid dictionary"),
        ("departments: {a: 客服}".encode("big5"), "cannot be read as UTF-8 text"),
        (SHIPPED.encode("gb18030"), "cannot be read as UTF-8 text"),
        (b"#" * (MAX_FILE_BYTES + 1), "larger than 1,000,000 bytes"),
    ],
    ids=["date", "number", "nul", "deep", "empty", "list", "big5", "gb18030", "huge"],
)
def test_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "routing.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Router(path)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        Router(tmp_path / "nowhere.yaml")
    assert str(caught.value).startswith(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(ConfigError, match="cannot be read"):
        Router(tmp_path)


def test_all_wrong_entries_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "routing.yaml"
    content = SHIPPED.replace("  critical: 1\n", "  critical: x\n").replace("version: 1\n", "version: 9\n")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Router(path)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "version",
        "respond_within_hours.critical",
    ]

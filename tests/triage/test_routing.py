"""Routing: who takes a case, by when, who hears of it, and what a wrong routing file says."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from complaint_nlp import ConfigError
from complaint_nlp.labels import Category, Intent, Subcategory, Urgency
from complaint_nlp.report import Route
from complaint_nlp.resources import MAX_FILE_BYTES, builtin
from complaint_nlp.text.resources import script_chars
from complaint_nlp.triage.routing import Router

SHIPPED = builtin("triage/routing.yaml").read_text(encoding="utf-8")
# Sunday morning in Taipei
RECEIVED = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
TAIPEI = timezone(timedelta(hours=8))
# by the clock, until five on Monday, until three on Wednesday
DUE = {
    Urgency.CRITICAL: (datetime(2026, 3, 1, 8, 30, tzinfo=TAIPEI), 1),
    Urgency.HIGH: (datetime(2026, 3, 1, 11, 30, tzinfo=TAIPEI), 4),
    Urgency.MEDIUM: (datetime(2026, 3, 2, 17, 0, tzinfo=TAIPEI), 33.5),
    Urgency.LOW: (datetime(2026, 3, 4, 15, 0, tzinfo=TAIPEI), 79.5),
}
HIGH_LINE = SHIPPED[: SHIPPED.index("  high: 4\n")].count("\n") + 1
CALENDAR = SHIPPED[SHIPPED.index("# When somebody is there") : SHIPPED.index("# a manager is told")]


@pytest.fixture(scope="module")
def router() -> Router:
    return Router()


def route_one(
    router: Router, sub: Subcategory, urgency: Urgency = Urgency.MEDIUM, received_at: datetime = RECEIVED
) -> Route:
    return router.route(
        intent=Intent.COMPLAINT,
        categories=[sub.category],
        subcategories=[sub],
        urgency=urgency,
        received_at=received_at,
    )


def due(router: Router, urgency: Urgency, received_at: datetime) -> tuple[datetime, float]:
    route = route_one(router, Subcategory.SERVICE_SLOW, urgency, received_at)
    return route.respond_by, route.respond_within_hours


def router_of(tmp_path: Path, content: str) -> Router:
    path = tmp_path / "routing.yaml"
    path.write_text(content, encoding="utf-8")
    return Router(path)


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
    assert (route.respond_by, route.respond_within_hours) == DUE[urgency]
    assert route.respond_by.tzinfo is UTC


def test_shipped_deadlines_keep_what_the_labels_ask_for_on_working_days(router: Router) -> None:
    asked = {Urgency.CRITICAL: 1, Urgency.HIGH: 4, Urgency.MEDIUM: 24, Urgency.LOW: 72}
    monday = datetime(2026, 11, 16, tzinfo=TAIPEI)
    # what comes in later may have to wait for the weekend
    until = {Urgency.CRITICAL: 7 * 24, Urgency.HIGH: 7 * 24, Urgency.MEDIUM: 4 * 24, Urgency.LOW: 2 * 24}
    for urgency, hours in until.items():
        for quarter in range(hours * 4):
            assert due(router, urgency, monday + timedelta(minutes=15 * quarter))[1] <= asked[urgency]


def test_shipped_calendar_tells_time_in_taipei_and_lists_no_dates(router: Router) -> None:
    assert router.time_zone == ZoneInfo("Asia/Taipei")
    assert router.table.calendar is not None
    assert router.table.calendar.around_the_clock == {Urgency.CRITICAL, Urgency.HIGH}
    assert router.table.calendar.holidays == ()
    assert router.table.calendar.open_dates == ()


def test_dates_shown_in_the_comments_can_be_used(tmp_path: Path) -> None:
    lines: list[str] = []
    for line in SHIPPED.splitlines():
        section = next((name for name in ("holidays", "open_dates") if line == f"  {name}: []"), "")
        if section:
            shown = [f"  {found[5:]}" for found in reversed(lines) if found.startswith("  #   - ")][:2]
            lines += [f"  {section}:", *shown]
        else:
            lines.append(line)
    table = router_of(tmp_path, "\n".join(lines)).table.calendar
    assert table is not None
    assert {entry.date for entry in table.holidays} == {date(2026, 10, 1), date(2026, 10, 2)}
    assert {entry.date for entry in table.open_dates} == {date(2026, 10, 10), date(2026, 2, 13)}


def test_without_a_calendar_all_hours_go_by_the_clock(tmp_path: Path) -> None:
    router = router_of(tmp_path, SHIPPED.replace(CALENDAR, ""))
    assert router.time_zone is UTC
    for urgency, hours in {Urgency.CRITICAL: 1, Urgency.HIGH: 4, Urgency.MEDIUM: 8, Urgency.LOW: 24}.items():
        assert due(router, urgency, RECEIVED) == (RECEIVED + timedelta(hours=hours), hours)


@pytest.mark.parametrize(
    ("around_the_clock", "by_the_clock"),
    [("[]", 0), ("[critical]", 1), ("[critical, high, medium]", 3), ("[low, medium, high, critical, low]", 4)],
)
def test_the_file_says_what_goes_by_the_clock(tmp_path: Path, around_the_clock: str, by_the_clock: int) -> None:
    router = router_of(tmp_path, SHIPPED.replace("[critical, high]", around_the_clock))
    by_urgency = sorted(Urgency, key=lambda urgency: -urgency.rank)
    hours = [due(router, urgency, RECEIVED)[1] for urgency in by_urgency]
    assert hours[:by_the_clock] == [1, 4, 8, 24][:by_the_clock]
    assert hours[by_the_clock:] == [26.5, 29.5, 33.5, 79.5][by_the_clock:]


@pytest.mark.parametrize("urgency", Urgency)
@pytest.mark.parametrize("zone", ["Asia/Taipei", "America/New_York", "Asia/Kathmandu"])
def test_reception_may_be_told_in_any_zone(router: Router, urgency: Urgency, zone: str) -> None:
    told = RECEIVED.astimezone(ZoneInfo(zone))
    assert due(router, urgency, told) == DUE[urgency]
    assert due(router, urgency, told)[0].tzinfo is UTC


def test_the_two_half_past_one_of_an_autumn_night_are_an_hour_apart(router: Router) -> None:
    # equal to Python, as both stand in the same zone
    first = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    second = first.replace(fold=1)
    assert first == second
    apart = due(router, Urgency.CRITICAL, second)[0] - due(router, Urgency.CRITICAL, first)[0]
    assert apart == timedelta(hours=1)


def test_hours_have_two_digits_and_the_deadline_none_too_few(tmp_path: Path, router: Router) -> None:
    received = datetime(2026, 11, 20, 17, 30, 0, 123456, tzinfo=TAIPEI)
    assert due(router, Urgency.MEDIUM, received) == (datetime(2026, 11, 23, 16, 30, 0, 123456, tzinfo=TAIPEI), 71.0)
    received = datetime(2026, 11, 21, 12, 40, 20, tzinfo=TAIPEI)
    assert due(router, Urgency.MEDIUM, received) == (datetime(2026, 11, 23, 17, tzinfo=TAIPEI), 52.33)
    third = router_of(tmp_path, SHIPPED.replace("critical: 1\n", "critical: 0.3333\n"))
    assert due(third, Urgency.CRITICAL, RECEIVED) == (RECEIVED + timedelta(hours=0.3333), 0.33)


@pytest.mark.parametrize("urgency", Urgency)
def test_reception_without_a_zone_is_refused(router: Router, urgency: Urgency) -> None:
    with pytest.raises(ValueError, match="received_at needs a time zone"):
        due(router, urgency, RECEIVED.replace(tzinfo=None))


@pytest.mark.parametrize("urgency", Urgency)
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-11))])
def test_reception_at_the_end_of_time_is_refused(router: Router, urgency: Urgency, zone: timezone) -> None:
    with pytest.raises(ValueError, match="no deadline"):
        due(router, urgency, datetime.max.replace(tzinfo=zone))


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


def own_file() -> str:
    """Return the shipped file with half an hour for everything, and departments of other names."""
    own = SHIPPED.replace(CALENDAR, "")
    for hours in (1, 4, 8, 24):
        own = own.replace(f": {hours}\n", ": 0.5\n").replace("version: 0.5\n", "version: 1\n")
    for name in Router().table.departments.values():
        own = own.replace(f": {name.hant},", ": 甲部,").replace(f": {name.hans},", ": 乙部,")
    return own


@pytest.mark.parametrize("urgency", Urgency)
def test_own_file_replaces_the_shipped_one(tmp_path: Path, urgency: Urgency) -> None:
    route = route_one(router_of(tmp_path, own_file()), Subcategory.QUALITY_DEFECT, urgency)
    assert (route.respond_by, route.department) == (RECEIVED + timedelta(minutes=30), "甲部")


def test_own_file_is_used_from_analyzer_to_report(tmp_path: Path) -> None:
    path = tmp_path / "routing.yaml"
    path.write_text(own_file(), encoding="utf-8")
    # not at the top: no other test here needs a model
    from complaint_nlp import Analyzer

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
        ("  time_zone: Asia/Taipei", "  time_zone: Asia/Taipeh", "calendar.time_zone", "no time zone known here"),
        ("  time_zone: Asia/Taipei", "  time_zone: 8", "calendar.time_zone", "valid string"),
        ("    friday: [", "    freitag: [", "calendar.open.freitag", "Input should be 'monday'"),
        (
            '    friday: ["09:00-18:00"]',
            '    friday: ["09:00-12:00", "13.30-18:00"]',
            "calendar.open.friday.1",
            "a window is written like '09:00-18:00'",
        ),
        ("    saturday: []", '    saturday: ["22:00-02:00"]', "calendar.open.saturday.0", "split one over midnight"),
        (
            "    saturday: []",
            '    saturday: ["10:00-12:00", "11:00-13:00"]',
            "calendar.open.saturday",
            "two windows overlap at 11:00",
        ),
        ("  holidays: []", "  holidays: [2026-10-01, 2026-10]", "calendar.holidays.1", "written like 2026-10-01"),
        (
            "  holidays: []",
            "  holidays: [{date: 2026-10-01, nmae: 国庆节}]",
            "calendar.holidays.0.nmae",
            "Extra inputs",
        ),
        (
            "  holidays: []",
            "  holidays: [2026-10-01, {date: 2026-10-01}]",
            "calendar.holidays.1",
            "2026-10-01 stands already under holidays",
        ),
        (
            "  open_dates: []",
            "  open_dates: [{date: 2026-10-10, like: friday}, {date: 2026-10-11, like: sunday}]",
            "calendar.open_dates.1.like",
            "sunday has no window itself",
        ),
        ("  open_dates: []", "  open_dates: [{date: 2026-10-10}]", "calendar.open_dates.0", "say either like"),
        (
            "  around_the_clock: [critical, high]",
            "  around_the_clock: [critical, hihg]",
            "calendar.around_the_clock.1",
            "Input should be 'low'",
        ),
        (
            "  around_the_clock: [critical, high]",
            "  around_the_clock: [high]",
            "calendar.around_the_clock",
            "the more urgent 'critical' must go by the clock, too",
        ),
        ("  low: 24\n", "  low: 2341\n", "respond_within_hours.low", "only 2340 open hours in the 366 days from"),
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
        ("respond_within_hours", "  low: 24\n"),
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


def test_calendar_that_never_opens_is_refused_with_its_line(tmp_path: Path) -> None:
    content = SHIPPED.replace('["09:00-18:00"]', "[]")
    line = content[: content.index("  open:\n")].count("\n") + 1
    with pytest.raises(ConfigError) as caught:
        router_of(tmp_path, content)
    says = "Value error, at least one weekday needs a window"
    assert str(caught.value) == f"{tmp_path / 'routing.yaml'}:{line}: calendar.open: {says}"


def test_holidays_that_swallow_a_year_are_refused_with_the_line_of_the_hours(tmp_path: Path) -> None:
    closed = [date(2026, 1, 1) + timedelta(days=day) for day in range(400)]
    content = SHIPPED.replace("holidays: []", f"holidays: [{', '.join(map(str, closed))}]")
    line = content[: content.index("  medium: 8\n")].count("\n") + 1
    with pytest.raises(ConfigError) as caught:
        router_of(tmp_path, content)
    says = "Value error, 8 hours, but the calendar has only 0 open hours in the 366 days from 2026-01-01"
    assert f"{tmp_path / 'routing.yaml'}:{line}: respond_within_hours.medium: {says}" in str(caught.value)
    # what goes by the clock needs nobody to open
    router = router_of(tmp_path, content.replace("[critical, high]", "[critical, high, medium, low]"))
    assert due(router, Urgency.LOW, RECEIVED) == (RECEIVED + timedelta(hours=24), 24)


def test_what_goes_by_the_clock_has_to_be_said(tmp_path: Path) -> None:
    content = SHIPPED.replace("  around_the_clock: [critical, high]\n", "")
    with pytest.raises(ConfigError, match=r"calendar\.around_the_clock: Field required"):
        router_of(tmp_path, content)


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
        ("  high: 4\n", "  high: 4\n  high: 5\n", 1, f"key 'high' stands already in line {HIGH_LINE}"),
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

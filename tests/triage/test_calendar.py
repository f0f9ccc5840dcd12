"""Deadlines in open hours: cases of many places, and properties checked against a count of minutes."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from complaint_nlp.labels import Urgency
from complaint_nlp.triage import calendar as calendar_module
from complaint_nlp.triage.calendar import HORIZON_DAYS, CalendarTable, WorkCalendar, find_zone

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "deadlines.jsonl").read_text(encoding="utf-8").splitlines()
]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def weekly(working: list[str], saturday: list[str] | None = None, sunday: list[str] | None = None) -> dict[str, Any]:
    return {**dict.fromkeys(WEEKDAYS[:5], working), "saturday": saturday or [], "sunday": sunday or []}


def daily(*windows: str) -> dict[str, list[str]]:
    return {weekday: list(windows) for weekday in WEEKDAYS}


def days(first: str, last: str) -> list[str]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [str(start + timedelta(days=i)) for i in range((end - start).days + 1)]


# the lists of dates are invented organisations' own, near what their places had in 2026
CALENDARS: dict[str, dict[str, Any]] = {
    "office_tw": {"time_zone": "Asia/Taipei", "open": weekly(["09:00-18:00"])},
    "lunch_tw": {
        "time_zone": "Asia/Taipei",
        "open": weekly(["13:30-18:00", "09:00-12:00"]),
        "holidays": [{"date": day, "name": "春節"} for day in days("2026-02-16", "2026-02-20")],
    },
    "mainland": {
        "time_zone": "Asia/Shanghai",
        "open": weekly(["09:00-12:00", "14:00-18:00"]),
        "holidays": [date.fromisoformat(day) for day in days("2026-10-01", "2026-10-07")],
        "open_dates": [
            {"date": "2026-09-20", "like": "friday", "name": "国庆节调休上班"},
            {"date": date(2026, 10, 10), "like": "monday"},
        ],
    },
    "shop_hk": {
        "time_zone": "Asia/Hong_Kong",
        "open": weekly(["10:00-20:00"], ["10:00-14:00"]),
        "holidays": ["2026-12-25", {"date": "2026-12-26"}],
        "open_dates": [{"date": "2026-12-24", "open": ["10:00-13:00"], "name": "平安夜提早收舖"}],
    },
    "always": {"time_zone": "Asia/Taipei", "open": daily("00:00-24:00")},
    "always_berlin": {"time_zone": "Europe/Berlin", "open": daily("00:00-12:00", "12:00-24:00")},
    "night_ny": {
        "time_zone": "America/New_York",
        "open": daily("00:00-04:00", "20:00-24:00"),
    },
    "office_berlin": {"time_zone": "Europe/Berlin", "open": weekly(["08:00-17:00"])},
    "small_hours_ny": {
        "time_zone": "America/New_York",
        "open": {"sunday": ["01:00-02:00", "02:00-03:00"], "monday": ["09:00-10:00"]},
    },
    "lord_howe": {"time_zone": "Australia/Lord_Howe", "open": daily("01:00-03:00")},
    "santiago": {
        "time_zone": "America/Santiago",
        "open": {"saturday": ["22:00-24:00"], "sunday": ["00:00-02:00"], "wednesday": ["09:07-09:11"]},
    },
    "kathmandu": {"time_zone": "Asia/Kathmandu", "open": {**weekly(["10:00-17:00"]), "sunday": ["10:00-17:00"]}},
    "apia": {"time_zone": "Pacific/Apia", "open": daily("09:00-17:00")},
    # in 2010 the clocks of St. John's went back to 23:01 of the day before, a minute after midnight
    "st_johns": {"time_zone": "America/St_Johns", "open": daily("00:00-00:30", "23:30-24:00")},
}
# near a change of the clocks, a holiday or another turn
TURNS = {
    "office_tw": ["2026-11-20", "2026-12-31"],
    "lunch_tw": ["2026-02-13", "2026-02-20"],
    "mainland": ["2026-09-19", "2026-10-08"],
    "shop_hk": ["2026-12-24"],
    "always": ["2026-12-31"],
    "always_berlin": ["2026-03-29", "2026-10-25"],
    "night_ny": ["2026-03-08", "2026-11-01"],
    "office_berlin": ["2026-03-29", "2026-10-25"],
    "small_hours_ny": ["2026-03-08", "2026-11-01"],
    "lord_howe": ["2026-04-05", "2026-10-04"],
    "santiago": ["2026-04-05", "2026-09-06"],
    "kathmandu": ["2026-11-20"],
    "apia": ["2011-12-30", "2011-09-24"],
    "st_johns": ["2010-11-07", "2010-03-14"],
}


def table(name: str, **changes: Any) -> CalendarTable:
    return CalendarTable.model_validate({"around_the_clock": [], **CALENDARS[name], **changes})


@cache
def calendar(name: str) -> WorkCalendar:
    return WorkCalendar(table(name))


# --- cases ---


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_deadline(case: dict[str, Any]) -> None:
    due = calendar(case["calendar"]).deadline(datetime.fromisoformat(case["received_at"]), case["hours"])
    assert due == datetime.fromisoformat(case["due"])
    assert due.tzinfo is UTC


def test_cases_cover_every_calendar_but_those_of_the_properties() -> None:
    assert {case["calendar"] for case in CASES} == set(CALENDARS) - {"always_berlin", "st_johns"}
    assert set(TURNS) == set(CALENDARS)
    assert len({case["id"] for case in CASES}) == len(CASES)


# --- properties, checked by reading the sign on the door minute by minute ---


def sign_says_open(name: str, instant: datetime) -> bool:
    entry = CALENDARS[name]
    local = instant.astimezone(ZoneInfo(entry["time_zone"]))
    hours = entry["open"].get(WEEKDAYS[local.weekday()], [])
    for day in entry.get("holidays", []):
        if str(day["date"] if isinstance(day, dict) else day) == f"{local:%Y-%m-%d}":
            hours = []
    for day in entry.get("open_dates", []):
        if str(day["date"]) == f"{local:%Y-%m-%d}":
            hours = day["open"] if "open" in day else entry["open"][day["like"]]
    return any(window[:5] <= f"{local:%H:%M}" < window[6:] for window in hours)


@cache
def minute_is_open(name: str, minute: int) -> bool:
    return sign_says_open(name, datetime.fromtimestamp(minute * 60, UTC))


def open_minutes(name: str, start: datetime, end: datetime) -> int:
    first, last = (int(at.timestamp()) // 60 for at in (start, end))
    return sum(minute_is_open(name, minute) for minute in range(first, last))


@st.composite
def receptions(draw: st.DrawFn) -> tuple[str, datetime]:
    name = draw(st.sampled_from(sorted(CALENDARS)))
    turn = datetime.fromisoformat(draw(st.sampled_from(TURNS[name]))).replace(tzinfo=UTC)
    return name, turn + timedelta(minutes=draw(st.integers(-3 * 1440, 3 * 1440)))


MINUTES = st.integers(1, 12 * 60)


@given(receptions(), MINUTES)
@settings(max_examples=120, deadline=None)
def test_open_time_until_the_deadline_is_what_was_asked_for(reception: tuple[str, datetime], minutes: int) -> None:
    name, received = reception
    due = calendar(name).deadline(received, minutes / 60)
    assert open_minutes(name, received, due) == minutes
    # the deadline lies in open time or at its end, never later
    assert sign_says_open(name, due - timedelta(minutes=1))


@given(receptions(), st.integers(0, 2 * 1440), MINUTES)
@settings(max_examples=200, deadline=None)
def test_who_writes_later_is_answered_no_earlier(reception: tuple[str, datetime], later: int, minutes: int) -> None:
    name, received = reception
    moved = received + timedelta(minutes=later)
    gained = calendar(name).deadline(moved, minutes / 60) - calendar(name).deadline(received, minutes / 60)
    assert gained >= timedelta(0)
    # only open time moves a deadline
    assert (gained == timedelta(0)) == (open_minutes(name, received, moved) == 0)


@given(receptions(), st.integers(1, 12 * 3600), st.integers(1, 12 * 3600), st.integers(0, 59_999_999))
@settings(max_examples=200, deadline=None)
def test_more_hours_end_later_and_can_be_counted_in_parts(
    reception: tuple[str, datetime], first: int, second: int, fraction: int
) -> None:
    name, received = reception
    received += timedelta(microseconds=fraction)
    part = calendar(name).deadline(received, first / 3600)
    whole = calendar(name).deadline(received, (first + second) / 3600)
    assert received < part < whole
    assert calendar(name).deadline(part, second / 3600) == whole


@given(receptions(), st.sampled_from(["Asia/Taipei", "America/New_York", "Asia/Kathmandu", "Europe/Berlin"]), MINUTES)
@settings(max_examples=100, deadline=None)
def test_the_zone_in_which_reception_is_told_changes_nothing(
    reception: tuple[str, datetime], zone: str, minutes: int
) -> None:
    name, received = reception
    told = received.astimezone(ZoneInfo(zone))
    assert calendar(name).deadline(told, minutes / 60) == calendar(name).deadline(received, minutes / 60)


@pytest.mark.parametrize("name", ["always", "always_berlin"])
@given(received=st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)), minutes=MINUTES)  # noqa: DTZ001 - the zone follows
@settings(max_examples=100, deadline=None)
def test_who_never_closes_counts_by_the_clock(name: str, received: datetime, minutes: int) -> None:
    assert calendar(name).deadline(received, minutes / 60) == received + timedelta(minutes=minutes)


# --- limits ---


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="received_at needs a time zone"):
        calendar("office_tw").deadline(datetime(2026, 11, 20, 9, 0), 1)  # noqa: DTZ001 - what is tested


def test_count_ends_where_the_calendar_never_opens() -> None:
    closed = days("2026-01-01", "2029-12-31")
    closed_for_years = WorkCalendar(table("office_tw", holidays=closed))
    received = datetime(2026, 6, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match=r"no deadline 8 open hours after 2026-06-01T00:00:00\+00:00 within 732 days"):
        closed_for_years.deadline(received, 8)
    assert closed_for_years.deadline(datetime(2025, 12, 31, 1, tzinfo=UTC), 8).year == 2025
    assert closed_for_years.deadline(datetime(2029, 6, 1, tzinfo=UTC), 8).isoformat() == "2030-01-01T09:00:00+00:00"


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])  # noqa: DTZ901 - the zone follows
@pytest.mark.parametrize("name", ["office_tw", "night_ny"])
def test_the_ends_of_time_raise_nothing_else(name: str, moment: datetime) -> None:
    received = moment.replace(tzinfo=UTC)
    try:
        due = calendar(name).deadline(received, 100)
    except ValueError as error:
        assert "no deadline 100 open hours after" in str(error)  # noqa: PT017 - either may happen
    else:
        assert due > received


def test_least_open_hours_are_found_around_the_listed_dates() -> None:
    assert calendar("always").least_open()[0] == HORIZON_DAYS * 24
    # 52 weeks of 45 hours, and a weekend
    assert calendar("office_tw").least_open()[0] == 52 * 45
    least, since = WorkCalendar(table("office_tw", holidays=days("2026-01-01", "2026-12-31"))).least_open()
    # of 366 days in a row all of 2026 and the day before or after it: one Thursday or Friday is open
    assert (least, since) == (9, date(2025, 12, 31))


@given(
    st.sampled_from(["office_tw", "shop_hk", "small_hours_ny"]),
    st.sets(st.integers(0, 800), max_size=500),
    st.integers(-400, 1200),
)
@settings(max_examples=60, deadline=None)
def test_no_stretch_of_days_has_fewer_open_hours_than_the_least(name: str, closed: set[int], start: int) -> None:
    first = date(2026, 1, 1)
    holidays = [str(first + timedelta(days=day)) for day in closed]
    loaded = WorkCalendar(table(name, holidays=holidays, open_dates=[]))
    per_day = [
        sum(
            int(window[6:8]) - int(window[:2])
            for window in CALENDARS[name]["open"].get(WEEKDAYS[day.weekday()], [])
            if str(day) not in holidays
        )
        for day in (first + timedelta(days=start + i) for i in range(HORIZON_DAYS))
    ]
    assert loaded.least_open()[0] <= sum(per_day)


# --- the table ---


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"time_zone": "Asia/Taipeh"}, "'Asia/Taipeh' is no time zone known here"),
        ({"time_zone": "Asia"}, "'Asia' is no time zone"),
        ({"time_zone": "../../etc/passwd"}, "is no time zone"),
        ({"time_zone": "/usr/share/zoneinfo/UTC"}, "is no time zone"),
        ({"time_zone": ""}, "'' is no time zone"),
        ({"time_zone": "leapseconds"}, "is no time zone"),
        ({"open": {}}, "at least one weekday needs a window"),
        ({"open": {"monday": []}}, "at least one weekday needs a window"),
        ({"open": {"montag": ["09:00-18:00"]}}, "Input should be 'monday'"),
        ({"open": {"monday": "09:00-18:00"}}, "valid tuple"),
        ({"open": {"monday": ["9:00-18:00"]}}, "two digits each"),
        ({"open": {"monday": ["09:00–18:00"]}}, "two digits each"),
        ({"open": {"monday": ["09：00-18：00"]}}, "two digits each"),
        ({"open": {"monday": ["09:00-24:30"]}}, "two digits each"),
        ({"open": {"monday": ["09:60-18:00"]}}, "two digits each"),
        ({"open": {"monday": ["24:00-24:00"]}}, "two digits each"),
        ({"open": {"monday": [900]}}, "two digits each"),
        ({"open": {"monday": ["22:00-06:00"]}}, "split one over midnight"),
        ({"open": {"monday": ["09:00-09:00"]}}, "a window ends after it begins"),
        ({"open": {"monday": ["13:00-18:00", "09:00-13:30"]}}, "two windows overlap at 13:00"),
        ({"open": {"monday": ["09:00-18:00", "09:00-18:00"]}}, "two windows overlap at 09:00"),
        ({"holidays": ["2026-1-1"]}, "written like 2026-10-01"),
        ({"holidays": ["20260101"]}, "written like 2026-10-01"),
        ({"holidays": ["2026-02-30"]}, "day is out of range"),
        ({"holidays": [20260101]}, "written like 2026-10-01"),
        ({"holidays": [datetime(2026, 1, 1, tzinfo=UTC)]}, "written like 2026-10-01"),
        ({"holidays": ["0206-01-01"]}, "dates from 2000 to 2199 are expected, got 0206-01-01"),
        ({"holidays": [{"name": "元旦"}]}, "Field required"),
        ({"holidays": [{"date": "2026-01-01", "nmae": "元旦"}]}, "Extra inputs"),
        ({"holidays": ["2026-01-01", {"date": "2026-01-01"}]}, "2026-01-01 stands already under holidays"),
        (
            {"holidays": ["2026-01-03"], "open_dates": [{"date": "2026-01-03", "like": "friday"}]},
            "2026-01-03 stands already under holidays",
        ),
        ({"open_dates": ["2026-01-03"]}, "valid dictionary"),
        ({"open_dates": [{"date": "2026-01-03"}]}, "say either like"),
        ({"open_dates": [{"date": "2026-01-03", "open": []}]}, "at least 1 item"),
        ({"open_dates": [{"date": "2026-01-03", "like": "friday", "open": ["09:00-12:00"]}]}, "say either like"),
        ({"open_dates": [{"date": "2026-01-03", "like": "sunday"}]}, "sunday has no window itself"),
        ({"around_the_clock": ["urgent"]}, "Input should be 'low'"),
        ({"around_the_clock": ["high"]}, "with 'high', the more urgent 'critical' must go by the clock, too"),
        ({"around_the_clock": ["critical", "medium"]}, "with 'medium', the more urgent 'high'"),
        ({"holiday": []}, "Extra inputs"),
    ],
)
def test_wrong_entry_is_refused_with_its_reason(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        table("office_tw", **changes)
    assert says in str(caught.value)


def test_what_waits_for_nobody_has_to_be_said() -> None:
    with pytest.raises(ValidationError, match=r"around_the_clock\n  Field required"):
        CalendarTable.model_validate(CALENDARS["office_tw"])
    assert table("office_tw", around_the_clock=["critical", "high"]).around_the_clock == {
        Urgency.CRITICAL,
        Urgency.HIGH,
    }


def test_windows_stand_in_order_and_may_touch() -> None:
    loaded = table("office_tw", open={"monday": ["13:00-24:00", "09:00 - 13:00"]})
    assert loaded.open == {"monday": ((540, 780), (780, 1440))}


@pytest.mark.parametrize("name", ["Asia/Taipei", "Asia/Shanghai", "Asia/Hong_Kong", "Asia/Macau", "UTC"])
def test_zones_of_the_shipped_file_need_no_data(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    instants = [datetime(year, month, 1, tzinfo=UTC) for year in (1980, 2026, 2050) for month in (1, 7)]

    def clock() -> list[str]:
        return [f"{instant.astimezone(find_zone(name)):%H:%M %z %Z}" for instant in instants]

    def missing(key: str) -> ZoneInfo:
        raise ZoneInfoNotFoundError(key)

    known = clock()
    monkeypatch.setattr(calendar_module, "ZoneInfo", missing)
    assert clock() == known
    due = WorkCalendar(table("office_tw")).deadline(datetime(2026, 11, 20, 9, 30, tzinfo=UTC), 8)
    assert due == datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match=r"'Europe/Berlin' is no time zone known here.* pip install tzdata"):
        find_zone("Europe/Berlin")

"""From a data frame, an Arrow table or a file to the columns that insights are made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.insights.wordings import columns_file
from complaint_nlp.labels import TASKS
from complaint_nlp.optional import load_optional

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from complaint_nlp.insights.wordings import Role

MAX_ROWS: Final = 5_000_000
LABEL_COLUMNS: Final = ("status", *TASKS, "department", "respond_by", "escalate")
"""The columns of a labelled table that insights read; the others (confidences, evidence) stay in the file."""
_BLOCK_BYTES: Final = 16 << 20
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_OFFSET: Final = r"(?:Z|[+-]\d\d:?\d\d)$"


def require_pandas() -> Any:  # noqa: ANN401 - pandas has no types here
    """Return pandas.

    Raises:
        ConfigError: it is not installed.
    """
    return load_optional("pandas", "viz", "insights")


def read_table(source: Any, wanted: Sequence[str]) -> Any:  # noqa: ANN401 - data frames
    """Return a pandas data frame of the columns that insights can use.

    Args:
        source: a pandas data frame, a pyarrow table, or the path of a labelled CSV, TSV, JSONL or Parquet file (also
            compressed, as ``complaint-nlp label`` writes them).
        wanted: names of columns to read from a file besides the labels and those of common names.

    Raises:
        ConfigError: pandas is not installed.
        DataError: it is none of these, cannot be read, or has more than 5,000,000 rows.
    """
    pd = require_pandas()
    import pyarrow as pa

    if isinstance(source, pd.DataFrame):
        frame = source
    elif isinstance(source, pa.Table):
        frame = source.to_pandas(split_blocks=True)
    elif isinstance(source, str | Path):
        frame = _read_file(Path(source), wanted)
    else:
        msg = (
            f"expected a pandas DataFrame, a pyarrow Table or the path of a labelled file, got {type(source).__name__}"
        )
        raise DataError(msg)
    if len(frame) > MAX_ROWS:
        msg = f"{len(frame):,} rows, at most {MAX_ROWS:,} are accepted; hand over a part of the years or a sample"
        raise DataError(msg)
    twice = [str(name) for name in frame.columns[frame.columns.duplicated()]]
    if twice:
        msg = f"the column {twice[0]!r} stands twice in the table"
        raise DataError(msg)
    return frame


def _read_file(path: Path, wanted: Sequence[str]) -> Any:  # noqa: ANN401 - a data frame
    import pyarrow as pa

    from complaint_nlp.batch.formats import format_of

    readers = {"csv": _read_csv, "tsv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}
    if not path.exists():
        msg = f"{path}: there is no such file"
        raise DataError(msg)
    kind = format_of(path)
    if kind not in readers:
        msg = f"{path}: insights read CSV, TSV, JSONL and Parquet, not {kind}; label into one of these"
        raise DataError(msg)
    common = {_key(name) for names in columns_file().columns.values() for name in names}
    keep = {_key(name) for name in (*LABEL_COLUMNS, *wanted)} | common
    try:
        return readers[kind](path, keep)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        msg = f"{path}: cannot be read as {kind}: {error}"
        raise DataError(msg) from error


def _read_csv(path: Path, keep: set[str]) -> Any:  # noqa: ANN401 - a data frame
    import pyarrow as pa
    from pyarrow import csv

    from complaint_nlp.batch.formats import detect_encoding, format_of, open_bytes, open_rows

    encoding = detect_encoding(path)
    names, _ = open_rows(path, encoding)
    used = [name for name in names if _key(name) in keep]
    with open_bytes(path) as stream:
        table = csv.read_csv(
            stream,
            read_options=csv.ReadOptions(encoding=encoding, block_size=_BLOCK_BYTES),
            parse_options=csv.ParseOptions(
                delimiter="\t" if format_of(path) == "tsv" else ",", newlines_in_values=True
            ),
            # everything as text: what looks like a number may be a customer's
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(used, pa.string()),
                include_columns=used,
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    return table.to_pandas(split_blocks=True)


def _read_jsonl(path: Path, keep: set[str]) -> Any:  # noqa: ANN401 - a data frame
    from pyarrow import json

    from complaint_nlp.batch.formats import open_bytes

    with open_bytes(path) as stream:
        table = json.read_json(stream, read_options=json.ReadOptions(block_size=_BLOCK_BYTES))
    return table.select([name for name in table.column_names if _key(name) in keep]).to_pandas(split_blocks=True)


def _read_parquet(path: Path, keep: set[str]) -> Any:  # noqa: ANN401 - a data frame
    import pyarrow.dataset as ds

    source = ds.dataset(path, format="parquet", partitioning="hive")
    used = [name for name in source.schema.names if _key(name) in keep]
    return source.to_table(columns=used).to_pandas(split_blocks=True)


def _key(name: object) -> str:
    return str(name).strip().lower().replace("_", "").replace(" ", "")


def find_columns(columns: Sequence[object], given: Mapping[Role, str | None]) -> dict[Role, object]:
    """Return which column has which role.

    Args:
        columns: names of all columns.
        given: what the caller said; ``None`` to go by the name.

    Raises:
        DataError: a column that was asked for is not there.
    """
    by_key: dict[str, object] = {}
    for name in columns:
        by_key.setdefault(_key(name), name)
    found: dict[Role, object] = {}
    for role, asked in given.items():
        if asked is not None:
            if asked not in columns:
                listed = ", ".join(map(str, columns))
                msg = f"{role}_column: there is no column {asked!r}; the columns are {listed}"
                raise DataError(msg)
            found[role] = asked
    for role, names in columns_file().columns.items():
        taken = set(map(str, found.values()))
        free = [by_key[_key(name)] for name in names if _key(name) in by_key]
        free = [name for name in free if str(name) not in taken and str(name) not in LABEL_COLUMNS]
        if role not in found and free:
            found[role] = free[0]
    return found


def local_times(column: Any, timezone: str, *, naive_is_utc: bool = False) -> Any:  # noqa: ANN401 - series
    """Return a column of times as naive local ones; what cannot be read is NaT.

    Understood are dates and times of pandas, ISO 8601, and what Excel writes in Chinese (``2026/1/5 下午 03:20``,
    ``2026年1月5日``). Years before 1990 and after 2100 count as unread.

    Args:
        column: a pandas series.
        timezone: IANA name of the zone that times with an offset are turned into.
        naive_is_utc: whether times without an offset are UTC, not local.

    Raises:
        DataError: there is no such time zone.
    """
    pd = require_pandas()
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        msg = f"timezone: {timezone!r} is no time zone; use a name such as 'Asia/Taipei'"
        raise DataError(msg) from error
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        zoned = getattr(column.dt, "tz", None) is not None
        made = _local(column, timezone, utc=naive_is_utc and not zoned)
    else:
        made = _parsed(column, timezone, naive_is_utc=naive_is_utc)
    return made.where(made.dt.year.between(_FIRST_YEAR, _LAST_YEAR))


def _local(column: Any, timezone: str, *, utc: bool) -> Any:  # noqa: ANN401 - series
    """Return times without their zone, in local time."""
    if utc:
        column = column.dt.tz_localize("UTC")
    if getattr(column.dt, "tz", None) is not None:
        column = column.dt.tz_convert(timezone).dt.tz_localize(None)
    return column.astype("datetime64[us]")


def _parsed(column: Any, timezone: str, *, naive_is_utc: bool) -> Any:  # noqa: ANN401 - series
    """Return texts, dates and what else may stand in a column as naive local times."""
    pd = require_pandas()
    text = column.astype("string").str.strip()
    odd = text.str.contains(r"[年月日上下午點点時时]", regex=True).fillna(False)  # noqa: FBT003 - pandas
    if odd.any():
        plain = text[odd].str.replace(r"年|月", "-", regex=True).str.replace(r"[日號号]", " ", regex=True)
        plain = plain.str.replace(r"(上午|下午)\s*(\S+)", _half_day, regex=True)
        plain = plain.str.replace(r"[點点時时]", ":", regex=True).str.replace("分", "").str.strip()
        text = text.mask(odd, plain)
    zoned = text.str.contains(_OFFSET, regex=True).fillna(False).astype(bool)  # noqa: FBT003 - pandas
    made = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us]")
    for mask, is_zoned in ((zoned, True), (~zoned & text.notna(), False)):
        if not mask.any():
            continue
        part = _read(text[mask].astype(object), utc=is_zoned)
        made[mask] = _local(part, timezone, utc=naive_is_utc and not is_zoned)
    return made


def _read(text: Any, *, utc: bool) -> Any:  # noqa: ANN401 - series
    pd = require_pandas()
    import pyarrow as pa

    try:  # a tenth of the time where all of a column is well-formed, as it mostly is
        plain = pa.array(text, pa.large_string(), from_pandas=True).cast(pa.timestamp("us", "UTC" if utc else None))
    except pa.ArrowInvalid:
        made = pd.to_datetime(text, errors="coerce", utc=utc, format="ISO8601")
    else:
        made = pd.Series(plain.to_numpy(zero_copy_only=False), index=text.index)
        return made.dt.tz_localize("UTC") if utc else made
    left = made.isna()
    if left.any():
        made = made.copy()
        made[left] = pd.to_datetime(text[left], errors="coerce", utc=utc, format="mixed")
    return made


def _half_day(match: Any) -> str:  # noqa: ANN401 - re.Match
    return f"{match.group(2)} {'PM' if match.group(1) == '下午' else 'AM'}"


def day_numbers(holidays: Iterable[str | date]) -> NDArray[np.int64]:
    """Return days since 1970-01-01.

    Raises:
        DataError: one is no day.
    """
    try:
        return np.array([np.datetime64(day, "D") for day in holidays], dtype="datetime64[D]").astype(np.int64)
    except ValueError as error:
        msg = f"holidays: {error}; write days as 2026-02-16"
        raise DataError(msg) from error

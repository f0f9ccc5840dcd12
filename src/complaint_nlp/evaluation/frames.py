"""Figures as pandas tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.optional import load_optional

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


_TABLES: Final = "tables of an evaluation"


def frame(rows: Iterable[Mapping[str, Any]], columns: list[str], index: str | None = None) -> pd.DataFrame:
    """Return rows as a table.

    Raises:
        ConfigError: pandas is not installed.
    """
    table = load_optional("pandas", "viz", _TABLES).DataFrame(list(rows), columns=columns)
    if index is not None:
        table = table.set_index(index)
    result: pd.DataFrame = table
    return result


def matrix(counts: NDArray[np.int64], rows: list[str], columns: list[str]) -> pd.DataFrame:
    """Return counts as a table of true against predicted values.

    Raises:
        ConfigError: pandas is not installed.
    """
    pandas = load_optional("pandas", "viz", _TABLES)
    result: pd.DataFrame = pandas.DataFrame(
        counts, index=pandas.Index(rows, name="true"), columns=pandas.Index(columns, name="predicted")
    )
    return result

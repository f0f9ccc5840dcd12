"""The libraries of the extra ``viz``, loaded when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complaint_nlp.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def frame(rows: Iterable[Mapping[str, Any]], columns: list[str], index: str | None = None) -> pd.DataFrame:
    """Return rows as a table.

    Raises:
        ConfigError: pandas is not installed.
    """
    table = load_pandas().DataFrame(list(rows), columns=columns)
    if index is not None:
        table = table.set_index(index)
    result: pd.DataFrame = table
    return result


def matrix(counts: NDArray[np.int64], rows: list[str], columns: list[str]) -> pd.DataFrame:
    """Return counts as a table of true against predicted values.

    Raises:
        ConfigError: pandas is not installed.
    """
    pandas = load_pandas()
    result: pd.DataFrame = pandas.DataFrame(
        counts, index=pandas.Index(rows, name="true"), columns=pandas.Index(columns, name="predicted")
    )
    return result


def load_pandas() -> Any:  # noqa: ANN401 - it may not be installed
    """Return the module pandas.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        msg = f"tables of an evaluation need pandas: pip install 'complaint-nlp[viz]' ({error})"
        raise ConfigError(msg) from error
    return pd


def load_matplotlib() -> Any:  # noqa: ANN401 - it may not be installed
    """Return the module matplotlib.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        msg = f"charts of an evaluation need matplotlib: pip install 'complaint-nlp[viz]' ({error})"
        raise ConfigError(msg) from error
    return mpl

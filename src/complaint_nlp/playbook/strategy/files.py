"""The files behind a strategy: everything that is said or decided stands in ``resources/playbook/strategy/*.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from complaint_nlp.errors import ConfigError
from complaint_nlp.playbook.layers import Layers, line_of
from complaint_nlp.playbook.strategy.schema import (
    AuthorityFile,
    FollowUpFile,
    ImpactFile,
    InformFile,
    NeedsFile,
    PreventionFile,
    QuestionsFile,
    RemediesFile,
    StepsFile,
    TacticsFile,
)
from complaint_nlp.resources import builtin

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class StrategyFiles:
    """All files of a strategy, checked."""

    steps: StepsFile
    tactics: TacticsFile
    needs: NeedsFile
    remedies: RemediesFile
    questions: QuestionsFile
    impact: ImpactFile
    follow_up: FollowUpFile
    prevention: PreventionFile
    inform: InformFile
    authority: AuthorityFile


_SCHEMAS: dict[str, type[BaseModel]] = {
    "steps": StepsFile,
    "tactics": TacticsFile,
    "needs": NeedsFile,
    "remedies": RemediesFile,
    "questions": QuestionsFile,
    "impact": ImpactFile,
    "follow_up": FollowUpFile,
    "prevention": PreventionFile,
    "inform": InformFile,
    "authority": AuthorityFile,
}
_LAYERS = Layers("playbook/strategy", _SCHEMAS, "strategy file")


def load_strategy_files(directory: str | Path | None = None) -> StrategyFiles:
    """Return the strategy files, with the entries of ``directory`` laid over the shipped ones.

    Args:
        directory: holds any of ``steps.yaml``, ``tactics.yaml``, ``needs.yaml``, ``remedies.yaml``, ``questions.yaml``,
            ``impact.yaml``, ``follow_up.yaml``, ``prevention.yaml``, ``inform.yaml`` and ``authority.yaml``, each with
            only the entries to change; ``null`` takes an entry away. The shipped files alone when ``None``.

    Raises:
        ConfigError: the directory does not exist or holds a YAML file of another name, or a merged file is wrong. The
            message names the file, the line, the key and the reason.
    """
    if directory is None:
        return _shipped_files()
    checked, own = _LAYERS.load(directory)
    files = StrategyFiles(**checked)
    _check_levels(files, own)
    return files


@cache
def _shipped_files() -> StrategyFiles:
    checked, _ = _LAYERS.load(None)
    files = StrategyFiles(**checked)
    _check_levels(files, {})
    return files


def _check_levels(files: StrategyFiles, own: dict[str, Path]) -> None:
    for name, option in files.remedies.options.items():
        if option.authority not in files.authority.levels:
            path = own.get("remedies") or own.get("authority") or builtin(f"{_LAYERS.folder}/remedies.yaml")
            keys = ("options", name, "authority")
            msg = f"{path}:{line_of(path, keys)}: {'.'.join(keys)}: {option.authority!r} is no level of authority.yaml"
            raise ConfigError(msg)

"""A font for charts that has the characters of both scripts, so that no label is a row of empty boxes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.errors import ConfigError
from complaint_nlp.optional import load_optional

if TYPE_CHECKING:
    from collections.abc import Iterable

    from complaint_nlp.labels import Language

# what Windows, macOS and Linux come with; the shapes of some characters differ between the regions
_TRADITIONAL: Final = ("Noto Sans CJK TC", "Noto Sans TC", "Source Han Sans TC", "PingFang TC", "Microsoft JhengHei")
_SIMPLIFIED: Final = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei")
_ANY: Final = ("Noto Sans CJK JP", "Noto Sans CJK HK", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei")
# letters both scripts use, and some that only one of them does
PROBE: Final = "投訴诉緊急紧急費费憤愤諮詢咨询類类"


@cache
def cjk_family(language: Language = "zh-Hant") -> str:
    """Return the family of a font that has the characters of both scripts, known to matplotlib.

    A font of the system is taken where there is one, its shapes those of the language's region if possible; otherwise
    Noto Sans SC (SIL Open Font License 1.1) from the package ``pylopdf-fonts-zh-cn`` of the extra ``viz``.

    Raises:
        ConfigError: matplotlib is not installed, or there is no such font.
    """
    load_optional("matplotlib", "viz", "charts of an evaluation")
    from matplotlib.font_manager import fontManager

    first, second = (_TRADITIONAL, _SIMPLIFIED) if language == "zh-Hant" else (_SIMPLIFIED, _TRADITIONAL)
    known = {entry.name for entry in fontManager.ttflist}
    for family in (*first, *second, *_ANY):
        if family in known and not missing_characters(family, PROBE):
            return family
    return _shipped_family()


def _shipped_family() -> str:
    from matplotlib.font_manager import fontManager

    try:
        from pylopdf_fonts_zh_cn import sans_path
    except ImportError as error:
        msg = (
            f"charts need a Chinese font, and there is none on this system: pip install 'complaint-nlp[viz]' ({error})"
        )
        raise ConfigError(msg) from error
    path = str(sans_path())
    fontManager.addfont(path)
    return next(entry.name for entry in fontManager.ttflist if entry.fname == path)


def missing_characters(family: str, text: Iterable[str]) -> str:
    """Return those of the characters that the font of this family does not have."""
    from matplotlib.font_manager import FontProperties, fontManager, get_font

    path = fontManager.findfont(FontProperties(family=family), fallback_to_default=False)
    known: Any = get_font(path).get_charmap()
    return "".join(char for char in text if ord(char) not in known and not char.isspace())

"""Resources: checked when read, right in themselves, and loaded late."""

import subprocess
import sys
from pathlib import Path

import pytest

from cases import is_pure
from complaint_nlp.errors import ComplaintNlpError
from complaint_nlp.text import ResourceError, Script, resources, script


def written(folder: Path, content: str) -> Path:
    path = folder / "table.tsv"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("# c\n软体\t软件\tTW\n网路\t网络\n", 3, "3 columns expected, 2 found"),
        ("软体\t软件\tUS\n", 1, "region 'US' is none of TW, HK, both"),
        ("软体\t软件\tTW\n\n软体\t软件\tHK\n", 3, "'软体' stands here a second time"),
        ("软\t件\tTW\n", 1, "shorter than two characters"),
        ("软体\t软体\tTW\n", 1, "mapped to itself"),
        ("软体\t \tTW\n", 1, "is empty or has space around it"),
    ],
)
def test_a_wrong_table_is_named_with_its_line(tmp_path: Path, content: str, line: int, problem: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ResourceError, match=problem) as caught:
        resources.regional_words(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert isinstance(caught.value, ComplaintNlpError)


def test_wrong_classes_and_kinds(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r":1: class 'other' is none of"):
        resources.script_chars(written(tmp_path, "other\t甲\n"))
    with pytest.raises(ResourceError, match=r":2: '甲' stands here a second time"):
        resources.script_chars(written(tmp_path, "traditional\t甲\nsimplified\t甲\n"))
    with pytest.raises(ResourceError, match=r":1: kind 'x' is none of"):
        resources.word_list("keep", written(tmp_path, "x\t甲乙\n"))
    with pytest.raises(ResourceError, match="cannot be read"):
        resources.frequent_chars(tmp_path / "missing.tsv")


def test_regional_words_are_plenty_and_cannot_chain() -> None:
    words = resources.regional_words()
    assert len(words) >= 300
    chained = {(word.term, other) for word in words.values() for other in words if other in word.mainland}
    assert chained <= {("搜寻引擎", "引擎")}  # 搜索引擎 is on the list of words to keep


@pytest.mark.skipif(is_pure(), reason="the list follows the default OpenCC")
def test_script_characters_agree_with_opencc() -> None:
    import opencc

    known = resources.script_chars()
    converters = [opencc.OpenCC(config) for config in ("tw2s", "hk2s", "t2s")]
    for char in known.traditional | known.ambiguous:
        assert any(converter.convert(char) != char for converter in converters), char
    to_traditional = opencc.OpenCC("s2t")
    for char in known.simplified:
        char.encode("gb2312")
        assert all(converter.convert(char) == char for converter in converters), char
        assert to_traditional.convert(char) != char, char
    # every regional term is what the converters leave, else it would never be met
    for word in resources.regional_words().values():
        config = "hk2s" if word.region == "HK" else "tw2s"
        assert script.convert(word.term, config, Script.TRADITIONAL) == word.term, word.term


def test_importing_loads_no_dictionary() -> None:
    code = (
        "import sys, complaint_nlp.text as t; t.Normalizer();"
        "heavy = {'opencc', 'numpy', 'pypinyin', 'yaml', 'html.entities'} & set(sys.modules);"
        "caches = [f for f in (t.resources.regional_words, t.resources.script_chars) if f.cache_info().currsize];"
        "sys.exit(repr((heavy, caches)) if heavy or caches else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_simplified_text_needs_no_opencc() -> None:
    code = (
        "import sys; from complaint_nlp.text import Normalizer;"
        "Normalizer().normalize('这个手机质量很差，(真的)不推荐！'); "
        "sys.exit(bool({'opencc', 'pypinyin'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603

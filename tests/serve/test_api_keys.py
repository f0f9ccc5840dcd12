"""Only hashes of API keys are kept, in a file or a setting; what is wrong with them is said with its line."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from complaint_nlp.errors import ConfigError
from complaint_nlp.serve.keys import ApiKeys, hash_key, key_in, new_key

if TYPE_CHECKING:
    from pathlib import Path


def test_keys_are_random_and_long_and_their_hash_is_sha256() -> None:
    made = [new_key() for _ in range(50)]
    assert len({key for key, _ in made}) == 50
    for key, known in made:
        assert len(key) >= 48
        assert known == hashlib.sha256(key.encode()).hexdigest()


def test_a_file_of_keys_is_read_with_names_and_comments(tmp_path: Path) -> None:
    (first, one), (second, two), (third, three) = (new_key() for _ in range(3))
    path = tmp_path / "keys.txt"
    path.write_text(f"# who may call\n{one} crm\n\n{two}   # the old one\n", encoding="utf-8")
    keys = ApiKeys.load(path, [three])
    assert [keys.name_of(key) for key in (first, second, third)] == ["crm", "key-2", "key-3"]
    assert [keys.name_of(wrong) for wrong in ("", first[:-1], one, first + "x", "鑰匙", "\ud800")] == [None] * 6


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("cnlp_the-key-itself\n", ":1"),
        ("# fine\n" + "A" * 64 + "\n", ":2"),
        (hash_key("x") + " two words\n", ":1"),
        (hash_key("x")[:-1] + "\n", ":1"),
        ("# nothing else\n", "holds no hash"),
    ],
)
def test_a_wrong_file_of_keys_is_refused_with_its_line(tmp_path: Path, content: str, place: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=place) as refused:
        ApiKeys.load(path)
    assert "the-key-itself" not in str(refused.value)


def test_a_file_of_keys_that_is_not_there_is_an_error_and_not_an_open_door(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"keys\.txt"):
        ApiKeys.load(tmp_path / "keys.txt")
    assert not ApiKeys.load(None)


def test_all_hashes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[object] = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return known == given

    made = [new_key() for _ in range(5)]
    keys = ApiKeys({known: f"k{i}" for i, (_, known) in enumerate(made)})
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert keys.name_of(made[0][0]) == "k0"
    assert len(compared) == 5, "the first hit must not end the search"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("authorization", "Bearer abc", "abc"),
        ("authorization", "bearer  abc", "abc"),
        ("x-api-key", "abc", "abc"),
        ("authorization", "Basic " + base64.b64encode("客服:abc:d".encode()).decode(), "abc:d"),
        ("authorization", "Basic !!", ""),
        ("authorization", "Digest abc", None),
        ("cookie", "abc", None),
    ],
)
def test_a_key_is_found_where_clients_put_it(name: str, value: str, expected: str | None) -> None:
    assert key_in([(b"host", b"x"), (name.encode(), value.encode("latin-1"))]) == expected


def test_the_command_makes_a_key_that_its_hash_opens() -> None:
    import typer

    from complaint_nlp.cli.serve import serve

    app = typer.Typer()
    app.command()(serve)
    result = CliRunner().invoke(app, ["--new-key"])
    assert result.exit_code == 0
    key, known = result.stdout.split()
    assert ApiKeys.load(None, [known]).name_of(key) == "key-1"

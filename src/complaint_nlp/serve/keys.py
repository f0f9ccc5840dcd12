"""API keys. The server knows their hashes only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final

from complaint_nlp.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PREFIX: Final = "cnlp_"
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[\w.-]{1,64}")
_MOST_KEYS: Final = 10_000
_MOST_BYTES: Final = 1_000_000


def new_key() -> tuple[str, str]:
    """Return a new key, with 256 random bits, and its hash."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, hash_key(key)


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal.

    One round will do: a key that :func:`new_key` made cannot be guessed, unlike a password.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class ApiKeys:
    """The keys that open the service; none at all lets everybody in.

    Args:
        hashes: of every key its hash, and its name for the log.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._known = [(known.encode(), name) for known, name in hashes.items()]

    @classmethod
    def load(cls, path: Path | None, hashes: Iterable[str] = ()) -> ApiKeys:
        """Read a file of keys: a hash a line, then, if wanted, the name it goes by in the log; ``#`` begins a comment.

        Args:
            path: the file; none when ``None``.
            hashes: further hashes.

        Raises:
            ConfigError: the file cannot be read, holds no key, or a line is no hash; the message names the line.
        """
        found: dict[str, str] = {}
        for place, line in [*_lines(path), *((f"hash {i}", one) for i, one in enumerate(hashes, 1))]:
            known, _, name = line.strip().partition(" ")
            name = name.strip() or f"key-{len(found) + 1}"
            if not _HASH.fullmatch(known) or not _NAME.fullmatch(name):
                msg = (
                    f"API keys, {place}: expected the SHA-256 of a key in 64 small hexadecimal digits, then a name of "
                    "letters, digits, '.', '_' and '-'; 'complaint-nlp serve --new-key' makes a key and its hash"
                )
                raise ConfigError(msg)
            found[known] = name
        if len(found) > _MOST_KEYS:
            msg = f"API keys: {len(found):,} of them, at most {_MOST_KEYS:,} are accepted"
            raise ConfigError(msg)
        if path is not None and not found:
            msg = f"{path}: holds no hash of an API key; without one everybody would be let in, so leave --api-keys out"
            raise ConfigError(msg)
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self._known)

    def name_of(self, key: str) -> str | None:
        """Return the name of a key; ``None`` where it is not known.

        It takes as long for a key that is nearly right as for any other.
        """
        given = hash_key(key).encode()
        found = None
        for known, name in self._known:
            if hmac.compare_digest(known, given):
                found = name
        return found


def _lines(path: Path | None) -> list[tuple[str, str]]:
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8") as stream:
            content = stream.read(_MOST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: the API keys cannot be read: {error}"
        raise ConfigError(msg) from error
    lines = ((f"{path}:{number}", line.partition("#")[0]) for number, line in enumerate(content.splitlines(), 1))
    return [(place, line) for place, line in lines if line.strip()]


def key_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the key that a request brings: as bearer token, as ``X-API-Key``, or as the password of a browser."""
    for name, value in headers:
        text = value.decode("latin-1").strip()
        if name == b"x-api-key":
            return text
        if name != b"authorization":
            continue
        scheme, _, rest = text.partition(" ")
        if scheme.lower() == "bearer":
            return rest.strip()
        if scheme.lower() == "basic":
            try:
                decoded = base64.b64decode(rest.strip(), validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                return ""
            return decoded.partition(":")[2]
    return None

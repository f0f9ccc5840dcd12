"""What can be set about the service: options of the command, environment variables, or both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from complaint_nlp.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "COMPLAINT_NLP_"


class Settings(BaseModel):
    """All settings of the service, with their defaults; they do not change while it runs.

    Every field can be given as an environment variable, ``COMPLAINT_NLP_`` and its name in capitals, and as an option
    of ``complaint-nlp serve``, which goes before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 for a free one.")
    workers: int = Field(default=1, ge=1, le=64, description="Processes; each holds a model of its own.")
    desk: bool = Field(default=True, description="Serve the desk page at /.")

    model: str = Field(default="default", description="Directory of a model bundle, its id on the hub, or 'default'.")
    speed: Literal["fast", "balanced", "accurate"] | None = Field(
        default=None, description="fast, balanced (where the model has an encoder the default) or accurate."
    )
    routing: Path | None = Field(default=None, description="Your own routing file (YAML).")
    safety_rules: Path | None = Field(default=None, description="Your own safety rules (YAML).")
    playbook: Path | None = Field(default=None, description="Directory of your own plans and wordings.")
    cases: Path | None = Field(default=None, description="Case base to find similar cases in.")
    corrections: Path | None = Field(
        default=None, description="File that labels corrected on the desk page are added to."
    )
    threads: int = Field(
        default=0, ge=0, description="Threads of the encoder for a batch; 0 for its share of the cores."
    )

    max_chars: int = Field(default=20_000, ge=1, le=1_000_000, description="Longest message, in characters.")
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest body of a request for one message.")
    max_batch: int = Field(default=1_000, ge=1, le=100_000, description="Most messages of a batch request.")
    max_batch_bytes: int = Field(default=16_777_216, ge=1024, description="Largest body of a batch request, or upload.")

    batch_size: int = Field(default=64, ge=1, le=1024, description="Most messages analysed at once.")
    batch_wait_ms: float = Field(
        default=1.0, ge=0, le=1000, description="Milliseconds to wait for more before analysing."
    )
    concurrency: int = Field(default=2, ge=1, le=16, description="Batches analysed at a time, each in a thread.")
    queue_size: int = Field(default=512, ge=1, description="Most messages waiting; more are refused with 429.")
    max_batches: int = Field(default=4, ge=1, description="Most batch requests at a time; more are refused with 429.")
    request_timeout: float = Field(default=30.0, gt=0, description="Seconds until a message is given up with 504.")
    body_timeout: float = Field(default=10.0, gt=0, description="Seconds in which a request must have arrived whole.")
    send_timeout: float = Field(
        default=30.0, gt=0, description="Seconds a client may take to read a piece of the answer."
    )
    shutdown_timeout: float = Field(
        default=30.0, ge=0, description="Seconds that running requests get when told to stop."
    )
    max_requests: int = Field(default=512, ge=1, description="Most requests at a time; more are refused with 503.")

    api_keys: Path | None = Field(
        default=None, description="File of sha256 hashes of API keys, one a line; see --new-key."
    )
    api_key_hashes: tuple[str, ...] = Field(default=(), description="The same hashes, commas between.")
    cors_origins: tuple[str, ...] = Field(default=(), description="Web origins that may call the API, commas between.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least important log lines."
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:  # noqa: ANN401
        """Return the settings of environment variables, with ``given`` (where not ``None``) going before.

        Raises:
            ConfigError: a value is not what the setting takes; the message names it.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            text = environment.get(PREFIX + name.upper(), "")
            if text:
                values[name] = split_list(text) if get_origin(field.annotation) is tuple else text
        values |= {name: value for name, value in given.items() if value is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc']))} ({PREFIX}{str(item['loc'][0]).upper()}): {item['msg']}"
                for item in error.errors()
            )
            msg = f"settings of the service: {problems}"
            raise ConfigError(msg) from error

    def to_environment(self) -> dict[str, str]:
        """Return the environment variables that :meth:`from_environment` makes the same settings of."""
        return {
            PREFIX + name.upper(): ",".join(value) if isinstance(value, tuple) else str(value)
            for name, value in self
            if value is not None
        }


def split_list(text: str) -> tuple[str, ...]:
    """Return the parts of a list that is written with commas between."""
    return tuple(part.strip() for part in text.split(",") if part.strip())

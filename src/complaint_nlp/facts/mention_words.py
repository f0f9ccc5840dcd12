"""The tables behind :mod:`complaint_nlp.facts.mentions`: their schema."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import Field, model_validator

from complaint_nlp.resources import Strict, Text, WrongEntry, builtin, load_yaml

Words = Annotated[tuple[Text, ...], Field(min_length=1)]
Threat = Literal["regulator", "lawyer", "media", "public_post", "police"]
Vulnerable = Literal["child", "elderly", "pregnant", "disabled", "patient"]
Channel = Literal["phone", "app", "website", "email", "store", "social", "chat", "letter"]


class MentionsFile(Strict):
    """The schema of the file of mentions; what each list does stands beside it in the file.

    ``not_*`` lists hold longer words that are read over: what stands inside of them is not found.
    """

    version: Literal[1]
    products: dict[Text, Words]
    not_products: Words
    model_families: Words
    families_alone: Words
    model_cues: Words
    not_models: Words
    not_model_starts: Words
    code_before: Words
    code_after: Words
    places: dict[Text, Words]
    not_places: Words
    store_endings: Words
    street_endings: Words
    organisation_endings: Words
    brands: dict[Text, Words]
    not_brands: Words
    not_in_names: Annotated[str, Field(min_length=1)]
    name_breaks: Words
    bare_endings: Words
    not_after_ending: Words
    trade_ends: Words
    no_name: Words
    no_name_start: Words
    no_organisation: Words
    staff: Words
    not_staff: Words
    surnames: Annotated[str, Field(min_length=1)]
    titles: Words
    not_staff_before: Words
    not_surname_before: Words
    not_staff_after: Words
    badge_cues: Words
    contact_verbs: Words
    contact_objects: Words
    contact_measures: Words
    weak_verbs: Words
    measures_with_object: Words
    not_after_contact: Words
    several: Words
    contacted: Words
    not_contacts: Words
    threats: dict[Threat, Words]
    threat_needs_will: Words
    threat_acts: Words
    will: Words
    will_to_act: Words
    will_not: Words
    not_threats: Words
    vulnerable: dict[Vulnerable, Words]
    not_vulnerable: Words
    child_until: Annotated[int, Field(ge=1, le=18)]
    elderly_from: Annotated[int, Field(ge=50, le=90)]
    not_age_after: Words
    channels: dict[Channel, Words]
    not_channels: Words

    @model_validator(mode="after")
    def _consistent(self) -> MentionsFile:
        for name in ("products", "threats", "vulnerable", "brands"):
            groups: dict[str, tuple[str, ...]] = getattr(self, name)
            seen: dict[str, str] = {}
            for label, words in groups.items():
                for at, word in enumerate(words):
                    if seen.setdefault(word, label) != label:
                        raise WrongEntry((name, label, at), f"{word!r} stands already under {seen[word]!r}")
        known = {word for words in self.threats.values() for word in words}
        for name in ("threat_needs_will", "threat_acts"):
            for at, word in enumerate(getattr(self, name)):
                if word not in known:
                    raise WrongEntry((name, at), f"{word!r} is no word of threats")
        return self


@cache
def default_mentions() -> MentionsFile:
    """Return the tables shipped with the package, read once."""
    return load_yaml(builtin("facts/mentions.yaml"), MentionsFile)

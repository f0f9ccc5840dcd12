"""The model behind a case base: vectors for cases and queries, and whether a file's vectors are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from complaint_nlp.cases.index import unit_vectors
from complaint_nlp.cases.types import Case, CaseStatus
from complaint_nlp.errors import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from complaint_nlp.batch.options import Progress
    from complaint_nlp.cases.file import CaseFile, Model

BATCH: Final = 256
"""So many texts are handed to the embed function, and so many cases are stored, at once."""


class Embedder:
    """Makes vectors and puts them into files.

    Args:
        embed: as for :class:`complaint_nlp.cases.CaseBase`.
        model_hash: as there.
    """

    def __init__(self, embed: Callable[[Sequence[str]], NDArray[np.float32]], model_hash: str) -> None:
        self.model_hash = model_hash
        self._embed = embed

    def query(self, text: str, size: int) -> NDArray[np.float32]:
        """Return the vector of a text, of length 1, with ``size`` numbers.

        Raises:
            ModelError: the embed function does not return what it should.
        """
        vector: NDArray[np.float32] = unit_vectors(self._embed([text]), 1)[0]
        if len(vector) != size:
            raise _wrong_size(len(vector), size)
        return vector

    def vectors(self, cases: Sequence[Case]) -> tuple[list[bytes | None], int]:
        """Return the vectors of cases as they are stored, ``None`` for retired ones, and how many numbers they have.

        Raises:
            ModelError: the embed function does not return what it should.
        """
        used = [case.text for case in cases if case.status is not CaseStatus.RETIRED]
        if not used:
            return [None] * len(cases), 0
        made, size = self._stored(used)
        waiting = iter(made)
        return [None if case.status is CaseStatus.RETIRED else next(waiting) for case in cases], size

    def store(self, file: CaseFile, cases: Sequence[Case], vectors: Sequence[bytes | None], size: int) -> list[int]:
        """Store cases with their vectors and return their numbers; call it inside a transaction.

        Raises:
            DataError: a ``source_id`` is taken.
            ModelError: the file's vectors are another model's.
        """
        self.check(file)
        model = self._model_for(file, size) if size else None
        numbers = []
        for case, vector in zip(cases, vectors, strict=True):
            if problem := taken(file, case):
                raise DataError(problem)
            numbers.append(file.insert(case))
            if vector is not None and model is not None:
                file.insert_vector(model, numbers[-1], vector)
        return numbers

    def check(self, file: CaseFile) -> None:
        """Check that the vectors in force are this model's; call it inside a snapshot or transaction.

        Raises:
            ModelError: they are not.
        """
        model = file.model()
        if model is not None and model.hash != self.model_hash:
            msg = (
                f"{file.path}: its vectors were made with the model {model.hash}, not with {self.model_hash}; call "
                "CaseBase(path, embed, model_hash=...).reindex(progress=...) once to recompute them "
                "(it can be interrupted and called again)"
            )
            raise ModelError(msg)

    def reindex(self, file: CaseFile, progress: Progress | None) -> int:
        """Recompute vectors until all cases in use have one of this model, and put them in force.

        Returns:
            How many were computed.

        Raises:
            ModelError: the embed function does not return what it should.
        """
        count, last = 0, 0
        with file.snapshot():
            done = file.count_with_vector(file.model_called(self.model_hash))
        while True:
            with file.snapshot():
                waiting = file.without_vector(file.model_called(self.model_hash), last, BATCH)
                counts = file.counts()
            if not waiting:
                if self._finish(file, last):
                    return count
                continue
            made, size = self._stored([text for _, text in waiting])
            with file.transaction():
                model = self._model_for(file, size, in_force=False)
                for (number, _), vector in zip(waiting, made, strict=True):
                    file.insert_vector(model, number, vector)
            count, last = count + len(waiting), waiting[-1][0]
            if progress is not None:
                total = counts[CaseStatus.PROPOSED] + counts[CaseStatus.REVIEWED]
                progress("reindexing", done + count, max(total, done + count))

    def _finish(self, file: CaseFile, last: int) -> bool:
        """Put the vectors in force unless another process has added cases that lack one."""
        with file.transaction():
            model = file.model_called(self.model_hash)
            # numbers only rise, so whatever was added stands behind the last one
            if file.without_vector(model, last, 1):
                return False
            file.put_in_force(model)
        return True

    def _model_for(self, file: CaseFile, size: int, *, in_force: bool = True) -> Model:
        """Return this model's entry in the file, made when there is none yet."""
        model = file.model_called(self.model_hash)
        if model is None:
            model = file.add_model(self.model_hash, size)
        if model.size != size:
            raise _wrong_size(size, model.size)
        if in_force and file.model() is None:
            file.put_in_force(model)
        return model

    def _stored(self, texts: Sequence[str]) -> tuple[list[bytes], int]:
        matrix = unit_vectors(self._embed(texts), len(texts)).astype("<f2")
        return [row.tobytes() for row in matrix], int(matrix.shape[1])


def taken(file: CaseFile, case: Case) -> str | None:
    """Return what is wrong with the case's source id in this file, ``None`` when nothing is."""
    owner = None if case.source_id is None else file.owner(case.source_id)
    return None if owner is None else f"source_id: {case.source_id!r} is that of case {owner[0]} ({owner[1]}) already"


def _wrong_size(given: int, expected: int) -> ModelError:
    msg = f"the embed function returned vectors of {given} numbers; the case base holds vectors of {expected}"
    return ModelError(msg)

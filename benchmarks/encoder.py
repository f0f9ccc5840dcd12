"""Speed and memory of the three speeds of the shipped model, beside PyTorch and a BERT-base pipeline.

    python benchmarks/encoder.py [--rows 20000] [--seconds 20] [--json FILE]

All systems read the same texts, one after another, each in a process of its own: data/samples/mixed.csv, and messages
made of the test part of data/messages.jsonl, half traditional and half simplified, so joined and cut that their lengths
follow QUANTILES, those of real complaints; every beginning of the file follows them. A system gets the file until its
end or until --seconds are over; BERT-base gets its first 256 rows. PyTorch and BERT-base have random weights, saved to
and loaded from disk, and vocabularies made here: nothing is downloaded. They need the extra "train"; without it, or
without an encoder in the bundle, what cannot run is skipped and named. Takes about eight minutes; nothing else should
run meanwhile. Memory is read from /proc: Linux only.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import math
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from complaint_nlp.classify.cascade import Speed

ROOT = Path(__file__).resolve().parent.parent
# part of the messages that are at most so long: (0.05, 13) says 5 % have 13 characters or fewer
QUANTILES = ((0.0, 4), (0.05, 13), (0.25, 37), (0.5, 73), (0.75, 150), (0.9, 320), (0.95, 380), (1.0, 400))
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
SLICE = 256  # rows for the systems that are slow
SINGLES, FEWEST_SINGLES = 1000, 20
PIECES = 192  # the shipped encoder reads at most so many of a message; BERT-base reads all of it, up to 512

STUDENT = {"num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
STUDENT_VOCABULARY = 18_786
BERT_BASE = {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
BERT_BASE_VOCABULARY = 21_128

COLUMNS = (
    *("messages/s", "× pipeline", "× pipeline, 32", "samples/s", "p50 ms", "p99 ms", "load s", "peak MB"),
    *("rows", "singles"),
)
DEFAULT_PIPELINE, BATCHED_PIPELINE = "pipeline", "pipeline-32"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a system finds what it needs.

    Attributes:
        folder: holds the texts and the models made for this run.
        model: the bundle.
        threads: as in Analyzer.load.
    """

    folder: Path
    model: str
    threads: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A system ready to answer.

    Attributes:
        batch: answers many messages.
        single: answers one.
        asked: counts of messages that reached the encoder and that came at all, kept by ``batch``.
    """

    batch: Callable[[list[str]], object]
    single: Callable[[str], object]
    asked: list[int] | None = None


@dataclass(frozen=True, slots=True)
class System:
    """A row of the table.

    Attributes:
        title: what the table calls it.
        load: loads it.
        chunk: how many messages it gets at once.
        rows: it gets no more than so many; 0 for all.
        torch: whether it needs PyTorch and transformers.
    """

    title: str
    load: Callable[[Place], Loaded]
    chunk: int = 512
    rows: int = 0
    torch: bool = False


def load_analyzer(speed: Speed) -> Callable[[Place], Loaded]:
    def load(place: Place) -> Loaded:
        from complaint_nlp import Analyzer

        analyzer = Analyzer.load(place.model, speed=speed, threads=place.threads)
        return Loaded(analyzer.analyze_batch, analyzer.analyze)

    return load


def load_cascade(speed: Speed) -> Callable[[Place], Loaded]:
    def load(place: Place) -> Loaded:
        from complaint_nlp import Normalizer
        from complaint_nlp.classify.bundle import open_bundle
        from complaint_nlp.classify.cascade import Cascade
        from complaint_nlp.classify.encoder import EncoderAttribution

        normalizer, cascade = Normalizer(), Cascade(open_bundle(place.model), speed, threads=place.threads)
        asked = [0, 0]

        def batch(texts: list[str]) -> None:
            for answers in cascade.answer(normalizer.normalize_batch(texts)):
                asked[0] += len(answers.rows) * isinstance(answers.scores.attribution, EncoderAttribution)
                asked[1] += len(answers.rows)

        return Loaded(batch, lambda text: cascade.answer([normalizer.normalize(text)]), asked)

    return load


def load_encoder(place: Place) -> Loaded:
    from complaint_nlp import Normalizer
    from complaint_nlp.classify.bundle import open_bundle
    from complaint_nlp.classify.encoder import Encoder

    normalizer, encoder = Normalizer(), Encoder(open_bundle(place.model), threads=place.threads)
    return Loaded(
        lambda texts: encoder.run(normalizer.normalize_batch(texts)),
        lambda text: encoder.run([normalizer.normalize(text)]),
    )


def load_normalizer(_: Place) -> Loaded:
    from complaint_nlp import Normalizer

    normalizer = Normalizer()
    return Loaded(normalizer.normalize_batch, normalizer.normalize)


def load_student(place: Place) -> Loaded:
    """Load a network of the encoder's size in PyTorch, batched and cut exactly as the runtime does."""
    import numpy as np
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel
    from transformers.utils import logging

    from complaint_nlp import Normalizer
    from complaint_nlp.classify.encoder import _batches, _Pieces
    from complaint_nlp.classify.linear import HEADS

    folder = place.folder / "student"
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    normalizer = Normalizer()
    tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    network: Any = BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32).eval()
    head = torch.nn.Linear(STUDENT["hidden_size"], sum(map(len, HEADS.values())))

    @torch.inference_mode()
    def batch(texts: list[str]) -> None:
        encoded = tokenizer.encode_batch([message.text for message in normalizer.normalize_batch(texts)])
        pieces = [torch.tensor(_Pieces.of(one, PIECES).ids) for one in encoded]
        for rows in _batches(np.array([len(one) for one in pieces], dtype=np.int64)):
            ids = torch.nn.utils.rnn.pad_sequence([pieces[row] for row in rows], batch_first=True)
            mask = ids.ne(0)  # 0 is [PAD]
            hidden = network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            weight = mask[:, :, None].float()
            head((hidden * weight).sum(dim=1) / weight.sum(dim=1)).numpy()

    return Loaded(batch, lambda text: batch([text]))


def load_pipeline(*, sort: bool = False, **options: object) -> Callable[[Place], Loaded]:
    def load(place: Place) -> Loaded:
        from transformers import pipeline
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        pipe: Any = pipeline("text-classification", model=str(place.folder / "bert-base"), device="cpu")

        def batch(texts: list[str]) -> None:
            pipe(sorted(texts, key=len) if sort else texts, **options)

        return Loaded(batch, lambda text: pipe(text, **options))

    return load


SYSTEMS = {
    "fast": System("speed=fast, full reports", load_analyzer("fast")),
    "balanced": System("speed=balanced, full reports", load_analyzer("balanced")),
    "accurate": System("speed=accurate, full reports", load_analyzer("accurate")),
    "fast-answer": System("speed=fast, labels only", load_cascade("fast")),
    "balanced-answer": System("speed=balanced, labels only", load_cascade("balanced")),
    "accurate-answer": System("speed=accurate, labels only", load_cascade("accurate")),
    "encoder": System("encoder alone (ONNX Runtime)", load_encoder),
    "normalizer": System("normalisation alone", load_normalizer),
    "student": System("encoder's size in PyTorch, fp32", load_student, torch=True),
    DEFAULT_PIPELINE: System("BERT-base, pipeline(texts)", load_pipeline(), 64, SLICE, torch=True),
    BATCHED_PIPELINE: System("BERT-base, batch_size=32", load_pipeline(batch_size=32), 64, SLICE, torch=True),
    "pipeline-sorted": System(
        f"BERT-base, batch_size=32, sorted, cut to {PIECES}",
        load_pipeline(sort=True, batch_size=32, truncation=True, max_length=PIECES),
        SLICE,
        SLICE,
        torch=True,
    ),
}


def messages() -> list[str]:
    """Return our own messages of the test part: on those of the training part the linear model is surer."""
    with (ROOT / "data/messages.jsonl").open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    return [row["text"] for row in rows if row["split"] == "test"]


def samples() -> list[str]:
    with (ROOT / "data/samples/mixed.csv").open(encoding="utf-8", newline="") as stream:
        return [row["text"] for row in csv.DictReader(stream) if row["text"].strip()]


def length_at(part: float) -> int:
    """Return the length that this part of the messages does not exceed, interpolated between logarithms."""
    for (low, short), (high, long) in pairwise(QUANTILES):
        if part <= high:
            return round(math.exp(math.log(short) + math.log(long / short) * (part - low) / (high - low)))
    return QUANTILES[-1][1]


def synthetic(count: int, seed: int = 0) -> list[str]:
    from complaint_nlp import Normalizer

    normalizer, chance = Normalizer(), random.Random(seed)
    by_script: dict[str, list[str]] = {}
    for text in messages():
        by_script.setdefault(normalizer.normalize(text).script.value, []).append(text)
    groups = [sorted(by_script[script], key=len) for script in ("traditional", "simplified")]
    begin = chance.random()
    made = []
    for i in range(count):
        group = groups[i % 2]
        # steps of the golden ratio: every beginning of the file is spread evenly over the quantiles
        wanted = length_at((begin + i * GOLDEN) % 1.0)
        # one message a little too long, where there is one; several joined otherwise
        fitting = group[bisect_left(group, wanted, key=len) : bisect_left(group, wanted * 5 // 4 + 1, key=len)]
        text = chance.choice(fitting or group)
        while len(text) < wanted:
            text += "，" + chance.choice(group)
        made.append(text[:wanted])
    return made


def vocabulary(size: int, texts: Iterable[str]) -> dict[str, int]:
    """Return pieces like those of bert-base-chinese: every Han character, and Latin letters one by one."""
    ascii_ = [chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper()]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *ascii_,
        *("##" + char for char in ascii_ if char.isalnum()),
    ]
    pieces += sorted({char for text in texts for char in text.lower() if not char.isspace()})
    pieces += [chr(code) for block in ((0x4E00, 0xA000), (0x3400, 0x4DC0)) for code in range(*block)]
    return {piece: i for i, piece in enumerate(list(dict.fromkeys(pieces))[:size])}


def prepare(folder: Path) -> None:
    """Save both networks with random weights and their tokenizers."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    texts = [*messages(), *samples()]
    for name, size, kind, shape in (
        ("student", STUDENT_VOCABULARY, BertModel, STUDENT),
        ("bert-base", BERT_BASE_VOCABULARY, BertForSequenceClassification, BERT_BASE),
    ):
        pieces = vocabulary(size, texts)
        tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))  # noqa: S106 - a piece, no password
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        ends = [(piece, pieces[piece]) for piece in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
        special = {f"{word}_token": f"[{word.upper()}]" for word in ("pad", "unk", "cls", "sep", "mask")}
        wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **special)
        wrapped.save_pretrained(folder / name)
        kind(BertConfig(vocab_size=size, **shape)).save_pretrained(folder / name)


def memory(field: str) -> float:
    """Return a size of this process in MB; VmHWM is the peak since it began."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"\n{field}:")[1].split()[0]) / 1024


def rate(
    call: Callable[[list[str]], object], texts: list[str], chunk: int, least: float, most: float
) -> dict[str, Any]:
    """Return messages a second over whole passes of at least ``least`` seconds, broken off after ``most`` seconds."""
    done, began, spent = 0, time.perf_counter(), 0.0
    while spent < most and (not done or spent < least):
        for start in range(0, len(texts), chunk):
            part = texts[start : start + chunk]
            call(part)
            done += len(part)
            spent = time.perf_counter() - began
            if spent >= most:
                break
    return {"rows": done, "seconds": spent, "rate": done / spent}


def latencies(call: Callable[[str], object], texts: list[str], most: float) -> dict[str, Any]:
    """Return quantiles of the milliseconds that single messages take."""
    taken: list[float] = []
    began = time.perf_counter()
    for text in texts[:SINGLES]:
        start = time.perf_counter()
        call(text)
        taken.append((time.perf_counter() - start) * 1e3)
        if len(taken) >= FEWEST_SINGLES and time.perf_counter() - began > most:
            break
    taken.sort()
    at = {f"p{part}_ms": taken[math.ceil(part / 100 * len(taken)) - 1] for part in (50, 99)}
    return {"singles": len(taken), **at}


def measure(system: System, place: Place, seconds: float) -> dict[str, Any]:
    """Return all figures of one system; called in a process of its own."""
    texts: dict[str, list[str]] = json.loads((place.folder / "texts.json").read_text(encoding="utf-8"))
    began = time.perf_counter()
    loaded = system.load(place)
    result: dict[str, Any] = {"load_s": time.perf_counter() - began, "loaded_mb": memory("VmRSS")}
    loaded.batch(texts["synthetic"][-16:])
    loaded.single(texts["synthetic"][-1])
    for name, least in (("synthetic", 0.0), ("samples", min(1.0, seconds))):
        part = texts[name][: system.rows or None]
        if loaded.asked:
            loaded.asked[:] = [0, 0]
        result[name] = rate(loaded.batch, part, system.chunk, least, seconds)
        if loaded.asked:
            result[name]["asked"] = loaded.asked[0] / loaded.asked[1]
    result.update(latencies(loaded.single, texts["synthetic"], seconds))
    return {**result, "peak_mb": memory("VmHWM")}


def run_alone(name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run one part of this script in a process of its own and return what it wrote."""
    target = folder / f"{name}.json"
    command = [sys.executable, __file__, "--part", name, "--folder", str(folder), "--model", options.model]
    command += ["--seconds", str(options.seconds), "--threads", str(options.threads)]
    settings = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    if options.threads:
        limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
        settings.update(dict.fromkeys(limits, str(options.threads)))
    ended = subprocess.run(command, env={**os.environ, **settings}, check=False)  # noqa: S603 - this script
    if ended.returncode:
        return {"failed": f"ended with status {ended.returncode}"}
    result: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return result


def run_part(options: argparse.Namespace) -> None:
    """Do one part of the work: make the networks, or measure a system."""
    from complaint_nlp.errors import ModelError

    place = Place(options.folder, options.model, options.threads)
    result: dict[str, Any] = {}
    try:
        if options.part == "prepare":
            prepare(place.folder)
        else:
            result = measure(SYSTEMS[options.part], place, options.seconds)
    except ModelError as error:
        result = {"skipped": str(error)}
    (place.folder / f"{options.part}.json").write_text(json.dumps(result), encoding="utf-8")


def table(results: dict[str, dict[str, Any]]) -> str:
    rates = {name: result["synthetic"]["rate"] for name, result in results.items() if "synthetic" in result}
    lines = [f"| System | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * len(COLUMNS)]
    for name, own in rates.items():
        result = results[name]
        ratios = [f"{own / rates[base]:.1f}" if base in rates else "" for base in (DEFAULT_PIPELINE, BATCHED_PIPELINE)]
        cells = [
            SYSTEMS[name].title,
            f"{own:,.0f}" if own >= 100 else f"{own:.1f}",
            *ratios,
            f"{result['samples']['rate']:,.0f}" if own >= 100 else f"{result['samples']['rate']:.1f}",
            f"{result['p50_ms']:.2f}",
            f"{result['p99_ms']:.2f}",
            f"{result['load_s']:.2f}",
            f"{result['peak_mb']:,.0f}",
            f"{result['synthetic']['rows']:,}",
            f"{result['singles']:,}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def notes(results: dict[str, dict[str, Any]]) -> list[str]:
    explained = """From raw text; "labels only" is normalisation and Cascade.answer. Load time includes imports and
        checking the files. Peak MB is the largest resident set of the process, mapped files included. The encoder, and
        the network of its size, read at most 192 pieces of a message; a pipeline reads all of it unless cut."""
    lines = [" ".join(explained.split())]
    asked = results.get("balanced-answer", {})
    if "synthetic" in asked:
        shares = [f"{asked[name]['asked']:.0%} of the {name} messages" for name in ("synthetic", "samples")]
        lines.append(f"speed=balanced asked the encoder about {' and '.join(shares)}.")
    reasons: dict[str, list[str]] = {}
    for name, result in results.items():
        for state in ("skipped", "failed"):
            if state in result:
                reasons.setdefault(f"{state}: {result[state]}", []).append(SYSTEMS[name].title)
    return lines + [f"{'; '.join(titles)} {reason}" for reason, titles in reasons.items()]


def spread(lengths: Sequence[int]) -> str:
    ordered = sorted(lengths)
    parts = [f"{part:.0%} {ordered[round(part * (len(ordered) - 1))]}" for part, _ in QUANTILES[1:]]
    return f"mean {sum(ordered) / len(ordered):.0f} characters ({', '.join(parts)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="synthetic messages")
    parser.add_argument("--seconds", type=float, default=20.0, help="limit for each measurement of each system")
    parser.add_argument("--threads", type=int, default=0, help="threads of every system; 0 for as many as cores")
    parser.add_argument("--model", default="default", help="directory of a bundle instead of the shipped one")
    parser.add_argument("--json", type=Path, help="write all figures to this file as well")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        run_part(options)
        return
    if options.rows < 1 or options.seconds <= 0 or options.threads < 0:
        parser.error("--rows and --seconds must be positive, --threads not negative")
    texts = {"synthetic": synthetic(options.rows), "samples": samples()}
    machine = {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "threads": options.threads,
        "seconds": options.seconds,
    }
    for name, part in texts.items():
        print(f"{name}: {len(part):,} messages, {spread([len(text) for text in part])}")
    print(
        f"{machine['cores']} cores, {options.threads or 'as many'} threads, load before the start "
        f"{machine['load_before']:.1f}, at most {options.seconds:g} s for each measurement\n",
        flush=True,
    )
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        missing = [module for module in ("torch", "transformers") if importlib.util.find_spec(module) is None]
        reason = {"skipped": f"{' and '.join(missing)} not installed (the extra 'train')"} if missing else {}
        reason = reason or run_alone("prepare", options, folder)
        for key, system in SYSTEMS.items():
            print(f"{system.title} ...", file=sys.stderr, flush=True)
            results[key] = reason if system.torch and reason else run_alone(key, options, folder)
    print(table(results), *notes(results), sep="\n\n")
    if options.json:
        content = {"machine": machine, "pieces": PIECES, "quantiles": QUANTILES, "systems": results}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if any("failed" in result for result in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()

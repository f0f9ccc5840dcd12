"""A tiny encoder with random weights and tiny auxiliary sets, made on the spot: these tests need no network."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parent.parent.parent / "data" / "messages.jsonl"
POSITIONS = 64
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a BERT of two layers whose pieces are single characters."""
    pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, set_seed

    lines = DATA.read_text("utf-8").splitlines()[:900]
    characters = sorted({char for line in lines for char in json.loads(line)["text"].lower() if not char.isspace()})
    vocabulary = {piece: number for number, piece in enumerate((*_SPECIAL, *characters))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=_SPECIAL[1]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("base")
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    set_seed(7)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def auxiliary_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small file for every auxiliary set: one text for every label, one without any."""
    pytest.importorskip("torch")
    from complaint_nlp.train.encoder.auxiliary import load_auxiliary

    folder = tmp_path_factory.mktemp("auxiliary")
    records: dict[str, list[dict[str, Any]]] = {}
    for head in load_auxiliary().heads.values():
        for file in head.files:
            found = records.setdefault(file.path, [{file.text: "沒有標籤的一句話"}])
            if file.label is not None:
                labels = head.values if file.map is None else tuple(file.map)
                found += [{file.text: f"這句話說的是{label}", file.label: label} for label in (*labels, "unknown")]
            else:
                found += [
                    {file.text: f"这句话说的是{flag}", **{other: int(other == flag) for other in file.flags}}
                    for flag in file.flags
                ]
    for path, rows in records.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / path, "wt", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return folder

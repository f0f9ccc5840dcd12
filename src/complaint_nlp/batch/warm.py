"""Loaded by the server process that worker processes are forked from: what is in memory here, they share.

Importing this reads the dictionaries of the text room and of jieba; nothing else imports it.
"""

import os

# the small matrix products here are done before other threads have woken up to help
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import tokenizers  # noqa: F401 - the modules are part of what is shared

import complaint_nlp.analyzer  # noqa: F401
from complaint_nlp.classify.features import extract
from complaint_nlp.classify.runtime import load_onnxruntime
from complaint_nlp.text import Normalizer

load_onnxruntime()
extract([Normalizer().normalize(text).text for text in ("手機壞了，客服態度很差！", "手机坏了，客服态度很差！")])

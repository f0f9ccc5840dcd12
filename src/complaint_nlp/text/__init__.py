"""Clean, simplified text with exact offsets into what the customer wrote.

Importing this package loads no dictionary: OpenCC, the word lists and the
pinyin table are read by the first call that needs them.
"""

from complaint_nlp.text.normalizer import Normalizer
from complaint_nlp.text.resources import ResourceError
from complaint_nlp.text.result import NormalizedText
from complaint_nlp.text.types import Damage, Mark, NormalizerConfig, Region, Script, Signals, Step

__all__ = [
    "Damage",
    "Mark",
    "NormalizedText",
    "Normalizer",
    "NormalizerConfig",
    "Region",
    "ResourceError",
    "Script",
    "Signals",
    "Step",
]

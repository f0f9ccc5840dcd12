"""Speed of the text room beside OpenCC alone, and growth on hostile input.

Run: python benchmarks/text.py [--quick]
"""

import random
import statistics
import sys
import time
from collections.abc import Callable

import opencc

from complaint_nlp.text import Normalizer

SIMPLIFIED = (
    "这个手机买了一周就一直死机，客服态度非常差，打了很多次电话都没有人接，我要求退款！希望你们尽快处理。"
    "物流也特别慢，等了十天才收到，包装还破了，里面的东西都坏了，真的很失望。下次不会再来买了。"
)
TRADITIONAL = (
    "這支手機買了一週就一直當機，客服態度非常差，打了很多次電話都沒有人接，我要求退款！希望你們盡快處理。"
    "物流也特別慢，等了十天才收到，包裝還破了，裡面的東西都壞了，品質真的很失望。下次不會再來買了。"
)
MIXED = (
    "這支手機買了一週就一直當機，客服態度非常差，打了很多次電話都沒有人接，我要求退款！"
    "物流也特别慢，等了十天才收到，包装还破了，里面的东西都坏了,真的很失望...下次不会再来买了!!"
)


def seconds(call: Callable[[], object], budget: float) -> float:
    """Return the best time of one call within about `budget` seconds of processor time."""
    best = float("inf")
    spent = 0.0
    while spent < budget:
        start = time.process_time()
        repeat = 0
        while repeat < 20 and time.process_time() - start < 0.02:
            call()
            repeat += 1
        used = time.process_time() - start
        best = min(best, used / repeat)
        spent += used
    return best


def speed(normalizer: Normalizer, budget: float) -> None:
    """Print characters per second for messages and long texts."""
    alone = opencc.OpenCC("tw2s")
    print(
        f"{'text':<12}{'chars':>8}{'normalize µs':>14}{'M chars/s':>11}{'opencc µs':>11}{'M chars/s':>11}{'ratio':>7}"
    )
    for name, text in (("simplified", SIMPLIFIED), ("traditional", TRADITIONAL), ("mixed", MIXED)):
        for sample in (text, "\n".join([text] * 200)):
            ours = seconds(lambda sample=sample: normalizer.normalize(sample), budget)  # type: ignore[misc]
            theirs = seconds(lambda sample=sample: alone.convert(sample), budget)  # type: ignore[misc]
            size = len(sample)
            print(
                f"{name:<12}{size:>8}{ours * 1e6:>14.1f}{size / ours / 1e6:>11.2f}"
                f"{theirs * 1e6:>11.1f}{size / theirs / 1e6:>11.2f}{ours / theirs:>7.2f}"
            )
    lazy = seconds(lambda: normalizer.normalize(TRADITIONAL).spans, budget) * 1e6
    steps = seconds(lambda: normalizer.normalize(TRADITIONAL).steps, budget) * 1e6
    signals = seconds(lambda: normalizer.normalize(TRADITIONAL).signals, budget) * 1e6
    print(
        f"one traditional message with .spans {lazy:.0f} µs, with .steps {steps:.0f} µs, with .signals {signals:.0f} µs"
    )


def hostile(size: int) -> dict[str, str]:
    """Return texts of `size` characters that a careless pattern would be quadratic on."""
    chance = random.Random(7)
    return {
        "random Unicode": "".join(chr(chance.randrange(0x110000)) for _ in range(size)),
        "one long line": ("這個軟體很差" * size)[:size],
        "only (": "(" * size,
        "only <": "<" * size,
        "<a <a": ("<a " * size)[:size],
        "<!--": ("<!--" * size)[:size],
        "nested &amp;": ("&" + "amp;" * size)[:size],
        "escaped tags": ("&lt;b&gt;好" * size)[:size],
        "only spaces": " " * (size - 1) + "x",
        "only ?": "?" * size,
        "好? 好?": ("好?" * size)[:size],
        "mojibake": ("我要退款".encode().decode("latin-1") * size)[:size],
        "as GBK": ("浣犲ソ" * size)[:size],
        "edits": ("的士&amp;\u200b進(jìn) " * size)[:size],
    }


def growth(normalizer: Normalizer, budget: float) -> None:
    """Print how ten times the text takes about ten times as long."""
    print(f"\n{'hostile text':<16}{'10k ms':>9}{'100k ms':>9}{'growth':>8}")
    ratios = []
    small, large = hostile(10_000), hostile(100_000)
    for name in small:

        def everything(text: str) -> None:
            result = normalizer.normalize(text)
            _ = result.spans, result.steps, result.signals

        times = [seconds(lambda text=text: everything(text), budget) for text in (small[name], large[name])]  # type: ignore[misc]
        ratios.append(times[1] / times[0])
        print(f"{name:<16}{times[0] * 1e3:>9.1f}{times[1] * 1e3:>9.1f}{ratios[-1]:>8.1f}")
    print(f"median growth {statistics.median(ratios):.1f}, worst {max(ratios):.1f} (10 is linear)")


def main() -> None:
    """Print both tables."""
    budget = 0.05 if "--quick" in sys.argv else 0.5
    normalizer = Normalizer()
    speed(normalizer, budget)
    growth(normalizer, budget)


if __name__ == "__main__":
    main()

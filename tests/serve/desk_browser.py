"""What the tests of the page in a browser share: messages, what an agent does, and how contrast is measured."""

from __future__ import annotations

import csv
import io
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

TRADITIONAL = "手機才買一週就一直死機，打了三次電話客服都推三阻四，我要退款！"
SIMPLIFIED = "昨晚点的外卖吃到一半发现有只蟑螂，孩子吃完一直拉肚子，必须赔我医药费！"
MIXED = "😡帳單莫名其妙多了398元，我根本没开过这个套餐，客服說會查，等了两个星期没有回覆，請把錢退給我。"
HOSTILE = (
    '<img src=x onerror="window.hit=1"></script><script>window.hit=1</script>\'"><svg onload=window.hit=1>'
    "\u202e手機壞了\u202c {{7*7}} ${window.hit=1} javascript:window.hit=1 我要退款&lt;b&gt;"
)
# the contrast of every text that can be seen, by WCAG 2.2
CONTRAST = """() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".unseen, .skip, :disabled, option, noscript")) continue;
    const chain = []; for (let e = element; e; e = e.parentElement) chain.unshift(getComputedStyle(e));
    let back = [255, 255, 255, 1], opacity = 1;
    for (const style of chain) { back = over(parse(style.backgroundColor), back); opacity *= Number(style.opacity); }
    const ink = parse(getComputedStyle(element).color);
    const front = over([ink[0], ink[1], ink[2], ink[3] * opacity], back);
    const [a, b] = [light(front.slice(0, 3)), light(back.slice(0, 3))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    const shown = walker.currentNode.data.trim().slice(0, 20);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.className} ${shown}`);
  }
  return found;
}"""


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Run an application on a free port and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
            assert thread.is_alive()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


def analyse(page: Any, text: str) -> dict[str, Any]:
    """Type a message, analyse it and return the answer of the server."""
    page.fill("#text", text)
    with (
        page.expect_response(lambda response: "/v1/check-reply" in response.url),
        page.expect_response("**/desk/case") as got,
    ):
        page.press("#text", "Control+Enter")
    page.wait_for_selector("#findings li")
    answer: dict[str, Any] = got.value.json()
    return answer


def lit(page: Any) -> str:
    return "".join(page.locator("#marked .on").all_text_contents())


def no_sideways(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def table(tmp_path: Path, *texts: str, name: str = "messages.csv", encoding: str = "utf-8-sig") -> str:
    out = io.StringIO()
    csv.writer(out).writerows([["編號", "內容"], *([f"=A{i}", text] for i, text in enumerate(texts))])
    path = tmp_path / name
    path.write_text(out.getvalue(), encoding=encoding)
    return str(path)


def upload(page: Any, path: str) -> None:
    page.click("#tab-queue")
    page.set_input_files("#file", path)
    page.wait_for_selector("#queue-rows tr")
    page.wait_for_selector("#progress", state="hidden")

"""What README.md, the cookbook and the docstrings show works: Python is run, commands and options exist.

A Python block is run as it stands, blocks one after the other in a folder that has the repository's ``data``. Where a
line ends with a comment that is a bare word or a literal, like ``print(x)  # ['ok']``, this is what it must print. A
block after the line ``<!-- not run: why -->`` is only compiled.
"""

import ast
import contextlib
import doctest
import io
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from complaint_nlp.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [
    README,
    *(ROOT / "docs" / f"{name}.md" for name in ("handling", "batch", "cluster", "evaluation", "corrections")),
    *(ROOT / "docs" / f"{name}.md" for name in ("insights", "insights-page", "serve", "desk")),
    *sorted((ROOT / "docs" / "cookbook").glob("*.md")),
]
_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<why>\S[^\n]*) -->\n+)?(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=fence)\s*$",
    re.MULTILINE | re.DOTALL,
)
_WITHOUT_PYTHON = ("desk.md",)
_SHELL = ("bash", "sh", "shell", "console")


class Block(NamedTuple):
    language: str
    body: str
    line: int
    run: bool


def blocks(markdown: str) -> list[Block]:
    return [
        Block(
            match["language"],
            match["body"],
            markdown[: match.start("body")].count("\n"),
            match["why"] is None,
        )
        for match in _FENCE.finditer(markdown)
    ]


def commands(markdown: str) -> list[list[str]]:
    """Return the words of every command in shell blocks and in code within the text."""
    lines: list[str] = []
    for block in blocks(markdown):
        if block.language in _SHELL:
            joined = block.body.replace("\\\n", " ").splitlines()
            prompted = any(line.startswith("$ ") for line in joined)
            lines += [line.removeprefix("$ ") for line in joined if line.startswith("$ ") or not prompted]
    lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", _FENCE.sub("", markdown))
    found = []
    for line in lines:
        for part in re.split(r"&&|\|\||[|;]", line):
            with contextlib.suppress(ValueError):  # an inline quotation mark is no shell
                found.append(shlex.split(part, comments=True))
    return [words for words in found if words]


def make_targets(markdown: str) -> set[str]:
    named = [words[1:] for words in commands(markdown) if words[0] == "make"]
    return {word for words in named for word in words if not word.startswith("-") and "=" not in word}


def program_calls(markdown: str) -> list[list[str]]:
    return [words[1:] for words in commands(markdown) if Path(words[0]).name == "complaint-nlp"]


def unknown_in(call: list[str]) -> list[str]:
    """Return the subcommand or the options of a call that do not exist."""
    group: Any = typer.main.get_command(app)
    if not call or call[0].startswith("-"):
        known, given = {"--help", "-h", "--version"}, call
    elif call[0] not in group.commands:
        return call[:1]
    else:
        command = group.commands[call[0]]
        if hasattr(command, "commands"):  # a group of its own
            if call[1:2] and call[1] not in command.commands and not call[1].startswith("-"):
                return call[1:2]
            command = command.commands.get(call[1] if call[1:] else "", command)
        options = command.params
        known = {"--help", "-h", *(name for option in options for name in (*option.opts, *option.secondary_opts))}
        given = call[1:]
    return [word for word in given if word.startswith("-") and word != "-" and word.partition("=")[0] not in known]


def expected_outputs(code: str) -> dict[int, str]:
    """Return by line what a ``print`` with a comment must print, where the comment is a word or a literal."""
    found = {}
    for number, line in enumerate(code.splitlines(), 1):
        match = re.fullmatch(r"print\(.*\)\s+# (.+)", line)
        if match is None:
            continue
        comment = match[1].strip()
        if not re.fullmatch(r"[\w.]+", comment):
            try:
                ast.literal_eval(comment)
            except (SyntaxError, ValueError):
                continue
        found[number] = comment
    return found


def run_python(code: str, names: dict[str, Any], *, name: str, line: int) -> None:
    """Run a block; its names stay for the next one."""
    if ">>> " in code:
        test = doctest.DocTestParser().get_doctest(code, names, name, name, line)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        report = io.StringIO()
        runner.run(test, out=report.write, clear_globs=False)
        assert runner.failures == 0, report.getvalue()
        names.update(test.globs)
        return
    wanted = expected_outputs(code)
    for statement in ast.parse(code).body:
        printed = io.StringIO()
        module = ast.Module([statement], type_ignores=[])
        ast.increment_lineno(module, line)
        with contextlib.redirect_stdout(printed):
            exec(compile(module, name, "exec"), names)  # noqa: S102 - the page's own code
        expected = wanted.get(statement.lineno - line)
        if expected is not None:
            assert printed.getvalue().strip() == expected, f"{name}:{statement.lineno}"


def shown(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in _WITHOUT_PYTHON], ids=shown)
def test_python_on_the_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("data", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    found = [block for block in blocks(page.read_text(encoding="utf-8")) if block.language == "python"]
    assert found
    for block in found:
        compile(block.body if ">>> " not in block.body else "", page.name, "exec")
        if block.run:
            run_python(block.body, names, name=page.name, line=block.line)


def test_every_make_target_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, re.MULTILINE))
    named = make_targets(README.read_text(encoding="utf-8"))
    assert named
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_command_and_option_on_the_page_exists(page: Path) -> None:
    calls = program_calls(page.read_text(encoding="utf-8"))
    assert calls or page is not README
    assert {" ".join(call): unknown_in(call) for call in calls if unknown_in(call)} == {}


def test_examples_in_the_package_docstring_give_what_they_show() -> None:
    result = doctest.testmod(import_module("complaint_nlp"))
    assert result.attempted >= 3
    assert result.failed == 0


# --- the checks themselves

_SAMPLE = """
Run `make demo`, or `complaint-nlp analyze 壞了 --json`; not `--json` alone.

```console
$ make tset PYTHON=python3.12
made
$ .venv/bin/complaint-nlp label a.csv \\
    b.csv --text-colum text | head -1
$ cd x && complaint-nlp lable a b
$ complaint-nlp --version
```

```python
x = ["坏了"]
print(x)  # ['坏了']
print(len(x))  # how many there are
```

<!-- not run: needs a GPU -->
```python
raise SystemExit
```
"""


def test_commands_are_found_in_blocks_and_in_text() -> None:
    assert make_targets(_SAMPLE) == {"demo", "tset"}
    assert [unknown_in(call) for call in program_calls(_SAMPLE)] == [["--text-colum"], ["lable"], [], []]


def test_blocks_are_found_with_their_lines() -> None:
    found = [block for block in blocks(_SAMPLE) if block.language == "python"]
    assert [block.run for block in found] == [True, False]
    assert _SAMPLE.splitlines()[found[0].line] == 'x = ["坏了"]'


def test_a_wrong_comment_behind_a_print_is_noticed() -> None:
    good = 'print("壞了".upper())  # 壞了\nprint(1)  # one of them\n'
    run_python(good, {}, name="page.md", line=0)
    with pytest.raises(AssertionError, match=r"page\.md:11"):
        run_python("\n" + "print([1])  # [2]\n", {}, name="page.md", line=9)
    with pytest.raises(AssertionError, match="Got:"):
        run_python(">>> 1 + 1\n3\n", {}, name="page.md", line=0)

"""Parsing of the documentation pages: code blocks, tables and code spans."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = "docs/analysts.md"
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"```(\S*)(.*)")
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced code block.

    Attributes:
        page: The path of the page, relative to the root of the project.
        line: The line of the opening fence; starts at 1.
        kind: The language after the fence.
        text: The content.
        not_run: Why no test runs the block; None if one does.
    """

    page: str
    line: int
    kind: str
    text: str
    not_run: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read(page: str) -> str:
    return (ROOT / page).read_text()


def blocks(page: str, kind: str = "") -> list[Block]:
    """Return the blocks of a page: those of one kind, or all."""
    found: list[Block] = []
    lines = iter(enumerate(read(page).splitlines(), 1))
    previous = ""
    for number, line in lines:
        fence = _FENCE.fullmatch(line)
        if fence:
            content: list[str] = []
            while (inner := next(lines)[1]) != "```":
                content.append(inner)
            reason = _NOT_RUN.fullmatch(previous)
            text = "\n".join(content)
            found.append(Block(page=page, line=number, kind=fence[1], text=text, not_run=reason[1] if reason else None))
        previous = line
    return [block for block in found if kind in {"", block.kind}]


def prose(page: str) -> str:
    """Return the text of a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.DOTALL | re.MULTILINE)


def table(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the page's only table whose first column has this heading, as lists of Markdown cells."""
    tables: list[list[list[str]]] = [[]]
    for line in prose(page).splitlines():
        if line.startswith("|"):
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif tables[-1]:
            tables.append([])
    [rows] = [rows for rows in tables if rows and rows[0][0] == heading]
    return rows[2:]


def quoted(text: str) -> list[str]:
    """Return the code spans of a text: what stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def views() -> list[str]:
    """Return the SQL of the views that the guide's queries use."""
    return [block.text for block in blocks(GUIDE, "sql") if block.text.startswith("create view ")]


def questions() -> list[str]:
    """Return the SQL of each numbered question in the guide."""
    sections = re.split(r"^### \d+\. .*$", read(GUIDE), flags=re.MULTILINE)[1:]
    return [re.findall(r"```sql\n(.*?)\n```", section, flags=re.DOTALL)[0] for section in sections]

"""The pages for users, taken apart: their blocks of code, and what the lines around a block say of it."""

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
    """A fenced block.

    Attributes:
        page: Its file, from the root of the project.
        line: Of its fence; starts at 1.
        kind: The word behind the fence.
        text: What is inside.
        not_run: Why no test runs it; None for one that is run.
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
    """Give the blocks of a page, of one kind or of all."""
    found: list[Block] = []
    lines = iter(enumerate(read(page).splitlines(), 1))
    before = ""
    for number, line in lines:
        fence = _FENCE.fullmatch(line)
        if fence:
            inside: list[str] = []
            while (inner := next(lines)[1]) != "```":
                inside.append(inner)
            reason = _NOT_RUN.fullmatch(before)
            text = "\n".join(inside)
            found.append(Block(page=page, line=number, kind=fence[1], text=text, not_run=reason[1] if reason else None))
        before = line
    return [block for block in found if kind in {"", block.kind}]


def prose(page: str) -> str:
    """Give what stands outside of blocks."""
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.DOTALL | re.MULTILINE)


def table(page: str, heading: str) -> list[list[str]]:
    """Give the rows of the page's one table whose first heading is this; each cell as it is written."""
    tables: list[list[list[str]]] = [[]]
    for line in prose(page).splitlines():
        if line.startswith("|"):
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif tables[-1]:
            tables.append([])
    [rows] = [rows for rows in tables if rows and rows[0][0] == heading]
    return rows[2:]


def quoted(text: str) -> list[str]:
    """Give what stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def views() -> list[str]:
    """Give the SQL that the guide's questions are built upon."""
    return [block.text for block in blocks(GUIDE, "sql") if block.text.startswith("create view ")]


def questions() -> list[str]:
    """Give the SQL below each of the guide's headings with a number."""
    sections = re.split(r"^### \d+\. .*$", read(GUIDE), flags=re.MULTILINE)[1:]
    return [re.findall(r"```sql\n(.*?)\n```", section, flags=re.DOTALL)[0] for section in sections]

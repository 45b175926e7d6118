"""Writes the pages of docs/reference that follow from the code: `make docs`.

`--check` writes nothing and fails when a page is not what the code says; `make check` runs that.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from pydantic import BaseModel, ByteSize, SecretStr
from pydantic.fields import FieldInfo
from typer import Context
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from unsealed.app.cli import cli
from unsealed.app.config import Settings
from unsealed.core.judge import RULES, RULES_VERSION
from unsealed.core.links import LEFT_REASONS
from unsealed.core.plan import UNCHANGED_REASONS

REFERENCE = Path(__file__).parent / "reference"
SOURCE = Path(__file__).resolve().parents[1] / "src" / "unsealed"
FLOORS = ("app", "inlets", "outlets", "flow", "core", "store", "model")  # from the top of the house to its ground

SETTINGS_HEAD = """\
# Settings

<!-- Made from src/unsealed/app/config.py by `make docs`. Change it there. -->

Settings come from three places.
The command line wins over the environment, and the environment wins over the file.
They are read once, at the start; a change needs a restart.

- **File.** The one that `UNSEALED_CONFIG` names; else `unsealed.toml` in the working folder; else in the data folder.
- **Environment.** `UNSEALED_`, the section, `_`, the key, in capitals. Lists are separated by commas.
- **Command line.** The options of [`unsealed serve`](commands.md#unsealed-serve).

A wrong value or an unknown key is an error.
All errors are shown at once, each with its key.
`unsealed check` says what else is wrong, such as a port that is taken.

```toml
# unsealed.toml
owner = "ines@example.org"

[track]
url = "https://t.example.org"
trusted_proxies = ["10.0.0.2"]

[upstream]
url = "smtp://ines%40example.org:password@mail.example.org:587"
```
"""

COMMANDS_HEAD = """\
# Commands

<!-- Made from src/unsealed/app/cli.py by `make docs`. Change it there. -->

Every command that touches data takes `--data DIR`, or `UNSEALED_DATA` from the environment.
All of them work while the server runs.
The exit status is 0 when all went well, 1 when something was found to be wrong, 2 when the command could not be done.
"""


REASONS_HEAD = """\
# Reasons

<!-- Made from core/plan.py, core/links.py and core/judge.py by `make docs`. Change it there. -->

Nothing is decided without a reason on record.
The codes are stable: they are shown by the API, and written by `unsealed instrument --report`.
"""

MODULES_HEAD = """\
# Modules

<!-- Made from the first sentence of each module by `make docs`. Change it there. -->

The map of the house: every module, floor by floor from the top.
What the floors are and who may import whom stands in the [architecture](../../ARCHITECTURE.md).
"""

RULES_HEAD = """\
## A request that was judged

Rule set {version}.
The rules are asked in this order.
A rule says nothing, adds evidence, or decides; the first decision wins, and its reason comes first in the list.
What the verdicts mean: [states and verdicts](states.md).
"""


def settings_page() -> str:
    lines = [SETTINGS_HEAD]
    plain = {name: field for name, field in Settings.model_fields.items() if not _section(field)}
    lines += ["## At the top of the file", "", *_table("", plain)]
    for name, field in Settings.model_fields.items():
        section = _section(field)
        if section:
            lines += [f"## `[{name}]`", "", inspect.getdoc(section) or "", "", *_table(name, section.model_fields)]
    return "\n".join(lines)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _table(section: str, fields: dict[str, FieldInfo]) -> list[str]:
    rows = ["| key | environment | default | what it is for |", "|---|---|---|---|"]
    for name, field in fields.items():
        key = f"{section}.{name}" if section else name
        variable = "UNSEALED_" + key.replace(".", "_").upper()
        rows.append(f"| `{key}` | `{variable}` | {_default(field.default)} | {_cell(field.description or '')} |")
    return [*rows, ""]


def _default(value: object) -> str:
    match value:
        case None | () | "":
            return "empty"
        case SecretStr():
            return "empty"
        case bool():
            return f"`{str(value).lower()}`"
        case ByteSize():
            return f"`{value.human_readable(decimal=True, separator=' ').replace('.0 ', ' ')}`"
        case Enum():
            return f"`{value.value}`"
        case _:
            return f"`{value}`"


def commands_page() -> str:
    lines = [COMMANDS_HEAD]
    root = get_command(cli)
    for path, command in _walk(root, "unsealed"):
        context = Context(command, info_name=path)
        usage = " ".join([path, *command.collect_usage_pieces(context)])
        lines += [f"## {path}", "", (command.help or "").strip(), "", "```", usage, "```", ""]
        options = [entry for entry in (each.get_help_record(context) for each in command.params) if entry]
        if options:
            lines += ["| option | what it is for |", "|---|---|"]
            lines += [f"| `{_cell(names)}` | {_cell(words)} |" for names, words in options]
            lines.append("")
    return "\n".join(lines)


def _walk(command: object, path: str) -> list[tuple[str, TyperCommand]]:
    """Every command below, in the order of the alphabet, with the words that call it."""
    match command:
        case TyperCommand():
            return [(path, command)]
        case TyperGroup():
            return [
                found for name, below in sorted(command.commands.items()) for found in _walk(below, f"{path} {name}")
            ]
        case _:
            raise TypeError(f"{path} is neither a command nor a group: {command!r}")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def reasons_page() -> str:
    lines = [REASONS_HEAD]
    lines += ["## A message that goes out as it came", "", *_codes(UNCHANGED_REASONS)]
    lines += ["## A link that is left alone", "", *_codes(LEFT_REASONS)]
    lines += [RULES_HEAD.format(version=RULES_VERSION)]
    lines += ["| rule | what it looks at | reasons it gives, and how sure it is |", "|---|---|---|"]
    for rule in RULES:
        number, _, words = (inspect.getdoc(rule) or "").partition(": ")
        lines.append(f"| {number} | {_cell(words)} | {', '.join(_reasons(rule))} |")
        if number == "15":
            lines.append("| 16 | the same actor asks for the same thing again within 5 s | `REPEAT` 0.95 |")
    return "\n".join([*lines, ""])


def _reasons(rule: Callable[..., object]) -> Iterator[str]:
    """The codes in the source of a rule, in its order, with the confidences of its decisions; evidence has none."""
    tree = ast.parse(inspect.getsource(rule))
    assigned: dict[str, list[ast.AST]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned[node.targets[0].id].append(node.value)

    def values(node: ast.AST) -> Iterator[object]:
        """The constants that an expression may come to; a name stands for everything that the rule assigns to it."""
        match node:
            case ast.Constant():
                yield node.value
            case ast.Name():
                for each in assigned[node.id]:
                    yield from values(each)
            case ast.IfExp():
                yield from [*values(node.body), *values(node.orelse)]
            case _:
                for each in ast.iter_child_nodes(node):
                    yield from values(each)

    sure: dict[str, set[str]] = {}
    for node in sorted((each for each in ast.walk(tree) if isinstance(each, ast.Call)), key=lambda call: call.lineno):
        match node:
            case ast.Call(func=ast.Name(id="Decision"), args=[_, confidence, code, _]):
                found = {f"{value}" for value in values(confidence)}
            case ast.Call(func=ast.Name(id="Reason"), args=[code, _]):
                found = set()
            case _:
                continue
        for each in values(code):
            if isinstance(each, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)*", each):
                sure.setdefault(each, set()).update(found)
    for each, confidences in sure.items():
        yield f"`{each}` {' or '.join(sorted(confidences))}".strip()


def modules_page() -> str:
    lines = [MODULES_HEAD]
    for floor in FLOORS:
        lines += [f"## {floor}", "", "| module | what it is for |", "|---|---|"]
        for path in sorted((SOURCE / floor).rglob("*.py"), key=_named):
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            if said and "migrations" not in path.parts:
                lines.append(f"| `{_named(path)}` | {_cell(_sentence(said))} |")
        lines.append("")
    return "\n".join(lines)


def _named(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _sentence(text: str) -> str:
    """The first sentence of the first paragraph."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[.:!?]) (?=[A-Z])", paragraph)[0].rstrip(".:")


def _codes(reasons: dict[str, str]) -> list[str]:
    return [
        "| code | in words |",
        "|---|---|",
        *(f"| `{code}` | {_cell(words)} |" for code, words in reasons.items()),
        "",
    ]


PAGES = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "reasons.md": reasons_page,
    "modules.md": modules_page,
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"docs/reference/{name} written")
    if check and stale:
        print(f"not what the code says, run `make docs`: {', '.join(stale)}", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

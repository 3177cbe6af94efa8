"""Rewrites one text by the table of renames: Python by its tokens, everything else by whole words."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.tools.renames import Renames

WORDS: Final = ("metric", "log", "reason")
_QUOTE: Final = re.compile(r"^([A-Za-z]*)(\"\"\"|'''|\"|')")
_COMMENT: Final = re.compile(r"((?:^|(?<=\s))#.*)", re.MULTILINE)
_CODE: Final = re.compile(r"(``?)([^`\n]+)(\1)")


@dataclass(frozen=True, slots=True)
class Maps:
    """What one file needs: single names, dotted names (by their first part), whole strings, words in any text."""

    names: Mapping[str, str]
    dotted: Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]
    keys: Mapping[str, str]
    words: re.Pattern[str] | None
    by_word: Mapping[str, str]
    renames: Renames

    @classmethod
    def of(cls, renames: Renames, path: str) -> Maps:
        """The rows that reach ``path``."""
        found = renames.of(["name"], path)
        dotted: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = defaultdict(list)
        for old, new in found.items():
            if "." in old:
                dotted[old.split(".")[0]].append((tuple(old.split(".")), tuple(new.split("."))))
        by_word = renames.of(WORDS, path)
        return cls(
            names={old: new for old, new in found.items() if "." not in old},
            dotted={head: tuple(sorted(rows, key=lambda row: -len(row[0]))) for head, rows in dotted.items()},
            keys=renames.of(["key"], path),
            words=_whole_words(by_word),
            by_word=by_word,
            renames=renames,
        )


def _whole_words(table: Mapping[str, str]) -> re.Pattern[str] | None:
    if not table:
        return None
    return re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, sorted(table, key=len, reverse=True)))})(?![\w-])")


def dotted_paths(text: str, renames: Renames) -> str:
    """Full names and paths of modules, wherever they stand: ``observer.engine.turn``, ``observer/engine/turn.py``."""
    if not renames.modules:
        return text
    pattern = "|".join(re.escape(old) for old in sorted(renames.modules, key=len, reverse=True))
    text = re.sub(rf"(?<![\w./])({pattern})(?![\w])", lambda m: renames.modules[m[1]], text)
    slashed = {old.replace(".", "/"): new.replace(".", "/") for old, new in renames.modules.items()}
    pattern = "|".join(re.escape(old) for old in sorted(slashed, key=len, reverse=True))
    return re.sub(rf"(?<![\w.-])({pattern})(?=\.py\b|/|`|\s|$|,|\))", lambda m: slashed[m[1]], text)


def plain(text: str, renames: Renames, path: str) -> str:
    """A text that is no Python: module names and paths, keys as whole words, names in code spans."""
    maps = Maps.of(renames, path)
    text = dotted_paths(text, renames)
    table = {**maps.by_word, **maps.keys}
    words = _whole_words(table)

    def spelled(piece: str) -> str:
        return words.sub(lambda match: table[match[1]], piece) if words is not None else piece

    if path.endswith(".md"):
        return _CODE.sub(lambda match: match[1] + _names_in(spelled(match[2]), maps) + match[3], text)
    if path.endswith((".yaml", ".yml")):
        return "".join(
            spelled(piece) if number % 2 == 0 else piece for number, piece in enumerate(_COMMENT.split(text))
        )
    return spelled(text)


def _names_in(text: str, maps: Maps) -> str:
    """Names in a piece of text that need not be Python."""
    pieces = re.split(r"(\w+(?:\.\w+)*)", text)
    for number in range(1, len(pieces), 2):
        pieces[number] = ".".join(_sequence(pieces[number].split("."), maps))
    return "".join(pieces)


def _sequence(parts: list[str], maps: Maps) -> list[str]:
    made: list[str] = []
    place = 0
    while place < len(parts):
        for old, new in maps.dotted.get(parts[place], ()):
            if tuple(parts[place : place + len(old)]) == old:
                made.extend(new)
                place += len(old)
                break
        else:
            made.append(maps.names.get(parts[place], parts[place]))
            place += 1
    return made


def python(text: str, renames: Renames, path: str) -> str:
    """A Python file: imports by the modules' and symbols' rows, then every token."""
    maps = Maps.of(renames, path)
    text, aliases = _imports(text, renames, maps)
    return _tokens(text, maps, aliases)


def _imports(text: str, renames: Renames, maps: Maps) -> tuple[str, dict[str, str]]:
    """The import statements rewritten, and the modules whose short name changed with it."""
    tree = ast.parse(text)
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    taken |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    lines = text.splitlines(keepends=True)
    aliases: dict[str, str] = {}
    for statement in [node for node in ast.walk(tree) if isinstance(node, ast.Import)]:
        for row in range(statement.lineno - 1, statement.end_lineno or statement.lineno):
            lines[row] = dotted_paths(lines[row], renames)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    for node in sorted(nodes, key=lambda node: -node.lineno):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        whole = "".join(lines[first : last + 1])
        made = _import_from(node, renames, maps, (aliases, taken))
        if made is None or ";" in whole:
            continue
        comment = re.search(r"  #.*$", whole.rstrip("\n")) if first == last else None
        indent = " " * node.col_offset
        lines[first : last + 1] = [f"{indent}{line}{comment[0] if comment else ''}\n" for line in made]
    return "".join(lines), aliases


def _import_from(
    node: ast.ImportFrom, renames: Renames, maps: Maps, short: tuple[dict[str, str], set[str]]
) -> list[str] | None:
    """The statements that take the place of one; None = it stays."""
    module = node.module or ""
    aliases, taken = short
    groups: dict[str, list[str]] = defaultdict(list)
    changed = False
    for alias in node.names:
        target, name = renames.module(module), alias.name
        as_module = f"{module}.{name}"
        if (module, name) in renames.symbols:
            target, name = renames.symbols[module, name]
        elif as_module in renames.modules or renames.module(as_module) != f"{target}.{name}":
            target, _, name = renames.module(as_module).rpartition(".")
            if alias.asname is None and name != alias.name and name in taken:
                name = f"{name} as {alias.name}"
            elif alias.asname is None and name != alias.name:
                aliases[alias.name] = name
        else:
            name = maps.names.get(name, name)
        asname = alias.asname and maps.names.get(alias.asname, alias.asname)
        groups[target].append(f"{name} as {asname}" if asname and asname != name else name)
        changed = changed or (target, name) != (module, alias.name)
    if not changed:
        return None
    return [f"from {target} import {', '.join(sorted(set(names)))}" for target, names in sorted(groups.items())]


def _tokens(text: str, maps: Maps, aliases: Mapping[str, str]) -> str:
    """Every token by its kind; the space between them stays as it is."""
    edits: list[tuple[tuple[int, int], tuple[int, int], str]] = []
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    place = 0
    while place < len(tokens):
        token = tokens[place]
        width = 1
        if token.type == tokenize.NAME and (skipped := _statement(tokens, place)):
            width = skipped
        elif token.type == tokenize.NAME:
            width = _name(tokens, place, maps, aliases, edits)
        elif token.type == tokenize.STRING and (_names_parameters(tokens, place) or _names_attribute(tokens, place)):
            edits.append((token.start, token.end, _names_in(token.string, maps)))
        elif token.type == tokenize.STRING:
            edits.append((token.start, token.end, _string(token.string, maps, aliases)))
        elif token.type == tokenize.COMMENT:
            edits.append((token.start, token.end, _prose(token.string, maps)))
        place += width
    return _edited(text, edits)


def _names_parameters(tokens: list[tokenize.TokenInfo], place: int) -> bool:
    """Whether a string is among the names of ``parametrize``: one string, or a tuple of them."""
    before = [token.string for token in tokens[max(place - 30, 0) : place] if token.string.strip()]
    while before and before[-1] not in ("(", "["):
        if before[-1] != "," and not before[-1].startswith(('"', "'")):
            return False
        before.pop()
    return before[-2:] == ["parametrize", "("] or before[-3:] == ["parametrize", "(", "("]


def _names_attribute(tokens: list[tokenize.TokenInfo], place: int) -> bool:
    """Whether a string is the name that ``getattr``, ``setattr`` or ``hasattr`` looks for."""
    before = [token.string for token in tokens[max(place - 30, 0) : place] if token.string.strip()]
    if before[-1:] != [","]:
        return False
    depth = 0
    for number in range(len(before) - 2, 0, -1):
        depth += {")": 1, "]": 1, "(": -1, "[": -1}.get(before[number], 0)
        if depth < 0:
            return before[number - 1] in ("getattr", "setattr", "hasattr") and "," not in before[number:-1]
    return False


def _name(
    tokens: list[tokenize.TokenInfo],
    place: int,
    maps: Maps,
    aliases: Mapping[str, str],
    edits: list[tuple[tuple[int, int], tuple[int, int], str]],
) -> int:
    """One name or the dotted sequence that begins here; how many tokens it took."""
    token = tokens[place]
    for old, new in maps.dotted.get(token.string, ()):
        run = tokens[place : place + 2 * len(old) - 1]
        if "".join(t.string for t in run) == ".".join(old) and all(t.type in (tokenize.NAME, tokenize.OP) for t in run):
            for part, name in zip(run[::2], new, strict=False):
                edits.append((part.start, part.end, name))
            return len(run)
    before = tokens[place - 1].string if place else ""
    after = tokens[place + 1].string if place + 1 < len(tokens) else ""
    if token.string in aliases and before != "." and (after == "." or after in "),]}" or not after.strip()):
        edits.append((token.start, token.end, aliases[token.string]))
    elif token.string in maps.names:
        edits.append((token.start, token.end, maps.names[token.string]))
    return 1


def _statement(tokens: list[tokenize.TokenInfo], place: int) -> int:
    """How many tokens an import statement has that begins here, 0 when none does: its names were rewritten already."""
    between = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENCODING)
    if tokens[place].string not in ("from", "import") or (place and tokens[place - 1].type not in between):
        return 0
    end = place
    while tokens[end].type not in (tokenize.NEWLINE, tokenize.ENDMARKER):
        end += 1
    return end - place


def _string(text: str, maps: Maps, aliases: Mapping[str, str]) -> str:
    match = _QUOTE.match(text)
    if match is None:
        return text
    prefix, quote = match[1], match[2]
    body = text[match.end() : -len(quote)]
    if "f" in prefix.lower():
        body = _fields(body, maps, aliases)
    elif body in maps.keys:
        body = maps.keys[body]
    elif body in maps.names and body[:1].isupper():
        body = maps.names[body]
    else:
        body = _prose(body, maps)
    return f"{prefix}{quote}{body}{quote}"


def _prose(text: str, maps: Maps) -> str:
    """Docstrings, comments, other strings: words that are known everywhere, and names between double backticks."""
    text = dotted_paths(text, maps.renames)
    if maps.words is not None:
        text = maps.words.sub(lambda m: maps.by_word[m[1]], text)
    return re.sub(r"``([^`\n]+)``", lambda m: f"``{_names_in(m[1], maps)}``", text)


def _fields(body: str, maps: Maps, aliases: Mapping[str, str]) -> str:
    """The expressions of an f-string, its format specifications included."""
    made, place = [], 0
    while place < len(body):
        if body[place : place + 2] in ("{{", "}}"):
            made.append(body[place : place + 2])
            place += 2
        elif body[place] == "{":
            end = _closing(body, place)
            made.append("{" + _field(body[place + 1 : end], maps, aliases) + "}")
            place = end + 1
        else:
            run = re.match(r"[^{}]+|.", body[place:], re.DOTALL)
            assert run is not None
            made.append(_prose(run[0], maps))
            place += len(run[0])
    return "".join(made)


def _closing(body: str, opening: int) -> int:
    depth = 0
    for place in range(opening, len(body)):
        depth += {"{": 1, "}": -1}.get(body[place], 0)
        if depth == 0:
            return place
    raise ValueError(f"a field without its end: {body[opening:]!r}")


def _field(text: str, maps: Maps, aliases: Mapping[str, str]) -> str:
    """``expression!r:spec`` of an f-string."""
    depth, quote, cut = 0, "", len(text)
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif depth == 0 and (sign == ":" or (sign == "!" and text[place + 1 : place + 2] != "=")):
            cut = place
            break
    expression, rest = text[:cut], text[cut:]
    return _tokens_of_expression(expression, maps, aliases) + _fields(rest, maps, aliases)


def _tokens_of_expression(text: str, maps: Maps, aliases: Mapping[str, str]) -> str:
    inner = text.strip()
    shown = inner[:-1] if inner.endswith("=") and not inner.endswith("==") else inner
    made = _tokens(f"({shown})\n", maps, aliases)[1:].rstrip("\n")[:-1]
    return text.replace(shown, made, 1)


def _edited(text: str, edits: list[tuple[tuple[int, int], tuple[int, int], str]]) -> str:
    lines = text.splitlines(keepends=True)
    for start, end, new in sorted(edits, reverse=True):
        (row, column), (last_row, last_column) = start, end
        tail = lines[last_row - 1][last_column:]
        lines[row - 1 : last_row] = [lines[row - 1][:column] + new + tail]
    return "".join(lines)

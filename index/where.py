"""The language of `--where`: `category = dress and price < 3000 and not color in (red, pink)`.

A name is an attribute or a column of the metadata. Comparisons are = (or ==), !=, <, <=, >, >= and in (…); they are
joined by and, or, not and parentheses. Values with blanks or other signs stand in quotes: `brand = "H & M"`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


class WhereError(ValueError):
    """An expression that can't be understood; the message is one line that says where it went wrong."""


@dataclass(frozen=True)
class Comparison:
    """`name operator value`; the operator is one of =, <, <=, >, >=."""

    name: str
    operator: str
    value: str


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    condition: "Condition"


@dataclass(frozen=True)
class All:
    """True where every condition is."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True)
class Any:
    """True where at least one condition is."""

    conditions: tuple["Condition", ...]


Condition = Comparison | Not | All | Any

TOKEN = re.compile(
    r"""\s* (?: (?P<quoted> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
             |  (?P<sign> <= | >= | != | == | [=<>(),] )
             |  (?P<word> [^\s=<>!(),"']+ ) )""",
    re.VERBOSE,
)


def parse_where(text: str) -> Condition:
    """Parse an expression. Raises WhereError."""
    tokens = _tokens(text)
    condition, rest = _parse_any(text, tokens)
    if rest:
        raise WhereError(f"--where '{text}': '{rest[0][1]}' comes unexpected; join comparisons with and, or")
    return condition


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """All comparisons in a condition."""
    match condition:
        case Comparison():
            yield condition
        case Not(inner):
            yield from comparisons(inner)
        case All(parts) | Any(parts):
            for part in parts:
                yield from comparisons(part)


Tokens = list[tuple[str, str]]  # kind ("word", "quoted", "sign" or "keyword") and text


def _tokens(text: str) -> Tokens:
    tokens: Tokens = []
    position = 0
    while text[position:].strip():
        found = TOKEN.match(text, position)
        if found is None:
            raise WhereError(f"--where '{text}': can't be understood from '{text[position:].strip()}' on")
        kind = str(found.lastgroup)
        token = found[kind]
        if kind == "quoted":
            token = re.sub(r"\\(.)", r"\1", token[1:-1])
        elif kind == "word" and token.lower() in {"and", "or", "not", "in"}:
            kind, token = "keyword", token.lower()
        tokens.append((kind, token))
        position = found.end()
    if not tokens:
        raise WhereError("--where: is empty; write for example category=dress")
    return tokens


def _parse_any(text: str, tokens: Tokens) -> tuple[Condition, Tokens]:
    return _parse_joined(text, tokens, "or", _parse_all, Any)


def _parse_all(text: str, tokens: Tokens) -> tuple[Condition, Tokens]:
    return _parse_joined(text, tokens, "and", _parse_one, All)


def _parse_joined(
    text: str,
    tokens: Tokens,
    keyword: str,
    parse: Callable[[str, Tokens], tuple[Condition, Tokens]],
    join: type[All] | type[Any],
) -> tuple[Condition, Tokens]:
    part, tokens = parse(text, tokens)
    parts = [part]
    while tokens and tokens[0] == ("keyword", keyword):
        part, tokens = parse(text, tokens[1:])
        parts.append(part)
    return (part if len(parts) == 1 else join(tuple(parts))), tokens


def _parse_one(text: str, tokens: Tokens) -> tuple[Condition, Tokens]:
    if tokens and tokens[0] == ("keyword", "not"):
        condition, tokens = _parse_one(text, tokens[1:])
        return Not(condition), tokens
    if tokens and tokens[0] == ("sign", "("):
        condition, tokens = _parse_any(text, tokens[1:])
        return condition, _expect(text, tokens, ")")
    return _parse_comparison(text, tokens)


def _parse_comparison(text: str, tokens: Tokens) -> tuple[Condition, Tokens]:
    if len(tokens) < 3 or tokens[0][0] not in {"word", "quoted"}:
        found = " ".join(token for _, token in tokens) or "the end"
        raise WhereError(f"--where '{text}': a comparison like category=dress is missing before '{found}'")
    name = tokens[0][1]
    if tokens[1] == ("keyword", "in"):
        tokens = _expect(text, tokens[2:], "(")
        values: list[str] = []
        while tokens and tokens[0][0] in {"word", "quoted"}:
            values.append(tokens[0][1])
            tokens = tokens[1:]
            if tokens and tokens[0] == ("sign", ","):
                tokens = tokens[1:]
        tokens = _expect(text, tokens, ")")
        if not values:
            raise WhereError(f"--where '{text}': {name} in () names no value")
        return Any(tuple(Comparison(name, "=", value) for value in values)), tokens
    operator, value = tokens[1], tokens[2]
    if operator[0] != "sign" or operator[1] in "(),":
        raise WhereError(f"--where '{text}': after '{name}' comes '{operator[1]}', not one of = != < <= > >= in")
    if value[0] not in {"word", "quoted"}:
        raise WhereError(f"--where '{text}': after '{name} {operator[1]}' comes '{value[1]}', not a value")
    if operator[1] == "!=":
        return Not(Comparison(name, "=", value[1])), tokens[3:]
    return Comparison(name, "=" if operator[1] == "==" else operator[1], value[1]), tokens[3:]


def _expect(text: str, tokens: Tokens, sign: str) -> Tokens:
    if not tokens or tokens[0] != ("sign", sign):
        found = tokens[0][1] if tokens else "the end"
        raise WhereError(f"--where '{text}': '{sign}' is missing before '{found}'")
    return tokens[1:]

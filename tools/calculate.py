r"""The `calculate` tool: arithmetic for models, without `eval`.

A model's text is data. It is rewritten into plain arithmetic (`_plain`), read into Python's syntax tree, and only the
node types listed in `_value` are computed, each under a bound. The evaluators that run the text instead have hung on
``9**9**9``, read files, and answered ``1\n+2`` with the value of its first line.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable

from langchain_core.tools import StructuredTool, ToolException

from ..errors import nearest

Number = int | float

MAX_LENGTH = 500
"""Characters in an expression. It bounds the syntax tree too, which has fewer operations than characters."""
MAX_DEPTH = 100
"""Nested operations: ``1 + 2 + 3`` is two deep."""
MAX_BITS = 4096
"""Bits in a whole number, about 1,200 digits. Python refuses to print more than 4,300 digits."""


class CalculationError(ValueError):
    """The expression cannot be computed; the message is written for the model that sent it."""


def evaluate(expression: str) -> Number:
    """Compute an arithmetic expression as a language model would write it.

    Whole numbers stay exact, with Python's meaning of ``//``, ``%`` and ``round`` (halves go to the even neighbour).
    On top of Python's arithmetic:

    - ``^`` is power, as models mean it; ``×``, ``·``, ``÷``, ``−``, ``²``, ``³``, ``π`` and ``mod`` are read too;
    - ``1,234`` is one number, except inside a function call, where a comma separates arguments;
    - ``15% of 80`` and ``15%`` are percentages where ``%`` cannot be modulo; ``80 + 15%`` has two meanings: refused;
    - an answer at the end, ``17*23 =``, ``17*23 = ?`` or ``17*23 = 391``, is dropped: the left side is computed.

    Args:
        expression: One line, at most 500 characters.

    Returns:
        A finite real number: an int when the arithmetic stays among whole numbers.

    Raises:
        CalculationError: For everything else; no other exception leaves this function, whatever the text.

    Example:
        >>> evaluate("15% of 80 + 1,234 * 2")
        2480.0
    """
    if not isinstance(expression, str):
        raise CalculationError(f"the expression must be text such as '2 * (3 + 4)', not {type(expression).__name__}")
    if len(expression) > MAX_LENGTH:
        raise CalculationError(f"the expression has {len(expression)} characters; at most {MAX_LENGTH} are allowed")
    try:
        return _value(ast.parse(_plain(expression), mode="eval").body, 1)
    except CalculationError:
        raise
    except ZeroDivisionError:
        reason = "division by zero"
    except OverflowError:
        reason = "the numbers are too large"
    except SyntaxError as error:
        reason = f"not an arithmetic expression ({error.msg}); write * for every multiplication"
    except (MemoryError, RecursionError):
        reason = "too deeply nested"
    except (TypeError, ValueError) as error:
        reason = str(error)
    raise CalculationError(f"cannot compute {_shown(expression)}: {reason}")


def format_number(value: Number) -> str:
    """Return a result as text: whole numbers in full, others without binary noise.

    Text, because a whole number over 64 bits cannot be stored in a LangGraph checkpoint.

    Example:
        >>> format_number(0.1 + 0.2), format_number(92.00), format_number(2**70)
        ('0.3', '92', '1180591620717411303424')
    """
    if isinstance(value, int):
        return str(value)
    if value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    # 12 significant digits hide the noise of long sums; from 1e9 up, 15 keep the cents of an amount of money.
    rounded = float(f"{value:.{12 if abs(value) < 1e9 else 15}g}")
    if math.isinf(rounded):  # the largest floats round up
        return repr(value)
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 1e15 else repr(rounded)


# --- computing the syntax tree ---------------------------------------------------------------------------------------


def _value(node: ast.expr, depth: int) -> Number:
    if depth > MAX_DEPTH:
        raise CalculationError(f"more than {MAX_DEPTH} operations inside each other; add long lists up with sum(...)")
    match node:
        case ast.Constant(value=int() | float() as value):
            return _checked(value)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, depth + 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, depth + 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _checked(OPERATORS[type(op)](_value(left, depth + 1), _value(right, depth + 1)))
        case ast.Call(func=ast.Name(id=name), args=[ast.List(elts=args)] | args, keywords=[]) if name in FUNCTIONS:
            return _call(name, [_value(arg, depth + 1) for arg in args])
        case ast.Call():
            raise CalculationError("only the listed functions can be called; write * for multiplication")
        case ast.Tuple():
            raise CalculationError("a comma outside a function call; write 1234.5 for a number with decimals")
        case ast.Name(id=name):
            raise CalculationError(f"{name} is a function; write {name}(...)")
    raise CalculationError("only numbers, + - * / // % ** ( ) and the listed functions are allowed")


def _call(name: str, args: list[Number]) -> Number:
    function, least, most = FUNCTIONS[name]
    if not least <= len(args) <= most:
        wanted = f"{least}" if least == most else f"at least {least}" if most == _ANY else f"{least} to {most}"
        raise CalculationError(
            f"{name}(...) takes {wanted} number(s), got {len(args)}; inside it a comma separates "
            "numbers, so write 1234, not 1,234"
        )
    try:
        return _checked(function(*args))
    except ValueError as error:
        if isinstance(error, CalculationError):
            raise
        raise CalculationError(f"{name} is not defined for {', '.join(map(format_number, args))}") from error


def _checked(value: object) -> Number:
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise CalculationError(f"the result has over {MAX_BITS} bits (about 1,200 digits): too large")
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise CalculationError("the result is not a finite real number")


def _power(base: Number, exponent: Number) -> object:
    # A lower bound of the result's size, from before it is computed; what passes has at most twice MAX_BITS.
    if isinstance(base, int) and isinstance(exponent, int) and (abs(base).bit_length() - 1) * exponent > MAX_BITS:
        raise CalculationError(f"the power has over {MAX_BITS} bits (about 1,200 digits): too large")
    return base**exponent


def _whole(value: Number) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise CalculationError(f"a whole number is needed here, got {format_number(value)}")
    return int(value)


def _factorial(value: Number) -> int:
    if value > 500:  # 500! has 3,768 bits
        raise CalculationError(f"factorial({format_number(value)}) is too large; at most factorial(500)")
    return math.factorial(_whole(value))


def _round(value: Number, digits: Number = 0) -> Number:
    # round(7, -10**9) would compute 10**(10**9).
    if abs(digits) > 30:
        raise CalculationError("round(number, digits) takes at most 30 digits")
    return round(value, _whole(digits)) if digits else round(value)


def _lcm(*values: Number) -> int:
    product = 1
    for value in values:
        product = math.lcm(product, _whole(value))
        _checked(product)  # at every step: a hundred large numbers have a result of 400,000 bits
    return product


def _gcd(*values: Number) -> int:
    return math.gcd(*map(_whole, values))


def _sum(*values: Number) -> Number:
    return sum(values)


def _mean(*values: Number) -> Number:
    return sum(values) / len(values)


OPERATORS: dict[type[ast.operator], Callable[[Number, Number], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
CONSTANTS = {"pi": math.pi, "e": math.e}
_ANY = MAX_LENGTH
FUNCTIONS: dict[str, tuple[Callable[..., object], int, int]] = {  # name: function, fewest and most arguments
    "abs": (abs, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "cos": (math.cos, 1, 1),
    "exp": (math.exp, 1, 1),
    "factorial": (_factorial, 1, 1),
    "floor": (math.floor, 1, 1),
    "gcd": (_gcd, 1, _ANY),
    "lcm": (_lcm, 1, _ANY),
    "log": (math.log, 1, 2),
    "log10": (math.log10, 1, 1),
    "log2": (math.log2, 1, 1),
    "max": (max, 2, _ANY),
    "mean": (_mean, 1, _ANY),
    "min": (min, 2, _ANY),
    "pow": (_power, 2, 2),
    "round": (_round, 1, 2),
    "sin": (math.sin, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "sum": (_sum, 1, _ANY),
    "tan": (math.tan, 1, 1),
}

# --- from what models write to plain arithmetic ----------------------------------------------------------------------

_SYMBOLS = str.maketrans(
    {"^": "**", "×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-"}
    | {"²": "**2", "³": "**3", "π": "pi", "≈": "=", "\xa0": " ", "\t": " "}
)
_ANSWER = re.compile(r"\??|[-+]?[\d.,_]+%?")
_TOKEN = re.compile(
    r"(?P<grouped>(?<![\d.,_])\d{1,3}(?:,\d{3})+(?![\d_]|,\d))"
    r"|(?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>(?:math\.)?[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<open>[(\[])|(?P<close>[)\]])|(?P<operator>[-+*/%,])|(?P<space> )",
    re.ASCII,
)
_PERCENT = re.compile(
    r"(?P<number>(?<![\w.])(?:\d[\d_]*(?:\.\d*)?|\.\d+))?\s*%\s*"
    r"(?:(?P<of>of\b)|(?P<sign>(?=[-+]))|(?P<factor>(?=[*/]))|(?P<end>(?=[)\],]|$)))"
)
_BEFORE_OF = re.compile(r"(?:^|[(\[,]|\bof\b|[\w)\].]\s*[-+*])\s*[-+]?\s*$")


def _plain(text: str) -> str:
    """Rewrite to what Python reads; every name and character is checked on the way."""
    text, _, answer = text.strip().translate(_SYMBOLS).partition("=")
    text = text.strip()
    if not _ANSWER.fullmatch(answer.strip()):
        raise CalculationError("write one expression, not an equation: after '=' only a number or ? may stand")
    text = _without_separators(text)
    if not text:
        raise CalculationError("the expression is empty; write arithmetic such as 2 * (3 + 4)")
    text = _PERCENT.sub(_percent, text)
    if re.search(r"\bof\b", text):
        raise CalculationError("'of' is only read after a percentage, as in 15% of 80")
    return re.sub(r"\bmod\b", "%", text)


def _without_separators(text: str) -> str:
    parts: list[str] = []
    calls: list[bool] = []  # for every open bracket: are we inside a function call or a list?
    position, last = 0, ""
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise CalculationError(
                f"the character {text[position]!r} is not allowed; write one line of numbers, "
                f"+ - * / // % ** ( ) and {', '.join(FUNCTIONS)}"
            )
        position, kind, word = token.end(), token.lastgroup, token.group()
        if kind == "name":
            word = _known(word)
        elif kind == "grouped":
            word = _grouped(word, bool(calls and calls[-1]))
        elif kind == "open":
            calls.append(word == "[" or last == "name" or bool(calls and calls[-1]))
        elif kind == "close" and calls:
            calls.pop()
        last = last if kind == "space" else str(kind)
        parts.append(word)
    return "".join(parts)


def _grouped(word: str, in_call: bool) -> str:
    if word.startswith("0") or (in_call and re.search(r",0\d\d", word)):
        raise CalculationError(f"{word} is ambiguous here; write the number without a comma")
    return word if in_call else word.replace(",", "")


def _known(word: str) -> str:
    name = word.lower().removeprefix("math.")
    if name not in FUNCTIONS and name not in CONSTANTS and name not in ("of", "mod"):
        hint = " Write * for multiplication." if name.startswith("x") else nearest(name, FUNCTIONS)
        raise CalculationError(f"unknown name {word[:40]!r}; the functions are {', '.join(FUNCTIONS)}.{hint}")
    return name


def _percent(match: re.Match[str]) -> str:
    number, kind, before = match["number"], match.lastgroup, match.string[: match.start()]
    if number is None:
        raise CalculationError(
            "a percentage must be a plain number, as in 15% of 80; write % between two numbers for the remainder"
        )
    if kind == "sign":
        raise CalculationError(
            f"'{number}% -' has two meanings; write {number}/100 for a percentage or {number} % (-3) for a remainder"
        )
    if kind == "end" and re.search(r"[\w)\].]\s*[-+]\s*$", before):
        raise CalculationError(
            f"'... + {number}%' has two meanings; write ... + {number}/100, or ... * (1 + {number}/100)"
        )
    if kind == "of" and not _BEFORE_OF.search(before):
        raise CalculationError(f"put '{number}% of ...' in parentheses")
    return f"({number}/100)" + ("*" if kind == "of" else "")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


# --- the tool --------------------------------------------------------------------------------------------------------


def _calculate(expression: str) -> str:
    try:
        return format_number(evaluate(expression))
    except CalculationError as error:
        raise ToolException(f"Error: {error}") from error


# For a model so small that it must be led (`AnswerStyle.small`): plain operators only, at least one of them, and worked
# examples whose thoughts commit to nothing. With free inputs SmolLM2-135M gave a bare number in a third of its calls;
# with thoughts that argue it was right on 10 of 40 problems, with these on 17.
_NUMBER = r"[(]?[0-9]{1,12}([.][0-9]{1,6})?[)]?"
_SIMPLE = rf"^{_NUMBER}( [-+*/] {_NUMBER}){{1,8}}$"
_EXAMPLES = [
    {"question": question, "thought": "I need to calculate.", "input": expression, "result": result, "answer": result}
    for question, expression, result in (
        ("Tom has 3 boxes with 12 pens each. How many pens does Tom have?", "3 * 12", "36"),
        ("Lena had 50 coins and gave 8 to Max. How many coins are left?", "50 - 8", "42"),
        ("What is 48 + 15?", "48 + 15", "63"),
        ("Nora shares 60 nuts equally among 5 birds. How many nuts does each bird get?", "60 / 5", "12"),
    )
]

calculate = StructuredTool.from_function(
    _calculate,
    name="calculate",
    description="Compute an arithmetic expression exactly, for example (17 * 23 - 4) / 2 or sqrt(2) or 15% of 80.",
    metadata={"pattern": _SIMPLE, "examples": _EXAMPLES},
    handle_tool_error=True,
    handle_validation_error="Error: calculate takes one argument, expression, a text such as '2 * (3 + 4)'.",
)

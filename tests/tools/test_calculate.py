import json
import math
import tracemalloc
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.tools import CalculationError, calculate, evaluate
from langgraph_agora.tools.calculate import MAX_LENGTH, format_number

DATA = Path(__file__).parents[1] / "data"
HOSTILE = json.loads((DATA / "calculator_bad_inputs.json").read_text())
law = settings(deadline=None, derandomize=True, max_examples=300)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("17 * 23", "391"),
        ("(17*23 - 4) / 2", "193.5"),
        ("7 // 2 + 7 % 2", "4"),
        ("-2**2", "-4"),
        ("2^10", "1024"),
        ("12 × 3 ÷ 4 − 1", "8"),
        ("5² + 2³ · 2", "41"),
        ("1_000 + 1", "1001"),
        (".5 + 2.", "2.5"),
        ("1.5e3", "1500"),
        ("2 * π", "6.28318530718"),
        ("17 mod 5", "2"),
        ("5 mod -3", "-1"),
        ("2**70", "1180591620717411303424"),
    ],
)
def test_arithmetic_is_read_as_models_write_it(expression, answer):
    assert calculate.invoke({"expression": expression}) == answer


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("sqrt(16)", "4"),
        ("math.sqrt(2)", "1.41421356237"),
        ("SQRT(16) * Pi", "12.5663706144"),
        ("abs(-3) + round(2.567, 2)", "5.57"),
        ("min(3, 1, 2) + max(3, 1, 2)", "4"),
        ("floor(2.7) + ceil(2.1)", "5"),
        ("log(e) + log10(1000) + log2(8) + log(9, 3)", "9"),
        ("exp(0) + sin(0) + cos(0) + tan(0)", "2"),
        ("gcd(12, 18) + lcm(4, 6)", "18"),
        ("factorial(5)", "120"),
        ("factorial(6 / 2)", "6"),
        ("sum(1, 2, 3) + mean(1, 2)", "7.5"),
        ("sum([100,200])", "300"),
        ("pow(2, 10)", "1024"),
    ],
)
def test_every_listed_function_works(expression, answer):
    assert calculate.invoke({"expression": expression}) == answer


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("17*23 =", "391"),
        ("17*23 = ?", "391"),
        ("17*23 = 391", "391"),
        ("17*23 = 400", "391"),
        ("1,200 * 2 = 2,400.", "2400"),
        ("10 / 4 ≈ 2.5", "2.5"),
    ],
)
def test_an_answer_at_the_end_is_dropped_and_the_left_side_is_computed(expression, answer):
    assert calculate.invoke({"expression": expression}) == answer


@pytest.mark.parametrize("expression", ["x = 3 * 4", "1 + 2 = 2 + 1", "1 == 1", "1 = 1 = 1", "=", "", "   "])
def test_an_equation_or_nothing_is_refused(expression):
    with pytest.raises(CalculationError):
        evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [("1,234 * 2", 2468), ("(1,234,567)", 1234567), ("1,234.5", 1234.5), ("max(1,234)", 234), ("max(3, (1))", 3)],
)
def test_a_comma_groups_digits_except_inside_a_call_where_it_separates_arguments(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression", ["3,5", "0,123", "1,23", "1,2345", "1.234,56", "1,234,5", "sqrt(1,234)", "max(1,000)", "1, 2"]
)
def test_a_comma_that_could_be_a_decimal_comma_is_refused(expression):
    with pytest.raises(CalculationError):
        evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("15% of 80", "12"),
        ("15%", "0.15"),
        ("80 * 15%", "12"),
        ("10 + 20% of 50", "20"),
        ("10 + 20% * 50", "20"),
        ("50% of 20% of 80", "8"),
        ("1,500% of 2", "30"),
        ("max(5, 50% of 20)", "10"),
        ("7% of 100", "7"),
        ("17 % 5", "2"),
        ("17%(5)", "2"),
    ],
)
def test_a_percent_sign_is_a_percentage_only_where_it_cannot_be_a_remainder(expression, answer):
    assert calculate.invoke({"expression": expression}) == answer


@pytest.mark.parametrize(
    ("expression", "advice"),
    [
        ("80 + 15%", "two meanings"),
        ("15% - 3", "two meanings"),
        ("100 / 20% of 50", "parentheses"),
        ("2**-20% of 50", "parentheses"),
        ("(1 + 2)% of 50", "plain number"),
        ("half of 50", "unknown name 'half'"),
        ("5 of 3", "percentage"),
    ],
)
def test_a_percentage_with_two_meanings_is_refused_with_advice(expression, advice):
    with pytest.raises(CalculationError, match=advice):
        evaluate(expression)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (92.00, "92"),
        (-0.0, "0"),
        (1 / 3, "0.333333333333"),
        (1e-7, "1e-07"),
        (1e300, "1e+300"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (1234567890123456.0, "1234567890123456"),
        (12345678901.25, "12345678901.25"),
        (-7, "-7"),
    ],
)
def test_numbers_are_shown_without_noise(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize("case", HOSTILE, ids=[case["name"] for case in HOSTILE])
def test_a_hostile_expression_comes_back_as_text(case):
    expression = eval(case["python"]) if "python" in case else case["json"]  # the file is ours
    tracemalloc.start()
    try:
        answer = calculate.invoke({"expression": expression})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(answer, str)
    assert answer.startswith("Error: ") or case["name"].startswith("result over 64 bits")
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "expression",
    [
        "\ud800",
        "1\x00",
        "1\u202e+2",
        "1\r2",
        "1\u20282",
        "1+",
        "(" * 150 + "1",
        "(" * 240 + "1" + ")" * 240,
        "-" * 499 + "1",
        "1" + "+1" * 249,
        "9" * (MAX_LENGTH + 1),
        "1" * 10_000_000,
        "round(7, -10**9)",
        "round(7, 10**9)",
        "factorial(500) * factorial(500)",
        "lcm(" + ",".join(f"2**4095-{i}" for i in range(1, 38)) + ")",
        "1e999",
        "1e308 * 10",
        "exp(1000)",
        "2**4000 + 0.5",
        "sqrt(-1)",
        "(-8)**(1/3)",
        "log(0)",
        "0**-1",
        "1 // 0",
        "1.0 % 0",
        "factorial(2.5)",
        "factorial(-1)",
        "gcd(1.5, 2)",
        "max(*[1, 2])",
        "mean()",
        "sqrt",
        "sqrt(1)(2)",
        "1 if 1 else 2",
        "1or 2",
        "0x10",
        "1j",
        "True",
        "[1, 2]",
        "()",
        "lambda: 1",
        "5!",
        "3 x 4",
        "2(3)",
        "2pi",
        "٣+٤",
        None,
        b"1+1",
    ],
    ids=lambda expression: ascii(expression)[:30],
)
def test_nothing_but_a_calculation_error_leaves_evaluate(expression):
    with pytest.raises(CalculationError) as caught:
        evaluate(expression)
    str(caught.value).encode()  # the message holds no lone surrogate
    assert len(str(caught.value)) < 400


def test_numbers_up_to_the_bound_are_exact():
    assert evaluate("2**4095") == 2**4095
    assert evaluate("factorial(500)") == math.factorial(500)
    with pytest.raises(CalculationError, match="4096 bits"):
        evaluate("2**4096")


@pytest.mark.parametrize("expression", ["0,123", "max(1,000)"])
def test_a_comma_before_or_after_zeros_gets_advice(expression):
    with pytest.raises(CalculationError, match="ambiguous here; write the number without a comma"):
        evaluate(expression)


def test_a_typo_in_a_function_gets_the_nearest_name():
    with pytest.raises(CalculationError, match="Did you mean 'sqrt'"):
        evaluate("sqr(4)")


def test_an_error_reaches_the_model_as_a_tool_message_with_error_status():
    message = calculate.invoke({"type": "tool_call", "id": "1", "name": "calculate", "args": {"expression": "1/0"}})
    assert message.status == "error"
    assert "division by zero" in message.content
    wrong = calculate.invoke({"type": "tool_call", "id": "2", "name": "calculate", "args": {"expr": "1"}})
    assert wrong.status == "error"
    assert "expression" in wrong.content


async def test_the_tool_answers_asynchronously_too():
    assert await calculate.ainvoke({"expression": "6 * 7"}) == "42"


def test_the_schema_is_one_string():
    assert list(calculate.args) == ["expression"]
    assert calculate.args["expression"]["type"] == "string"


# --- laws ---

whole = st.integers(0, 10**20).map(lambda number: (str(number), number))


@st.composite
def _joined(draw, parts):
    (left, left_value), (right, right_value) = draw(parts), draw(parts)
    symbol, compute = draw(
        st.sampled_from(
            [
                (" + ", lambda a, b: a + b),
                ("-", lambda a, b: a - b),
                (" * ", lambda a, b: a * b),
                ("//", lambda a, b: a // b if b else 0),
                (" mod ", lambda a, b: a % b if b else 0),
            ]
        )
    )
    if symbol in ("//", " mod ") and not right_value:
        return "0", 0
    return f"({left}){symbol}({right})", compute(left_value, right_value)


@law
@given(st.recursive(whole, lambda parts: _joined(parts) | parts.map(lambda p: (f"-({p[0]})", -p[1])), max_leaves=8))
def test_whole_numbers_are_computed_exactly(pair):
    expression, value = pair
    result = evaluate(expression)
    assert result == value
    assert isinstance(result, int)
    assert calculate.invoke({"expression": expression}) == str(value)


@law
@given(st.lists(st.tuples(st.integers(-1000, 1000), st.sampled_from([1, 2, 4, 8, 64])), min_size=1, max_size=10))
def test_fractions_agree_with_exact_arithmetic(terms):
    # Denominators that are powers of two have no rounding, so that the floats must be equal to the fractions.
    expression = " + ".join(f"{top} / {bottom}" for top, bottom in terms)
    assert Fraction(evaluate(expression)) == sum(Fraction(top, bottom) for top, bottom in terms)


@law
@given(st.text(alphabet="0123456789+-*/(). ", max_size=30))
def test_what_is_accepted_means_what_it_means_in_python(text):
    try:
        value = evaluate(text)
    except CalculationError:
        return
    assert value == eval(text.strip())  # digits and operators only, and `evaluate` has bounded them


@law
@given(st.text(max_size=60) | st.text(alphabet="0123456789+-*/%^().,=? esqrtmaxofpi[]×²", max_size=60))
def test_any_text_gives_a_finite_number_or_a_calculation_error(text):
    try:
        value = evaluate(text)
    except CalculationError as error:
        str(error).encode()
    else:
        assert math.isfinite(value)
        assert isinstance(calculate.invoke({"expression": text}), str)


@law
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shown_numbers_are_close_to_what_was_computed(value):
    assert math.isclose(float(format_number(value)), value, rel_tol=1e-11)

"""How true stated probabilities are, by hand, against scikit-learn and by laws; and what calibration makes of them."""

import importlib.util
import json
import math
import random
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.calibration import (
    Calibration,
    Calibrations,
    auroc,
    brier,
    ece,
    fit_calibration,
    fit_confidence,
    reliability,
)
from langgraph_agora.nodes.logistic import logistic, sigmoid
from tests.conftest import needs

# Round numbers, so that ties and the edges of bins are common, and any others.
PROBABILITIES = st.sampled_from([0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95, 1]) | st.floats(0, 1)
ROWS = st.lists(st.tuples(PROBABILITIES, st.booleans()), min_size=1, max_size=40)
laws = settings(derandomize=True, deadline=None, max_examples=60)


def columns(rows):
    return [value for value, _ in rows], [right for _, right in rows]


def overconfident(rng, rows):
    """Log odds are stated twice as far from 0 as they are."""
    sure = [rng.gauss(0, 1) for _ in range(rows)]
    return [sigmoid(4 * x) for x in sure], [rng.random() < sigmoid(2 * x) for x in sure]


# The figures.


def test_the_calibration_error_is_the_distance_in_each_bin_by_its_share_of_rows():
    stated = [0.85, 0.85, 0.85, 0.85, 0.25]
    assert ece(stated, [True, True, True, False, False]) == pytest.approx(0.8 * 0.10 + 0.2 * 0.25)
    assert ece(stated, [True, True, True, False, False], bins=1) == pytest.approx(0.73 - 0.6)


def test_errors_in_opposite_directions_cancel_within_a_bin_and_not_between_bins():
    assert ece([0.42, 0.48], [True, False]) == pytest.approx(0.05)
    assert ece([0.38, 0.48], [True, False]) == pytest.approx(0.55)


def test_a_bin_is_closed_at_its_upper_edge_and_the_first_one_at_0_too():
    """As in scikit-learn's calibration_curve: 0.5 is in the bin of 0.45, 0 in the first one and 1 in the last one."""
    assert ece([0.5, 0.45], [True, False]) == pytest.approx(0.025)
    assert ece([0.5, 0.55], [True, False]) == pytest.approx((0.5 + 0.55) / 2)
    assert ece([0.0, 0.05], [True, False]) == pytest.approx(0.475)
    assert ece([1.0, 0.95], [False, True]) == pytest.approx(0.475)


def test_the_brier_score_is_the_mean_squared_distance():
    assert brier([1, 0, 0.5, 0.5], [True, False, True, False]) == pytest.approx(0.125)


def test_the_auroc_counts_pairs_in_the_right_order_and_ties_as_half():
    assert auroc([0.9, 0.8, 0.8, 0.1], [True, True, False, False]) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert auroc([5, 5, 5], [True, False, True]) == 0.5
    assert auroc([-3, 40], [True, False]) == 0.0


def test_all_figures_come_together_with_those_of_a_constant():
    told = reliability([0.9, 0.9, 0.9, 0.1], [True, True, False, False])
    assert (told.rows, told.rate, told.stated, told.constant) == (4, 0.5, pytest.approx(0.7), 0.25)
    assert (told.ece, told.brier) == (pytest.approx(0.2), pytest.approx(0.21))
    assert told.auroc == 0.75
    assert json.loads(json.dumps(told.to_dict())) == told.to_dict()
    assert reliability([0.9, 0.8], [True, True]).auroc is None


@pytest.mark.parametrize("figure", [ece, brier, auroc, fit_calibration, reliability])
@pytest.mark.parametrize(
    ("stated", "right", "words"),
    [
        ([], [], "There are no outcomes"),
        ([0.5], [True, False], "1 values and 2 outcomes"),
        ([0.5, math.nan], [True, False], "Value 2 of 2 was nan"),
        ([math.inf, 0.5], [True, False], "Value 1 of 2 was inf"),
        ([0.5, "high"], [True, False], "Value 2 of 2 was 'high'"),
        ([0.5, True], [True, False], "Value 2 of 2 was True"),
        ([0.5, None], [True, False], "Value 2 of 2 was None"),
        ([0.5, 10**400], [True, False], "Value 2 of 2 was 10"),
        ([0.5, 0.5], [True, None], "Outcome 2 of 2 was None"),
        ([0.5, 0.5], [math.nan, True], "Outcome 1 of 2 was nan"),
        ([0.5, 0.5], ["yes", True], "Outcome 1 of 2 was 'yes'"),
        ([0.5, 0.5], [True, 2], "Outcome 2 of 2 was 2"),
    ],
)
def test_wrong_rows_are_refused_by_place(figure, stated, right, words):
    with pytest.raises(ConfigError, match=words):
        figure(stated, right)


def test_percentages_one_kind_of_outcome_and_no_bins_are_refused():
    for figure in (ece, brier, fit_calibration):
        with pytest.raises(ConfigError, match="85; give a number from 0 to 1"):
            figure([0.5, 85], [True, False])
    with pytest.raises(ConfigError, match="All 2 outcomes are False"):
        auroc([0.1, 0.2], [False, False])
    for bins in (0, 2.5, True):
        with pytest.raises(ConfigError, match="bins was"):
            ece([0.5], [True], bins=bins)


def test_arrays_and_numbers_of_numpy_are_fine():
    stated, right = np.array([0.9, 0.2], dtype=np.float32), np.array([True, False])
    assert ece(stated, right) == pytest.approx(0.15)
    assert auroc(stated, right) == 1
    assert brier(stated, np.array([1, 0])) == pytest.approx(0.025)


def binned(stated, right, bins):
    """The calibration error from scikit-learn's curve; the curve does not say how many rows a bin has."""
    from sklearn.calibration import calibration_curve

    shares, means = calibration_curve(right, stated, n_bins=bins)
    edges = np.linspace(0, 1, bins + 1)
    sizes = [sum(low < value <= high or (value == low == 0) for value in stated) for low, high in pairwise(edges)]
    return sum(
        size / len(stated) * abs(share - mean)
        for size, share, mean in zip([size for size in sizes if size], shares, means, strict=True)
    )


@laws
@given(ROWS, st.integers(1, 20))
def test_the_figures_equal_those_of_scikit_learn(rows, bins):
    needs(importlib.util.find_spec("sklearn") is not None, "scikit-learn is not installed")
    from sklearn.metrics import brier_score_loss, roc_auc_score

    stated, right = columns(rows)
    assume(len(set(right)) == 2)
    assert ece(stated, right, bins) == pytest.approx(binned(stated, right, bins), abs=1e-9)
    assert brier(stated, right) == pytest.approx(brier_score_loss(right, stated), abs=1e-9)
    assert auroc(stated, right) == pytest.approx(roc_auc_score(right, stated), abs=1e-9)


@laws
@given(ROWS, st.integers(1, 20))
def test_the_calibration_error_lies_between_the_total_bias_and_the_mean_distance(rows, bins):
    stated, right = columns(rows)
    bias = abs(fmean(stated) - fmean(right))
    distance = fmean(abs(value - outcome) for value, outcome in rows)
    assert bias - 1e-9 <= ece(stated, right, bins) <= distance + 1e-9


@laws
@given(ROWS)
def test_turning_statement_and_outcome_round_changes_no_score(rows):
    stated, right = columns(rows)
    assume(len(set(right)) == 2)
    opposite, wrong = [1 - value for value in stated], [not outcome for outcome in right]
    assert brier(opposite, wrong) == pytest.approx(brier(stated, right))
    assert auroc(stated, wrong) == pytest.approx(1 - auroc(stated, right))


# Calibration.


def test_overconfident_statements_come_out_twice_as_true():
    """On unseen rows; raw .107, calibrated .047. Ten bins over 500 rows would show .04 for the true chances."""
    raw, calibrated = [], []
    for seed in range(50):
        rng = random.Random(seed)
        fit = fit_calibration(*overconfident(rng, 500))
        stated, right = overconfident(rng, 500)
        raw.append(ece(stated, right))
        calibrated.append(ece([fit.apply(value) for value in stated], right))
    assert fmean(calibrated) <= 0.055
    assert fmean(raw) >= 1.8 * fmean(calibrated)


def test_the_fit_finds_the_slope_of_the_log_odds():
    fit = fit_calibration(*overconfident(random.Random(1), 20_000))
    assert fit.slope == pytest.approx(0.5, abs=0.05)
    assert fit.intercept == pytest.approx(0, abs=0.05)
    assert fit.rows == 20_000


def test_what_is_stated_as_certain_is_as_uncertain_as_it_turned_out():
    stated = [1.0] * 60 + [0.0] * 60
    right = [n % 4 > 0 for n in range(60)] + [n % 4 == 0 for n in range(60)]
    fit = fit_calibration(stated, right)
    assert fit.apply(1.0) == pytest.approx(0.75, abs=0.01)
    assert fit.apply(0.0) == pytest.approx(0.25, abs=0.01)
    assert fit.apply(0.999) == fit.apply(1)


def test_few_outcomes_of_one_kind_make_nothing_certain():
    """Platt's targets: of three that all came true, 4/5; the rule of succession."""
    assert fit_calibration([0.9, 0.9, 0.9], [True, True, True]).apply(0.9) == pytest.approx(0.8)
    assert fit_calibration([0.9], [False]).apply(0.9) == pytest.approx(1 / 3)
    assert 0.01 < fit_calibration([0.1, 0.9], [False, True]).apply(0.9) < 0.99


def test_a_source_that_is_the_wrong_way_round_is_worth_the_base_rate():
    stated, right = [0.9] * 50 + [0.1] * 50, [n % 5 == 0 for n in range(50)] + [n % 5 > 0 for n in range(50)]
    fit = fit_calibration(stated, right)
    assert fit.slope == 0
    assert fit.apply(0.9) == fit.apply(0.1) == pytest.approx(0.5)


def test_a_constant_statement_is_worth_its_rate():
    fit = fit_calibration([0.83] * 100, [n < 56 for n in range(100)])
    assert fit.slope == pytest.approx(0, abs=1e-6)
    assert fit.apply(0.83) == pytest.approx(0.56, abs=0.01)


@laws
@given(ROWS, PROBABILITIES, PROBABILITIES)
def test_any_calibration_gives_probabilities_and_keeps_the_order(rows, one, other):
    fit = fit_calibration(*columns(rows))
    low, high = fit.apply(min(one, other)), fit.apply(max(one, other))
    assert 0 < low <= high < 1


@laws
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_makes_no_difference_to_the_fit(rows, rng):
    shuffled = rng.sample(rows, len(rows))
    fit, again = fit_calibration(*columns(rows)), fit_calibration(*columns(shuffled))
    assert again.slope == pytest.approx(fit.slope, abs=1e-6)
    assert again.intercept == pytest.approx(fit.intercept, abs=1e-6)


@laws
@given(ROWS)
def test_calibrated_rows_have_the_mean_of_what_came_true(rows):
    """The intercept of a logistic fit sees to it, up to Platt's smoothing."""
    stated, right = columns(rows)
    good = sum(right)
    smoothed = (good * (good + 1) / (good + 2) + (len(right) - good) / (len(right) - good + 2)) / len(right)
    fit = fit_calibration(stated, right)
    assert fmean(fit.apply(value) for value in stated) == pytest.approx(smoothed, abs=1e-6)


@laws
@given(ROWS)
def test_a_calibration_goes_through_json(rows):
    fit = fit_calibration(*columns(rows))
    assert Calibration.from_dict(json.loads(json.dumps(fit.to_dict()))) == fit


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"slope": 1},
        {"slope": "steep", "intercept": 0, "rows": 9},
        {"slope": math.nan, "intercept": 0, "rows": 9},
        {"slope": -1, "intercept": 0, "rows": 9},
        {"slope": 1, "intercept": math.inf, "rows": 9},
        {"slope": 1, "intercept": 0, "rows": math.inf},
    ],
)
def test_what_is_no_calibration_is_refused(data):
    with pytest.raises(ConfigError, match="no calibration"):
        Calibration.from_dict(data)
    with pytest.raises(ConfigError, match="no calibration"):
        Calibrations.from_dict([{"model": "m", "source": "s", "rows": 60, "fit": data or {}}, {}])


def test_no_percentage_is_calibrated():
    for stated in (85, -0.1, math.nan, None, "0.5", True):
        with pytest.raises(ConfigError, match="give a number from 0 to 1"):
            Calibration(1.0, 0.0, 50).apply(stated)


# One calibration for each model and source.

SMALL = [("small", "verbalized", 0.9, n % 2 == 0) for n in range(50)]
LARGE = [("large", "verbalized", 0.9, n % 10 > 0) for n in range(100)]


def test_each_model_and_source_has_a_calibration_of_its_own():
    by_tokens = [("small", "logprob", (0.2, 0.9)[n % 2], n % 2 == 1) for n in range(80)]
    found = fit_confidence([*SMALL, *LARGE, *by_tokens])
    assert found.apply("small", "verbalized", 0.9) == pytest.approx(0.5)
    assert found.apply("large", "verbalized", 0.9) == pytest.approx(0.9, abs=0.01)
    assert found.apply("small", "logprob", 0.9) > 0.95
    assert found.apply("small", "logprob", 0.2) < 0.05


def test_fewer_than_fifty_outcomes_are_too_few_and_nothing_is_borrowed():
    assert fit_confidence(SMALL).apply("small", "verbalized", 0.9) is not None
    found = fit_confidence([*SMALL[:49], *LARGE])
    assert found.rows == {("small", "verbalized"): 49, ("large", "verbalized"): 100}
    assert found.apply("small", "verbalized", 0.9) is None
    assert found.apply("tiny", "verbalized", 0.9) is None
    assert found.apply("large", "logprob", 0.9) is None


def test_what_was_not_stated_or_has_no_outcome_does_not_count():
    found = fit_confidence([*SMALL[:49], ("small", "verbalized", None, True), ("small", "verbalized", 0.9, None)])
    assert found.rows == {("small", "verbalized"): 49}
    assert fit_confidence(SMALL).apply("small", "verbalized", None) is None
    assert fit_confidence([]).rows == {}


def test_a_row_that_is_no_probability_is_refused_even_where_there_are_few():
    with pytest.raises(ConfigError, match="Value 2 of 2 was 90"):
        fit_confidence([("small", "verbalized", 0.9, True), ("small", "verbalized", 90, True)])
    with pytest.raises(ConfigError, match="was 90"):
        fit_confidence(SMALL).apply("small", "verbalized", 90)


def test_calibrations_go_through_json_in_an_order_of_their_own():
    found = fit_confidence([*SMALL[:10], *LARGE])
    assert Calibrations.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert [one["model"] for one in found.to_dict()] == ["large", "small"]
    assert json.dumps(fit_confidence([*LARGE, *SMALL[:10]]).to_dict()) == json.dumps(found.to_dict())
    for data in (None, [1], [{"model": "m"}], {"a": 1}):
        with pytest.raises(ConfigError, match="no calibrations"):
            Calibrations.from_dict(data)


# The regression under it.

TABLES = st.integers(0, 10**6).map(lambda seed: np.random.default_rng(seed))


@laws
@given(TABLES, st.integers(1, 5), st.sampled_from([0.01, 1.0, 30.0]))
def test_the_logistic_fit_is_at_the_bottom_of_its_loss(rng, width, penalty):
    rows, targets = rng.normal(size=(30, width)) * 10, rng.random(30)
    weights, intercept = logistic(rows, targets, penalty)
    chances = np.array([sigmoid(z) for z in rows @ np.array(weights) + intercept])
    assert rows.T @ (chances - targets) + penalty * np.array(weights) == pytest.approx(0, abs=1e-6)
    assert (chances - targets).sum() == pytest.approx(0, abs=1e-6)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(TABLES, st.sampled_from([0.1, 3.0]))
def test_the_logistic_fit_equals_that_of_scikit_learn(rng, penalty):
    needs(importlib.util.find_spec("sklearn") is not None, "scikit-learn is not installed")
    from sklearn.linear_model import LogisticRegression

    rows = rng.normal(size=(80, 3))
    right = rng.random(80) < 1 / (1 + np.exp(-rows @ [2, -1, 0]))
    weights, intercept = logistic(rows, right.astype(float), penalty)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=1000).fit(rows, right)
    assert weights == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)


def test_separable_rows_and_columns_that_never_vary_have_a_finite_fit():
    rows = np.array([[-1.0, 7], [-2, 7], [1, 7], [2, 7]])
    weights, intercept = logistic(rows, np.array([0.0, 0, 1, 1]), 0.1)
    assert weights[0] > 1
    assert weights[1] == 0
    assert math.isfinite(intercept)

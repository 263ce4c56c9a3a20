"""Systems of polynomial equations with finitely many solutions: the real ones, isolated and compared exactly.

All solutions are written as polynomials in one number t, a root of one polynomial (the rational univariate
representation by linear algebra in the quotient ring; Cox, Little and O'Shea, Using Algebraic Geometry, chapter 2).
Needs sympy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count
from typing import Any

Coefficients = list[Fraction]  # of a polynomial in t, the constant first


def basis_of(equations: Sequence[Any], ring: Any) -> list[Any]:
    """A reduced Gröbner basis of polynomials of a sympy ring; [] when all are 0, [1] when there is no solution."""
    from sympy.polys.groebnertools import groebner  # noqa: PLC0415  (an extra, and it takes half a second)

    equations = [equation for equation in equations if equation]
    return list(groebner(equations, ring)) if equations else []


def is_finite(basis: Sequence[Any], ring: Any) -> bool:
    """Whether there are finitely many complex solutions: a power of every variable is among the leading monomials."""
    powers = {monomial.index(max(monomial)) for monomial in _leading(basis) if sum(monomial) == max(monomial)}
    return len(powers) == ring.ngens or _has_no_solution(basis)


def free_variables(basis: Sequence[Any], ring: Any) -> list[int]:
    """Numbers of variables that may take any value: as many as the set of solutions has dimensions."""
    free: list[int] = []
    for variable in range(ring.ngens):
        inside = {*free, variable}
        if not any(all(at in inside for at, power in enumerate(one) if power) for one in _leading(basis)):
            free.append(variable)
    return free


class Solutions:
    """The finitely many solutions of a system, given by its Gröbner basis.

    Example:
        >>> from sympy import QQ, grevlex, ring
        >>> R, x, y = ring("x, y", QQ, grevlex)
        >>> system = Solutions(basis_of([x**2 - 2, x - y], R), R)
        >>> expressed = system.expressed(x + y)
        >>> [(root.sign(expressed), round(root.decimal(expressed), 3), root.text(expressed)) for root in system.real()]
        [(-1, -2.828, '-2*sqrt(2)'), (1, 2.828, '2*sqrt(2)')]
    """

    def __init__(self, basis: Sequence[Any], ring: Any) -> None:
        self._basis, self._ring = list(basis), ring
        self._monomials: list[tuple[int, ...]] = []
        self._powers, self._relation = Span(), list[Fraction]()  # of t, and what makes them dependent
        if not _has_no_solution(basis):
            self._represent()

    def real(self) -> Iterator[Root]:
        """The real solutions, each as a root t."""
        from sympy import QQ, Poly, Symbol  # noqa: PLC0415  (an extra)

        if not self._relation:
            return
        polynomial = Poly(self._relation[::-1], Symbol("t"), domain=QQ)
        for factor, _ in polynomial.factor_list()[1]:
            coefficients = [_fraction(c) for c in factor.all_coeffs()[::-1]]
            for (low, high), _ in factor.intervals():
                yield Root(coefficients, _fraction(low), _fraction(high))

    def expressed(self, polynomial: Any) -> Coefficients:
        """A polynomial of the ring as one in t that has the same values at all solutions."""
        coefficients = self._powers.express(self._vector(polynomial))
        assert coefficients is not None  # The powers of t span the quotient ring.
        return coefficients

    def _represent(self) -> None:
        """Find a t with whose powers everything can be expressed.

        It is a combination of the variables that tells apart all solutions. When three have failed, solutions may be
        multiple, and the ideal is made radical; then one exists.
        """
        self._monomials = self._standard()
        for attempt in count():
            if attempt == 3:
                self._make_radical()
            matrix = self._times(sum(attempt**at * variable for at, variable in enumerate(self._ring.gens)))
            self._powers, self._relation = _krylov(matrix)
            if len(self._relation) == len(self._monomials) + 1:
                return

    def _make_radical(self) -> None:
        """Seidenberg's lemma: add the square-free part of the polynomial of least degree in each variable."""
        from sympy import QQ, Poly, Symbol  # noqa: PLC0415  (an extra)

        more = []
        for variable in self._ring.gens:
            least = Poly(_krylov(self._times(variable))[1][::-1], Symbol("t"), domain=QQ)
            parts = [self._ring.domain.convert(c) for c in least.sqf_part().all_coeffs()]
            value = self._ring.zero
            for part in parts:
                value = value * variable + part
            more.append(value)
        self._basis = basis_of([*self._basis, *more], self._ring)
        self._monomials = self._standard()

    def _standard(self) -> list[tuple[int, ...]]:
        """The monomials that no leading monomial divides: a basis of the quotient ring."""
        leading, n = _leading(self._basis), self._ring.ngens
        found = [(0,) * n]
        for monomial in found:
            for at in range(n):
                larger = (*monomial[:at], monomial[at] + 1, *monomial[at + 1 :])
                divided = any(all(a <= b for a, b in zip(one, larger, strict=True)) for one in leading)
                if not divided and larger not in found:
                    found.append(larger)
        return found

    def _vector(self, polynomial: Any) -> Coefficients:
        rest = self._ring(polynomial).rem(self._basis)
        return [_fraction(rest.get(monomial, 0)) for monomial in self._monomials]

    def _times(self, polynomial: Any) -> list[Coefficients]:
        """Multiplication by a polynomial: the images of the standard monomials."""
        one = self._ring.domain.one
        return [self._vector(polynomial * self._ring.from_dict({at: one})) for at in self._monomials]


class Root:
    """A real root t of an irreducible polynomial; tells the value at t of every other polynomial."""

    def __init__(self, factor: Coefficients, low: Fraction, high: Fraction) -> None:
        self._factor, self._low, self._high = factor, low, high
        if len(factor) == 2:
            self._low = self._high = -factor[0] / factor[1]

    def sign(self, polynomial: Coefficients) -> int:
        """-1, 0 or 1; 0 exactly when the irreducible polynomial divides this one."""
        rest = _remainder(polynomial, self._factor)
        if not any(rest):
            return 0
        while True:
            low, high = self._between(rest)
            if low > 0 or high < 0:
                return 1 if low > 0 else -1
            self._halve()

    def rational(self, polynomial: Coefficients) -> Fraction | None:
        """The value when it is rational, else None."""
        rest = _remainder(polynomial, self._factor)
        return rest[0] if not any(rest[1:]) else None

    def decimal(self, polynomial: Coefficients) -> float:
        """The value to the precision of a float."""
        rest = _remainder(polynomial, self._factor)
        if not any(rest[1:]):
            return float(rest[0])
        low, high = self._between(rest)
        while float(low) != float(high):
            self._halve()
            low, high = self._between(rest)
        return float(low)

    def text(self, polynomial: Coefficients) -> str | None:
        """The value in numbers and square roots, printed by sympy; None when t is a root of a higher degree."""
        from sympy import sqrt  # noqa: PLC0415  (an extra)

        rest = _remainder(polynomial, self._factor)
        if not any(rest[1:]):
            return str(rest[0])
        if len(self._factor) > 3:
            return None
        c, b, a = self._factor
        side = self.sign([b, 2 * a])  # of the derivative, which is negative at one root and positive at the other
        centre, factor = rest[0] - rest[1] * b / (2 * a), rest[1] * side / (2 * a)
        return str(_rational(centre) + _rational(factor) * sqrt(_rational(b * b - 4 * a * c)))

    def _between(self, polynomial: Coefficients) -> tuple[Fraction, Fraction]:
        """Bounds of the value, from the bounds of t."""
        low = high = Fraction(0)
        for coefficient in reversed(polynomial):
            ends = (low * self._low, low * self._high, high * self._low, high * self._high)
            low, high = min(ends) + coefficient, max(ends) + coefficient
        return low, high

    def _halve(self) -> None:
        middle = (self._low + self._high) / 2
        if (_at(self._factor, self._low) > 0) == (_at(self._factor, middle) > 0):
            self._low = middle
        else:
            self._high = middle


class Span:
    """Vectors that were added one after the other, and what they can be combined to."""

    def __init__(self) -> None:
        self._echelon: list[tuple[int, Coefficients, Coefficients]] = []  # (pivot, vector, how it is combined)
        self._size = 0

    def add(self, vector: Coefficients) -> Coefficients | None:
        """Add a vector; when it depends on those before it is left out, and the combination is returned."""
        rest, used = self._reduced(vector)
        pivot = next((at for at, number in enumerate(rest) if number), None)
        if pivot is None:
            return used
        combined = [*(-number for number in used), Fraction(1)]
        self._echelon.append((pivot, [x / rest[pivot] for x in rest], [x / rest[pivot] for x in combined]))
        self._size += 1
        return None

    def express(self, vector: Coefficients) -> Coefficients | None:
        """The coefficients with which the added vectors combine to this one; None when they do not."""
        rest, used = self._reduced(vector)
        return None if any(rest) else used

    def _reduced(self, vector: Coefficients) -> tuple[Coefficients, Coefficients]:
        rest, used = list(vector), [Fraction(0)] * self._size
        for pivot, row, combined in self._echelon:
            factor = rest[pivot]
            if factor:
                rest = [a - factor * b for a, b in zip(rest, row, strict=True)]
                for at, number in enumerate(combined):
                    used[at] += factor * number
        return rest, used


def _krylov(matrix: Sequence[Coefficients]) -> tuple[Span, Coefficients]:
    """The powers of an element, given by what it multiplies the standard monomials to, and its minimal polynomial."""
    powers = Span()
    power = [Fraction(int(at == 0)) for at in range(len(matrix))]  # The first monomial is 1.
    while (used := powers.add(power)) is None:
        images = zip(*matrix, strict=True)
        power = [sum((a * b for a, b in zip(power, image, strict=True)), Fraction(0)) for image in images]
    return powers, [*(-number for number in used), Fraction(1)]


def _leading(basis: Sequence[Any]) -> list[tuple[int, ...]]:
    return [polynomial.LM for polynomial in basis]


def _has_no_solution(basis: Sequence[Any]) -> bool:
    return any(sum(monomial) == 0 for monomial in _leading(basis))


def _remainder(polynomial: Coefficients, divisor: Coefficients) -> Coefficients:
    rest, degree = list(polynomial), len(divisor) - 1
    while len(rest) > degree:
        factor = rest.pop() / divisor[-1]
        for at in range(degree):
            rest[len(rest) - degree + at] -= factor * divisor[at]
    return rest


def _at(polynomial: Coefficients, t: Fraction) -> Fraction:
    value = Fraction(0)
    for coefficient in reversed(polynomial):
        value = value * t + coefficient
    return value


def _fraction(number: Any) -> Fraction:
    return Fraction(int(number.numerator), int(number.denominator)) if number else Fraction(0)


def _rational(number: Fraction) -> Any:
    from sympy import Rational  # noqa: PLC0415  (an extra)

    return Rational(number.numerator, number.denominator)

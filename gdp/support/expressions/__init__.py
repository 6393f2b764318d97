"""Conditions over scores, such as `age >= 18 and blur < 0.3`: read safely, checked before use, judged pair by pair.

The text is read by Python's own parser into a syntax tree, of which an allow list is turned into a small tree of our
own; nothing is ever compiled or run. A condition is made of

- scores (`source_age`; `face_attributes.source_age` where two filters have a score of that name; the hyphens of a
  filter's name become underscores),
- numbers, words in quotes, `true` and `false`,
- `+ - * /`, `abs(x)`, `min(x, y)`, `max(x, y)`,
- comparisons, chained where wanted (`18 <= source_age < 60`), `in ("a", "b")`, `not in`,
- `and`, `or`, `not`, brackets.

A name without its picture, `age` where there are `source_age` and `target_age`, makes the whole condition be asked of
each picture of the pair; all must pass.

What is not known (a score that is missing or None, a division by zero) makes a comparison unknown, and `and`, `or`,
`not` carry that on by Kleene's strong logic: false and unknown is false, true or unknown is true, all else is unknown.
Kleene, "Introduction to Metamathematics" (1952), section 64.
"""

from __future__ import annotations

from gdp.support.expressions.binding import BoundExpression, Outcome
from gdp.support.expressions.parsing import Expression, parse_condition, parse_value

__all__ = ["BoundExpression", "Expression", "Outcome", "parse_condition", "parse_value"]

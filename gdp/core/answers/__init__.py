"""Paid answers: what services were asked and what they said, so that no picture is paid for twice."""

from gdp.core.answers.book import AnswerBook
from gdp.core.answers.ledger import Ledger, Outcome, Reservation, Tally

__all__ = ["AnswerBook", "Ledger", "Outcome", "Reservation", "Tally"]

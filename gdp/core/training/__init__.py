"""Training of students. Importing this package imports torch."""

from gdp.core.training.loader import TrainingPairs
from gdp.core.training.loop import Rehearsal, TrainingResult, rehearse, train_student

__all__ = ["Rehearsal", "TrainingPairs", "TrainingResult", "rehearse", "train_student"]

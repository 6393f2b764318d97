"""Training of students. Importing this package imports torch."""

from gdp.core.training.loader import TrainingPairs
from gdp.core.training.loop import Rehearsal, TrainingResult, rehearse, train_student
from gdp.core.training.objective import LossTerm, WeightedLoss

__all__ = ["LossTerm", "Rehearsal", "TrainingPairs", "TrainingResult", "WeightedLoss", "rehearse", "train_student"]

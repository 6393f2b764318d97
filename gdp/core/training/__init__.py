"""Training of students. Importing this package imports torch."""

from gdp.core.training.loop import TrainingResult, train_student
from gdp.core.training.pairs import TrainingPairs

__all__ = ["TrainingPairs", "TrainingResult", "train_student"]

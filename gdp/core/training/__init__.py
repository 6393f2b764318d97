"""Training of students. Importing this package imports torch."""

from gdp.core.training.loader import TrainingPairs
from gdp.core.training.loop import TrainingResult, train_student

__all__ = ["TrainingPairs", "TrainingResult", "train_student"]

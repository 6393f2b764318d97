"""Telling trackers of a run: a thread for each, nothing twice, and what fails is told and never ends the training."""

from gdp.tools.tracking.listening import Tracking, tracked
from gdp.tools.tracking.opening import Trackers, open_trackers

__all__ = ["Trackers", "Tracking", "open_trackers", "tracked"]

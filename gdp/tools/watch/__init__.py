"""What a run that works tells those who look from elsewhere: how far it is, its newest numbers. No torch."""

from gdp.tools.watch.recording import recorded
from gdp.tools.watch.sight import Sight, Work, look, newest_run

__all__ = ["Sight", "Work", "look", "newest_run", "recorded"]

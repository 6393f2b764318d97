"""Trackers that lack one property each, and a sound one."""

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


TRACKERS = ("sound-tracker", "nameless-run", "forgets-runs", "takes-files-away")


@gdp.hookimpl
def gdp_register_trackers(register):
    for name in TRACKERS:
        place = f"wrong_trackers:{''.join(word.title() for word in name.split('-'))}"
        register(name, config=NoSettings, implementation=place, summary="Tells of a run in a test")


class SoundTracker(gdp.Tracker):
    """Keeps what it is told."""

    def __init__(self, config):
        super().__init__(config)
        self.told = []

    def begin(self, run):
        return run.known or "the run"

    def metrics(self, stage, step, metrics):
        self.told.append((stage, step, metrics))


class NamelessRun(SoundTracker):
    """Has no name for the run."""

    def begin(self, run):
        return None


class ForgetsRuns(SoundTracker):
    """Calls a run that goes on another."""

    def begin(self, run):
        return "another" if run.known else "the run"


class TakesFilesAway(SoundTracker):
    """Moves pictures to where they shall be."""

    def image(self, stage, step, path):
        path.unlink()

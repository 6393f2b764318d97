"""Executors that lack one property each, and a sound one."""

import os
import time

import gdp

EXECUTORS = ["sound-executor", "always-three", "opens-again", "hears-the-first", "waits-on", "keeps-silent"]
EXECUTORS += ["lets-live", "leaves-orphans", "keeps-a-hundred"]


def title(name):
    return "".join(word.title() for word in name.split("-"))


@gdp.hookimpl
def gdp_register_executors(register):
    for name in EXECUTORS:
        register(name, implementation=f"wrong_executors:{title(name)}", summary="Starts workers in a test")


def __getattr__(name):
    """Make the classes when they are asked for, so that registering imports little."""
    if name not in {title(known) for known in EXECUTORS}:
        raise AttributeError(name)
    return executors()[name]


def executors():
    from gdp.plugins.executors.processes import ProcessesExecutor

    class SoundExecutor(ProcessesExecutor):
        """Starts processes."""

    class AlwaysThree(SoundExecutor):
        """Takes no number."""

        workers = 3

    class OpensAgain(SoundExecutor):
        """Starts another process for each piece."""

        def start(self, work, number):
            return Restarted(lambda: super(OpensAgain, self).start(work, number))

        def ready(self, workers, seconds):
            real = {id(worker.now): worker for worker in workers}
            return [real[id(each)] for each in super().ready([worker.now for worker in workers], seconds)]

    class HearsTheFirst(SoundExecutor):
        """Listens to one worker alone."""

        def ready(self, workers, seconds):
            return super().ready(workers[:1], seconds)

    class WaitsOn(SoundExecutor):
        """Waits for a word, however long that takes."""

        def ready(self, workers, seconds):
            return super().ready(workers, 20 * seconds)

    class KeepsSilent(SoundExecutor):
        """Takes a worker that has ended for one that is done."""

        def start(self, work, number):
            return Changed(super().start(work, number), lost=StopIteration)

        def ready(self, workers, seconds):
            return heard(super().ready, workers, seconds)

    class LetsLive(SoundExecutor):
        """Ends no worker that is busy."""

        def start(self, work, number):
            return Changed(super().start(work, number), ends=False)

        def ready(self, workers, seconds):
            return heard(super().ready, workers, seconds)

    class LeavesOrphans(SoundExecutor):
        """Lets another process hold the pipes by which workers see that they are alone."""

        def start(self, work, number):
            worker = super().start(work, number)
            if os.fork() == 0:
                time.sleep(15)
                os._exit(0)
            return worker

    class KeepsAHundred(SoundExecutor):
        """Keeps of what is not heard yet the newest words alone."""

        def start(self, work, number):
            return Forgetful(super().start(work, number))

        def ready(self, workers, seconds):
            full = [worker for worker in workers if worker.waiting]
            return full or heard(super().ready, workers, seconds)

    return {found.__name__: found for found in (SoundExecutor, *SoundExecutor.__subclasses__())}


class Changed(gdp.Worker):
    """A worker that is another at one point."""

    def __init__(self, real, lost=gdp.WorkerLostError, ends=True):
        self.real, self.lost, self.ends = real, lost, ends

    def begin(self, piece, attempt):
        self.real.begin(piece, attempt)

    def told(self):
        try:
            return self.real.told()
        except gdp.WorkerLostError as lost:
            raise self.lost(str(lost)) from lost

    def end(self):
        if self.ends:
            self.real.end()


class Forgetful(gdp.Worker):
    """A worker of whose words a hundred wait at most."""

    def __init__(self, real):
        self.real, self.waiting = real, []

    def begin(self, piece, attempt):
        self.real.begin(piece, attempt)

    def told(self):
        if not self.waiting:
            self.waiting = [self.next_word()]
            while self.waiting[-1] is not self and self.real.pipe.poll():
                self.waiting.append(self.next_word())
            self.waiting = self.waiting[-100:]
        word = self.waiting.pop(0)
        if word is self:
            raise StopIteration
        return word

    def next_word(self):
        try:
            return self.real.told()
        except StopIteration:
            return self

    def end(self):
        self.real.end()


def heard(ready, workers, seconds):
    real = {id(worker.real): worker for worker in workers}
    return [real[id(each)] for each in ready([worker.real for worker in workers], seconds)]


class Restarted(gdp.Worker):
    """A worker whose process is another for each piece."""

    def __init__(self, start):
        self.start, self.now = start, start()

    def begin(self, piece, attempt):
        self.now.end()
        self.now = self.start()
        self.now.begin(piece, attempt)

    def told(self):
        return self.now.told()

    def end(self):
        self.now.end()

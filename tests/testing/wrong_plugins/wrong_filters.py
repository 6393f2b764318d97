"""Filters that lack one property each, and sound ones of all three forms."""

import random
import socket
import threading
from pathlib import Path

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


FILTERS = {}


def filter_called(name):
    def keep(cls):
        cls.__doc__ = cls.__doc__ or "A filter for a test."
        FILTERS[name] = cls
        return cls

    return keep


@gdp.hookimpl
def gdp_register_filters(register):
    for name, cls in FILTERS.items():
        implementation = f"wrong_filters:{cls.__name__}"
        register(
            name,
            config=getattr(cls, "settings", NoSettings),
            implementation=implementation,
            summary="Judges for a test",
        )


def mean(pairs):
    return [float(picture.mean()) for picture in pairs.target]


@filter_called("sound")
class Sound(gdp.Filter):
    def judge(self, pairs):
        return [gdp.Verdict.keep_if(value > 0, mean=value) for value in mean(pairs)]


@filter_called("sound-scoring")
class SoundScoring(gdp.ScoringFilter):
    def score(self, pairs):
        return [{"mean": value} for value in mean(pairs)]

    def decide(self, scores):
        return {index: gdp.Verdict.keep_if(found["mean"] > 0) for index, found in scores.items()}


@filter_called("sound-combining")
class SoundCombining(gdp.CombiningFilter):
    def decide(self, scores):
        return {index: gdp.Verdict.keep_if(found["sound"]["mean"] > 0) for index, found in scores.items()}


@filter_called("cannot-be-built")
class CannotBeBuilt(Sound):
    def __init__(self, config, context):
        raise gdp.GdpError("there is no such file")


@filter_called("random")
class Random(gdp.Filter):
    def judge(self, pairs):
        return [gdp.Verdict.keep(chance=random.random()) for _ in range(len(pairs))]


@filter_called("seeds-torch")
class SeedsTorch(Sound):
    def judge(self, pairs):
        import torch

        torch.manual_seed(0)
        return super().judge(pairs)


@filter_called("writes")
class Writes(Sound):
    def judge(self, pairs):
        Path("notes.txt").write_text("judged")
        return super().judge(pairs)


@filter_called("waits-for-ever")
class WaitsForEver(Sound):
    def judge(self, pairs):
        threading.Event().wait()


@filter_called("asks-somebody")
class AsksSomebody(Sound):
    def judge(self, pairs):
        with socket.create_connection(("192.0.2.1", 80), timeout=0.1):
            return super().judge(pairs)


@filter_called("asks-on")
class AsksOn(Sound):
    def forecast(self, pairs, sources):
        return gdp.Forecast(pairs, dollars=0.5 * pairs)

    def judge(self, pairs):
        verdicts = []
        for _ in pairs.indices:
            try:
                with self.context.answers.paid_call("service", 0.5):
                    verdicts.append(gdp.Verdict.keep())
            except Exception as error:  # noqa: BLE001 # its fault
                verdicts.append(gdp.Verdict.unknown(str(error)))
        return verdicts


@filter_called("dearer-than-foretold")
class DearerThanForetold(Sound):
    def forecast(self, pairs, sources):
        return gdp.Forecast(pairs, dollars=0.001 * pairs)

    def judge(self, pairs):
        with self.context.answers.paid_call("service", 0.5):
            return super().judge(pairs)


class Factor(gdp.Config):
    """What scores are multiplied by."""

    factor: float = 1.0
    """By which each score is multiplied."""
    least: float = -2.0
    """Below which a pair is dropped."""


@filter_called("forgets-a-setting")
class ForgetsASetting(SoundScoring):
    settings = Factor
    score_settings = frozenset()

    def score(self, pairs):
        return [{"mean": value * self.config.factor} for value in mean(pairs)]


@filter_called("in-place")
class InPlace(Sound):
    def judge(self, pairs):
        pairs.target.clamp_(-0.5, 0.5)
        return super().judge(pairs)


@filter_called("one-too-few")
class OneTooFew(Sound):
    def judge(self, pairs):
        return super().judge(pairs)[:-1]


@filter_called("unknown-without-reason")
class UnknownWithoutReason(gdp.Filter):
    def judge(self, pairs):
        return [gdp.Verdict.unknown("")] * len(pairs)


@filter_called("relative")
class Relative(gdp.Filter):
    def judge(self, pairs):
        values = mean(pairs)
        return [gdp.Verdict.keep_if(value >= max(values)) for value in values]


@filter_called("by-position")
class ByPosition(gdp.Filter):
    def judge(self, pairs):
        return [gdp.Verdict.keep(position=position) for position in range(len(pairs))]


@filter_called("three-channels")
class ThreeChannels(Sound):
    def judge(self, pairs):
        _ = pairs.source - pairs.target
        return super().judge(pairs)


@filter_called("unknown-score-setting")
class UnknownScoreSetting(SoundScoring):
    score_settings = frozenset({"model"})


@filter_called("remembers")
class Remembers(SoundScoring):
    def score(self, pairs):
        self.seen = True
        return super().score(pairs)

    def decide(self, scores):
        if not hasattr(self, "seen"):
            return {index: gdp.Verdict.drop("nothing measured") for index in scores}
        return super().decide(scores)


@filter_called("first-come")
class FirstCome(SoundScoring):
    def decide(self, scores):
        first = next(iter(scores))
        return {index: gdp.Verdict.keep_if(index == first) for index in scores}


@filter_called("catches-the-stop")
class CatchesTheStop(SoundScoring):
    def score_stream(self, batches):
        try:
            yield from super().score_stream(batches)
        except Exception:  # noqa: BLE001 # the defect
            return


@filter_called("loses-answers")
class LosesAnswers(SoundScoring):
    def score_stream(self, batches):
        found = [dict(zip(pairs.indices, self.score(pairs), strict=True)) for pairs in batches]
        yield from found


@filter_called("streams-something-else")
class StreamsSomethingElse(SoundScoring):
    def score_stream(self, batches):
        for pairs in batches:
            yield {index: {"mean": 2.0} for index in pairs.indices}


@filter_called("says-too-much")
class SaysTooMuch(Sound):
    def check(self):
        return "one line\nand another"


@filter_called("foretells-too-much")
class ForetellsTooMuch(Sound):
    def forecast(self, pairs, sources=1):
        return gdp.Forecast(calls=pairs + 1)

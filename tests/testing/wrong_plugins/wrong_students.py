"""Students, losses, evaluators and direction methods that lack one property each, and sound ones."""

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


STUDENTS = (
    "sound-student", "large-values", "batch-statistics", "global-weights", "tied", "tells-tensors", "no-logits",
    "detached-judge", "half-a-training", "no-such-parameter", "stands-still", "forgetful", "crashes-on-six",
)  # fmt: skip
LOSSES = (
    "sound-loss", "sound-adversarial", "per-picture", "infinite", "detached-loss", "reaches-the-teacher",
    "pulls-the-generator", "hidden-adversary", "hidden-way-back", "shared-weights",
)  # fmt: skip
EVALUATORS = (
    "sound-evaluator",
    "takes-it-for-granted",
    "invents",
    "half-emphatic",
    "no-protocol",
    "wide-picture",
    "keeps-training",
    "says-nothing",
)
METHODS = ("sound-method", "zero", "backwards", "whitens-in-place")


def title(name):
    return "".join(word.title() for word in name.split("-"))


def register_all(register, names, summary):
    for name in names:
        register(name, config=NoSettings, implementation=f"wrong_students:{title(name)}", summary=summary)


@gdp.hookimpl
def gdp_register_students(register):
    register_all(register, STUDENTS, "Learns in a test")


@gdp.hookimpl
def gdp_register_losses(register):
    register_all(register, LOSSES, "Measures in a test")


@gdp.hookimpl
def gdp_register_evaluators(register):
    register_all(register, EVALUATORS, "Evaluates in a test")


@gdp.hookimpl
def gdp_register_direction_methods(register):
    register_all(register, METHODS, "Finds in a test")


def __getattr__(name):
    """Make the classes when they are asked for: they need torch."""
    if name not in {title(known) for known in (*STUDENTS, *LOSSES, *EVALUATORS, *METHODS)}:
        raise AttributeError(name)
    return {**students(), **losses(), **evaluators(), **methods()}[name]


def students():
    import itertools

    import torch
    from torch import nn

    from gdp.testing.examples import TinyStudent

    class SoundStudent(TinyStudent):
        """A student for a test."""

    class Wrapped(SoundStudent):
        """Puts a layer behind the generator."""

        layer = nn.Identity

        def __init__(self, config, context):
            super().__init__(config, context)
            self._generator = nn.Sequential(self._generator, self.layer())

    class Doubling(nn.Module):
        def forward(self, image):
            return 4 * image + 2

    class Centring(nn.Module):
        def forward(self, image):
            return (image - image.mean((0, 2, 3), keepdim=True)).clamp(-1, 1)

    class LargeValues(Wrapped):
        layer = Doubling

    class BatchStatistics(Wrapped):
        layer = Centring

    class GlobalWeights(SoundStudent):
        def __init__(self, config, context):
            super().__init__(config, context)
            nn.init.normal_(self._generator.last.weight, std=0.1)

    class Tied(SoundStudent):
        def __init__(self, config, context):
            super().__init__(config, context)
            self._generator.block.again = self._generator.block.weight
            self._generator.register_buffer("copy", self._generator.block.weight.detach())

    class TellsTensors(SoundStudent):
        def initialise(self, teacher):
            return {"copied": next(self.generator.parameters())}

    class NoLogits(SoundStudent):
        def discriminate(self, source, image):
            return []

    class DetachedJudge(SoundStudent):
        def discriminate(self, source, image):
            return super().discriminate(source, image.detach())

    class HalfATraining(SoundStudent):
        phases = (gdp.TrainingPhase("all", 0.5),)

    class NoSuchParameter(SoundStudent):
        phases = (gdp.TrainingPhase("all", 1.0, frozenset({"nowhere.weight"})),)

    class StandsStill(SoundStudent):
        discriminator = None

        def generate_in_phase(self, phase, source):
            return self.generator(source).detach() + 0 * next(self.generator.parameters()).sum()

    counter = itertools.count()

    class Noise(nn.Module):
        def forward(self, image):
            if not self.training:
                return image
            return image * (1 + 0.01 * next(counter))

    class Forgetful(Wrapped):
        layer = Noise

    class CrashesOnSix(SoundStudent):
        def __init__(self, config, context):
            super().__init__(config, context)
            self._generator = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Tanh())
            with torch.no_grad():
                self._generator[0].weight.fill_(0.1)
                self._generator[0].bias.zero_()

    return locals()


def losses():
    import torch
    from torch import nn

    from gdp.testing.examples import AbsoluteDifference, LeastSquares

    class SoundLoss(AbsoluteDifference):
        """A loss for a test."""

    class SoundAdversarial(LeastSquares):
        """A loss for a test."""

    class PerPicture(SoundLoss):
        def generator(self, step):
            return (step.prediction - step.target).abs().mean((1, 2, 3))

    class Infinite(SoundLoss):
        def generator(self, step):
            return (step.prediction - step.prediction.detach()).abs().sum().log()

    class DetachedLoss(SoundLoss):
        def generator(self, step):
            return (step.prediction.detach() - step.target).abs().mean()

    class ReachesTheTeacher(SoundLoss):
        def generator(self, step):
            return (step.prediction - self.context.teacher.module(step.source)).abs().mean()

    class PullsTheGenerator(SoundAdversarial):
        def discriminator(self, step):
            return step.discriminate(step.prediction)[0][-1].mean()

    class HiddenAdversary(SoundLoss):
        def generator(self, step):
            return super().generator(step) + step.fake[0][-1].mean()

    class HiddenWayBack(SoundLoss):
        def generator(self, step):
            return (step.opposite.generate(step.prediction) - step.source).abs().mean()

    class SharedWeights(SoundLoss):
        def fit(self, student_hidden, teacher_hidden):
            helper = nn.Linear(2, 2)
            helper.second = nn.Linear(2, 2)
            helper.second.weight = helper.weight
            self.helper = helper
            return helper

        def generator(self, step):
            return super().generator(step) + 0 * self.helper(torch.ones(2)).sum()

    return locals()


def evaluators():
    class SoundEvaluator(gdp.Evaluator):
        """An evaluator for a test."""

        protocol = "Mean absolute difference on all held-out pairs."
        scale = 1

        def evaluate(self, context):
            pairs = context.load(context.held_out)
            made = context.predict(pairs.source)
            value = float((made - pairs.target).abs().mean())
            row = gdp.PictureRow("first", {"student": made[0] * self.scale})
            return gdp.Evaluation({"quality.test.l1": gdp.Metric(value, self.protocol)}, {}, [row])

        @classmethod
        def sentences(cls, numbers):
            if (value := numbers.get("quality.test.l1")) is not None:
                yield gdp.Sentence(f"It is **{value:.3f}** away.")

        @classmethod
        def headlines(cls, numbers):
            if (value := numbers.get("quality.test.l1")) is not None:
                yield gdp.Headline(f"{value:.3f}", "L1")

    class TakesItForGranted(SoundEvaluator):
        @classmethod
        def sentences(cls, numbers):
            return [gdp.Sentence(f"It is {numbers['quality.test.l1']:.3f} away.")]

    class Invents(SoundEvaluator):
        @classmethod
        def headlines(cls, numbers):
            return [gdp.Headline("100 %", "certain")]

    class HalfEmphatic(SoundEvaluator):
        @classmethod
        def sentences(cls, numbers):
            return [gdp.Sentence("It is **near.")]

    class NoProtocol(SoundEvaluator):
        protocol = ""

    class WidePicture(SoundEvaluator):
        scale = 255

    class KeepsTraining(SoundEvaluator):
        def evaluate(self, context):
            context.student.generator.train()
            return super().evaluate(context)

    class SaysNothing(SoundEvaluator):
        def evaluate(self, context):
            return gdp.Evaluation()

    return locals()


def methods():
    from gdp.support.interfaces.directions import DirectionMethod, FoundDirection

    class SoundMethod(DirectionMethod):
        """A method for a test: the covariance of w and label."""

        sign = 1

        def find(self, search):
            centred = search.label - search.label.mean()
            return [FoundDirection(self.sign * (search.w * centred[:, None]).mean(0))]

    class Zero(SoundMethod):
        sign = 0

    class Backwards(SoundMethod):
        sign = -1

    class WhitensInPlace(SoundMethod):
        def find(self, search):
            search.w.sub_(search.w.mean(0))
            return super().find(search)

    return locals()

"""Methods that find a direction from scores: class means and the normals of linear models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gdp.core.errors import MissingResourceError, ShapeError
from gdp.core.interfaces.directions import DirectionMethod, DirectionSearch, FoundDirection
from gdp.support.directions.holding import project_out, project_out_of_spread

_NORMAL_PENALTY = 1e-3


class ClassMeans(DirectionMethod):
    """Mean w of the samples with the highest scores less that of those with the lowest.

    "StyleGAN2 Distillation" (ECCV 2020), section 3.1; it stays where w is dense. Held scores: the nearest direction,
    in units of w's own spread, along which no score that a ridge regression predicts changes.
    """

    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return the difference of the class means."""
        centred = _centred(search)
        high, low = _classes(_label(search), self.config.share)
        difference = centred[high].mean(dim=0) - centred[low].mean(dim=0)
        normals = [_ridge(centred, score, _NORMAL_PENALTY) for score in search.held.values()]
        vector = project_out_of_spread(difference, normals, centred.T @ centred / len(centred))
        return [FoundDirection(vector, {"in_each_class": len(high)})]


class LogisticRegressionNormal(DirectionMethod):
    """Normal of a logistic regression on the samples with the highest and the lowest scores.

    Held scores: less its part in the span of their own normals (InterFaceGAN's conditional manipulation).
    """

    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return the normal.

        Raises:
            MissingResourceError: scikit-learn is not installed.
        """
        try:
            from sklearn.linear_model import LogisticRegression
        except ModuleNotFoundError as error:
            raise _no_scikit_learn("logistic-regression") from error
        model = LogisticRegression(C=self.config.inverse_regularisation, max_iter=10_000)
        return [_conditional(search, lambda w, score: _boundary(model, w, score, self.config.share))]


class LinearSvmNormal(DirectionMethod):
    """Normal of a linear support vector machine: Shen and others, "InterFaceGAN" (CVPR 2020), section 2.1.

    Held scores: less its part in the span of their own normals, section 2.2.
    """

    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return the normal.

        Raises:
            MissingResourceError: scikit-learn is not installed.
        """
        try:
            from sklearn.svm import LinearSVC
        except ModuleNotFoundError as error:
            raise _no_scikit_learn("linear-svm") from error
        # The primal problem is solved without random numbers; with a seed it leaves numpy's global random state alone.
        model = LinearSVC(C=self.config.inverse_regularisation, dual=False, max_iter=100_000, random_state=0)
        return [_conditional(search, lambda w, score: _boundary(model, w, score, self.config.share))]


class RidgeNormal(DirectionMethod):
    """Ridge regression of the score on w. Held scores: less its part in the span of their own normals."""

    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return the normal."""
        return [_conditional(search, lambda w, score: _ridge(w, score, self.config.penalty))]


def _label(search: DirectionSearch) -> Tensor:
    if search.label is None:
        raise ShapeError("this method finds a direction from scores: name one with --label")
    return search.label


def _conditional(search: DirectionSearch, normal: Callable[[Tensor, Tensor], Tensor]) -> FoundDirection:
    """Find a score's normal and take out its part in the span of the held scores' normals."""
    centred = _centred(search)
    held = [normal(centred, score) for score in search.held.values()]
    return FoundDirection(project_out(normal(centred, _label(search)), held))


def _centred(search: DirectionSearch) -> Tensor:
    """Return w (N, w_dim) with mean 0.

    Raises:
        ShapeError: there are fewer than two samples for each number in w.
    """
    count, width = search.w.shape
    if count < 2 * width:
        raise ShapeError(
            f"{count} usable samples are too few for a direction of {width} numbers; take at least ten times as many "
            "samples as the w has numbers (--samples)."
        )
    return search.w - search.w.mean(dim=0)


def _classes(score: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the numbers of the samples with the highest and with the lowest scores."""
    order = score.argsort(stable=True)
    count = max(1, round(share * len(score)))
    return order[-count:], order[:count]


def _boundary(model: object, centred: Tensor, score: Tensor, share: float) -> Tensor:
    """Return the normal (w_dim,) of a scikit-learn classifier of high against low scores."""
    high, low = _classes(score, share)
    # One divisor for all numbers of w: another for each would turn the normal.
    inputs = torch.cat([centred[high], centred[low]]) / centred.square().mean().sqrt()
    labels = torch.cat([torch.ones(len(high)), torch.zeros(len(low))])
    fitted = model.fit(inputs.numpy(), labels.numpy())  # type: ignore[attr-defined] # scikit-learn has no types
    return torch.from_numpy(fitted.coef_[0]).double()


def _ridge(centred: Tensor, score: Tensor, penalty: float) -> Tensor:
    """Ridge regression of a standardised score on w, (w_dim,): argmin |w b - s|^2 + N lambda |b|^2.

    lambda is `penalty` times the mean variance of w's numbers.
    """
    count, width = centred.shape
    root = (penalty * centred.var(dim=0).mean() * count).sqrt() * torch.eye(width, dtype=centred.dtype)
    right = torch.cat([score, score.new_zeros(width)])[:, None]
    normal: Tensor = torch.linalg.lstsq(torch.cat([centred, root]), right, driver="gelsd").solution[:, 0]
    return normal


def _no_scikit_learn(method: str) -> MissingResourceError:
    return MissingResourceError(
        f"direction method {method} needs scikit-learn: pip install 'gdp-distill[directions]', or take class-means or "
        "ridge, which need nothing."
    )

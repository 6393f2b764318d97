"""Ways of finding directions: from labels, or from what varies most.

Methods that find a direction from scores: class means and the normals of linear models.

Methods that find directions without labels: principal components of w, and the style weights' own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gdp import DirectionMethod, DirectionSearch, FoundDirection, MissingResourceError, ShapeError
from gdp.toolbox import project_out, project_out_of_spread

_NORMAL_PENALTY = 1e-3
_SAMPLES_A_NUMBER = 2
"""Of w, that a direction from scores needs."""


class _FromScores(DirectionMethod):
    """A direction from scores, for which w must be known in all directions."""

    def fewest_samples(self, width: int) -> int:
        """Two for each number in w."""
        return _SAMPLES_A_NUMBER * width


class ClassMeans(_FromScores):
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


class LogisticRegressionNormal(_FromScores):
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


class LinearSvmNormal(_FromScores):
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


class RidgeNormal(_FromScores):
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
    fewest = _SAMPLES_A_NUMBER * width
    if count < fewest:
        raise ShapeError(
            f"{count} usable samples are too few for a direction of {width} numbers: {fewest} are the fewest, and "
            f"{5 * fewest} are better (--samples)."
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


class PrincipalComponents(DirectionMethod):
    """Principal components of w, the widest first.

    Härkönen and others, "GANSpace" (NeurIPS 2020), section 2.1: in StyleGAN those of w, applied to a range of layers.
    Strength 1 is GANSpace's sigma of 1: one standard deviation along the component.
    """

    labelled = False

    def fewest_samples(self, width: int) -> int:
        """More than there are numbers in w."""
        return width + 1

    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return the components.

        Raises:
            ShapeError: there are fewer samples than numbers in w, or more components are asked for than there are.
        """
        count, width = search.w.shape
        _check_components(search.components, width)
        if count <= width:
            raise ShapeError(
                f"{count} samples are too few for the components of {width} numbers; take more (--samples)"
            )
        centred = search.w - search.w.mean(dim=0)
        variances, vectors = torch.linalg.eigh(centred.T @ centred / (count - 1))  # ascending
        total = variances.sum()
        return [
            FoundDirection(
                _signed(vectors[:, -number]), {"variance_share": round(float(variances[-number] / total), 6)}
            )
            for number in range(1, search.components + 1)
        ]


class ClosedForm(DirectionMethod):
    """The directions to which the teacher's style weights respond most.

    Shen and Zhou, "Closed-Form Factorization of Latent Semantics in GANs" (CVPR 2021), equation 9: eigenvectors of
    A^T A, A being the style weights of the chosen layers, one above the other, each row's norm set to 1 as in the
    authors' code. Needs no samples.
    """

    labelled = False
    sampled = False

    def find(self, search: DirectionSearch) -> Sequence[FoundDirection]:
        """Return the eigenvectors of the largest eigenvalues.

        Raises:
            PluginError: the teacher does not show its style weights.
            ShapeError: more components are asked for than there are.
        """
        weights = search.teacher.style_weights()
        layers = range(len(weights)) if search.layers is None else search.layers
        rows = torch.cat([weights[layer].detach().cpu().double() for layer in layers])  # A, (outputs, w_dim)
        _check_components(search.components, rows.shape[1])
        rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
        values, vectors = torch.linalg.eigh(rows.T @ rows)  # ascending
        total = values.sum()
        return [
            FoundDirection(_signed(vectors[:, -number]), {"eigenvalue_share": round(float(values[-number] / total), 6)})
            for number in range(1, search.components + 1)
        ]


def _check_components(components: int, width: int) -> None:
    if components > width:
        raise ShapeError(f"a w of {width} numbers has no {components} components; ask for fewer (--components)")


def _signed(vector: Tensor) -> Tensor:
    """Choose the sign that makes the largest number positive, for an eigenvector has none."""
    return vector * vector[vector.abs().argmax()].sign()

"""What direction methods promise: the same directions for the same samples, along which the label grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gdp.core.interfaces.teachers import LatentTeacher
from gdp.support.interfaces.directions import DirectionMethod, DirectionSearch, FoundDirection
from gdp.testing.findings import DoesNotApplyError, require, require_same, require_tensor
from gdp.testing.subject import Subject

_SAMPLES = 256
_COMPONENTS = 2


def exercise(subject: Subject, method: DirectionMethod) -> Any:
    """Find directions of the example samples."""
    return [found.vector for found in method.find(_search(subject))]


def _search(subject: Subject) -> DirectionSearch:
    teacher = subject.world.teacher
    if not isinstance(teacher, LatentTeacher):
        raise DoesNotApplyError("the world's teacher has no latents")
    random = torch.Generator().manual_seed(31)
    count = max(_SAMPLES, subject.build().fewest_samples(teacher.w_dim))
    w = torch.randn(count, teacher.w_dim, generator=random, dtype=torch.float64)
    noise = 0.1 * torch.randn(count, generator=random, dtype=torch.float64)
    return DirectionSearch(
        w, teacher, label=w @ _truth(w) + noise, held={"held": w[:, 1] + noise}, components=_COMPONENTS
    )


def _truth(w: Tensor) -> Tensor:
    """Return the direction along which the example label grows: mostly the first coordinate, a little the second."""
    truth = torch.zeros(w.shape[1], dtype=w.dtype)
    truth[0], truth[1] = 1.0, 0.3
    return truth


def directions_fit_the_latents(subject: Subject) -> None:
    """Directions are finite (w_dim,) float64 vectors other than 0, as many as were asked for."""
    method: DirectionMethod = subject.build()
    search = _search(subject)
    if not type(method).sampled:
        search = replace(search, w=search.w[:0])  # what it says that it needs none of is not given
    found: Sequence[FoundDirection] = method.find(search)
    wanted = 1 if type(method).labelled else search.components
    require(len(found) == wanted, f"{len(found)} directions came for {wanted}", "one for a label, else `components`")
    for number, direction in enumerate(found):
        vector = require_tensor(direction.vector, (search.w.shape[1],), f"direction {number}", dtype=torch.float64)
        require(bool(vector.norm() > 0), f"direction {number} is 0", "raise gdp.GdpError where there is none")


def the_label_grows_along_the_direction(subject: Subject) -> None:
    """Along the direction that was found for a label the label grows."""
    method: DirectionMethod = subject.build()
    if not type(method).labelled:
        raise DoesNotApplyError("it takes no labels")
    search = _search(subject)
    vector = method.find(search)[0].vector
    cosine = float(vector @ _truth(vector[None]) / vector.norm().clamp(min=1e-12) / _truth(vector[None]).norm())
    require(
        cosine > 0.5,
        f"the direction's cosine to the one that makes the label is {cosine:.2f}",
        "let the vector point to where label is large",
    )


def the_samples_stay_as_they_are(subject: Subject) -> None:
    """The samples and labels that are handed in are not changed."""
    search = _search(subject)
    before = search.w.clone(), search.label.clone() if search.label is not None else None
    subject.build().find(search)
    require_same(before, (search.w, search.label), "find changed the samples", "work on a clone")


PROPERTIES = (
    directions_fit_the_latents,
    the_label_grows_along_the_direction,
    the_samples_stay_as_they_are,
)

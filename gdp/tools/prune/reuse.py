"""Take over what a pruned run has in common with the run that it came from: the teacher trained there, the pairs.

Copied, not linked: either run may change its own later.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from gdp.core.errors import readable_os_errors
from gdp.core.run.notes import TRAINED, trained_weights
from gdp.core.run.session import Session
from gdp.core.run.stages import pairs, teacher
from gdp.core.run_folder import RunFolder, write_atomically


def reuse(session: Session, run: RunFolder) -> None:
    """Copy from `run` what this session would make just so; call it under the lock of the session's folder.

    What is there already stays. A process that is killed meanwhile leaves nothing that looks whole.

    Raises:
        RunLockedError: another process works in `run`.
        DiskFullError, RunFolderError: the system refuses to write.
    """
    if session.recipe.teacher_training is not None:
        _reuse_teacher(session, run)
    if teacher.is_there(session):
        teacher.key(session)
        pairs.key(session)
        _reuse_pairs(session, run)


def _reuse_teacher(session: Session, run: RunFolder) -> None:
    ours = session.teacher_folder
    theirs = run.path / session.folder.relative(ours)
    weights = trained_weights(theirs)
    if weights is None or trained_weights(ours) is not None:
        return
    with run.locked():
        _copy(weights, ours / weights.relative_to(theirs))
        write_atomically(ours / TRAINED, (theirs / TRAINED).read_bytes())
    session.progress.message(f"teacher: copied from {run.path}")


def _reuse_pairs(session: Session, run: RunFolder) -> None:
    """Copy the pair store of the present key with all verdicts in it."""
    ours = session.store_folder
    theirs = run.path / session.folder.relative(ours)
    if ours.exists() or not theirs.is_dir():
        return
    unfinished = ours.with_name(f".{ours.name}.copying")
    shutil.rmtree(unfinished, ignore_errors=True)
    with run.locked():
        for file in sorted(path for path in theirs.rglob("*") if path.is_file()):
            _copy(file, unfinished / file.relative_to(theirs))
    with readable_os_errors(ours):
        unfinished.replace(ours)
    session.progress.message(f"pairs: copied from {run.path}")


def _copy(file: Path, copy: Path) -> None:
    with readable_os_errors(copy):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)

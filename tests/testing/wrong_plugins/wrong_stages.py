"""Stages that lack one property each, and sound ones: of many pieces, of one, and of none."""

import shutil

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


STAGES = {}


def stage_called(name):
    def keep(cls):
        cls.__doc__ = cls.__doc__ or "A stage for a test."
        cls.name = name
        STAGES[name] = cls
        return cls

    return keep


@gdp.hookimpl
def gdp_register_stages(register):
    for name, cls in STAGES.items():
        implementation = f"wrong_stages:{cls.__name__}"
        register(name, config=NoSettings, implementation=implementation, summary="Leaves files for a test")


@stage_called("sound-stage")
class Sound(gdp.Stage):
    """Writes the student's weights in three pieces, into a folder for each key."""

    def key(self, run, keys):
        return {"export": keys["export"]}

    def folder(self, run):
        return run.path / self.name / run.keys[self.name][:12]

    def pieces(self, run):
        content = (run.student_folder / "student.safetensors").read_bytes()
        return {f"{number}.part": content[number::3] for number in range(3)}

    def write(self, run):
        from gdp.toolbox import write_atomically

        pieces = self.pieces(run)
        with run.progress.task(self.name, len(pieces), "piece") as task:
            for name, content in pieces.items():
                if run.stop_requested():
                    raise gdp.Stopped
                if not (self.folder(run) / name).is_file():
                    write_atomically(self.folder(run) / name, content)
                task.advance()

    def execute(self, run):
        self.write(run)
        return {"pieces": 3, "steps": run.summaries["train"]["steps"], "seed": run.data()["seed"]}

    def is_there(self, run):
        return all((self.folder(run) / name).is_file() for name in self.pieces(run))

    def reset(self, run, first):
        shutil.rmtree(self.folder(run), ignore_errors=True)


@stage_called("sound-telling-stage")
class SoundTelling(gdp.Stage):
    """Leaves nothing but its summary, at once."""

    def execute(self, run):
        return {"bytes": (run.student_folder / "student.safetensors").stat().st_size}


@stage_called("sound-inapplicable-stage")
class SoundInapplicable(SoundTelling):
    def applies(self, run):
        return "compare" in run.data()


@stage_called("path-in-key")
class PathInKey(Sound):
    def key(self, run, keys):
        return {**keys, "folder": run.path.parent / "fixed"}


@stage_called("shares-nothing")
class SharesNothing(Sound):
    shares = ("parts",)


@stage_called("notes-its-key")
class NotesItsKey(Sound):
    def key(self, run, keys):
        (run.path / "asked.txt").write_text("once more")
        return super().key(run, keys)


@stage_called("changes-the-keys")
class ChangesTheKeys(Sound):
    def key(self, run, keys):
        keys["mine"] = "0"
        return keys


@stage_called("place-in-key")
class PlaceInKey(Sound):
    def key(self, run, keys):
        return {**keys, "folder": str(run.path)}


@stage_called("constant-key")
class ConstantKey(Sound):
    def key(self, run, keys):
        return {}


@stage_called("tensor-in-summary")
class TensorInSummary(Sound):
    def execute(self, run):
        import torch

        super().execute(run)
        return {"mean": torch.zeros(1)}


@stage_called("believes-it-is-there")
class BelievesItIsThere(Sound):
    def is_there(self, run):
        return True


@stage_called("never-there")
class NeverThere(Sound):
    def is_there(self, run):
        return False


@stage_called("changes-the-card")
class ChangesTheCard(Sound):
    def execute(self, run):
        (run.student_folder / "student.json").write_text("{}")
        return super().execute(run)


@stage_called("writes-beside")
class WritesBeside(Sound):
    def execute(self, run):
        (run.path.parent / "all.csv").write_text("tiny")
        return super().execute(run)


@stage_called("looks-into-gdp")
class LooksIntoGdp(Sound):
    def execute(self, run):
        return {"name": run.recipe.name, **super().execute(run)}


@stage_called("breaks-off")
class BreaksOff(Sound):
    def execute(self, run):
        try:
            return super().execute(run)
        except gdp.Stopped:
            return {}


@stage_called("begins-again")
class BeginsAgain(Sound):
    def execute(self, run):
        shutil.rmtree(self.folder(run), ignore_errors=True)
        return super().execute(run)


@stage_called("finds-a-lock")
class FindsALock(Sound):
    def execute(self, run):
        lock = run.path / "sound.lock"
        if lock.exists():
            raise gdp.GdpError("another process is at work")
        lock.write_text("")
        self.write(run)
        lock.unlink()
        return {}


@stage_called("catches-all")
class CatchesAll(Sound):
    def execute(self, run):
        try:
            return super().execute(run)
        except BaseException:  # noqa: BLE001 # that is what is wrong with it
            return {}


@stage_called("one-folder-for-all")
class OneFolderForAll(Sound):
    def folder(self, run):
        return run.path / self.name


@stage_called("keeps-all")
class KeepsAll(Sound):
    def reset(self, run, first):
        pass


@stage_called("resets-the-student")
class ResetsTheStudent(Sound):
    def reset(self, run, first):
        shutil.rmtree(run.student_folder)

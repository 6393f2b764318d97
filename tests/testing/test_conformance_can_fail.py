"""The conformance kit tells a plugin that lacks a property, for each property of each kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gdp.core.errors import PluginNotFoundError
from gdp.core.records import Kind, PlainKind
from gdp.registry import PluginRegistry
from gdp.testing import conformance, examples

WRONG = Path(__file__).parent / "wrong_plugins"
SCORES = {0: {"sound": {"mean": 0.4}}, 1: {"sound": {"mean": -0.2}}}
SOUND: dict[tuple[Kind | PlainKind, str], dict[str, Any]] = {
    ("filter", "sound"): {},
    ("filter", "sound-scoring"): {},
    ("filter", "sound-combining"): {"world": replace(examples.latent_world(), scores=SCORES)},
    ("teacher", "sound-latent"): {},
    ("teacher", "sound-translator"): {},
    ("pair-source", "sound-source"): {},
    ("dataset", "sound-dataset"): {},
    ("dataset", "sound-unpaired"): {},
    ("student", "sound-student"): {},
    ("loss", "sound-loss"): {},
    ("loss", "sound-adversarial"): {},
    ("evaluator", "sound-evaluator"): {},
    ("stage", "sound-stage"): {},
    ("stage", "sound-telling-stage"): {},
    ("stage", "sound-inapplicable-stage"): {},
    ("direction-method", "sound-method"): {},
    ("executor", "sound-executor"): {},
    ("command", "sound-command"): {},
    ("aligner", "sound-aligner"): {},
    ("tracker", "sound-tracker"): {},
}
LACKING: list[tuple[Kind | PlainKind, str, str, str]] = [
    ("filter", "heavy", "registering-imports-nothing-heavy", "imports torch"),
    ("filter", "nothing-but-a-name", "the-summary-fits-a-line", "the summary is 'Nothing but a name'"),
    ("filter", "undocumented", "every-setting-is-documented", "Undocumented.limit"),
    ("filter", "open-table", "settings-are-closed-and-frozen", "OpenTable accepts unknown keys"),
    ("filter", "changeable", "settings-are-closed-and-frozen", "Changeable accepts unknown keys or changes"),
    ("filter", "not-idempotent", "settings-survive-toml-and-json", "read again, the settings differ"),
    ("filter", "raises-type-error", "wrong-settings-are-explained", "TypeError"),
    ("filter", "no-docstring", "the-implementation-keeps-its-contract", "has no docstring"),
    ("filter", "cannot-be-built", "it-can-be-built", "there is no such file"),
    ("filter", "random", "the-same-seed-gives-the-same-result", "chance"),
    ("filter", "seeds-torch", "the-global-random-state-is-left-alone", "of torch"),
    ("filter", "random", "the-global-random-state-is-left-alone", "of Python"),
    ("filter", "writes", "nothing-is-written-into-the-present-folder", "notes.txt"),
    ("filter", "in-place", "what-it-is-given-stays-as-it-is", "['target'] differs"),
    ("filter", "waits-for-ever", "its-work-returns", "did not return within 1 s"),
    ("filter", "asks-on", "a-stop-reaches-its-calls", "asked to stop before a call, it went on"),
    ("filter", "asks-somebody", "it-asks-no-machine-that-it-does-not-announce", "it asks 192.0.2.1:80"),
    ("filter", "dearer-than-foretold", "what-it-pays-was-foretold", "its forecast of all 6 pairs is 0.006 $"),
    ("filter", "forgets-a-setting", "scores-depend-on-score-settings-alone", "with factor = 2.0 it measures otherwise"),
    ("filter", "one-too-few", "every-pair-gets-a-verdict", "5 verdicts on 6 pairs"),
    ("filter", "unknown-without-reason", "every-pair-gets-a-verdict", "unknown without a reason"),
    ("filter", "relative", "verdicts-do-not-depend-on-the-batch", "one by one, pairs were judged otherwise"),
    ("filter", "by-position", "verdicts-do-not-depend-on-the-batch", "backwards, pairs were judged otherwise"),
    ("filter", "three-channels", "two-input-pictures-are-judged-or-refused", "on sources of 6 channels"),
    ("filter", "unknown-score-setting", "score-settings-are-settings", "score_settings names model"),
    ("filter", "remembers", "decisions-are-made-from-stored-scores", "a filter that measured nothing itself"),
    ("filter", "first-come", "decisions-are-made-from-stored-scores", "in another order"),
    ("filter", "catches-the-stop", "the-stream-gives-every-pair-its-scores", "did not come through"),
    ("filter", "loses-answers", "the-stream-gives-every-pair-its-scores", "asked for before the stop"),
    ("filter", "streams-something-else", "the-stream-gives-every-pair-its-scores", "other scores than score"),
    ("filter", "says-too-much", "the-look-ahead-is-a-line", "check returned"),
    ("filter", "foretells-too-much", "the-look-ahead-is-a-line", "for no pairs"),
    ("teacher", "no-hash", "the-fingerprint-is-a-hash-of-the-weights", "'version 1'"),
    ("teacher", "training-mode", "the-network-is-frozen", "training mode"),
    ("teacher", "trainable", "the-network-is-frozen", "ask for gradients"),
    ("teacher", "no-truncation", "mapping-gives-finite-latents", "with truncation 0"),
    ("teacher", "truncates-all", "mapping-gives-finite-latents", "after the cutoff"),
    ("teacher", "levels", "synthesis-gives-pictures", "mean magnitude"),
    ("teacher", "ignores-ws", "synthesis-gives-pictures", "the same picture"),
    ("teacher", "batch-mean", "a-picture-does-not-depend-on-the-batch", "one by one"),
    ("teacher", "wrong-projection", "projection-finds-latents", "the projection's ws"),
    ("teacher", "projection-trains", "projection-finds-latents", "changed the weights"),
    ("teacher", "asks-for-gradients", "translation-gives-pictures", "ask for gradients"),
    ("teacher", "does-not-run-module", "translation-gives-pictures", "did not run module"),
    ("teacher", "bytes", "translation-gives-pictures", "uint8"),
    ("teacher", "batch-norm", "a-translation-does-not-depend-on-the-batch", "one by one"),
    ("teacher", "wrong-discriminator", "its-other-networks-fit", "RuntimeError"),
    ("pair-source", "levels-source", "the-pairs-are-pictures", "pictures are RGB in [-1, 1]"),
    ("pair-source", "wrong-order", "a-pair-does-not-depend-on-the-batch", "backwards"),
    ("pair-source", "by-position-source", "a-pair-does-not-depend-on-the-batch", "a target came out otherwise"),
    ("pair-source", "drifts", "the-same-seed-gives-the-same-result", "two builds with the same seed"),
    ("pair-source", "foreign-seed", "the-record-tells-where-a-pair-comes-from", "has the seed 8"),
    ("pair-source", "foreign-teacher", "the-record-tells-where-a-pair-comes-from", "somebody"),
    ("pair-source", "tensor-in-record", "the-record-tells-where-a-pair-comes-from", "no plain data"),
    ("pair-source", "fingerprint-of-now", "the-fingerprint-is-stable", "different fingerprints"),
    ("pair-source", "foretells-always", "the-forecast-is-of-calls", "for no pairs"),
    ("pair-source", "half-held-out", "held-out-pairs-are-told-by-name", "of 4 names"),
    ("pair-source", "random-teaching", "live-targets-fit-their-sources", "another target the second time"),
    ("pair-source", "empty-unpaired", "unpaired-pictures-are-uint8", "0 unpaired pictures"),
    ("pair-source", "edits-in-place", "the-edit-keeps-the-shape", "edit changed its argument"),
    ("dataset", "empty", "there-are-pictures", "there is no picture"),
    ("dataset", "floats", "there-are-pictures", "float32"),
    ("dataset", "random-pictures", "a-picture-is-always-the-same", "in another order"),
    ("dataset", "shared", "pictures-are-not-shared", "changed with what was handed out"),
    ("dataset", "wrong-latents", "latents-stand-beside-their-pictures", "latents is a float32 tensor"),
    ("dataset", "same-name", "two-domains-are-told-apart", "share a name"),
    ("student", "large-values", "the-generator-makes-pictures", "pictures are RGB in [-1, 1]"),
    ("student", "batch-statistics", "the-generator-makes-pictures", "one by one"),
    ("student", "global-weights", "the-seed-decides-the-fresh-weights", "have other weights"),
    ("student", "tied", "weights-survive-safetensors", "cannot be written and read again"),
    ("student", "tells-tensors", "initialising-is-told", "no plain data"),
    ("student", "no-logits", "the-discriminator-sends-a-gradient", "returned nothing"),
    ("student", "detached-judge", "the-discriminator-sends-a-gradient", "RuntimeError"),
    ("student", "half-a-training", "the-phases-cover-the-training", "sum to 0.5"),
    ("student", "no-such-parameter", "the-phases-cover-the-training", "nowhere.weight"),
    ("student", "crashes-on-six", "two-input-pictures-are-taken-or-refused", "RuntimeError"),
    ("student", "stands-still", "a-step-moves-the-weights", "moved no weight"),
    ("student", "forgetful", "a-resumed-training-ends-in-the-same-bits", "other weights"),
    ("loss", "per-picture", "the-term-is-a-finite-scalar", "expected float32 ()"),
    ("loss", "infinite", "the-term-is-a-finite-scalar", "NaN or infinite"),
    ("loss", "detached-loss", "its-gradient-reaches-the-student", "has no gradient"),
    ("loss", "reaches-the-teacher", "no-gradient-reaches-the-teacher", "reached the teacher's weights"),
    ("loss", "pulls-the-generator", "the-discriminators-term-is-not-the-generators", "pulls at the generator"),
    ("loss", "hidden-adversary", "what-it-needs-is-declared", "adversarial is False"),
    ("loss", "hidden-way-back", "what-it-needs-is-declared", "without a way back"),
    ("loss", "shared-weights", "its-own-networks-survive-safetensors", "RuntimeError"),
    ("evaluator", "no-protocol", "every-number-has-its-protocol", "has no protocol"),
    ("evaluator", "says-nothing", "every-number-has-its-protocol", "measured nothing"),
    ("evaluator", "takes-it-for-granted", "its-words-fit-its-numbers", "KeyError"),
    ("evaluator", "invents", "its-words-fit-its-numbers", "numbers that are not there"),
    ("evaluator", "half-emphatic", "its-words-fit-its-numbers", "has a ** without another"),
    ("evaluator", "wide-picture", "its-pictures-fit-the-report", "pictures are RGB in [-1, 1]"),
    ("evaluator", "keeps-training", "the-student-is-left-as-it-was", "left in training mode"),
    ("stage", "path-in-key", "the-key-is-plain-data", "PosixPath is not JSON"),
    ("stage", "shares-nothing", "the-key-is-plain-data", "shares names parts"),
    ("stage", "notes-its-key", "asking-for-the-key-changes-nothing", "key wrote asked.txt"),
    ("stage", "changes-the-keys", "asking-for-the-key-changes-nothing", "mine, pairs"),
    ("stage", "place-in-key", "equal-runs-have-equal-keys", "result['folder']"),
    ("stage", "constant-key", "the-key-tells-what-the-outcome-depends-on", "under the same key"),
    ("stage", "tensor-in-summary", "the-summary-is-plain-data", "the summary is no plain data"),
    ("stage", "looks-into-gdp", "the-summary-is-plain-data", "gdp.Run promises no recipe"),
    ("stage", "believes-it-is-there", "an-output-that-is-gone-is-missed", "is_there says yes without"),
    ("stage", "never-there", "an-output-that-is-gone-is-missed", "has just been done"),
    ("stage", "changes-the-card", "what-others-have-left-stays-as-it-is", "student/student.json"),
    ("stage", "writes-beside", "what-others-have-left-stays-as-it-is", "runs/all.csv beside"),
    ("stage", "breaks-off", "a-stop-is-heeded", "question 1"),
    ("stage", "begins-again", "a-stopped-stage-goes-on", "once more"),
    ("stage", "finds-a-lock", "a-killed-stage-goes-on", "another process is at work"),
    ("stage", "catches-all", "a-killed-stage-goes-on", "caught the end of its process"),
    ("stage", "one-folder-for-all", "what-another-key-has-left-is-not-taken", "0.part"),
    ("stage", "keeps-all", "forced-it-is-done-anew", "made none of"),
    ("stage", "resets-the-student", "forced-it-is-done-anew", "reset changed student/"),
    ("direction-method", "zero", "directions-fit-the-latents", "direction 0 is 0"),
    ("direction-method", "backwards", "the-label-grows-along-the-direction", "cosine"),
    ("direction-method", "whitens-in-place", "the-samples-stay-as-they-are", "find changed the samples"),
    ("executor", "always-three", "as-many-work-as-are-asked-for", "ExecutorContext(workers=2) workers is 3"),
    ("executor", "opens-again", "a-worker-is-opened-once-and-tells-all-in-order", "opened again for another piece"),
    ("executor", "hears-the-first", "workers-work-at-once", "nothing was told for 4 s"),
    ("executor", "keeps-a-hundred", "words-wait-until-they-are-heard", "were lost, number 0 first"),
    ("executor", "waits-on", "waiting-for-a-word-ends", "ready([worker], 0.2) took"),
    ("executor", "keeps-silent", "the-end-of-a-worker-is-told", "told to be done"),
    ("executor", "lets-live", "a-busy-worker-can-be-ended", "the worker went on"),
    (
        "executor",
        "leaves-orphans",
        "workers-end-with-who-started-them",
        "its process was killed, and the worker went on",
    ),
    ("command", "without-docstring", "the-implementation-keeps-its-contract", "has no docstring"),
    ("command", "asynchronous", "the-implementation-keeps-its-contract", "is asynchronous or a generator"),
    ("command", "heavy-command", "importing-it-imports-nothing-heavy", "importing torch.hub imports torch"),
    ("command", "unexplained", "every-parameter-is-explained", "without help: run, twice"),
    ("command", "misunderstood", "every-parameter-is-explained", "failed with NameError"),
    ("command", "without-example", "the-help-has-an-example", "no example of gdp without-example"),
    ("tracker", "nameless-run", "a-run-that-goes-on-is-known-again", "begin returned None"),
    ("tracker", "forgets-runs", "a-run-that-goes-on-is-known-again", "begin returned 'another'"),
    ("tracker", "takes-files-away", "what-it-is-told-of-is-left-as-it-is", "it changed step-000002.png"),
    ("aligner", "nameless", "what-it-finds-has-a-name", "finds is 'corners'"),
    ("aligner", "stretched", "squares-are-upright-views-of-the-picture", "stretched or mirrored"),
    ("aligner", "no-squares", "squares-are-upright-views-of-the-picture", "came for a square"),
    ("aligner", "remembers-the-last", "what-is-in-a-picture-does-not-depend-on-the-others", "picture 1 by itself"),
    ("aligner", "large-only", "pictures-of-any-size-are-looked-at", "too small"),
    ("aligner", "blackens", "pictures-are-left-as-they-are", "wrote into its input"),
]


DOES = {
    "registering-imports-nothing-heavy": pytest.mark.process,
    "importing-it-imports-nothing-heavy": pytest.mark.process,
    "projection-finds-latents": pytest.mark.training,
    "a-step-moves-the-weights": pytest.mark.training,
    "a-resumed-training-ends-in-the-same-bits": pytest.mark.training,
}
"""What it takes to see whether a plugin has a property, beside what every test may do."""
OF_KIND = {"stage": pytest.mark.training, "executor": pytest.mark.process}
CASES = [pytest.param(*case, marks=OF_KIND.get(case[0]) or DOES.get(case[2], ())) for case in LACKING]


@pytest.fixture(scope="module")
def registry() -> PluginRegistry:
    found = PluginRegistry.discover(folders=[WRONG])
    assert found.defects == []
    return found


@pytest.mark.process
@pytest.mark.training
@pytest.mark.parametrize(("kind", "name"), SOUND, ids=lambda word: word)
def test_a_sound_plugin_has_every_property(registry: PluginRegistry, kind: Kind, name: str) -> None:
    remarks = conformance.check(kind, name, registry=registry, **SOUND[kind, name])
    assert list(remarks) == list(conformance.properties(kind))


@pytest.mark.parametrize(("kind", "name", "lacking", "words"), CASES, ids=lambda word: word if "-" in word else "")
def test_what_is_lacking_is_told(registry: PluginRegistry, kind: Kind, name: str, lacking: str, words: str) -> None:
    patience = 24.0 if kind == "executor" else 1.0 if lacking == "its-work-returns" else 60.0
    cases = conformance.make_cases(kind, name, registry=registry, patience=patience)
    (case,) = [case for case in cases if case.name == lacking]
    with pytest.raises(conformance.NotConformantError) as caught:
        case()
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{kind} {name}: {lacking}")
    assert "\n  mend: " in message


def test_every_property_has_a_plugin_that_lacks_it() -> None:
    of_record = {found for kind, _, found, _ in LACKING if kind == "filter"}
    for kind in {kind for kind, _ in SOUND}:
        told = of_record | {found for of, _, found, _ in LACKING if of == kind}
        # A network that cannot be pruned says so; the built-in students show that what is left fits.
        assert set(conformance.properties(kind)) - told <= {"a-pruned-network-fits-its-settings"}


@pytest.mark.process
def test_all_that_is_lacking_is_told_at_once(registry: PluginRegistry) -> None:
    with pytest.raises(conformance.NotConformantError) as caught:
        conformance.check("filter", "random", registry=registry)
    message = str(caught.value)
    assert message.startswith("3 properties are lacking")
    for name in ("the-same-seed", "the-global-random-state", "verdicts-do-not-depend-on-the-batch"):
        assert name in message


@pytest.mark.process
def test_what_cannot_be_built_is_told_once(registry: PluginRegistry) -> None:
    with pytest.raises(conformance.NotConformantError) as caught:
        conformance.check("filter", "cannot-be-built", registry=registry)
    assert str(caught.value).count("there is no such file") == 1
    assert conformance.check("filter", "cannot-be-built", registry=registry, record_only=True)


@pytest.mark.process
def test_a_property_can_be_left_out_by_name_with_a_reason(registry: PluginRegistry) -> None:
    without = {"every-pair-gets-a-verdict": "it is the service's fault"}
    assert "every-pair-gets-a-verdict" in conformance.check("filter", "sound", registry=registry, without=without)
    with pytest.raises(ValueError, match="a filter has no property every-pear"):
        conformance.check("filter", "sound", registry=registry, without={"every-pear": "misspelt"})


def test_a_tolerance_lets_numbers_differ(registry: PluginRegistry) -> None:
    cases = conformance.make_cases("pair-source", "by-position-source", registry=registry, tolerance=0.6)
    (case,) = [case for case in cases if case.name == "a-pair-does-not-depend-on-the-batch"]
    assert case() == ""


@pytest.mark.process
def test_wrong_settings_and_names_of_a_check_are_explained(registry: PluginRegistry) -> None:
    with pytest.raises(conformance.NotConformantError, match="unknown key"):
        conformance.check("filter", "sound", registry=registry, settings={"limit": 3})
    with pytest.raises(PluginNotFoundError, match="no filter plugin is called"):
        conformance.check("filter", "nobody", registry=registry)
    with pytest.raises(ValueError, match="no kind of plugin is called 'filters'"):
        conformance.check("filters", "sound", registry=registry)  # type: ignore[arg-type] # a typing error's own test


@pytest.mark.process
@conformance.cases("filter", "sharpness")
def test_cases_are_tests_of_their_own(case: conformance.Case) -> None:
    assert case() == "" or case().startswith("does not apply")

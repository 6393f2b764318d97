"""What implementations of plugins may use beside the interfaces of `gdp`, as the built-ins do.

Names are imported when they are first used: a module of registration that takes one imports no torch by it, unless the
name itself needs it. What is promised about them stands in `docs/api_stability.md`; `docs/hooks.md` lists them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdp.core.answers import AnswerBook, PaidCall
    from gdp.core.arithmetic import count_macs, count_parameters
    from gdp.core.config import content_key
    from gdp.core.counters import counter_generator, counter_keys, counter_uniform, keyed_uniform
    from gdp.core.errors import readable_os_errors
    from gdp.core.files import file_sha256, write_atomically
    from gdp.core.interfaces.evaluators import EVALUATED_BYTES_A_PIXEL
    from gdp.core.ledger import Ledger, Outcome
    from gdp.core.memory import MemoryBound, free_memory, readable_memory_errors
    from gdp.core.pairs.records import number, pictures_by_part
    from gdp.core.pictures import (
        encode_png,
        from_array,
        from_levels,
        reduced,
        reduced_to_side,
        reduction,
        to_array,
        to_levels,
        unrounded_levels,
    )
    from gdp.core.recipe.messages import did_you_mean
    from gdp.core.recipe.sections import TrainSection
    from gdp.core.run.versions import processor_cores
    from gdp.core.tensor_file import write_tensors
    from gdp.core.training import TrainingPairs, WeightedLoss, train_student
    from gdp.core.training.checkpoint import Checkpoint, CheckpointFolder, read_checkpoint_state
    from gdp.core.training.group import Group, training_group
    from gdp.core.training.loader import BatchSampler, mirrored, open_feed
    from gdp.core.training.optimizer import WeightAverage
    from gdp.core.training.precision import LossScaler, autocaster, computes_bf16, training_type
    from gdp.core.training.statistics import StatisticsFile
    from gdp.support.assets import packaged_asset
    from gdp.support.batching import in_fixed_chunks
    from gdp.support.devices import DeviceName, resolve_device
    from gdp.support.direction_names import names_direction, split_component
    from gdp.support.directions import (
        Direction,
        Move,
        Origin,
        direction_metadata,
        normalised,
        origin_by_name,
        plan_move,
        project_out,
        project_out_of_spread,
        public_direction,
        read_direction,
        sample_w,
        trace_origin,
    )
    from gdp.support.directions.files import DIRECTION_FORMAT
    from gdp.support.expressions import BoundExpression, parse_condition
    from gdp.support.expressions.binding import bind
    from gdp.support.foreign import (
        ForeignFile,
        ForeignObject,
        as_tensor,
        module_state,
        parts_of,
        plain_state,
        printable,
        read_foreign,
        read_state,
        read_state_dict,
        walk_modules,
        without_wrappers,
    )
    from gdp.support.half_written import half_written
    from gdp.support.measuring import Timing, describe_machine, time_interleaved, time_once
    from gdp.support.networks.convolution import Convolution, TransposedConvolution
    from gdp.support.networks.layers import (
        FewChannelConvolution,
        NormalisationFactory,
        NormalisationName,
        PaddingName,
        PredictionName,
        ResidualBlock,
        ResizeConvolution,
        UpsamplingName,
        begin_unchanged,
        check_prediction,
        downsampling,
        initialise_weights,
        normalisation,
        predicted_picture,
        stem,
        upsampling,
    )
    from gdp.support.networks.widening import widened
    from gdp.support.picture_files import PictureFile, read_picture
    from gdp.support.picture_finding import find_pictures, no_pictures
    from gdp.support.services.asking import account, answers_to, forecast_calls, outlook
    from gdp.support.services.http import HttpClients, HttpService, asked_to_wait
    from gdp.support.services.interview import in_order, scores_of_pairs
    from gdp.support.services.pictures import Of
    from gdp.support.services.service import PictureLimits, Reply, Secret
    from gdp.support.services.settings import ServiceConfig
    from gdp.support.squares import Levels, Points, cut, fit_similarity
    from gdp.support.weights import ConvertedWeights, WeightsAddress, check_weights, weights_file
    from gdp.support.wording import counted, duration, percent, plain, scaled, times, with_unit

SUBJECTS: dict[str, dict[str, tuple[str, ...]]] = {
    "numbers that do not depend on what is beside them": {
        "gdp.support.batching": ("in_fixed_chunks",),
        "gdp.core.training.loader": ("BatchSampler", "mirrored", "open_feed"),
        "gdp.core.counters": (
            "counter_generator",
            "counter_keys",
            "counter_uniform",
            "keyed_uniform",
        ),
    },
    "pictures": {
        "gdp.core.pictures": (
            "encode_png",
            "from_array",
            "from_levels",
            "reduced",
            "reduced_to_side",
            "reduction",
            "to_array",
            "to_levels",
            "unrounded_levels",
        ),
        "gdp.support.picture_files": ("PictureFile", "read_picture"),
        "gdp.core.pairs.records": (
            "number",
            "pictures_by_part",
        ),
        "gdp.support.picture_finding": ("find_pictures", "no_pictures"),
        "gdp.support.squares": (
            "Levels",
            "Points",
            "cut",
            "fit_similarity",
        ),
    },
    "memory": {
        "gdp.core.interfaces.evaluators": ("EVALUATED_BYTES_A_PIXEL",),
        "gdp.core.memory": (
            "MemoryBound",
            "free_memory",
            "readable_memory_errors",
        ),
    },
    "devices": {
        "gdp.core.run.versions": ("processor_cores",),
        "gdp.support.devices": ("DeviceName", "resolve_device"),
    },
    "files": {
        "gdp.core.files": ("file_sha256", "write_atomically"),
        "gdp.support.half_written": ("half_written",),
        "gdp.core.config": ("content_key",),
        "gdp.core.errors": ("readable_os_errors",),
        "gdp.support.assets": ("packaged_asset",),
        "gdp.core.tensor_file": ("write_tensors",),
        "gdp.support.weights": (
            "ConvertedWeights",
            "WeightsAddress",
            "check_weights",
            "weights_file",
        ),
    },
    "foreign": {
        "gdp.support.foreign": (
            "ForeignFile",
            "ForeignObject",
            "as_tensor",
            "module_state",
            "plain_state",
            "printable",
            "read_foreign",
            "read_state",
            "parts_of",
            "read_state_dict",
            "without_wrappers",
            "walk_modules",
        ),
    },
    "networks": {
        "gdp.core.arithmetic": (
            "count_macs",
            "count_parameters",
        ),
        "gdp.support.networks.convolution": (
            "Convolution",
            "TransposedConvolution",
        ),
        "gdp.support.networks.layers": (
            "FewChannelConvolution",
            "NormalisationFactory",
            "NormalisationName",
            "PaddingName",
            "PredictionName",
            "ResidualBlock",
            "ResizeConvolution",
            "UpsamplingName",
            "begin_unchanged",
            "check_prediction",
            "downsampling",
            "initialise_weights",
            "normalisation",
            "predicted_picture",
            "stem",
            "upsampling",
        ),
        "gdp.support.networks.widening": ("widened",),
    },
    "training": {
        "gdp.core.recipe.sections": ("TrainSection",),
        "gdp.core.training": (
            "TrainingPairs",
            "WeightedLoss",
            "train_student",
        ),
        "gdp.core.training.checkpoint": (
            "Checkpoint",
            "CheckpointFolder",
            "read_checkpoint_state",
        ),
        "gdp.core.training.group": ("Group", "training_group"),
        "gdp.core.training.optimizer": ("WeightAverage",),
        "gdp.core.training.precision": (
            "LossScaler",
            "autocaster",
            "computes_bf16",
            "training_type",
        ),
        "gdp.core.training.statistics": ("StatisticsFile",),
    },
    "measuring": {
        "gdp.support.measuring": (
            "Timing",
            "describe_machine",
            "time_interleaved",
            "time_once",
        ),
    },
    "numbers in words": {
        "gdp.support.wording": (
            "counted",
            "duration",
            "percent",
            "plain",
            "scaled",
            "times",
            "with_unit",
        ),
    },
    "conditions": {
        "gdp.support.expressions": (
            "BoundExpression",
            "parse_condition",
        ),
        "gdp.support.expressions.binding": ("bind",),
    },
    "directions": {
        "gdp.support.directions": (
            "Direction",
            "Move",
            "Origin",
            "normalised",
            "project_out",
            "project_out_of_spread",
            "plan_move",
            "sample_w",
            "origin_by_name",
            "trace_origin",
            "direction_metadata",
            "public_direction",
            "read_direction",
        ),
        "gdp.support.directions.files": ("DIRECTION_FORMAT",),
        "gdp.support.direction_names": ("names_direction", "split_component"),
    },
    "services that cost money": {
        "gdp.core.answers": ("AnswerBook", "PaidCall"),
        "gdp.core.ledger": ("Ledger", "Outcome"),
        "gdp.support.services.asking": ("account", "answers_to", "forecast_calls", "outlook"),
        "gdp.support.services.http": ("HttpClients", "HttpService", "asked_to_wait"),
        "gdp.support.services.interview": ("in_order", "scores_of_pairs"),
        "gdp.support.services.pictures": ("Of",),
        "gdp.support.services.service": ("PictureLimits", "Reply", "Secret"),
        "gdp.support.services.settings": ("ServiceConfig",),
    },
    "names": {
        "gdp.core.recipe.messages": ("did_you_mean",),
    },
}
"""The names by subject, each with the module that it lives in; plugins take them from here, for modules may move."""

_HOME_OF = {name: module for modules in SUBJECTS.values() for module, names in modules.items() for name in names}

__all__ = [
    "DIRECTION_FORMAT",
    "EVALUATED_BYTES_A_PIXEL",
    "AnswerBook",
    "BatchSampler",
    "BoundExpression",
    "Checkpoint",
    "CheckpointFolder",
    "ConvertedWeights",
    "Convolution",
    "DeviceName",
    "Direction",
    "FewChannelConvolution",
    "ForeignFile",
    "ForeignObject",
    "Group",
    "HttpClients",
    "HttpService",
    "Ledger",
    "Levels",
    "LossScaler",
    "MemoryBound",
    "Move",
    "NormalisationFactory",
    "NormalisationName",
    "Of",
    "Origin",
    "Outcome",
    "PaddingName",
    "PaidCall",
    "PictureFile",
    "PictureLimits",
    "Points",
    "PredictionName",
    "Reply",
    "ResidualBlock",
    "ResizeConvolution",
    "Secret",
    "ServiceConfig",
    "StatisticsFile",
    "Timing",
    "TrainSection",
    "TrainingPairs",
    "TransposedConvolution",
    "UpsamplingName",
    "WeightAverage",
    "WeightedLoss",
    "WeightsAddress",
    "account",
    "answers_to",
    "as_tensor",
    "asked_to_wait",
    "autocaster",
    "begin_unchanged",
    "bind",
    "check_prediction",
    "check_weights",
    "computes_bf16",
    "content_key",
    "count_macs",
    "count_parameters",
    "counted",
    "counter_generator",
    "counter_keys",
    "counter_uniform",
    "cut",
    "describe_machine",
    "did_you_mean",
    "direction_metadata",
    "downsampling",
    "duration",
    "encode_png",
    "file_sha256",
    "find_pictures",
    "fit_similarity",
    "forecast_calls",
    "free_memory",
    "from_array",
    "from_levels",
    "half_written",
    "in_fixed_chunks",
    "in_order",
    "initialise_weights",
    "keyed_uniform",
    "mirrored",
    "module_state",
    "names_direction",
    "no_pictures",
    "normalisation",
    "normalised",
    "number",
    "open_feed",
    "origin_by_name",
    "outlook",
    "packaged_asset",
    "parse_condition",
    "parts_of",
    "percent",
    "pictures_by_part",
    "plain",
    "plain_state",
    "plan_move",
    "predicted_picture",
    "printable",
    "processor_cores",
    "project_out",
    "project_out_of_spread",
    "public_direction",
    "read_checkpoint_state",
    "read_direction",
    "read_foreign",
    "read_picture",
    "read_state",
    "read_state_dict",
    "readable_memory_errors",
    "readable_os_errors",
    "reduced",
    "reduced_to_side",
    "reduction",
    "resolve_device",
    "sample_w",
    "scaled",
    "scores_of_pairs",
    "split_component",
    "stem",
    "time_interleaved",
    "time_once",
    "times",
    "to_array",
    "to_levels",
    "trace_origin",
    "train_student",
    "training_group",
    "training_type",
    "unrounded_levels",
    "upsampling",
    "walk_modules",
    "weights_file",
    "widened",
    "with_unit",
    "without_wrappers",
    "write_atomically",
    "write_tensors",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gdp.toolbox' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""The table of a run's variants."""

import json

import pytest
from ablation_table import main


def comparison():
    gain = {"mean": 4.713, "min": 4.5, "max": 4.928}
    return {
        "metrics": {
            "quality.rendered.psnr_db_gain": {"unit": "dB"},
            "quality.rendered.age_shift_ratio": {"unit": "share"},
            "size.student.macs": {"unit": ""},
        },
        "variants": [
            {
                "name": "the recipe",
                "metrics": {
                    "quality.rendered.psnr_db_gain": gain,
                    "quality.rendered.age_shift_ratio": {"mean": 0.98, "min": 0.97, "max": 0.991},
                    "size.student.macs": {"mean": 142_049_280, "min": 142_049_280, "max": 142_049_280},
                },
            },
            {"name": "other", "metrics": {"quality.rendered.psnr_db_gain": {"mean": None}}},
        ],
    }


def test_means_stand_with_their_spread_and_what_nobody_measured_is_said(tmp_path, capsys):
    (tmp_path / "variants.json").write_text(json.dumps(comparison()))
    main([str(tmp_path), "--output", str(tmp_path / "result.json"), "--words", "nearer to the truth"])
    assert capsys.readouterr().out.splitlines() == [
        "| | nearer to the truth | quality.rendered.age_shift_ratio | size.student.macs |",
        "|---|---|---|---|",
        "| the recipe | 4.71 dB (4.50 to 4.93) | 98 % (97 to 99) | 142 M |",
        "| other | not measured | not measured | not measured |",
    ]
    assert json.loads((tmp_path / "result.json").read_text()) == comparison()


def test_a_run_without_variants_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "variants.json is not there: the recipe has no [compare]" in capsys.readouterr().err

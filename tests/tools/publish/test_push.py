"""Publishing a student: what arrives, what is refused, and what every refusal of the hub is told as."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from fake_hub import TOKEN, FakeHub
from huggingface_hub import ModelCard

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, ServiceError
from gdp.tools.publish.hub import Request, push

ALWAYS = {"student.safetensors", "student.json", "README.md", "samples.png"}


def send(student: Path, hub: FakeHub, **asked: object) -> dict[str, bytes]:
    push(Request(student, "ada/tiny", **{"samples": True, **asked}), lambda text: None, hub.address)  # type: ignore[arg-type] # by name
    return hub.repositories["ada/tiny"]["files"]


def test_all_files_arrive_in_one_commit_and_weights_go_over_lfs(student: Path, hub: FakeHub) -> None:
    files = send(student, hub, message="first")
    assert files == {name: (student / name).read_bytes() for name in ALWAYS}
    assert hub.repositories["ada/tiny"]["commits"] == ["first"]
    assert set(hub.uploads) == {hashlib.sha256(files["student.safetensors"]).hexdigest()}


def test_a_large_file_goes_over_lfs_whatever_its_name(student: Path, hub: FakeHub) -> None:
    (student / "samples.png").write_bytes(bytes(10_000_001))
    assert len(send(student, hub)["samples.png"]) == 10_000_001
    assert len(hub.uploads) == 2


def test_a_card_with_a_scaled_grid_is_sent_with_that(student: Path, hub: FakeHub) -> None:
    (student / "samples.png").rename(student / "samples.webp")
    assert set(send(student, hub)) == (ALWAYS - {"samples.png"}) | {"samples.webp"}


def test_chosen_exports_go_along_with_their_cards(student: Path, hub: FakeHub) -> None:
    assert set(send(student, hub, engines=("onnx",))) == ALWAYS | {"student.onnx", "student.onnx.json"}
    files = send(student, hub, engines=("onnx", "openvino"))
    exports = {"student.onnx", "student.onnx.json", "student.xml", "student.bin", "student.xml.json"}
    assert set(files) == ALWAYS | exports


def test_a_second_push_goes_into_the_same_repository_and_sends_weights_once(student: Path, hub: FakeHub) -> None:
    send(student, hub)
    (student / "samples.png").write_bytes(b"\x89PNG2")
    assert send(student, hub)["samples.png"] == b"\x89PNG2"
    assert len(hub.repositories["ada/tiny"]["commits"]) == 2
    assert sum(asked.startswith("PUT /lfs/") for asked in hub.asked) == 1


def test_the_licence_is_set_in_what_is_sent_and_only_when_given(student: Path, hub: FakeHub) -> None:
    assert b"license: other" in send(student, hub)["README.md"]
    sent = send(student, hub, licence="cc-by-nc-4.0")["README.md"].decode()
    assert sent == (student / "README.md").read_text().replace("license: other", "license: cc-by-nc-4.0")
    with pytest.raises(GdpError, match="no licence identifier"):
        send(student, hub, licence="mine\nevil: true")


def test_a_licence_that_is_stated_takes_the_place_of_the_cards_with_its_name(student: Path, hub: FakeHub) -> None:
    card = student / "README.md"
    card.write_text(card.read_text().replace("license: other\n", "license: other\nlicense_name: custom\n"))
    sent = send(student, hub, licence="mit")["README.md"].decode()
    assert sent.startswith("---\nlicense: mit\nlibrary_name: gdp\n---\n")


def test_the_base_model_is_named_when_it_is_given(student: Path, hub: FakeHub) -> None:
    assert b"base_model" not in send(student, hub)["README.md"]
    for name in ("ada/teacher", "ada/teacher-2"):
        (student / "README.md").write_bytes(send(student, hub, base_model=name)["README.md"])
        data = ModelCard((student / "README.md").read_text()).data
        assert (data.base_model, data.license) == (name, "other")
    card = student / "README.md"
    card.write_text(card.read_text().replace("base_model: ada/teacher-2", "base_model:\n- a/b\n- c/d\ntags: [x]"))
    data = ModelCard(send(student, hub, base_model="ada/teacher")["README.md"].decode()).data
    assert (data.base_model, data.tags) == ("ada/teacher", ["x"])
    with pytest.raises(GdpError, match="names no model of the hub"):
        send(student, hub, base_model="builtin:faces64")


def test_the_cards_picture_is_an_example_of_the_hub_when_pictures_are_sent_and_else_there_is_none(
    student: Path, hub: FakeHub
) -> None:
    card = student / "README.md"
    card.write_text(card.read_text().replace("# tiny\n", "# tiny\n\n![before and after](samples.png)\n"))
    sent = send(student, hub)["README.md"].decode()
    assert ModelCard(sent).data.widget == [{"text": "before and after", "output": {"url": "samples.png"}}]
    assert "](samples.png)" in sent
    hub.repositories.clear()
    files = send(student, hub, samples=False)
    assert "samples.png" not in files and b"samples" not in files["README.md"]
    assert "widget" not in ModelCard(files["README.md"].decode()).data.to_dict()
    card.write_text(card.read_text().replace("license: other\n", "license: other\nwidget: []\n"))
    assert ModelCard(send(student, hub)["README.md"].decode()).data.widget == [], "the user's own stay"


def test_private_is_asked_for_and_a_public_repository_is_not_used_for_it(student: Path, hub: FakeHub) -> None:
    send(student, hub, private=True)
    assert hub.repositories["ada/tiny"]["private"]
    hub.repositories["ada/tiny"] = {"private": False, "files": {}, "commits": []}
    with pytest.raises(ServiceError, match="is public"):
        send(student, hub, private=True)
    assert not hub.repositories["ada/tiny"]["commits"]


@pytest.mark.parametrize(
    ("place", "status", "told"),
    [
        ("repos/create", 401, "does not know this token"),
        ("/api/", 403, "may not write there"),
        ("preupload", 404, "no such user, organisation or repository"),
        ("commit", 409, "somebody else is changing this repository"),
        ("lfs/objects/batch", 413, "too large"),
        ("repos/create", 500, "has trouble"),
        ("commit", 503, "has trouble"),
        ("commit", 418, "the hub refuses"),
    ],
)
def test_a_refusal_of_the_hub_is_one_sentence_without_the_token(
    student: Path, hub: FakeHub, place: str, status: int, told: str
) -> None:
    hub.fail[place] = status
    with pytest.raises(ServiceError, match=told) as caught:
        send(student, hub)
    assert str(status) in str(caught.value)
    assert TOKEN not in repr(caught.value) and "\n" not in str(caught.value)
    assert caught.value.__suppress_context__  # a traceback would show the hub's own words
    assert not hub.repositories.get("ada/tiny", {}).get("commits")


def test_a_wrong_token_and_no_network_are_told(student: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "hf_wrong")
    with pytest.raises(ServiceError, match="does not know this token"):
        send(student, hub, token_variable="OTHER")
    with pytest.raises(ServiceError, match="cannot be reached"):
        push(Request(student, "ada/tiny"), lambda text: None, "http://127.0.0.1:9")


def test_what_is_lacking_is_told_before_anything_is_asked_of_the_hub(
    student: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingResourceError, match=r"no export for torch \(onnx, openvino there"):
        send(student, hub, engines=("torch",))
    with pytest.raises(GdpError, match="names no repository"):
        push(Request(student, "tiny"), lambda text: None, hub.address)
    monkeypatch.setenv("HF_TOKEN", "two words")
    with pytest.raises(MissingResourceError, match="HF_TOKEN: this is no token"):
        send(student, hub)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(MissingResourceError, match="HF_TOKEN holds no token"):
        send(student, hub)
    (student / "README.md").unlink()
    with pytest.raises(MissingResourceError, match="no model card"):
        send(student, hub)
    assert hub.asked == []


def test_damaged_and_outdated_files_are_not_sent(student: Path, hub: FakeHub) -> None:
    (student / "student.onnx").write_bytes(b"another")
    with pytest.raises(CorruptFileError, match="not the file that its card tells of"):
        send(student, hub, engines=("onnx",))
    card = json.loads((student / "student.xml.json").read_text())
    (student / "student.xml.json").write_text(json.dumps({**card, "weights_sha256": "0"}))
    with pytest.raises(CorruptFileError, match="from other weights"):
        send(student, hub, engines=("openvino",))
    (student / "student.safetensors").write_bytes(b"12345678")
    with pytest.raises(CorruptFileError, match="not the weights"):
        send(student, hub)
    assert hub.asked == []


def test_a_card_that_the_hub_does_not_take_is_told(student: Path, hub: FakeHub) -> None:
    (student / "README.md").write_text("# no header\n")
    with pytest.raises(CorruptFileError, match=r"header of the model card.*no licence"):
        send(student, hub)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("README.md", "\nmade from /home/ada/My/weights.safetensors", r"README.md:\d+ holds a path.*/home/ada"),
        ("README.md", "\nsee C:\\Users\\ada\\weights.safetensors", "path of a machine"),
        ("README.md", "\nfile:///data/ada/weights.safetensors", "path of a machine"),
        ("README.md", "\nkey 01234567-secret", r"README.md:\d+ holds the value of \$AZURE_KEY"),
        ("README.md", f"\n{TOKEN}", r"README.md:\d+ holds the value of \$HF_TOKEN"),
        ("README.md", "\nhf_" + "A1" * 17, "a Hugging Face token"),
        ("README.md", "\nhttps://ada:word@example.org/x", "an address with a password"),
        ("samples.png", "/home/ada/faces/samples.png", "samples.png holds a path"),
    ],
)
def test_places_and_secrets_are_not_sent(
    student: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, name: str, text: str, told: str
) -> None:
    monkeypatch.setenv("AZURE_KEY", "01234567-secret")
    with (student / name).open("a") as file:
        file.write(text)
    with pytest.raises(GdpError, match=told) as caught:
        send(student, hub, key_variables=("AZURE_KEY",))
    assert "01234567" not in str(caught.value) and TOKEN not in str(caught.value)
    assert hub.asked == []

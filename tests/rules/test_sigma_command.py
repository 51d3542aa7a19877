"""`streamproc rules import-sigma`."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml

from streamproc.cli.main import run

pytest.importorskip("sigma", reason="pySigma is not installed (the extra `sigma`)")

GOOD = """\
title: Bucket made public
id: 5f0c2ab4-3c5c-4c39-9a37-0e1b1a6e9f10
author: Jörg
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: PutBucketAcl}
  condition: selection
level: high
"""
BAD = GOOD.replace("eventName:", "eventName|nonsense:").replace("5f0c2ab4", "6f0c2ab4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "sigma"
    (found / "below").mkdir(parents=True)
    (found / "below" / "good.yml").write_text(GOOD, encoding="utf-8")
    (found / "notes.txt").write_text("no rule")
    return found


def test_rules_are_written_and_can_be_linted(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made" / "rules"
    assert run(["rules", "import-sigma", str(folder), "-o", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"1 of 1 rules imported to {out}; 0 not\n"
    [file] = out.iterdir()
    made = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert "tenant_id" not in made
    assert made["metadata"]["sigma"]["author"] == "Jörg"
    before = file.read_bytes()
    assert run(["rules", "import-sigma", str(folder / "below" / "good.yml"), "-o", str(out)]) == 0
    assert file.read_bytes() == before
    assert run(["rules", "lint", str(out)]) == 0


def test_the_source_of_other_log_sources_can_be_said(folder: Path, tmp_path: Path) -> None:
    (folder / "other.yml").write_text(GOOD.replace("aws", "azure").replace("5f0c2ab4", "6f0c2ab4"), encoding="utf-8")
    assert run(["rules", "import-sigma", str(folder), "-o", str(tmp_path / "out"), "--source", "azure"]) == 0
    made = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted((tmp_path / "out").iterdir())]
    assert [one["condition"]["source"] for one in made] == ["cloudtrail", "azure"]


def test_what_was_not_imported_is_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.yml").write_text(f"# a comment\n{BAD}", encoding="utf-8")
    (folder / "broken.yml").write_text("title: [", encoding="utf-8")
    (folder / "bytes.yml").write_bytes(b"title: \xff")
    out = tmp_path / "out"
    status = run(["rules", "import-sigma", str(folder), "-o", str(out), "--json", "--tenant", "acme"])
    captured = capsys.readouterr()
    told = orjson.loads(captured.out)
    assert status == 1
    [made] = told["imported"]
    assert yaml.safe_load(Path(made["file"]).read_text(encoding="utf-8"))["tenant_id"] == "acme"
    refused = {Path(one["source"]).name: one for one in told["refused"]}
    assert refused.keys() == {"bad.yml:2", "broken.yml", "bytes.yml"}
    assert refused["bad.yml:2"]["id"] == "6f0c2ab4-3c5c-4c39-9a37-0e1b1a6e9f10"
    assert "nonsense" in refused["bad.yml:2"]["reason"]
    assert captured.err.splitlines()[-1] == f"1 of 4 rules imported to {out}; 3 not"
    assert sum("bad.yml:2: Bucket made public: " in line for line in captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.yml"], "missing.yml: cannot be read"),
        (["."], "there is no Sigma rule"),
        ([".", "--tenant", "a/b"], "--tenant"),
    ],
)
def test_bad_usage(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["rules", "import-sigma", *arguments, "-o", "out"]) == 2
    assert said in capsys.readouterr().err


def test_an_output_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "import-sigma", str(folder), "-o", str(folder / "notes.txt")]) == 2
    assert "notes.txt: cannot be written" in capsys.readouterr().err


def test_without_pysigma_it_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    from streamproc.cli import sigma

    with pytest.raises(sigma.InputError, match=r"streamproc\[sigma\]"):
        sigma.import_sigma([folder], tmp_path / "out", None, None, sigma.SIGMAHQ, None, False)

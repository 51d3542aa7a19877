"""topics.yaml with another number of partitions for the events and for what their keys are counted in."""

from __future__ import annotations

from pathlib import Path

import yaml

from streamproc.kafka.topic_file import shipped_file

PARTITIONS = 4
"""What topics.yaml declares, and what every contestant gets but where a curve says otherwise."""
RESIZED = ("events", "signals", "detectors-changelog")


def write_topics_file(partitions: int, directory: Path) -> Path:
    """The shipped declaration with so many partitions of `RESIZED`, as a file for `STREAMPROC_TOPICS_FILE`."""
    content = yaml.safe_load(shipped_file().read_text(encoding="utf-8"))
    for name in RESIZED:
        content["topics"][name]["partitions"] = partitions
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"topics-{partitions}.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file.absolute()

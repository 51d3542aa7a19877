"""`streamproc topics`: topics.yaml and the cluster."""

from __future__ import annotations

import typer

from streamproc.cli.failures import FINDINGS
from streamproc.cli.output import note, print_json, print_rows
from streamproc.cli.session import ask
from streamproc.kafka.resize_plan import ResizePlan
from streamproc.kafka.topics import Finding, apply_topics, differences, load_topics
from streamproc.runtime.resize import Step, planned
from streamproc.runtime.resize import resize as carry_out
from streamproc.settings import load_settings

app = typer.Typer(no_args_is_help=True)

AsJson = typer.Option(False, "--json", help="Print JSON.")


@app.command()
def apply(as_json: bool = AsJson) -> None:
    """Create the topics that are missing and correct settings; what it cannot put right is status 1."""
    applied = ask(apply_topics(load_settings()))
    if as_json:
        print_json(
            {
                "created": applied.created,
                "changed": [_row(finding) for finding in applied.changed],
                "remaining": [_row(finding) for finding in applied.remaining],
            }
        )
    else:
        for topic in applied.created:
            print(f"created {topic}")
        for finding in applied.changed:
            print(f"changed {finding.topic}: {finding.setting} {finding.found} → {finding.declared}")
        if not applied.created and not applied.changed:
            print("nothing to do")
        for finding in applied.remaining:
            note(str(finding))
    if applied.remaining:
        raise typer.Exit(FINDINGS)


@app.command()
def check(as_json: bool = AsJson) -> None:
    """List every difference between topics.yaml and the cluster; status 1 when there is one."""
    findings = ask(differences(load_settings()))
    if as_json:
        print_json([_row(finding) for finding in findings])
    else:
        for finding in findings:
            print(finding)
        if not findings:
            print("the topics are as topics.yaml says")
    if findings:
        raise typer.Exit(FINDINGS)


@app.command(name="list")
def list_(as_json: bool = AsJson) -> None:
    """List the topics that topics.yaml declares, for the environment that is set."""
    rows = [
        {
            "name": spec.name,
            "topic": spec.topic,
            "partitions": spec.partitions,
            "replication": spec.replication,
            "cleanup": spec.cleanup,
            "retention_ms": spec.retention_ms,
            "max_message_bytes": spec.max_message_bytes,
            "key": spec.key,
            "partition_by": spec.partition_by,
            "schema": spec.schema,
            "writer": spec.writer,
            "readers": spec.readers,
            "co_partition": spec.co_partition,
            "format": spec.format,
            "tenant": spec.tenant,
            "about": spec.about,
        }
        for spec in load_topics(load_settings()).values()
    ]
    print_rows(("topic", "partitions", "replication", "cleanup", "writer", "readers", "about"), rows, as_json)


@app.command()
def resize(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done."),
    as_json: bool = AsJson,
) -> None:
    """Give topics the larger number of partitions that topics.yaml declares, with the state that lives by them.

    Stop every worker, delivery and API first. Run it again if it was cut off: until it has come to its end, no process
    works on what it has begun. Status 1 when something cannot be done; then nothing is.
    """
    settings = load_settings()
    made = ask(planned(settings) if dry_run else carry_out(settings, note))
    if as_json:
        print_json(
            {
                "steps": [_step(step, made.done.get(step.group or "")) for step in made.steps],
                "refused": made.refused,
                "done": not dry_run and not made.refused,
            }
        )
    else:
        for step in made.steps:
            print(f"{', '.join(step.topics)}: {step.old} → {step.new} partitions")
            done = made.done.get(step.group or "")
            if done is not None:
                print(f"{done.moved} of {done.rows} rows moved, {done.resent} records sent again, all found again")
        if not made.steps and not made.refused:
            print("nothing to do")
        for line in made.refused:
            note(line)
    if made.refused:
        raise typer.Exit(FINDINGS)


def _step(step: Step, done: ResizePlan | None) -> dict[str, object]:
    row: dict[str, object] = {"topics": step.topics, "old": step.old, "new": step.new, "begun_before": step.begun}
    return row if done is None else row | {"rows": done.rows, "moved": done.moved, "sent_again": done.resent}


def _row(finding: Finding) -> dict[str, object]:
    return {
        "topic": finding.topic,
        "difference": finding.difference.value,
        "setting": finding.setting,
        "declared": finding.declared,
        "found": finding.found,
        "fatal": finding.fatal,
    }

"""The `streamproc` command. Groups are imported only when they are used, so that `--help` answers at once.

Exit status: 0 done, 1 findings, 2 usage or bad input, 3 the broker cannot be reached; 70 is a defect of ours.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as built

PROGRAM = "streamproc"
# typer brings its own copy of click or uses the installed one, by version; this is the class of either
_UsageError: Any = typer.BadParameter.__bases__[0]


class Group(NamedTuple):
    """A command or group of commands: `module` has it as `app`, a Typer."""

    module: str
    help: str


GROUPS: dict[str, Group] = {
    "up": Group("up", "Run everything on this machine, with a broker of its own."),
    "broker": Group("broker", "Run a Kafka broker of our own and print its address."),
    "worker": Group("worker", "Evaluate rules on events; write alerts."),
    "delivery": Group("delivery", "Tell people and systems about alerts."),
    "api": Group("api", "Serve the HTTP API and the dashboard."),
    "topics": Group("topics", "Create and check the topics of topics.yaml."),
    "config": Group("config", "Apply and look at what is configured: rules, channels, users, …"),
    "rules": Group("rules", "Check, test, apply and list rules; templates, Sigma."),
    "events": Group("events", "Send events from files, or generate them."),
    "alerts": Group("alerts", "List, follow, acknowledge and resolve alerts."),
    "deliveries": Group("deliveries", "List, show and replay what was sent to people and systems."),
    "dead-letters": Group("dead_letters", "List and replay records that could not be read."),
    "keys": Group("keys", "Create, list and revoke API keys."),
    "backtest": Group("backtest", "Run rules over recorded events, without a broker."),
    "backfill": Group("backfill", "Let rules learn from the past."),
    "doctor": Group("doctor", "Say what is wrong with an installation."),
    "erase": Group("erase", "Erase everything of one tenant."),
    "bench": Group("bench", "Measure throughput and latency on this machine."),
}


class LazyGroup(TyperGroup):
    """Lists GROUPS from their entries alone; imports one when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name, group in GROUPS.items() if _exists(group)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        group = GROUPS.get(cmd_name)
        if group is None or not _exists(group):
            return None
        return TyperCommand(cmd_name, callback=None, help=group.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        self.commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            module = importlib.import_module(f"streamproc.cli.{GROUPS[name].module}")
            module.app._add_completion = False  # its options would crowd the help of every group
            command = built(module.app)
            command.name = name
        return name, command, rest


def _exists(group: Group) -> bool:
    return importlib.util.find_spec(f"streamproc.cli.{group.module}") is not None


app = typer.Typer(cls=LazyGroup, name=PROGRAM, add_completion=False, no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {_installed_version()}")
        raise typer.Exit


def _installed_version() -> str:
    try:
        return importlib.metadata.version(PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        return "from a checkout that is not installed"


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Real-time alerting on audit events in Kafka.

    Settings come from the environment (STREAMPROC_…) or ./streamproc.toml; docs/reference lists them.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run a command line; its exit status. Expected failures are one line on standard error."""
    try:
        status = built(app).main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except _UsageError as error:
        return _usage(error)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, which is its right
        return 0
    except Exception as error:
        from streamproc.cli.failures import explain

        explained = explain(error)
        if explained is None:
            sys.excepthook(type(error), error, error.__traceback__)
            return 70
        status, line = explained
        print(f"{PROGRAM}: {line}", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        if error.format_message():  # empty when the help was printed in the making of the error
            print(error.format_message())
        return 2
    path = context.command_path if context is not None else PROGRAM
    message = " ".join(error.format_message().split())
    print(f"{path}: {message} Try `{path} --help`.", file=sys.stderr)
    return 2


def main() -> None:
    """The entry point of the package."""
    sys.exit(run())

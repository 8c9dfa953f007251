# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook customers``: taking customers in, taking that back, and finding them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from offhook.cli.jobs import wait_for_job
from offhook.cli.options import client_of, json_option, load_settings, settings_option
from offhook.cli.output import EXIT_FAILED, show, show_one

if TYPE_CHECKING:
    from config.settings import Settings
    from console.client import OperatorClient

_SHOWN_PROBLEMS: Final = 20
_RECORDS: Final = 1000


@click.group()
def customers() -> None:
    """Customers: taking them in, taking that back, finding them."""


@customers.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--mapping",
    default="plain",
    show_default=True,
    help="How the columns are read: plain, uci_bank, a name of your own, or a TOML file.",
)
@click.option("--dry-run", is_flag=True, help="Read and check the whole file; take nobody in.")
@json_option
@settings_option
def import_(file: Path, mapping: str, dry_run: bool, settings_path: Path | None, as_json: bool) -> None:
    """Take in the customers of a CSV file, plain or gzipped. A customer is taken in whole or not at all."""
    settings = load_settings(settings_path)
    if dry_run:
        _dry_run(file, _read_mapping(settings, mapping), as_json=as_json)
        return
    name = _install_mapping(settings, mapping)
    client = client_of(settings_path)
    started = client.upload("/api/v1/imports", file, {"mapping": name, "name": file.name[:100]})
    done = wait_for_job(client, started["job"])
    show_one(done, as_json=as_json)
    if done.get("refused"):
        _keep_errors(client, done["import_id"])


@customers.command()
@click.argument("import_id", type=int)
@settings_option
def undo(import_id: int, settings_path: Path | None) -> None:
    """Take an import back; refused once one of its customers was called."""
    client = client_of(settings_path)
    wait_for_job(client, client.post(f"/api/v1/imports/{import_id}/undo")["job"])
    click.echo(f"Import {import_id} is undone.")


@customers.command("imports")
@json_option
@settings_option
def list_imports(settings_path: Path | None, as_json: bool) -> None:
    """The newest imports, with the numbers that undo takes."""
    columns = ("id", "state", "file_name", "started_at", "added", "updated", "unchanged", "refused", "undone")
    found = client_of(settings_path).get("/api/v1/imports")["imports"]
    show(found if as_json else [{key: one[key] for key in columns} for one in found], as_json=as_json)


@customers.command("show")
@click.argument("customer_id", type=int)
@json_option
@settings_option
def show_(customer_id: int, settings_path: Path | None, as_json: bool) -> None:
    """What is known of one customer; name and numbers are masked."""
    show_one(client_of(settings_path).get(f"/api/v1/customers/{customer_id}"), as_json=as_json)


@customers.command()
@click.argument("text")
@json_option
@settings_option
def search(text: str, settings_path: Path | None, as_json: bool) -> None:
    """Find customers by name, number with its plus, e-mail address or external id."""
    found = client_of(settings_path).post("/api/v1/customers/search", {"text": text})
    show(found["customers"], as_json=as_json)


@customers.command()
@click.argument("customer_id", type=int)
@click.option("--reason", required=True, help="Why you have to know; it is kept in the audit.")
@json_option
@settings_option
def reveal(customer_id: int, reason: str, settings_path: Path | None, as_json: bool) -> None:
    """Who a customer is: name and numbers in clear."""
    client = client_of(settings_path)
    show_one(client.post(f"/api/v1/customers/{customer_id}/reveal", {"reason": reason}), as_json=as_json)


_SOURCES: Final = ("steward", "opt_out", "complaint", "legal_dnc", "wrong_person")
_source_option = click.option(
    "--source", type=click.Choice(_SOURCES), default="steward", show_default=True, help="Whose word it is."
)
_reason_option = click.option("--reason", required=True, help="Why; it is kept in the audit.")


@customers.command()
@click.argument("customer_id", type=int)
@_source_option
@_reason_option
@settings_option
def suppress(customer_id: int, source: str, reason: str, settings_path: Path | None) -> None:
    """A customer may not be called any more, on no number."""
    body = {"source": source, "reason": reason}
    client_of(settings_path).post(f"/api/v1/customers/{customer_id}/suppress", body)
    click.echo(f"Customer {customer_id} is not called any more.")


@customers.command()
@click.argument("customer_id", type=int)
@_source_option
@_reason_option
@settings_option
def lift(customer_id: int, source: str, reason: str, settings_path: Path | None) -> None:
    """Take back what one source said of a customer; what others said stands."""
    client = client_of(settings_path)
    client.post(f"/api/v1/customers/{customer_id}/lift", {"source": source, "reason": reason})
    left = client.get(f"/api/v1/customers/{customer_id}/suppressions")["suppressions"]
    still = ", ".join(sorted({one["source"] for one in left}))
    click.echo(f"Taken back. {f'Still suppressed by: {still}.' if left else 'The customer may be called.'}")


@customers.command()
@click.argument("customer_id", type=int)
@json_option
@settings_option
def suppressions(customer_id: int, settings_path: Path | None, as_json: bool) -> None:
    """What stands against calling a customer."""
    found = client_of(settings_path).get(f"/api/v1/customers/{customer_id}/suppressions")
    show(found["suppressions"], as_json=as_json)


def _read_mapping(settings: Settings, mapping: str) -> Any:
    """A mapping by name, or of a file. Raises ``BadMapping``."""
    from console.jobs import find_mapping
    from crm.imports.mapping import load

    return load(Path(mapping)) if _is_file(mapping) else find_mapping(settings.state_dir, mapping)


def _install_mapping(settings: Settings, mapping: str) -> str:
    """The name under which the running system finds a mapping; one of a file is kept for it.

    Raises:
        BadMapping: it is wrong.
    """
    from asterisk.files import make_folder, write_whole

    _read_mapping(settings, mapping)
    if not _is_file(mapping):
        return mapping
    source = Path(mapping)
    kept = settings.state_dir / "mappings" / source.name
    if kept.exists() and kept.read_bytes() != source.read_bytes():
        raise click.UsageError(
            f"There is another mapping of this name ({kept}); nothing was imported. Rename yours or remove it."
        )
    make_folder(kept.parent)
    write_whole(kept, source.read_bytes())
    return source.stem


def _is_file(mapping: str) -> bool:
    return mapping.endswith(".toml")


def _dry_run(file: Path, mapping: Any, *, as_json: bool) -> None:
    """What the import would make of the file, by the import's own eyes and with keys of no worth."""
    import tempfile

    from crm.imports import worker
    from crm.imports.values import Problem
    from foundation.encryption import KeyRing
    from foundation.ids import SystemIds

    ring = KeyRing.create(SystemIds())
    rows = good = 0
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory() as folder:
        inspection = worker.inspect(file, mapping, Path(folder))
        start, at_end = inspection.data_begins, False
        while not at_end:
            part = worker.Part(
                file=inspection.file,
                mapping=mapping,
                columns=inspection.columns,
                start=start,
                rows_before=rows,
                records=_RECORDS,
            )
            prepared = worker.prepare(part, ring)
            good += len(prepared.rows)
            rows += prepared.records
            problems += prepared.problems
            start, at_end = prepared.after, prepared.at_end
    show_one({"rows": rows, "good": good, "refused": rows - good}, as_json=as_json)
    for problem in problems[:_SHOWN_PROBLEMS]:
        click.echo(f"line {problem.line}: {problem.column}: {problem.message}", err=True)
    if len(problems) > _SHOWN_PROBLEMS:
        click.echo(f"... and {len(problems) - _SHOWN_PROBLEMS} more.", err=True)
    if problems:
        raise click.exceptions.Exit(EXIT_FAILED)


def _keep_errors(client: OperatorClient, import_id: int) -> None:
    path = Path(f"import-{import_id}-errors.csv")
    path.write_text(client.get(f"/api/v1/imports/{import_id}/errors"), encoding="utf-8")
    click.echo(f"What was refused, and why, is in {path}.", err=True)

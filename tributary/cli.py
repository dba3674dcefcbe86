"""The command line: one module of `tributary.commands` per group of commands."""

from __future__ import annotations

import typer

from tributary.commands import demo, import_csv, keys, migrate, program, up, verify

app = typer.Typer(
    name="tributary",
    help="Track the influence of partners on won deals, split the credit exactly, and pay for it from a ledger.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold keys and passwords
)
up.register(app)
demo.register(app)
verify.register(app)
migrate.register(app)
app.add_typer(program.app, name="program")
app.add_typer(import_csv.app, name="import")
app.add_typer(keys.app, name="keys")

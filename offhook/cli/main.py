# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of the command line, and how every command fails: one sentence, never a stack trace."""

from __future__ import annotations

import sys

import click

from offhook.cli.audit import audit
from offhook.cli.call import call
from offhook.cli.calls import calls
from offhook.cli.campaign import campaign
from offhook.cli.customers import customers
from offhook.cli.demo import demo
from offhook.cli.output import exit_code, fail_sentence
from offhook.cli.pbx import pbx, trunk
from offhook.cli.people import accounts, rm
from offhook.cli.running import alarms, status, stop
from offhook.cli.up import serve, up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="offhook")
def offhook() -> None:
    """Outbound calls for relationship managers, on Asterisk."""


for command in (
    up,
    serve,
    status,
    alarms,
    stop,
    campaign,
    customers,
    rm,
    accounts,
    calls,
    call,
    trunk,
    pbx,
    audit,
    demo,
):
    offhook.add_command(command)


def main() -> None:
    """The entry point. An error that is not ours to expect says what it was and where the details are."""
    try:
        # A command's own exit code comes back as the answer; a command itself answers nothing.
        sys.exit(offhook(standalone_mode=False) or 0)
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except Exception as error:
        click.echo(fail_sentence(error), err=True)
        sys.exit(exit_code(error))

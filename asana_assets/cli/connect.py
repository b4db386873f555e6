"""`asana-assets connect`: verify an access token and save it."""

import sys

import click

from asana_assets.asana.errors import AsanaError
from asana_assets.cli.account import Account, inspect_account, save_setting, save_token
from asana_assets.cli.errors import print_warnings, report_errors
from asana_assets.cli.rates import SETTING, plan_rate, rate_advice
from asana_assets.settings import ENV_FILE, Settings

_NEXT_STEPS = """\
Next:
  asana-assets plan     estimates the first sync; stores nothing
  asana-assets sync     syncs everything; with --select tasks, only tasks
  asana-assets status   shows how old the tables are"""


@click.command()
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input, for scripts.")
def connect(*, token_stdin: bool) -> None:
    """Verify a personal access token and save it.

    Prompts for the token. Saves it in the secret in AWS Secrets Manager that ASANA_TOKEN_SECRET_ID names or, if that is
    unset, in the file .env in the working directory, where the other commands and Dagster find it. If the plan allows
    another rate than the configured one, it offers to save that rate in .env as well.
    """
    with report_errors():
        from asana_assets.definitions import build_asana_resource  # noqa: PLC0415 - raises if a setting is invalid

        settings = Settings()
        print_warnings(settings)
        endpoints = settings.endpoints
    asana = build_asana_resource(settings, access_token=_read_token(from_stdin=token_stdin), token_secret_id=None)
    click.echo("Verifying the token …")
    try:
        account = inspect_account(
            asana, endpoints, lambda name: click.echo(f"Trying each endpoint in {name} …", err=True)
        )
        click.echo(f"The token belongs to {account.owner}.")
        for workspace in account.workspaces:
            click.echo(f"  {workspace.summary}")
        location = save_token(str(asana.access_token), secret_id=settings.asana_token_secret_id)
    except AsanaError as error:
        raise click.ClickException(f"{str(error).rstrip('.')}. The token was not saved.") from error
    click.echo(f"Saved the token in {location}.")
    if account.workspaces:
        _offer_rate(account, asana.requests_per_second, may_ask=not token_stdin and sys.stdin.isatty())
    click.echo(_NEXT_STEPS)


def _read_token(*, from_stdin: bool) -> str:
    """Read the token.

    Raises:
        UsageError: Standard input is empty.
    """
    if not from_stdin:
        return click.prompt("Personal access token (from https://app.asana.com/0/my-apps)", hide_input=True).strip()
    token = sys.stdin.readline().strip()
    if not token:
        raise click.UsageError("--token-stdin was given, but standard input is empty. Write the token to it.")
    return token


def _offer_rate(account: Account, rate: float, *, may_ask: bool) -> None:
    """Print the rate that the plan allows and, if the user agrees, save it."""
    advice = rate_advice(rate, is_paid=account.is_paid)
    if not advice:
        return
    click.echo(f"{advice[0].upper()}{advice[1:]} requests/s.")
    suggested = f"{plan_rate(is_paid=account.is_paid):g}"
    if may_ask and click.confirm(f"Save {SETTING}={suggested} in {ENV_FILE}?", default=True):
        with report_errors():
            save_setting(SETTING, suggested)
        click.echo(f"Saved {SETTING}={suggested} in {ENV_FILE.absolute()}.")

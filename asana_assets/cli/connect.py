"""`asana-assets connect`: verify an access token and save it."""

import click

from asana_assets.asana.errors import AsanaError
from asana_assets.cli.account import inspect_account, save_token
from asana_assets.cli.errors import report_errors
from asana_assets.settings import Settings


@click.command()
def connect() -> None:
    """Verify a personal access token and save it.

    Prompts for the token. Saves it in the secret in AWS Secrets Manager that ASANA_TOKEN_SECRET_ID names or, if that is
    unset, in the file .env in the working directory, where the other commands and Dagster find it.
    """
    with report_errors():
        from asana_assets.definitions import build_asana_resource  # noqa: PLC0415 - raises if a setting is invalid

        settings = Settings()
    token = click.prompt("Personal access token (from https://app.asana.com/0/my-apps)", hide_input=True).strip()
    click.echo("Verifying the token …")
    try:
        account = inspect_account(build_asana_resource(settings, access_token=token, token_secret_id=None))
        click.echo(f"The token belongs to {account.owner}.")
        for workspace in account.workspaces:
            click.echo(f"  {workspace.summary}")
        location = save_token(token, secret_id=settings.asana_token_secret_id)
    except AsanaError as error:
        raise click.ClickException(f"{str(error).rstrip('.')}. The token was not saved.") from error
    click.echo(f"Saved the token in {location}.")

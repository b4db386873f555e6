"""AWS Secrets Manager as a store of the access token; here rather than in `asana` because it uses dagster-aws."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import msgspec

from asana_assets.asana.errors import ConfigurationError
from asana_assets.extras import missing_extra


@contextmanager
def secrets_manager(secret_id: str) -> Generator[Any]:
    """Yield a client of AWS Secrets Manager for use with one secret.

    Raises:
        ConfigurationError: AWS rejects a call or cannot be reached; the message names the setting and the secret. Or
            the extra `aws` is not installed.
    """
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - takes seconds to import
        from dagster_aws.secretsmanager import SecretsManagerResource  # noqa: PLC0415 - takes seconds to import
    except ModuleNotFoundError as error:
        raise ConfigurationError(missing_extra("ASANA_TOKEN_SECRET_ID", "aws", error)) from None

    try:
        yield SecretsManagerResource().get_client()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "an error")
        raise ConfigurationError(
            f"ASANA_TOKEN_SECRET_ID: AWS Secrets Manager returned {code} for {secret_id}"
        ) from None
    except (BotoCoreError, ValueError) as error:  # no region, no credentials, no connection
        raise ConfigurationError(
            f"ASANA_TOKEN_SECRET_ID: AWS Secrets Manager cannot be used for {secret_id}: {error}"
        ) from None


def read_token(secret_id: str) -> str:
    """Read the access token from a secret: JSON with a key `token`, or the bare token.

    Raises:
        ConfigurationError: The secret cannot be read, or contains no token.
    """
    with secrets_manager(secret_id) as client:
        response: dict[str, Any] = client.get_secret_value(SecretId=secret_id)
    if "SecretString" not in response:
        raise ConfigurationError(f"ASANA_TOKEN_SECRET_ID: the secret {secret_id} is binary, not text")
    secret = str(response["SecretString"])
    try:
        content = msgspec.json.decode(secret)
    except msgspec.DecodeError:
        return secret  # the bare token
    match content:
        case {"token": str(token)}:
            return token
        case dict():
            raise ConfigurationError(f"ASANA_TOKEN_SECRET_ID: the secret {secret_id} has no key `token`")
        case _:
            return secret  # an all-digit token is also valid JSON

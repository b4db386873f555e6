"""The integration as a component of Dagster, configured by a `defs.yaml`.

The attributes `asana` and `lake` have the fields of the resources. Any of their texts can be read from an environment
variable when a run starts, so that neither the file nor Dagster's UI contains a secret.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import dagster as dg
from dagster.components.resolved.errors import ResolutionException
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import BaseModel, Field, ValidationError, create_model

from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.selection import STANDARD
from asana_assets.asana.transport import MAX_IN_FLIGHT
from asana_assets.defs.assets import OpOptions
from asana_assets.defs.automation import Automation
from asana_assets.defs.builder import build_asana_defs
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.defs.translator import AsanaEndpointProps, AsanaTranslator

_Resource = TypeVar("_Resource", AsanaResource, LakeResource)

_LIMITS: Mapping[str, Mapping[str, Any]] = {
    "requests_per_second": {"gt": 0},
    "read_timeout_seconds": {"gt": 0},
    "max_attempts": {"ge": 1},
    "max_in_flight": {"ge": 1, "le": MAX_IN_FLIGHT},
}


class FromEnvironment(dg.Model, dg.Resolvable):
    """A text in an environment variable, which is read when a run starts."""

    env: str = Field(description="The name of the environment variable.")


class RetryPolicyAttributes(dg.Model, dg.Resolvable):
    """Dagster's retries of a step, in addition to those of single requests."""

    max_retries: int = Field(default=1, description="The maximum number of retries.")
    delay: float | None = Field(default=None, description="The seconds before the first retry.")
    backoff: Literal["LINEAR", "EXPONENTIAL"] | None = Field(default=None, description="How the delay grows.")

    def build(self) -> dg.RetryPolicy:
        return dg.RetryPolicy(
            max_retries=self.max_retries, delay=self.delay, backoff=dg.Backoff[self.backoff] if self.backoff else None
        )


class OpAttributes(dg.Model, dg.Resolvable):
    """Options of the ops of all assets."""

    pool: str | None = Field(default=None, description="Their pool; by default <name>_api.")
    retry_policy: RetryPolicyAttributes | None = Field(default=None, description="Dagster's retries of a step.")
    tags: dict[str, str] = Field(default_factory=dict[str, str], description="More tags.")

    def build(self) -> OpOptions:
        return OpOptions(pool=self.pool, retry_policy=self.retry_policy and self.retry_policy.build(), tags=self.tags)


class AutomationAttributes(dg.Model, dg.Resolvable):
    """When syncs are requested."""

    cron: str | None = Field(default=None, description="When the schedule `daily` runs; by default, at 3:00.")
    timezone: str | None = Field(default=None, description="The time zone of the cron expression; by default, UTC.")
    running: Sequence[str] | None = Field(
        default=None,
        description="The schedules and sensors that are on unless the UI turns them off, by their names without the "
        "integration's, such as `daily` and `watch_workspaces`.",
    )

    def build(self) -> Automation:
        return Automation(**self.model_dump(exclude_none=True))


def _build(attributes: type[Any], context: dg.ResolutionContext, model: BaseModel | None) -> Any:
    return model and attributes.resolve_from_model(context, model).build()


@cache
def _attributes_of(resource: type[dg.ConfigurableResource[Any]]) -> type[BaseModel]:
    """Return the YAML model of a resource: its fields, whose texts may also be in an environment variable."""
    types: dict[Any, Any] = {
        str: str | FromEnvironment,
        str | None: str | FromEnvironment | None,
        dict[str, str]: dict[str, str | FromEnvironment],
    }
    fields: dict[str, Any] = {
        name: (
            types.get(field.annotation, field.annotation),
            Field(default=None, description=field.description, **_LIMITS.get(name, {})),
        )
        for name, field in resource.model_fields.items()
    }
    return create_model(f"{resource.__name__}Attributes", __base__=dg.Model, **fields)


@cache
def _without_alternatives(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model without Dagster's alternative of a template for all of a resource."""
    fields: dict[str, Any] = {
        name: (_attributes_of(resource), Field(description=model.model_fields[name].description))
        for name, resource in (("asana", AsanaResource), ("lake", LakeResource))
    }
    return create_model(model.__name__, __base__=model, **fields)


def _build_resource(resource: type[_Resource], context: dg.ResolutionContext, model: BaseModel) -> _Resource:
    attributes = context.resolve_value(model.model_dump(exclude_unset=True))
    if resource is AsanaResource and not attributes.keys() & {"access_token", "token_secret_id"}:
        raise ConfigurationError("there is no token; set access_token to {env: NAME}, or set token_secret_id")
    return resource(**{name: _replace_variables(name, value) for name, value in attributes.items()})


def _replace_variables(name: str, value: Any) -> Any:
    """Replace `{env: NAME}` by a reference to the variable, also within the value.

    Raises:
        ConfigurationError: The name cannot be that of a variable, or a token is not in one. Both may be secrets, so
            they are not in the message.
    """
    match value:
        case str() if name in {"access_token", "hash_secret"}:
            raise ConfigurationError(
                f"{name} must not be in the file; write {{env: NAME}}, where NAME is the environment variable with it"
            )
        case {"env": str(variable)} if len(value) == 1:
            if not re.fullmatch(r"[A-Za-z_]\w*", variable, re.ASCII):
                raise ConfigurationError(
                    f"{name}.env is not the name of an environment variable; write a name such as ASANA_ACCESS_TOKEN, "
                    "and never the secret itself"
                )
            return dg.EnvVar(variable)
        case dict():
            return {key: _replace_variables(f"{name}.{key}", item) for key, item in value.items()}
        case _:
            return value


class AsanaScaffolder(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` whose integration is named like its folder."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        folder = request.target_path if request.target_path.suffix != ".yaml" else request.target_path.parent
        name = re.sub(r"\W", "_", folder.name, flags=re.ASCII)
        number = _count_instances(request.target_path) if request.append else 0
        name = f"{name}_{number + 1}" if number else name
        variable = "ASANA_ACCESS_TOKEN" if name == "asana" else f"{name.upper()}_ACCESS_TOKEN"
        dg.scaffold_component(
            request,
            {
                "name": name,
                "asana": {"access_token": {"env": variable}},
                "lake": {"data_dir": "asana_data", "namespace": name},
                "automation": {"running": ["daily", "watch_workspaces"]},
            },
        )
        if request.scaffold_format == "yaml":
            file = request.target_path if request.append else request.target_path / "defs.yaml"
            with file.open("a") as stream:
                stream.write(f"\nrequirements:\n  env:\n    - {variable}\n")


def _count_instances(file: Path) -> int:
    return len(re.findall(r"^type:", file.read_text(), flags=re.MULTILINE))


@dg.scaffold_with(AsanaScaffolder)
class AsanaComponent(dg.Component, dg.Model, dg.Resolvable):
    """Syncs what one token of Asana can see into Iceberg tables: an asset for each endpoint of Asana's API.

    A `defs.yaml` may contain several instances, separated by `---`, with different names and namespaces.
    """

    name: str = Field(default="asana", description="Part of every name in Dagster: of asset keys, jobs, sensors, etc.")
    asana: Annotated[
        AsanaResource,
        dg.Resolver(
            partial(_build_resource, AsanaResource),
            model_field_type=_attributes_of(AsanaResource),
            description="Access to Asana: the token, its rate, and the workspaces to sync.",
        ),
    ]
    lake: Annotated[
        LakeResource,
        dg.Resolver(
            partial(_build_resource, LakeResource),
            model_field_type=_attributes_of(LakeResource),
            description="The Iceberg tables: their catalog, namespace and directory.",
        ),
    ]
    endpoints: Sequence[str] = Field(
        default=(STANDARD,),
        description="The endpoints to sync, to which those are added that they are listed by: names, standard or all.",
    )
    op: Annotated[
        OpOptions | None,
        dg.Resolver(
            partial(_build, OpAttributes),
            model_field_type=OpAttributes.model(),
            description="Pool, retry policy and tags of the ops.",
        ),
    ] = None
    automation: Annotated[
        Automation | None,
        dg.Resolver(
            partial(_build, AutomationAttributes),
            model_field_type=AutomationAttributes.model() | None,
            description="When syncs are requested; null for no schedules, sensors and automation conditions.",
        ),
    ] = Automation()
    translation: (
        Annotated[
            TranslationFn[AsanaEndpointProps],
            TranslationFnResolver[AsanaEndpointProps](lambda props: {"props": props}),
        ]
        | None
    ) = Field(default=None, description="Changes of the asset specs, with `spec` and `props.endpoint` as variables.")

    @classmethod
    def model(cls) -> type[BaseModel]:
        """Return the YAML model. Unlike Dagster's, it names a wrong value within `asana` or `lake`, not all of it."""
        return _without_alternatives(super().model())

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> "AsanaComponent":
        """Build the component from a YAML document.

        Raises:
            ConfigurationError: A value is not valid.
        """
        try:
            return super().resolve_from_model(context, model)
        except ValidationError as error:
            raise ConfigurationError(_describe(error)) from None
        except ResolutionException as error:  # Dagster's: the position and a traceback
            position = str(error).partition("\n")[0]
            match error.__context__:
                case ConfigurationError() as cause:
                    raise ConfigurationError(f"{position}: {cause}") from None
                case ValidationError() as cause:
                    raise ConfigurationError(f"{position}: {_describe(cause)}") from None
                case _:
                    raise

    def get_asset_spec(self, props: AsanaEndpointProps) -> dg.AssetSpec:
        """Return the spec of an endpoint's asset, before `translation`. Override this to change specs in Python."""
        return AsanaTranslator().get_asset_spec(props)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - Dagster's signature
        """Build the definitions. Sends no requests and opens no files."""
        return build_asana_defs(
            name=self.name,
            asana=self.asana,
            lake=self.lake,
            endpoints=self.endpoints,
            translator=_ComponentTranslator(self),
            op=self.op,
            automation=self.automation,
        )


class _ComponentTranslator(AsanaTranslator):
    """Calls the component's methods, which a subclass may override, and then the translation in YAML."""

    def __init__(self, component: AsanaComponent) -> None:
        self._component = component

    def get_asset_spec(self, props: AsanaEndpointProps) -> dg.AssetSpec:
        spec = self._component.get_asset_spec(props)
        return self._component.translation(spec, props) if self._component.translation else spec


def _describe(error: ValidationError) -> str:
    """Return a sentence without the values, which may be secrets."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())

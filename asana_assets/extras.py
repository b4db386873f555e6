"""The message about an optional dependency that is not installed."""


def missing_extra(dependent: str, extra: str, error: ModuleNotFoundError) -> str:
    """Return a sentence that says which module is missing and how to install it.

    Args:
        dependent: The setting or command that needs the module.
        extra: The extra of this distribution that installs it.
        error: What the import raised.
    """
    return f"{dependent} needs {error.name}, which is not installed: run pip install 'asana-assets[{extra}]'"

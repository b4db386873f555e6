"""Console entry point (`asana-assets` and `python -m asana_assets`); tunes garbage collection before the heavy imports.

Importing Dagster and PyIceberg allocates several hundred thousand long-lived objects. Scanning them for garbage again
and again, and once more at exit, would take a third of the time of a short command.
"""

import atexit
import gc

gc.set_threshold(200_000)  # objects; Python's default of 700 suits programs that start small
atexit.register(gc.freeze)  # the operating system reclaims the rest

from asana_assets.extras import missing_extra  # noqa: E402 - the settings above must precede the heavy imports

try:
    from asana_assets.cli.main import main
except ModuleNotFoundError as error:
    raise SystemExit(missing_extra("asana-assets", "cli", error)) from None

if __name__ == "__main__":
    main()

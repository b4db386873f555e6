"""The way into the command, as `asana-assets` and as `python -m asana_assets`: what is settled before the imports.

Dagster and PyIceberg come as some hundred thousand objects that stay. Looking through them again and again for
garbage, and once more at the exit, would take a third of the time of a command that has little to do.
"""

import atexit
import gc

gc.set_threshold(200_000)  # objects; Python's own 700 is for programs that start small
atexit.register(gc.freeze)  # what is left goes with the process

from asana_assets.cli.main import main  # noqa: E402 # see above

if __name__ == "__main__":
    main()

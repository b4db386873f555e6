"""How fast, how gentle, how lean: each module is a benchmark to run with `python -m`, its targets at its top.

Nothing here is a test: what depends on the machine and its load is measured here, what must hold everywhere is tested
in `asana_assets_tests`. Nothing of `asana_assets` imports from here.
"""

"""Benchmarks of speed, rate limiting and memory. Run each module with `python -m`; its targets are at its top.

What must hold on every machine is tested in `asana_assets_tests`; results that depend on the machine and its load
belong here. `asana_assets` imports nothing from here.
"""

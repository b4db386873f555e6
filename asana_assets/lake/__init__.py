"""Iceberg tables: the catalog, scans, the streaming writer, commits and maintenance.

`lake.Lake` is the entry point and `errors` its exceptions; the other modules are internal. Works on Arrow schemas and
rows and knows neither Asana nor Dagster.
"""

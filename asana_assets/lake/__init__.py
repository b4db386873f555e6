"""Apache Iceberg: the catalog, tables, streaming writer, commits, maintenance.

Given Arrow schemas and rows; knows neither Asana nor Dagster.
"""

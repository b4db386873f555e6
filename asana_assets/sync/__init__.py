"""Incremental extraction of one endpoint in one workspace: select parents, fetch them concurrently, build rows.

Depends on `asana` alone: no file, no Iceberg catalog, no Dagster, and no endpoint by name.
"""

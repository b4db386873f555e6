"""Sync Asana into Apache Iceberg tables: fifteen endpoints as Dagster assets, each a table partitioned by workspace.

Three packages do not depend on Dagster: `asana` (API client and endpoint registry), `sync` (incremental extraction) and
`lake` (Iceberg). `snowflake` builds SQL. `defs` is the Dagster layer, `settings` parses the environment, `definitions`
is the composition root, and `cli` is the command line. `sandbox` imitates Asana and is imported by none of them.
"""

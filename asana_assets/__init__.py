"""Asana in a warehouse: fifteen endpoints as Dagster assets, each an Apache Iceberg table partitioned by workspace.

Three rooms, none of which knows Dagster: `asana` (the API), `sync` (what to ask for and in which order), `lake`
(Iceberg). The modules beside them are the Dagster face; `definitions` puts everything together.
"""

"""Synchronizing one table: which parents to ask, asking them side by side, making rows of the answers.

Knows the catalogue and the client. Knows no file, no catalog of tables and no Dagster, and names no endpoint.
"""

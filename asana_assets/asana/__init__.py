"""The Asana API: the endpoint registry, the HTTP client, and rate limiting.

Knows HTTP and Asana's conventions; knows no table, no file and no Dagster.
"""

"""The Asana API: its catalogue of endpoints, the client that reads it, and the pace it is read at.

Knows HTTP and Asana's conventions. Knows no table, no file and no Dagster.
"""

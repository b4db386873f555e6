"""Asana's HTTP API over an organization: routes, fields, pagination, rate limits, faults.

`application` is the ASGI entry point. Each request passes, in this order, authentication and `limits`, `faults`,
`routes`, `paging` and `render`, and is sent by `delivery`.
"""

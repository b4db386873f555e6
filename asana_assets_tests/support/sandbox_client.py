"""A minimal client for the tests of the sandbox: no retries, no throttle, no automatic pagination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asana_assets.sandbox import Sandbox

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxClient:
    sandbox: Sandbox

    def get(self, path: str, **params: str | float) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.sandbox.token}"}
        # A keyword cannot contain a dot: write assignee__any for assignee.any.
        query = {name.replace("__", "."): value for name, value in params.items()}
        return requests.get(f"{self.sandbox.url}{path}", params=query, headers=headers, timeout=20)

    def body(self, path: str, **params: str | float) -> Record:
        """Return the JSON of a response, which must be 200."""
        response = self.get(path, **params)
        assert response.status_code == 200, response.text
        return cast("Record", response.json())

    def record(self, path: str, **params: str | float) -> Record:
        return cast("Record", self.body(path, **params)["data"])

    def records(self, path: str, **params: str | float) -> list[Record]:
        """Return the records of a single page."""
        return cast("list[Record]", self.body(path, **params)["data"])

    def pages(self, path: str, **params: str | float) -> Iterator[list[Record]]:
        while True:
            body = self.body(path, **params)
            yield cast("list[Record]", body["data"])
            if body["next_page"] is None:
                return
            params["offset"] = body["next_page"]["offset"]

    def all_records(self, path: str, **params: str | float) -> list[Record]:
        """Return the records of all pages."""
        return [record for page in self.pages(path, **params) for record in page]

    def error(self, path: str, **params: str | float) -> tuple[int, str]:
        """Return the status and message of an error response."""
        response = self.get(path, **params)
        return response.status_code, response.json()["errors"][0]["message"]

    def gid(self, edge_case: str) -> str:
        return self.sandbox.organization.edge_cases[edge_case]

"""A request that is not let through."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818  # a decision, and not a failure of ours
    """Why a request is refused, as the sentence that whoever sent it reads, and the HTTP status."""

    def __init__(self, status: int, sentence: str) -> None:
        """Refuse with `status`."""
        super().__init__(sentence)
        self.status = status

"""Several appends in one pipeline, which is not a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from .lists_on_server import ListsOnServer

__all__ = ["PipelineWithoutScript"]


class PipelineWithoutScript(ListsOnServer):
    """Torn batch: a pipeline saves round trips, but other clients run between its commands."""

    async def _append(self, key: str, texts: Sequence[str]) -> int:
        pipeline = self._client.pipeline(transaction=False)
        for text in texts:
            pipeline.rpush(key, text)
        lengths: list[int] = await pipeline.execute()
        return lengths[-1]

"""Answers of the REST interface as the messages that say the same over gRPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import RestToGrpc as To
from qdrant_client.http import models
from qdrant_client.http.models import ShardKey

__all__ = ["WRITERS"]

Json = Any
Message = Any


def _scored(points: list[Json]) -> list[pb.ScoredPoint]:
    return [To.convert_scored_point(models.ScoredPoint.model_validate(point)) for point in points]


def _records(points: list[Json]) -> list[pb.RetrievedPoint]:
    return [_record(point) for point in points]


def _record(point: Json) -> pb.RetrievedPoint:
    return To.convert_record(models.Record.model_validate({"payload": {}} | point))


def _update(answer: Json) -> pb.UpdateResult:
    return To.convert_update_result(models.UpdateResult.model_validate(answer))


def _points_operation(answer: Json) -> Message:
    return pb.PointsOperationResponse(result=_update(answer))


def _groups(answer: Json) -> Message:
    groups = [
        pb.PointGroup(
            id=To.convert_group_id(group["id"]),
            hits=_scored(group["hits"]),
            lookup=_record(group["lookup"]) if group.get("lookup") else None,
        )
        for group in answer["groups"]
    ]
    return pb.QueryGroupsResponse(result=pb.GroupsResult(groups=groups))


def _page(answer: Json) -> Message:
    following = answer.get("next_page_offset")
    return pb.ScrollResponse(
        result=_records(answer["points"]),
        next_page_offset=None if following is None else To.convert_extended_point_id(following),
    )


def _matrix_pairs(answer: Json) -> Message:
    found = models.SearchMatrixPairsResponse.model_validate(answer)
    return pb.SearchMatrixPairsResponse(result=To.convert_search_matrix_pairs(found))


def _matrix_offsets(answer: Json) -> Message:
    found = models.SearchMatrixOffsetsResponse.model_validate(answer)
    return pb.SearchMatrixOffsetsResponse(result=To.convert_search_matrix_offsets(found))


def _facet(answer: Json) -> Message:
    hits = [models.FacetValueHit.model_validate(hit) for hit in answer["hits"]]
    return pb.FacetResponse(hits=[To.convert_facet_value_hit(hit) for hit in hits])


def _info(answer: Json) -> Message:
    info = models.CollectionInfo.model_validate(answer)
    return pb.GetCollectionInfoResponse(result=To.convert_collection_info(info))


def _collections(answer: Json) -> Message:
    return pb.ListCollectionsResponse(
        collections=[pb.CollectionDescription(name=one["name"]) for one in answer["collections"]]
    )


def _aliases(answer: Json) -> Message:
    return pb.ListAliasesResponse(aliases=[pb.AliasDescription(**one) for one in answer["aliases"]])


_SHARD_KEY: TypeAdapter[Any] = TypeAdapter(ShardKey)


def _shard_keys(answer: Json) -> Message:
    keys = [_SHARD_KEY.validate_python(one["key"]) for one in answer["shard_keys"] or ()]
    return pb.ListShardKeysResponse(
        shard_keys=[pb.ShardKeyDescription(key=To.convert_shard_key(key)) for key in keys]
    )


def _cluster(answer: Json) -> Message:
    found = models.CollectionClusterInfo.model_validate(answer)
    return To.convert_collection_cluster_info(found)


def _snapshot(answer: Json) -> pb.SnapshotDescription:
    return To.convert_snapshot_description(models.SnapshotDescription.model_validate(answer))


def _done(answer: Json) -> Message:
    return pb.CollectionOperationResponse(result=bool(answer))


def _snapshots(answer: Json) -> Message:
    return pb.ListSnapshotsResponse(snapshot_descriptions=[_snapshot(one) for one in answer])


_WRITES = """
Upsert Delete UpdateVectors DeleteVectors SetPayload OverwritePayload DeletePayload ClearPayload
CreateFieldIndex DeleteFieldIndex CreateVectorName DeleteVectorName
"""

WRITERS: dict[str, Callable[[Json], Message]] = {
    **{f"Points/{name}": _points_operation for name in _WRITES.split()},
    "Points/UpdateBatch": lambda answer: pb.UpdateBatchResponse(result=[_update(one) for one in answer]),
    "Points/Get": lambda answer: pb.GetResponse(result=_records(answer)),
    "Points/Scroll": _page,
    "Points/Count": lambda answer: pb.CountResponse(result=pb.CountResult(count=answer["count"])),
    "Points/Facet": _facet,
    "Points/Query": lambda answer: pb.QueryResponse(result=_scored(answer["points"])),
    "Points/QueryBatch": lambda answer: pb.QueryBatchResponse(
        result=[pb.BatchResult(result=_scored(one["points"])) for one in answer]
    ),
    "Points/QueryGroups": _groups,
    "Points/SearchMatrixPairs": _matrix_pairs,
    "Points/SearchMatrixOffsets": _matrix_offsets,
    "Collections/Get": _info,
    "Collections/List": _collections,
    "Collections/Create": _done,
    "Collections/Update": _done,
    "Collections/Delete": _done,
    "Collections/UpdateAliases": _done,
    "Collections/CollectionExists": lambda answer: pb.CollectionExistsResponse(
        result=pb.CollectionExists(exists=answer["exists"])
    ),
    "Collections/ListCollectionAliases": _aliases,
    "Collections/ListAliases": _aliases,
    "Collections/CollectionClusterInfo": _cluster,
    "Collections/CreateShardKey": lambda answer: pb.CreateShardKeyResponse(result=bool(answer)),
    "Collections/DeleteShardKey": lambda answer: pb.DeleteShardKeyResponse(result=bool(answer)),
    "Collections/ListShardKeys": _shard_keys,
    "Snapshots/Create": lambda answer: pb.CreateSnapshotResponse(snapshot_description=_snapshot(answer)),
    "Snapshots/List": _snapshots,
    "Snapshots/Delete": lambda answer: pb.DeleteSnapshotResponse(),
    "Snapshots/CreateFull": lambda answer: pb.CreateSnapshotResponse(snapshot_description=_snapshot(answer)),
    "Snapshots/ListFull": _snapshots,
    "Snapshots/DeleteFull": lambda answer: pb.DeleteSnapshotResponse(),
    "Qdrant/HealthCheck": lambda answer: pb.HealthCheckReply(**answer),
}
"""What each method of the services answers, made of the ``result`` that REST gives."""

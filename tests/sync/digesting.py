"""The memory hub's side of a verification."""

from uuid import UUID

from sync.core.columns import Rows, pack
from sync.merge import COMPARED, bucket_of, digest, order_of, row_hash
from sync.protocol import (
    Bucket,
    BucketDigests,
    BucketPage,
    Digests,
    RowsPage,
    RowsRequest,
    RowState,
    TableDigest,
    decode,
)
from sync.registry import TABLE

PAGE = 3  # every bucket of some size is more than one page


def digests(hub, school_id):
    tables = {}
    for table in COMPARED:
        found = own_rows(hub, school_id, table.name)
        tables[table.name] = TableDigest(rows=len(found), digest=sum_of(table.name, found))
    change_no = hub.schools[school_id].change_no
    return Digests(incarnation=hub.incarnation, tables=tables, change_no=change_no)


def buckets(hub, school_id, name):
    by_bucket = {}
    for row in own_rows(hub, school_id, name):
        by_bucket.setdefault(bucket_of(row[0]), []).append(row)
    told = [
        Bucket(bucket=bucket, rows=len(found), digest=sum_of(name, found))
        for bucket, found in sorted(by_bucket.items())
    ]
    return BucketDigests(incarnation=hub.incarnation, tables={name: told})


def bucket_page(hub, school_id, name, bucket, after):
    table = TABLE[name]
    found = [
        row
        for row in own_rows(hub, school_id, name)
        if bucket_of(row[0]) == bucket and row[0] > after.bytes
    ]
    states = [
        RowState(pk=row[0], owner_epoch=owner_epoch, version=version, row_hash=row_hash(table, row))
        for row in found[:PAGE]
        for owner_epoch, version in [order_of(table, row)]
    ]
    return BucketPage(incarnation=hub.incarnation, rows=states, more=len(found) > PAGE)


def rows_page(hub, school_id, body):
    asked = decode(body, RowsRequest)
    found = [row for row in own_rows(hub, school_id, asked.table) if row[0] in asked.ids][:PAGE]
    names = tuple(column.name for column in TABLE[asked.table].columns)
    blocks = [pack(Rows(asked.table, names, found))] if found else []
    return RowsPage(incarnation=hub.incarnation, rows=blocks)


def own_rows(hub, school_id, name):
    """In the order of their ids. The tests' schools have no rows of the district's."""
    rows = hub.schools[school_id].rows
    return [held.values for (table, _), held in sorted(rows.items()) if table == name]


def sum_of(name, found):
    table = TABLE[name]
    parts = [(row[0], order_of(table, row)[1], row_hash(table, row)) for row in found]
    return digest(parts).to_bytes(8, "big")


def answer(hub, school_id, parts, query, body):
    """What the hub says to one request below /digests or /rows; None when it is neither."""
    match parts:
        case ["digests"] if query.get("buckets"):
            return buckets(hub, school_id, query["table"])
        case ["digests"]:
            return digests(hub, school_id)
        case ["digests", name, bucket]:
            return bucket_page(hub, school_id, name, int(bucket), UUID(query["after"]))
        case ["rows"]:
            return rows_page(hub, school_id, body)
    return None

"""Turns the Olist orders of ../shared/data/olist into lines of the import, or says what they add up to.

    olist.py FOLDER COUNT lines     one order a line, as POST /v1/stores/{store_id}/imports takes it
    olist.py FOLDER COUNT totals    what the source says of the same orders, as one JSON object

The totals are reckoned from the source's own columns, and not from the lines. How the source's words and quirks are
taken is explained in Sources/Aftercare/Documentation.docc/Import.md.
"""

import csv
import gzip
import json
import sys
from collections import Counter, defaultdict
from datetime import datetime, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

folder, count, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
zone = ZoneInfo("America/Sao_Paulo")

# Of each status: payment, fulfilment, lifecycle. None: whether it was approved says whether it was paid.
STATUSES = {
    "delivered": ("paid", "fulfilled", "closed"),
    "shipped": ("paid", "fulfilled", "open"),
    "invoiced": ("paid", "in_progress", "open"),
    "processing": ("paid", "in_progress", "open"),
    "approved": ("paid", "unfulfilled", "open"),
    "created": ("pending", "unfulfilled", "open"),
    "unavailable": (None, "declined", "open"),
    "canceled": (None, "unfulfilled", "cancelled"),
}


def rows(name):
    with gzip.open(f"{folder}/{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def cents(text):
    amount = Decimal(text) * 100
    assert amount == amount.to_integral_value()
    return int(amount)


def money(amount):
    return {"amount": amount, "currency": "BRL"}


def instant(text):
    """The source's times are local, without an offset."""
    if not text:
        return None
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def line(order, items, paid):
    status = order["order_status"]
    payment, fulfillment, lifecycle = STATUSES[status]
    shipped, delivered = instant(order["order_delivered_carrier_date"]), instant(order["order_delivered_customer_date"])
    times = [instant(order[name]) for name in ("order_purchase_timestamp", "order_approved_at")] + [shipped, delivered]
    told = {
        "external_id": order["order_id"],
        "as_of": max(time for time in times if time),
        "number": order["order_id"][:8],
        "total": money(sum(cents(item["price"]) + cents(item["freight_value"]) for item in items) if items else paid),
        "financial_status": payment or ("paid" if order["order_approved_at"] else "pending"),
        "fulfillment_status": fulfillment,
        "fulfillment_status_raw": status,
        "lifecycle_status": lifecycle,
        "lifecycle_status_raw": status,
        "placed_at": times[0],
        "lines": [
            {
                "external_id": item["order_item_id"],
                "title": item["product_id"],
                "sku": item["product_id"],
                "quantity": 1,
                "unit_price": money(cents(item["price"])),
            }
            for item in items
        ],
    }
    if shipped or delivered or status == "delivered":
        parcel = {"external_id": "1", "shipped_at": shipped}
        parcel["status"] = "delivered" if delivered or status == "delivered" else "in_transit"
        if delivered:
            parcel["events"] = [{"external_id": "delivered", "status": "delivered", "happened_at": delivered}]
        told["shipments"] = [parcel]
    return told


items = defaultdict(list)
for item in rows("order_items"):
    items[item["order_id"]].append(item)
payments = Counter()
for payment in rows("order_payments"):
    payments[payment["order_id"]] += cents(payment["payment_value"])
orders = list(rows("orders"))
# Spread over the file, so that a part of it has everything in it too.
step = max(1, len(orders) // count)
orders = orders[::step][:count]

if mode == "lines":
    for order in orders:
        own = items[order["order_id"]]
        print(json.dumps(line(order, own, payments[order["order_id"]]), separators=(",", ":")))
else:
    own = [item for order in orders for item in items[order["order_id"]]]
    bare = [order["order_id"] for order in orders if not items[order["order_id"]]]
    print(
        json.dumps(
            {
                "orders": len(orders),
                "statuses": dict(Counter(order["order_status"] for order in orders)),
                "lines": len(own),
                "without_lines": len(bare),
                "prices": sum(cents(item["price"]) for item in own),
                "totals": sum(cents(item["price"]) + cents(item["freight_value"]) for item in own)
                + sum(payments[order] for order in bare),
                "with_delivery_time": sum(1 for order in orders if order["order_delivered_customer_date"]),
                "delivered": sum(
                    1
                    for order in orders
                    if order["order_delivered_customer_date"] or order["order_status"] == "delivered"
                ),
                "handed_over": sum(1 for order in orders if order["order_delivered_carrier_date"]),
                "cancelled_and_delivered": sum(
                    1
                    for order in orders
                    if order["order_status"] == "canceled" and order["order_delivered_customer_date"]
                ),
            }
        )
    )

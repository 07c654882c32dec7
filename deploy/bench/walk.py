"""Signed Shopify webhooks, each of an order that was delivered yesterday, for walk.lua: signature, tab, body.

    walk.py SECRET FIRST COUNT
"""
import base64
import datetime
import hashlib
import hmac
import json
import sys

secret, first, count = sys.argv[1].encode(), int(sys.argv[2]), int(sys.argv[3])
yesterday = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
for order in range(first, first + count):
    body = json.dumps({
        "id": order, "name": f"#{order}", "email": f"customer-{order}@customer.example", "currency": "EUR",
        "created_at": yesterday, "updated_at": yesterday, "cancelled_at": None, "closed_at": None,
        "total_price": "54.80", "financial_status": "paid", "fulfillment_status": "fulfilled",
        "customer": {"id": order, "first_name": "Ada", "last_name": "Example"},
        "line_items": [
            {"id": order * 10 + 1, "title": "Linen notebook", "sku": "NOTE-A5", "quantity": 2, "price": "19.90"},
            {"id": order * 10 + 2, "title": "Fountain pen", "sku": "PEN-F", "quantity": 1, "price": "15.00"}],
        "fulfillments": [
            {"id": order * 10, "status": "success", "shipment_status": "delivered", "tracking_number": f"JD{order}",
             "created_at": yesterday, "updated_at": yesterday}],
    })
    signature = base64.b64encode(hmac.new(secret, body.encode(), hashlib.sha256).digest()).decode()
    print(f"{signature}\t{body}")

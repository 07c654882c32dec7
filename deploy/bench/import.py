"""Delivered orders of two lines and one parcel, a line each, as POST /v1/stores/{store_id}/imports takes them.

    import.py PREFIX COUNT
"""
import json
import sys

prefix, count = sys.argv[1], int(sys.argv[2])
for order in range(count):
    day, second = f"2025-{order % 12 + 1:02}-{order % 28 + 1:02}", f"{order % 60:02}"
    print(json.dumps({
        "external_id": f"{prefix}-{order}", "as_of": f"{day}T20:00:{second}Z", "number": f"#{order}",
        "email": f"customer-{order}@customer.example", "customer_name": "Ada Example", "customer_locale": "de-DE",
        "total": {"amount": 5480, "currency": "EUR"}, "financial_status": "paid", "fulfillment_status": "fulfilled",
        "lifecycle_status": "closed", "placed_at": f"{day}T08:00:{second}Z",
        "lines": [
            {"external_id": "1", "title": "Linen notebook", "sku": "NOTE-A5", "quantity": 2,
             "unit_price": {"amount": 1990, "currency": "EUR"}},
            {"external_id": "2", "title": "Fountain pen", "sku": "PEN-F", "quantity": 1,
             "unit_price": {"amount": 1500, "currency": "EUR"}}],
        "shipments": [
            {"external_id": "1", "carrier": "DHL", "tracking_number": f"JD{order}", "status": "delivered",
             "shipped_at": f"{day}T12:00:{second}Z",
             "events": [
                 {"external_id": "1", "status": "in_transit", "happened_at": f"{day}T14:00:{second}Z"},
                 {"external_id": "2", "status": "delivered", "happened_at": f"{day}T19:00:{second}Z"}]}],
    }, separators=(",", ":")))

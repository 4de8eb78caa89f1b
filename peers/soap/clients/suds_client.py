"""suds as a SOAP 1.1 client. Usage: suds_client.py 11 KEY|- {SERVICE WSDL ENDPOINT|-}…

Prints one JSON line a call: `{"call": …, "answer": …}` or `{"call": …, "error": …}`. Exit code 1: a call failed.
"""

import json
import logging
import sys
import warnings
from base64 import b64encode
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from suds import WebFault, null
from suds.client import Client
from suds.sudsobject import Object

# suds sees a fault as an answer like another, and logs it.
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


def plain(value):
    """What suds understood, as the lexical form of each value; what is absent is left out."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Object):
        found = {}
        if type(value).__name__ == "ExpressParcel":
            found["$type"] = "ExpressParcel"
        for name, item in value:
            item = plain(item)
            if name == "value" and "_currency" in value:
                name = "$value"
            if item is None and name != "discount":
                continue
            found["@" + name[1:] if name.startswith("_") else name] = item
        return found
    return str(value)


def orders(client, call):
    session = client.factory.create("{urn:pasarela:peers:orders}Session")
    session.token = "T-1"

    def get(id):
        client.set_options(soapheaders=session)
        try:
            return client.service.GetOrder(id)
        finally:
            client.set_options(soapheaders=())

    def rich():
        answer = plain(get(9007199254740993))
        # suds reads no header of an answer by itself.
        reply = client.last_received().root().childAtPath("Header/Receipt/token")
        answer["$headers"] = {"Receipt": {"token": reply.getText() if reply else None}}
        return answer

    def fault():
        try:
            get(404)
        except WebFault as problem:
            return {"fault": problem.fault.faultcode.split(":")[-1], "detail": plain(problem.fault.detail)}
        raise ValueError("no fault came")

    def place():
        make = lambda name: client.factory.create("{urn:pasarela:peers:orders:types}" + name)
        order = make("Order")
        order._priority, order._reference = "high", "R-7"
        order.id, order.customer = 9007199254740993, "Ñandú & <Söhne>"
        order.placed, order.due = "2026-02-28T23:30:00+01:00", date(2026, 3, 1)
        order.total, order.discount, order.status = Decimal("10.10"), null(), "in-transit"
        order.note, order.tag, order.item = " two  spaces ", ["one", "two"], []
        for line, sku, price in ((1, "A-1", "10.10"), (2, "B-2", "0.10")):
            item = make("Item")
            item._line, item.sku, item.quantity, item.price = line, sku, line, Decimal(price)
            order.item.append(item)
        order.payment.card = "4111"
        order.parcel = make("ExpressParcel")
        order.parcel.weight, order.parcel.courier = Decimal("1.50"), "Correos"
        order.document = b64encode(b"\0\1\2\3\xff").decode()
        return plain(client.service.PlaceOrder(order))

    def find(limit):
        found = client.service.FindOrders(limit)
        return plain(found.Summary) if found else []

    call("orders.rich", rich)
    call("orders.sparse", lambda: plain(get(7)))
    call("orders.midnight", lambda: plain(get(24)))
    call("orders.fault", fault)
    call("orders.place", place)
    for limit in (0, 1, 3):
        call(f"orders.find{limit}", lambda: find(limit))
    call("orders.notify", lambda: plain(client.service.Notify(7, "paid")))


def bare(client, call):
    def make(name):
        return client.factory.create("{urn:pasarela:peers:bare}" + name)

    def convert():
        money = make("Money")
        money.value, money._currency = Decimal("10.10"), "EUR"
        return plain(client.service.Convert(money))

    def add(values):
        numbers = make("Numbers")
        numbers.value = values
        return plain(client.service.AddUp(numbers))

    call("bare.convert", convert)
    for values in ([], [9007199254740993], [9223372036854775807] * 2):
        call(f"bare.add{len(values)}", lambda: add(values))


def rpc(client, call):
    call("rpc.quote", lambda: plain(client.service.Quote("A-1", 3)))


def encoded(client, call):
    def reserve():
        line = client.factory.create("{urn:pasarela:peers:encoded}Line")
        line.sku, line.quantity, line.price = "A-1", 2, Decimal("10.10")
        return plain(client.service.Reserve(line))

    call("encoded.add", lambda: plain(client.service.Add(2, 3)))
    call("encoded.reserve", reserve)
    for count in (0, 1, 2):
        call(f"encoded.list{count}", lambda: plain(client.service.List(count)) or [])


class Calls:
    """Makes calls and tells what came of them."""

    failed = False

    def __call__(self, name, work):
        try:
            said = {"call": name, "answer": work()}
        except Exception as problem:
            said = {"call": name, "error": f"{type(problem).__name__}: {problem}"}
            self.failed = True
        print(json.dumps(said), flush=True)


def main(version, key, *services):
    calls = Calls()
    headers = {} if key == "-" else {"X-API-Key": key}
    for name, wsdl, endpoint in zip(*[iter(services)] * 3):
        url = wsdl if "://" in wsdl else Path(wsdl).resolve().as_uri()
        # Unwrapped, an element with simple content would have no parts.
        client = Client(url, headers=headers, cache=None, unwrap=name != "bare")
        if endpoint != "-":
            client.set_options(location=endpoint)
        [service] = client.wsdl.services
        [port] = [port.name for port in service.ports if port.name.endswith(version)]
        client.set_options(port=port)
        globals()[name](client, calls)
    return 1 if calls.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

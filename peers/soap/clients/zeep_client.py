"""zeep as a SOAP client. Usage: zeep_client.py 11|12 KEY|- {SERVICE WSDL ENDPOINT|-}…

Prints one JSON line a call: `{"call": …, "answer": …}` or `{"call": …, "error": …}`. Exit code 1: a call failed.
Not for `encoded`: zeep would fetch the schema of SOAP's encoding from the network.
"""

import json
import logging
import sys
from base64 import b64encode
from datetime import date, datetime
from decimal import Decimal

import requests
from lxml import etree
from zeep import Client, Settings, xsd
from zeep.exceptions import Fault
from zeep.transports import Transport

TYPES = "{urn:pasarela:peers:orders:types}"
ATTRIBUTES = {"priority", "reference", "line", "currency"}


def plain(value):
    """What zeep understood, as the lexical form of each value; what is absent is left out."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "_xsd_type"):
        found = {}
        kind = value._xsd_type.name
        if kind == "ExpressParcel":
            found["$type"] = kind
        for name in value:
            item = plain(value[name])
            if name == "_value_1":
                name = "$value"
            nil = name == "discount"
            if item is None and not nil or item == []:
                continue
            found["@" + name if name in ATTRIBUTES else name] = item
        return found
    return str(value)


def order(client):
    def make(name):
        return client.get_type(TYPES + name)

    item = make("Item")
    return make("Order")(
        priority="high", reference="R-7", id=9007199254740993, customer="Ñandú & <Söhne>",
        placed="2026-02-28T23:30:00+01:00", due=date(2026, 3, 1), total=Decimal("10.10"), discount=xsd.Nil,
        status="in-transit", note=" two  spaces ",
        item=[item(line=1, sku="A-1", quantity=1, price=Decimal("10.10")),
              item(line=2, sku="B-2", quantity=2, price=Decimal("0.10"))],
        tag=["one", "two"], payment=make("Payment")(card="4111"),
        parcel=make("ExpressParcel")(weight=Decimal("1.50"), courier="Correos"), document=b"\0\1\2\3\xff",
    )


def orders(client, call):
    service = call.service

    def get(id):
        # Declared headers come back beside the body.
        found = service.GetOrder(id=id, _soapheaders={"session": {"token": "T-1"}})
        answer = plain(found.body.order)
        receipt = found.header and found.header.receipt
        return answer, receipt

    def rich():
        answer, receipt = get(9007199254740993)
        answer["$headers"] = {"Receipt": plain(receipt)}
        return answer

    def fault():
        try:
            get(404)
        except Fault as problem:
            detail = problem.detail
            found = detail if etree.QName(detail).localname == "OrderNotFound" else detail[0]
            typed = client.get_element("{urn:pasarela:peers:orders}OrderNotFound").parse(found, client.wsdl.types)
            code = (problem.code or "").split(":")[-1]
            return {"fault": {"Sender": "Client"}.get(code, code), "detail": {"OrderNotFound": plain(typed)}}
        raise ValueError("no fault came")

    call("orders.rich", rich)
    call("orders.sparse", lambda: get(7)[0])
    call("orders.midnight", lambda: get(24)[0])
    call("orders.fault", fault)
    call("orders.place", lambda: plain(service.PlaceOrder(order=order(client))))
    for limit in (0, 1, 3):
        call(f"orders.find{limit}", lambda: plain(service.FindOrders(limit=limit)) or [])
    call("orders.notify", lambda: plain(service.Notify(id=7, status="paid")))


def bare(client, call):
    service = call.service
    call("bare.convert", lambda: plain(service.Convert(Decimal("10.10"), currency="EUR")))
    for values in ([], [9007199254740993], [9223372036854775807] * 2):
        call(f"bare.add{len(values)}", lambda: plain(service.AddUp(value=values)))


def rpc(client, call):
    call("rpc.quote", lambda: plain(call.service.Quote("A-1", 3)))


# zeep logs what it cannot read, and goes on without it.
logging.disable(logging.CRITICAL)


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
    session = requests.Session()
    session.trust_env = False
    if key != "-":
        session.headers["X-API-Key"] = key
    calls = Calls()
    for name, wsdl, endpoint in zip(*[iter(services)] * 3):
        client = Client(wsdl, transport=Transport(session=session), settings=Settings(strict=True))
        ports = {port: bound for kind in client.wsdl.services.values() for port, bound in kind.ports.items()}
        [(port, bound)] = [(port, bound) for port, bound in ports.items() if port.endswith(version)]
        address = bound.binding_options["address"] if endpoint == "-" else endpoint
        calls.service = client.create_service(str(bound.binding.name), address)
        globals()[name](client, calls)
    return 1 if calls.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""zeep calls the shop, a REST service behind its SOAP face. Usage: zeep_shop.py WSDL [12]

Prints one JSON line a call: what it understood of the answer, as texts.
"""

import datetime
import json
import sys
from decimal import Decimal

from zeep import Client, xsd
from zeep.exceptions import Fault
from zeep.helpers import serialize_object

client = Client(sys.argv[1])
ports = {binding.split("}")[1]: port for binding, port in
         ((str(p.binding.name), p.name) for p in list(client.wsdl.services.values())[0].ports.values())}
port = next(name for binding, name in ports.items() if binding.endswith("Soap12" if "12" in sys.argv[2:] else "Soap11"))
service = client.bind(list(client.wsdl.services)[0], port)
ns = "{urn:pasarela:rest:shop-of-everything:v2}"
make = lambda name: client.get_type(ns + name)


def tell(name, act):
    try:
        print(json.dumps({"call": name, "answer": act()}, ensure_ascii=False, default=str))
    except Exception as error:  # whatever a toolkit makes of it
        print(json.dumps({"call": name, "error": f"{type(error).__name__}: {error}"}))


def get(found, *names):
    for name in names:
        found = found[name]
    return found


def scalars():
    # An answer that is one element is what zeep gives.
    found = service.echo(body={
        "text": "ñ <&> \"x\"", "flag": True, "small": -5, "large": 9007199254740993, "exact": Decimal("10.10"),
        "double": 2.5, "day": datetime.date(2026, 2, 28),
        "moment": datetime.datetime(2026, 2, 28, 23, 30, tzinfo=datetime.timezone.utc), "bytes": b"\0\1\xff"})
    return [found["text"], found["flag"], str(found["small"]), str(found["large"]), str(found["exact"]),
            str(found["double"]), str(found["day"]), found["moment"].isoformat().replace("+00:00", "Z"), found["bytes"].hex()]


def objects():
    found = service.putOrder(id=7, body={
        "id": 7, "total": Decimal("3.50"), "lines": [{"sku": "A", "count": 1}, {"sku": "B", "count": 2}],
        "customer": {"name": "Ana", "address": {"city": "Soria"}}})
    body = found["body"]
    return [str(len(body["lines"])), body["lines"][1]["sku"], str(body["lines"][1]["count"]), body["customer"]["address"]["city"]]


def arrays():
    return [str(len(found["item"])) for found in service.echo(body={
        "grid": [{"item": [Decimal(1), Decimal("2.5")]}, {"item": [Decimal(3)]}]})["grid"]]


def lists():
    # A list of one is a list.
    found = service.listOrders(limit=1)
    return [str(len(found)), str(found[0]["total"])]


def polymorphism():
    found = service.addPet(body=make("Dog")(name="Rex", packSize=3))
    return [type(found).__name__, found["name"], str(found["packSize"])]


def nulls():
    found = service.echo(body={"maybe": xsd.Nil, "small": 1})
    return [str(found["maybe"])]


def choice():
    found = service.echo(body={"either": {"Address": {"city": "Soria"}}})
    return [found["either"]["Address"]["city"]]


def maps():
    found = service.echo(body={"map": {"entry": [{"key": "a b", "value": 1}, {"key": "ñ", "value": 2}]}})
    return [entry["key"] + "=" + str(entry["value"]) for entry in found["map"]["entry"]]


def free():
    return [service.echo(body={"anything": "{\"a\":[1,null]}"})["anything"]]


def parameters():
    found = service.getOrder(**{"id": 7, "expand": ["a&b", "c"], "X-Tenant": "acme"})
    return [str(found["X-Version"]), str(found["body"]["total"])]


def files():
    return [service.getFile(name="a b.bin").hex(), service.putFile(name="x", body=b"\0\xff\n")]


def fault():
    try:
        service.getOrder(id=404)
    except Fault as told:
        detail = told.detail[0]
        return [detail.tag.split("}")[1], detail[0].text]


def undescribed():
    try:
        service.deleteOrder(id=500)
    except Fault as told:
        detail = told.detail[0]
        return [detail.tag.split("}")[1], detail[0].text]


for act in (scalars, objects, arrays, lists, polymorphism, nulls, choice, maps, free, parameters, files, fault, undescribed):
    tell(act.__name__, act)

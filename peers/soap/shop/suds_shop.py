"""suds calls the shop, a REST service behind its SOAP face. Usage: suds_shop.py WSDL

Prints one JSON line a call: what it understood of the answer, as texts.
"""

import base64
import datetime
import json
import logging
import sys
from decimal import Decimal

from suds import WebFault, null
from suds.client import Client

logging.disable(logging.CRITICAL)
client = Client(sys.argv[1], cache=None)
client.set_options(port=[p.name for s in client.wsdl.services for p in s.ports if p.name.endswith("Soap11")][0])
service = client.service


def make(kind, **fields):
    made = client.factory.create("{urn:pasarela:rest:shop-of-everything:v2}" + kind)
    for key in [key for key in made.__keylist__ if key.startswith("_x")]:
        # suds takes an element whose name begins so for an attribute.
        delattr(made, key)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def tell(name, act):
    try:
        print(json.dumps({"call": name, "answer": act()}, ensure_ascii=False, default=str))
    except Exception as error:  # whatever a toolkit makes of it
        print(json.dumps({"call": name, "error": f"{type(error).__name__}: {error}"}))


def scalars():
    found = service.echo(make(
        "Everything", text="ñ <&> \"x\"", flag=True, small=-5, large=9007199254740993, exact=Decimal("10.10"), double=2.5,
        day=datetime.date(2026, 2, 28), moment="2026-02-28T23:30:00Z", bytes=base64.b64encode(b"\0\1\xff").decode()))
    return [str(found.text), found.flag, str(found.small), str(found.large), str(found.exact), str(found.double), str(found.day),
            found.moment.isoformat().replace("+00:00", "Z"), base64.b64decode(found.bytes).hex()]


def objects():
    lines = [make("Line", _sku="A", count=1), make("Line", _sku="B", count=2)]
    customer = make("Order_customer", name="Ana", address=make("Address", city="Soria"))
    found = service.putOrder(7, make("Order", id=7, total=Decimal("3.50"), lines=lines, customer=customer)).body
    return [str(len(found.lines)), str(found.lines[1]._sku), str(found.lines[1].count), str(found.customer.address.city)]


def arrays():
    row = lambda *items: make("Everything_grid_item", item=[Decimal(item) for item in items])
    return [str(len(found.item)) for found in service.echo(make("Everything", grid=[row("1", "2.5"), row("3")])).grid]


def lists():
    found = service.listOrders(1)
    return [str(len(found)), str(found[0].total)]


def polymorphism():
    found = service.addPet(make("Dog", name="Rex", packSize=3))
    return [type(found).__name__, str(found.name), str(found.packSize)]


def nulls():
    found = service.echo(make("Everything", maybe=null(), small=1))
    return [str(found.maybe)]


def choice():
    either = make("Everything_either", Address=make("Address", city="Soria"))
    return [str(service.echo(make("Everything", either=either)).either.Address.city)]


def maps():
    entry = lambda key, value: make("Everything_map_entry", _key=key, value=value)
    found = service.echo(make("Everything", map=make("Everything_map", entry=[entry("a b", 1), entry("ñ", 2)])))
    return [f"{entry._key}={entry.value}" for entry in found.map.entry]


def free():
    return [str(service.echo(make("Everything", anything="{\"a\":[1,null]}")).anything)]


def parameters():
    found = service.getOrder(**{"id": 7, "expand": ["a&b", "c"], "X-Tenant": "acme"})
    return [str(found["X-Version"]), str(found.body.total)]


def files():
    sent = base64.b64encode(b"\0\xff\n").decode()
    return [base64.b64decode(service.getFile("a b.bin")).hex(), str(service.putFile("x", sent))]


def thrown(act):
    try:
        act()
    except WebFault as told:
        name = told.fault.detail.__keylist__[0]
        entry = told.fault.detail[name]
        return [name, str(entry[entry.__keylist__[0]])]


def fault():
    return thrown(lambda: service.getOrder(404))


def undescribed():
    return thrown(lambda: service.deleteOrder(500))


for act in (scalars, objects, arrays, lists, polymorphism, nulls, choice, maps, free, parameters, files, fault, undescribed):
    tell(act.__name__, act)

"""spyne as a SOAP service: `orders` (SOAP 1.1 and 1.2) and `bare`. Usage: spyne_server.py PORT

Prints `listening PORT`, then `notified ID STATUS` for each one-way message.
"""

import datetime
import logging
import os
import sys
from decimal import Decimal
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from spyne import (
    Application, Array, ByteArray, ComplexModel, Date, Decimal as XsDecimal, Fault, Integer,
    Integer32, Long, ServiceBase, Unicode, XmlAttribute, XmlData, rpc,
)
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

ORDERS = "urn:pasarela:peers:orders"
TYPES = "urn:pasarela:peers:orders:types"
BARE = "urn:pasarela:peers:bare"
Text = Unicode(min_occurs=1, nillable=False)


class Model(ComplexModel):
    __namespace__ = TYPES


class Item(Model):
    sku = Text
    quantity = Integer32(min_occurs=1)
    price = XsDecimal(min_occurs=1)
    line = XmlAttribute(Integer32, use="required")


class Payment(Model):
    card = Unicode(min_occurs=0)
    transfer = Unicode(min_occurs=0)


class Parcel(Model):
    weight = XsDecimal(min_occurs=1)


class ExpressParcel(Parcel):
    __namespace__ = TYPES
    courier = Text


class Order(Model):
    id = Long(min_occurs=1)
    customer = Text
    # On the wire an xs:dateTime; Python's datetime knows no hour 24.
    placed = Text
    due = Date(min_occurs=0)
    total = XsDecimal(min_occurs=1)
    discount = XsDecimal(min_occurs=1, nillable=True)
    status = Unicode(values=["new", "paid", "in-transit"], type_name="Status", min_occurs=1)
    note = Unicode(min_occurs=0)
    item = Item.customize(min_occurs=0, max_occurs="unbounded")
    tag = Unicode(min_occurs=0, max_occurs="unbounded")
    payment = Payment.customize(min_occurs=1)
    parcel = Parcel.customize(min_occurs=1)
    document = ByteArray(min_occurs=0)
    priority = XmlAttribute(Unicode, use="required")
    reference = XmlAttribute(Unicode)


class Summary(Model):
    id = Long(min_occurs=1)
    total = XsDecimal(min_occurs=1)


class Session(ComplexModel):
    __namespace__ = ORDERS
    token = Text


class Receipt(ComplexModel):
    __namespace__ = ORDERS
    token = Text


class OrderNotFound(ComplexModel):
    __namespace__ = ORDERS
    id = Long
    reason = Unicode


def rich():
    return Order(
        priority="high", reference="R-7", id=9007199254740993, customer="Ñandú & <Söhne>",
        placed="2026-02-28T23:30:00+01:00", due=datetime.date(2026, 3, 1), total=Decimal("10.10"), discount=None,
        status="in-transit", note=" two  spaces ", item=[Item(line=1, sku="A-1", quantity=1, price=Decimal("10.10"))],
        tag=["one"], payment=Payment(transfer="ES91 2100"),
        parcel=ExpressParcel(weight=Decimal("1.50"), courier="Correos"), document=[b"\0\1\2\3\xff"],
    )


def sparse(id):
    placed = {7: "2026-11-23T10:00:00.5Z", 24: "2026-02-28T24:00:00"}
    return Order(
        priority="normal", id=id, customer="", placed=placed[id], total=Decimal("0.00"),
        discount=Decimal("-0.50"), status="new", payment=Payment(card="4111"), parcel=Parcel(weight=Decimal("0.1")),
    )


class Orders(ServiceBase):
    __in_header__ = Session
    __out_header__ = Receipt

    @rpc(Long(min_occurs=1), _returns=Order, _out_variable_name="order")
    def GetOrder(ctx, id):
        if ctx.in_header is not None:
            ctx.out_header = Receipt(token=ctx.in_header.token)
        if id in (7, 24):
            return sparse(id)
        if id != 9007199254740993:
            detail = {"{%s}OrderNotFound" % ORDERS: {"{%s}id" % ORDERS: str(id), "{%s}reason" % ORDERS: "no such order"}}
            raise Fault("Client", "no such order", detail=detail)
        return rich()

    @rpc(Order, _returns=Order, _out_variable_name="order")
    def PlaceOrder(ctx, order):
        return order

    @rpc(Integer32(min_occurs=1), _returns=Array(Summary), _out_variable_name="orders")
    def FindOrders(ctx, limit):
        return [Summary(id=9007199254740993 + n, total=Decimal(f"{n + 1}0.{n + 1}0")) for n in range(limit)]

    @rpc(Long, Unicode, _is_async=True)
    def Notify(ctx, id, status):
        # Not `print`: it writes the end of the line by itself, and another thread's line may come between.
        os.write(1, f"notified {id} {status}\n".encode())


class Money(ComplexModel):
    __namespace__ = BARE
    amount = XmlData(XsDecimal)
    currency = XmlAttribute(Unicode)


class Numbers(ComplexModel):
    __namespace__ = BARE
    value = Long(min_occurs=0, max_occurs="unbounded")


class Sum(ComplexModel):
    __namespace__ = BARE
    count = Integer32(min_occurs=1)
    sum = Integer(min_occurs=1)


class Bare(ServiceBase):
    @rpc(Money, _returns=Money, _body_style="bare", _in_message_name="Amount", _out_message_name="Converted")
    def Convert(ctx, amount):
        return Money(amount=amount.amount, currency="USD")

    @rpc(Numbers, _returns=Sum, _body_style="bare", _in_message_name="Numbers", _out_message_name="Sum")
    def AddUp(ctx, numbers):
        values = numbers.value or []
        return Sum(count=len(values), sum=sum(values))


def application(service, namespace, protocol):
    # Cleaning up takes the prefix away that an xsi:type needs.
    answers = protocol(polymorphic=True, cleanup_namespaces=False)
    app = Application([service], namespace, in_protocol=protocol(validator="soft"), out_protocol=answers)
    # spyne gives a namespace its prefix when it is first met: too late for the envelope of that answer.
    app.interface.get_namespace_prefix(TYPES)
    return WsgiApplication(app)


ROUTES = {
    ("/orders", False): application(Orders, ORDERS, Soap11),
    ("/orders", True): application(Orders, ORDERS, Soap12),
    ("/bare", False): application(Bare, BARE, Soap11),
}


def route(environ, start_response):
    soap12 = environ.get("CONTENT_TYPE", "").startswith("application/soap+xml")
    app = ROUTES.get((environ["PATH_INFO"].rstrip("/"), soap12))
    if app is None:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    return app(environ, start_response)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    server = make_server("127.0.0.1", int(sys.argv[1]), route, Server, Handler)
    print(f"listening {server.server_port}", flush=True)
    server.serve_forever()

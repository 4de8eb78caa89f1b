/* gSOAP as a SOAP service: orders (SOAP 1.1 and 1.2), bare, rpc, encoded. Usage: server PORT
   Prints `listening PORT`, then `notified ID STATUS` for each one-way message. */

#include <pthread.h>
#include "soapH.h"
#include "OrdersSoap11.nsmap"

static char *copy(struct soap *soap, const char *text) { return soap_strdup(soap, text); }

static void *zeroed(struct soap *soap, size_t size) { return memset(soap_malloc(soap, size), 0, size); }

static struct o__Order *sparse(struct soap *soap, LONG64 id)
{
    struct o__Order *order = zeroed(soap, sizeof(struct o__Order));
    soap_default_o__Order(soap, order);
    order->id = id;
    order->customer = "";
    order->placed = id == 7 ? "2026-11-23T10:00:00.5Z" : "2026-02-28T24:00:00";
    order->total = "0.00";
    order->discount = "-0.50";
    order->status = o__Status__new_;
    order->payment = zeroed(soap, sizeof(struct o__Payment));
    order->payment->__union_Payment = SOAP_UNION__o__union_Payment_card;
    order->payment->union_Payment.card = "4111";
    order->parcel = zeroed(soap, sizeof(struct o__Parcel));
    order->parcel->weight = "0.1";
    order->priority = o__Priority__normal;
    return order;
}

static struct o__Order *rich(struct soap *soap)
{
    static char *tags[] = {"one"};
    struct o__Order *order = sparse(soap, 9007199254740993LL);
    order->customer = "\xc3\x91" "and\xc3\xba & <S\xc3\xb6hne>";
    order->placed = "2026-02-28T23:30:00+01:00";
    order->due = "2026-03-01";
    order->total = "10.10";
    order->discount = NULL;
    order->status = o__Status__in_transit;
    order->note = " two  spaces ";
    order->__sizeitem = 1;
    order->item = zeroed(soap, sizeof(struct o__Item));
    order->item->sku = "A-1";
    order->item->quantity = 1;
    order->item->price = "10.10";
    order->item->line = 1;
    order->__sizetag = 1;
    order->tag = tags;
    order->payment->__union_Payment = SOAP_UNION__o__union_Payment_transfer;
    order->payment->union_Payment.transfer = "ES91 2100";
    struct o__ExpressParcel *express = zeroed(soap, sizeof(struct o__ExpressParcel));
    express->weight = "1.50";
    express->courier = "Correos";
    order->parcel->o__ExpressParcel = express;
    order->document.__ptr = soap_malloc(soap, 5);
    memcpy(order->document.__ptr, "\0\1\2\3\xff", 5);
    order->document.__size = 5;
    order->priority = o__Priority__high;
    order->reference = "R-7";
    return order;
}

int __orders__GetOrder(struct soap *soap, struct _orders__GetOrder *in, struct _orders__GetOrderResponse *out)
{
    if (soap->header && soap->header->orders__Session) {
        char *token = soap->header->orders__Session->token;
        soap->header->orders__Session = NULL;
        soap->header->orders__Receipt = zeroed(soap, sizeof(struct _orders__Receipt));
        soap->header->orders__Receipt->token = token;
    }
    if (in->id == 7 || in->id == 24) {
        out->order = sparse(soap, in->id);
        return SOAP_OK;
    }
    if (in->id == 9007199254740993LL) {
        out->order = rich(soap);
        return SOAP_OK;
    }
    struct SOAP_ENV__Detail *detail = zeroed(soap, sizeof(struct SOAP_ENV__Detail));
    detail->orders__OrderNotFound = zeroed(soap, sizeof(struct _orders__OrderNotFound));
    detail->orders__OrderNotFound->id = in->id;
    detail->orders__OrderNotFound->reason = "no such order";
    int code = soap_sender_fault(soap, "no such order", NULL);
    if (soap->version == 2)
        soap->fault->SOAP_ENV__Detail = detail;
    else
        soap->fault->detail = detail;
    return code;
}

int __orders__PlaceOrder(struct soap *soap, struct _orders__PlaceOrder *in, struct _orders__PlaceOrderResponse *out)
{
    out->order = in->order;
    return SOAP_OK;
}

int __orders__FindOrders(struct soap *soap, struct _orders__FindOrders *in, struct _orders__FindOrdersResponse *out)
{
    int limit = in->limit < 0 || in->limit > 9 ? 9 : in->limit;
    out->orders = zeroed(soap, sizeof(struct o__ArrayOfSummary));
    out->orders->__sizeSummary = limit;
    out->orders->Summary = zeroed(soap, 9 * sizeof(struct o__Summary));
    for (int n = 0; n < limit; n++) {
        char total[16];
        snprintf(total, sizeof total, "%d0.%d0", n + 1, n + 1);
        out->orders->Summary[n].id = 9007199254740993LL + n;
        out->orders->Summary[n].total = copy(soap, total);
    }
    return SOAP_OK;
}

int __orders__Notify(struct soap *soap, struct _orders__Notify *in)
{
    printf("notified %lld %s\n", (long long)in->id, soap_o__Status2s(soap, in->status));
    fflush(stdout);
    return soap_send_empty_response(soap, 202);
}

/* The second binding, SOAP 1.2: the same operations. */
int __orders__GetOrder_(struct soap *soap, struct _orders__GetOrder *in, struct _orders__GetOrderResponse *out)
{
    return __orders__GetOrder(soap, in, out);
}

int __orders__PlaceOrder_(struct soap *soap, struct _orders__PlaceOrder *in, struct _orders__PlaceOrderResponse *out)
{
    return __orders__PlaceOrder(soap, in, out);
}

int __orders__FindOrders_(struct soap *soap, struct _orders__FindOrders *in, struct _orders__FindOrdersResponse *out)
{
    return __orders__FindOrders(soap, in, out);
}

int __orders__Notify_(struct soap *soap, struct _orders__Notify *in) { return __orders__Notify(soap, in); }

int __bare__Convert(struct soap *soap, struct bare__Money *in, struct bare__Money *out)
{
    out->__item = in->__item;
    out->currency = "USD";
    return SOAP_OK;
}

int __bare__AddUp(struct soap *soap, struct bare__Numbers *in, struct bare__Sum *out)
{
    unsigned __int128 sum = 0;
    for (int n = 0; n < in->__sizevalue; n++)
        sum += (unsigned __int128)in->value[n];
    char text[48], *at = text + sizeof text;
    *--at = 0;
    do
        *--at = '0' + (int)(sum % 10);
    while (sum /= 10);
    out->count = in->__sizevalue;
    out->sum = copy(soap, at);
    return SOAP_OK;
}

int rpc__Quote(struct soap *soap, char *sku, int quantity, struct rpc__QuoteResponse *out)
{
    char total[32];
    snprintf(total, sizeof total, "%d.%02d", 1010 * quantity / 100, 1010 * quantity % 100);
    out->_price = zeroed(soap, sizeof(struct rpc__Price));
    out->_price->unit = "10.10";
    out->_price->total = copy(soap, total);
    out->_price->bulk = xsd__boolean__false_;
    out->_stock = 9007199254740993LL;
    return SOAP_OK;
}

int enc__Add(struct soap *soap, int a, int b, int *sum)
{
    *sum = a + b;
    return SOAP_OK;
}

int enc__Reserve(struct soap *soap, struct enc__Line *line, struct enc__ReserveResponse *out)
{
    out->line = line;
    return SOAP_OK;
}

int enc__List(struct soap *soap, int count, struct enc__ListResponse *out)
{
    count = count < 0 || count > 9 ? 9 : count;
    out->lines = zeroed(soap, sizeof(struct ArrayOfLine));
    out->lines->__size = count;
    out->lines->__ptr = zeroed(soap, 9 * sizeof(struct enc__Line *));
    for (int n = 0; n < count; n++) {
        char sku[16];
        snprintf(sku, sizeof sku, "A-%d", n + 1);
        struct enc__Line *line = out->lines->__ptr[n] = zeroed(soap, sizeof(struct enc__Line));
        line->sku = copy(soap, sku);
        line->quantity = n + 1;
        line->price = "10.10";
    }
    return SOAP_OK;
}

static void *serve(void *connection)
{
    struct soap *soap = connection;
    soap_serve(soap);
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return NULL;
}

int main(int count, char **words)
{
    struct soap soap;
    soap_init1(&soap, SOAP_IO_KEEPALIVE | SOAP_C_UTFSTRING);
    soap.bind_flags = SO_REUSEADDR;
    soap.recv_timeout = 30;
    int port = atoi(words[1]);
    if (!soap_valid_socket(soap_bind(&soap, "127.0.0.1", port, 100))) {
        soap_print_fault(&soap, stderr);
        return 1;
    }
    printf("listening %d\n", port);
    fflush(stdout);
    while (soap_valid_socket(soap_accept(&soap))) {
        pthread_t thread;
        if (!pthread_create(&thread, NULL, serve, soap_copy(&soap)))
            pthread_detach(thread);
    }
    return 1;
}

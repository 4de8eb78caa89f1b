/* gSOAP as a SOAP client. Usage: client 11|12 KEY|- {SERVICE WSDL ENDPOINT}…
   The WSDL was read when this was built and is not looked at again; the endpoint has to be named.
   Prints one JSON line a call: {"call": …, "answer": …} or {"call": …, "error": …}. Exit code 1: a call failed. */

#include "soapH.h"
#include "OrdersSoap11.nsmap"

static int failed;
static int version;
static const char *endpoint;
static char key[200];

static void text(const char *value)
{
    if (!value) {
        printf("null");
        return;
    }
    putchar('"');
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            putchar('\\');
        putchar(*value);
    }
    putchar('"');
}

static void field(const char *name, const char *value)
{
    printf("\"%s\": ", name);
    text(value);
    printf(", ");
}

static void number(const char *name, LONG64 value) { printf("\"%s\": \"%lld\", ", name, (long long)value); }

/* Begins a line; whether there is an answer to print. */
static int answered(struct soap *soap, const char *call, int outcome)
{
    printf("{\"call\": \"%s\", ", call);
    if (outcome == SOAP_OK) {
        printf("\"answer\": ");
        return 1;
    }
    const char **reason = soap->fault ? soap_faultstring(soap) : NULL;
    char said[200];
    snprintf(said, sizeof said, "%d %s", outcome, reason && *reason ? *reason : "");
    printf("\"error\": ");
    for (char *at = said; *at; at++)
        if (*at < ' ')
            *at = ' ';
    text(said);
    failed = 1;
    return 0;
}

static void done(struct soap *soap)
{
    printf("}\n");
    fflush(stdout);
    soap_destroy(soap);
    soap_end(soap);
    soap->header = NULL;
    /* Good for one call only. */
    soap->http_extra_header = *key ? key : NULL;
}

/* What is absent is left out; the last field closes the list. */
static void print_order(struct soap *soap, struct o__Order *order, const char *receipt)
{
    printf("{");
    if (receipt)
        printf("\"$headers\": {\"Receipt\": {\"token\": \"%s\"}}, ", receipt);
    field("@priority", soap_o__Priority2s(soap, order->priority));
    if (order->reference)
        field("@reference", order->reference);
    number("id", order->id);
    field("customer", order->customer);
    field("placed", order->placed);
    if (order->due)
        field("due", order->due);
    field("total", order->total);
    field("discount", order->discount);
    if (order->note)
        field("note", order->note);
    if (order->__sizeitem) {
        printf("\"item\": [");
        for (int n = 0; n < order->__sizeitem; n++) {
            printf("%s{", n ? ", " : "");
            number("@line", order->item[n].line);
            field("sku", order->item[n].sku);
            number("quantity", order->item[n].quantity);
            printf("\"price\": \"%s\"}", order->item[n].price);
        }
        printf("], ");
    }
    if (order->__sizetag) {
        printf("\"tag\": [");
        for (int n = 0; n < order->__sizetag; n++) {
            printf(n ? ", " : "");
            text(order->tag[n]);
        }
        printf("], ");
    }
    if (order->payment) {
        int card = order->payment->__union_Payment == SOAP_UNION__o__union_Payment_card;
        printf("\"payment\": {\"%s\": ", card ? "card" : "transfer");
        text(card ? order->payment->union_Payment.card : order->payment->union_Payment.transfer);
        printf("}, ");
    }
    struct o__ExpressParcel *express = order->parcel->o__ExpressParcel;
    printf("\"parcel\": {");
    if (express) {
        field("$type", "ExpressParcel");
        field("courier", express->courier);
    }
    printf("\"weight\": \"%s\"}, ", express ? express->weight : order->parcel->weight);
    if (order->document.__ptr)
        field("document", soap_s2base64(soap, order->document.__ptr, NULL, order->document.__size));
    printf("\"status\": \"%s\"}", soap_o__Status2s(soap, order->status));
}

static int get(struct soap *soap, LONG64 id, struct _orders__GetOrderResponse *out)
{
    struct _orders__GetOrder in = {id};
    static struct _orders__Session session = {"T-1"};
    soap->header = soap_malloc(soap, sizeof(struct SOAP_ENV__Header));
    soap_default_SOAP_ENV__Header(soap, soap->header);
    soap->header->orders__Session = &session;
    return version == 12 ? soap_call___orders__GetOrder_(soap, endpoint, NULL, &in, out)
                         : soap_call___orders__GetOrder(soap, endpoint, NULL, &in, out);
}

static void fault(struct soap *soap)
{
    struct _orders__GetOrderResponse out;
    int outcome = get(soap, 404, &out);
    struct SOAP_ENV__Detail *detail = NULL;
    if (soap->fault)
        detail = soap->fault->SOAP_ENV__Detail ? soap->fault->SOAP_ENV__Detail : soap->fault->detail;
    if (!detail || !detail->orders__OrderNotFound) {
        if (answered(soap, "orders.fault", outcome ? outcome : -1))
            printf("null");
        return done(soap);
    }
    answered(soap, "orders.fault", SOAP_OK);
    const char *code = *soap_faultcode(soap), *local = code ? strrchr(code, ':') : NULL;
    local = local ? local + 1 : code ? code : "";
    printf("{");
    field("fault", strcmp(local, "Sender") ? local : "Client");
    printf("\"detail\": {\"OrderNotFound\": {");
    number("id", detail->orders__OrderNotFound->id);
    printf("\"reason\": \"%s\"}}}", detail->orders__OrderNotFound->reason);
    done(soap);
}

static void place(struct soap *soap)
{
    static char *tags[] = {"one", "two"};
    struct o__Item items[2] = {{"A-1", 1, "10.10", 1}, {"B-2", 2, "0.10", 2}};
    struct o__ExpressParcel express = {"1.50", "Correos"};
    struct o__Parcel parcel = {NULL, &express};
    struct o__Payment payment = {SOAP_UNION__o__union_Payment_card, {.card = "4111"}};
    struct o__Order order;
    soap_default_o__Order(soap, &order);
    order.id = 9007199254740993LL;
    order.customer = "\xc3\x91" "and\xc3\xba & <S\xc3\xb6hne>";
    order.placed = "2026-02-28T23:30:00+01:00";
    order.due = "2026-03-01";
    order.total = "10.10";
    order.status = o__Status__in_transit;
    order.note = " two  spaces ";
    order.__sizeitem = 2;
    order.item = items;
    order.__sizetag = 2;
    order.tag = tags;
    order.payment = &payment;
    order.parcel = &parcel;
    order.document.__ptr = (unsigned char *)"\0\1\2\3\xff";
    order.document.__size = 5;
    order.priority = o__Priority__high;
    order.reference = "R-7";
    struct _orders__PlaceOrder in = {&order};
    struct _orders__PlaceOrderResponse out;
    int outcome = version == 12 ? soap_call___orders__PlaceOrder_(soap, endpoint, NULL, &in, &out)
                                : soap_call___orders__PlaceOrder(soap, endpoint, NULL, &in, &out);
    if (answered(soap, "orders.place", outcome))
        print_order(soap, out.order, NULL);
    done(soap);
}

static void find(struct soap *soap, int limit)
{
    char call[32];
    snprintf(call, sizeof call, "orders.find%d", limit);
    struct _orders__FindOrders in = {limit};
    struct _orders__FindOrdersResponse out;
    int outcome = version == 12 ? soap_call___orders__FindOrders_(soap, endpoint, NULL, &in, &out)
                                : soap_call___orders__FindOrders(soap, endpoint, NULL, &in, &out);
    if (answered(soap, call, outcome)) {
        printf("[");
        for (int n = 0; n < out.orders->__sizeSummary; n++) {
            printf("%s{", n ? ", " : "");
            number("id", out.orders->Summary[n].id);
            printf("\"total\": \"%s\"}", out.orders->Summary[n].total);
        }
        printf("]");
    }
    done(soap);
}

static void orders(struct soap *soap)
{
    struct _orders__GetOrderResponse out;
    static const struct { const char *call; LONG64 id; } orders[] = {
        {"orders.rich", 9007199254740993LL}, {"orders.sparse", 7}, {"orders.midnight", 24}};
    for (int n = 0; n < 3; n++) {
        if (answered(soap, orders[n].call, get(soap, orders[n].id, &out))) {
            struct _orders__Receipt *receipt = soap->header ? soap->header->orders__Receipt : NULL;
            print_order(soap, out.order, n == 0 && receipt ? receipt->token : NULL);
        }
        done(soap);
    }
    fault(soap);
    place(soap);
    for (int limit = 0; limit <= 3; limit += limit ? 2 : 1)
        find(soap, limit);
    struct _orders__Notify in = {7, o__Status__paid};
    int outcome = version == 12 ? soap_send___orders__Notify_(soap, endpoint, NULL, &in)
                                : soap_send___orders__Notify(soap, endpoint, NULL, &in);
    if (outcome == SOAP_OK)
        outcome = soap_recv_empty_response(soap);
    if (answered(soap, "orders.notify", outcome))
        printf("null");
    done(soap);
}

static void bare(struct soap *soap)
{
    struct bare__Money amount = {"10.10", "EUR"}, converted;
    if (answered(soap, "bare.convert", soap_call___bare__Convert(soap, endpoint, NULL, &amount, &converted))) {
        printf("{");
        field("$value", converted.__item);
        printf("\"@currency\": \"%s\"}", converted.currency);
    }
    done(soap);
    LONG64 one[] = {9007199254740993LL}, two[] = {9223372036854775807LL, 9223372036854775807LL};
    for (int count = 0; count < 3; count++) {
        char call[32];
        snprintf(call, sizeof call, "bare.add%d", count);
        struct bare__Numbers in = {count, count == 1 ? one : two};
        struct bare__Sum out;
        if (answered(soap, call, soap_call___bare__AddUp(soap, endpoint, NULL, &in, &out)))
            printf("{\"count\": \"%d\", \"sum\": \"%s\"}", out.count, out.sum);
        done(soap);
    }
}

static void rpc(struct soap *soap)
{
    struct rpc__QuoteResponse out;
    if (answered(soap, "rpc.quote", soap_call_rpc__Quote(soap, endpoint, NULL, "A-1", 3, &out))) {
        printf("{\"price\": {");
        field("unit", out._price->unit);
        field("total", out._price->total);
        printf("\"bulk\": \"%s\"}, ", out._price->bulk ? "true" : "false");
        printf("\"stock\": \"%lld\"}", (long long)out._stock);
    }
    done(soap);
}

static void print_line(struct enc__Line *line)
{
    printf("{");
    field("sku", line->sku);
    number("quantity", line->quantity);
    printf("\"price\": \"%s\"}", line->price);
}

static void encoded(struct soap *soap)
{
    int sum;
    if (answered(soap, "encoded.add", soap_call_enc__Add(soap, endpoint, NULL, 2, 3, &sum)))
        printf("\"%d\"", sum);
    done(soap);
    struct enc__Line line = {"A-1", 2, "10.10"};
    struct enc__ReserveResponse reserved;
    if (answered(soap, "encoded.reserve", soap_call_enc__Reserve(soap, endpoint, NULL, &line, &reserved)))
        print_line(reserved.line);
    done(soap);
    for (int count = 0; count < 3; count++) {
        char call[32];
        snprintf(call, sizeof call, "encoded.list%d", count);
        struct enc__ListResponse out;
        if (answered(soap, call, soap_call_enc__List(soap, endpoint, NULL, count, &out))) {
            printf("[");
            for (int n = 0; out.lines && n < out.lines->__size; n++) {
                printf(n ? ", " : "");
                print_line(out.lines->__ptr[n]);
            }
            printf("]");
        }
        done(soap);
    }
}

int main(int count, char **words)
{
    struct soap soap;
    version = atoi(words[1]);
    if (version == 11) {
        /* The first two lines of the table decide which SOAP is spoken; as it was made, 1.2. */
        namespaces[0].ns = "http://schemas.xmlsoap.org/soap/envelope/";
        namespaces[1].ns = "http://schemas.xmlsoap.org/soap/encoding/";
    }
    soap_init1(&soap, SOAP_IO_KEEPALIVE | SOAP_C_UTFSTRING);
    soap.recv_timeout = soap.connect_timeout = 20;
    if (strcmp(words[2], "-"))
        snprintf(key, sizeof key, "X-API-Key: %s", words[2]);
    soap.http_extra_header = *key ? key : NULL;
    for (int n = 3; n + 2 < count; n += 3) {
        endpoint = words[n + 2];
        if (!strcmp(words[n], "orders")) orders(&soap);
        else if (!strcmp(words[n], "bare")) bare(&soap);
        else if (!strcmp(words[n], "rpc")) rpc(&soap);
        else encoded(&soap);
    }
    return failed;
}

/* gSOAP, compiled: XML → struct → JSON, and struct → XML. Usage: gsoap_bench FOLDER SIZE MILLISECONDS
   gSOAP reads no JSON: what it writes comes from the struct, which saves it a parser. */

#include <stdarg.h>
#include <sys/resource.h>
#include "soapH.h"
#include "OrdersSoap11.nsmap"

static char *envelope;
static char *out;
static size_t used, room;

static void add(const char *bytes, size_t count)
{
    if (used + count > room)
        out = realloc(out, room = 2 * (used + count));
    memcpy(out + used, bytes, count);
    used += count;
}

static void word(const char *text) { add(text, strlen(text)); }

static void text(const char *name, const char *value)
{
    word(name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            add("\\", 1);
        add(value, 1);
    }
    word("\"");
}

static void number(const char *name, LONG64 value)
{
    char digits[32];
    add(digits, snprintf(digits, sizeof digits, "%s%lld", name, (long long)value));
}

static void write_json(struct soap *soap, const struct o__Order *order)
{
    used = 0;
    text("{\"order\":{\"@priority\":\"", soap_o__Priority2s(soap, order->priority));
    if (order->reference)
        text(",\"@reference\":\"", order->reference);
    number(",\"id\":\"", order->id);
    text("\",\"customer\":\"", order->customer);
    text(",\"placed\":\"", order->placed);
    if (order->due)
        text(",\"due\":\"", order->due);
    word(",\"total\":"), word(order->total);
    word(",\"discount\":"), word(order->discount ? order->discount : "null");
    text(",\"status\":\"", soap_o__Status2s(soap, order->status));
    if (order->note)
        text(",\"note\":\"", order->note);
    for (int n = 0; n < order->__sizeitem; n++) {
        const struct o__Item *item = order->item + n;
        number(n ? ",{\"@line\":" : ",\"item\":[{\"@line\":", item->line);
        text(",\"sku\":\"", item->sku);
        number(",\"quantity\":", item->quantity);
        word(",\"price\":"), word(item->price), word("}");
    }
    word(order->__sizeitem ? "]" : "");
    for (int n = 0; n < order->__sizetag; n++)
        text(n ? ",\"" : ",\"tag\":[\"", order->tag[n]);
    word(order->__sizetag ? "]" : "");
    int card = order->payment->__union_Payment == SOAP_UNION__o__union_Payment_card;
    text(card ? ",\"payment\":{\"card\":\"" : ",\"payment\":{\"transfer\":\"",
        card ? order->payment->union_Payment.card : order->payment->union_Payment.transfer);
    word("},\"parcel\":{\"weight\":"), word(order->parcel->weight), word("}}}");
}

static void read_xml(struct soap *soap, struct _orders__GetOrderResponse *in)
{
    soap->is = envelope;
    if (soap_recv___orders__GetOrder(soap, in)) {
        soap_print_fault(soap, stderr);
        exit(1);
    }
}

static void xml_to_json(struct soap *soap)
{
    struct _orders__GetOrderResponse in;
    read_xml(soap, &in);
    write_json(soap, in.order);
    soap_destroy(soap);
    soap_end(soap);
}

static struct o__Order *held;

static int keep(struct soap *soap, const char *bytes, size_t count)
{
    add(bytes, count);
    return SOAP_OK;
}

static void struct_to_xml(struct soap *soap)
{
    struct __orders__PlaceOrder call;
    struct _orders__PlaceOrder request = {held};
    call.orders__PlaceOrder = &request;
    used = 0;
    soap->encodingStyle = NULL;
    soap_serializeheader(soap);
    soap_serialize___orders__PlaceOrder(soap, &call);
    if (soap_begin_send(soap) || soap_envelope_begin_out(soap) || soap_body_begin_out(soap)
        || soap_put___orders__PlaceOrder(soap, &call, "-orders:PlaceOrder", "") || soap_body_end_out(soap)
        || soap_envelope_end_out(soap) || soap_end_send(soap)) {
        soap_print_fault(soap, stderr);
        exit(1);
    }
    soap_end(soap);
}

static double cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static double run(struct soap *soap, void (*work)(struct soap *), double budget)
{
    double begin = cpu(), spent = 0;
    long times = 0;
    while (spent < budget * 1000) {
        for (int n = 0; n < 10; n++)
            work(soap);
        times += 10;
        spent = cpu() - begin;
    }
    return spent / times;
}

int main(int count, char **words)
{
    char name[1000];
    snprintf(name, sizeof name, "%s/%s.response.xml", words[1], words[2]);
    FILE *file = fopen(name, "rb");
    envelope = calloc(1, 1 << 22);
    if (!file || !fread(envelope, 1, (1 << 22) - 1, file))
        return 1;
    double budget = atof(words[3]);
    struct soap reader, writer;
    soap_init1(&reader, SOAP_ENC_XML | SOAP_C_UTFSTRING);
    soap_init1(&writer, SOAP_ENC_XML | SOAP_C_UTFSTRING | SOAP_XML_TREE);
    writer.fsend = keep;
    xml_to_json(&reader);
    /* What it makes can be looked at. */
    if (count > 4)
        fwrite(out, 1, used, stderr);
    struct _orders__GetOrderResponse in;
    struct soap holder;
    soap_init1(&holder, SOAP_ENC_XML | SOAP_C_UTFSTRING);
    read_xml(&holder, &in);
    held = in.order;
    struct_to_xml(&writer);
    if (count > 4)
        fwrite(out, 1, used, stderr);
    run(&reader, xml_to_json, budget / 4);
    double there = run(&reader, xml_to_json, budget);
    run(&writer, struct_to_xml, budget / 4);
    double back = run(&writer, struct_to_xml, budget);
    printf("{\"xml_to_json\": %f, \"json_to_xml\": %f}\n", there, back);
    return 0;
}

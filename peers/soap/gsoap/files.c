/* gSOAP with MTOM: `files server PORT` gives back what it gets, bytes beside the envelope; `files client URL` sends two files
   so, and prints the name and, for each that comes back, its size, the sum of its bytes and its media type. */

#include "soapH.h"
#include "Files.nsmap"

int __ns1__Echo(struct soap *soap, struct _ns1__Echo *in, struct _ns1__EchoResponse *out)
{
    out->name = in->name;
    out->__sizedata = in->__sizedata;
    out->data = in->data;
    for (int n = 0; n < in->__sizedata; n++) {
        /* What has an identifier or a type goes beside the envelope. */
        out->data[n].id = NULL;
        if (!out->data[n].type)
            out->data[n].type = "application/octet-stream";
    }
    return SOAP_OK;
}

static int serve(int port)
{
    struct soap *soap = soap_new1(SOAP_ENC_MTOM | SOAP_C_UTFSTRING);
    soap->bind_flags = SO_REUSEADDR;
    soap->recv_timeout = 30;
    if (!soap_valid_socket(soap_bind(soap, "127.0.0.1", port, 100))) {
        soap_print_fault(soap, stderr);
        return 1;
    }
    while (soap_valid_socket(soap_accept(soap))) {
        if (soap_serve(soap))
            soap_print_fault(soap, stderr);
        soap_destroy(soap);
        soap_end(soap);
    }
    return 1;
}

static int call(const char *url)
{
    static unsigned char small[] = "\0\r\n--=\xff", large[200000];
    for (int n = 0; n < (int)sizeof large; n++)
        large[n] = n * 7 % 251;
    struct xsd__base64Binary data[2] = {
        {small, sizeof small - 1, NULL, "image/png", NULL},
        {large, sizeof large, NULL, "application/octet-stream", NULL},
    };
    struct _ns1__Echo in = {"\xc3\x91" "and\xc3\xba", 2, data};
    struct _ns1__EchoResponse out;
    struct soap *soap = soap_new1(SOAP_ENC_MTOM | SOAP_C_UTFSTRING);
    if (soap_call___ns1__Echo(soap, url, NULL, &in, &out)) {
        soap_print_fault(soap, stderr);
        return 1;
    }
    printf("%s\n", out.name);
    for (int n = 0; n < out.__sizedata; n++) {
        unsigned long sum = 0;
        for (int at = 0; at < out.data[n].__size; at++)
            sum += out.data[n].__ptr[at];
        printf("%d %lu %s\n", out.data[n].__size, sum, out.data[n].type ? out.data[n].type : "-");
    }
    return 0;
}

int main(int count, char **words)
{
    return !strcmp(words[1], "server") ? serve(atoi(words[2])) : call(words[2]);
}

/* gSOAP's WS-Security plugin as a caller. Usage: secure ENDPOINT digest|text|signed|both KEY.pem CERT.pem
 * Adds up three numbers and prints the sum; exit code 1 and the fault when that fails. */

#include "wsseapi.h"
#include "soapH.h"
#include "MoneySoap11.nsmap"

#include <stdio.h>
#include <string.h>

static EVP_PKEY *key(const char *file)
{
    FILE *in = fopen(file, "r");
    EVP_PKEY *read = in ? PEM_read_PrivateKey(in, NULL, NULL, NULL) : NULL;
    if (in)
        fclose(in);
    return read;
}

static X509 *certificate(const char *file)
{
    FILE *in = fopen(file, "r");
    X509 *read = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    if (in)
        fclose(in);
    return read;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    const char *how = argv[2];
    struct soap *soap = soap_new1(SOAP_XML_CANONICAL | SOAP_XML_STRICT);
    soap_register_plugin(soap, soap_wsse);
    if (!strcmp(how, "digest") || !strcmp(how, "both"))
        soap_wsse_add_UsernameTokenDigest(soap, "User", "alice", "open sesame");
    if (!strcmp(how, "text"))
        soap_wsse_add_UsernameTokenText(soap, "User", "alice", "open sesame");
    if (!strcmp(how, "signed") || !strcmp(how, "both")) {
        soap_wsse_add_Timestamp(soap, "Time", 60);
        soap_wsse_add_BinarySecurityTokenX509(soap, "X509Token", certificate(argv[4]));
        soap_wsse_add_KeyInfo_SecurityTokenReferenceX509(soap, "#X509Token");
        if (soap_wsse_sign_body(soap, SOAP_SMD_SIGN_RSA_SHA256, key(argv[3]), 0)) {
            soap_print_fault(soap, stdout);
            return 1;
        }
    }
    LONG64 values[3] = {1, 2, 39};
    struct bare__Numbers in = {3, values};
    struct bare__Sum out;
    if (soap_call___bare__AddUp(soap, argv[1], NULL, &in, &out)) {
        soap_print_fault(soap, stdout);
        return 1;
    }
    printf("%s\n", out.sum);
    return 0;
}

// The XML signatures of the JDK (Apache Santuario) as a caller: signs a message and posts it.
// Usage: java Sign.java ENDPOINT KEY.pem CERT.pem   prints the body of the answer; exit code 1 when its status is not 200.

import java.io.ByteArrayInputStream;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.List;
import javax.xml.crypto.dom.DOMStructure;
import javax.xml.crypto.dsig.CanonicalizationMethod;
import javax.xml.crypto.dsig.DigestMethod;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.SignedInfo;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.crypto.dsig.spec.ExcC14NParameterSpec;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

class Sign {
    static final String OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";
    static final String WSSE = OASIS + "wssecurity-secext-1.0.xsd";
    static final String WSU = OASIS + "wssecurity-utility-1.0.xsd";

    public static void main(String[] arguments) throws Exception {
        byte[] pkcs8 = pem(arguments[1]);
        PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
        X509Certificate certificate = (X509Certificate)
            CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem(arguments[2])));
        Document message = message(certificate);
        sign(message, key);
        StringWriter text = new StringWriter();
        TransformerFactory.newInstance().newTransformer().transform(new DOMSource(message), new StreamResult(text));
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
            .header("Content-Type", "text/xml; charset=utf-8")
            .header("SOAPAction", "\"urn:pasarela:peers:bare#AddUp\"")
            .POST(HttpRequest.BodyPublishers.ofString(text.toString(), StandardCharsets.UTF_8))
            .build();
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.body());
        System.exit(answer.statusCode() == 200 ? 0 : 1);
    }

    static byte[] pem(String file) throws Exception {
        String inner = Files.readString(Path.of(file)).split("-----")[2];
        return Base64.getMimeDecoder().decode(inner);
    }

    static Document message(X509Certificate certificate) throws Exception {
        Instant now = Instant.now().truncatedTo(ChronoUnit.MILLIS);
        String text = "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:b=\"urn:pasarela:peers:bare\">"
            + "<soapenv:Header><wsse:Security xmlns:wsse=\"" + WSSE + "\" xmlns:wsu=\"" + WSU + "\" soapenv:mustUnderstand=\"1\">"
            + "<wsse:BinarySecurityToken wsu:Id=\"X509-1\" ValueType=\"" + OASIS + "x509-token-profile-1.0#X509v3\" EncodingType=\""
            + OASIS + "soap-message-security-1.0#Base64Binary\">" + Base64.getEncoder().encodeToString(certificate.getEncoded())
            + "</wsse:BinarySecurityToken><wsu:Timestamp wsu:Id=\"TS-1\"><wsu:Created>" + now + "</wsu:Created><wsu:Expires>"
            + now.plusSeconds(60) + "</wsu:Expires></wsu:Timestamp></wsse:Security></soapenv:Header>"
            + "<soapenv:Body xmlns:wsu=\"" + WSU + "\" wsu:Id=\"id-1\"><b:Numbers>\n  <b:value>1</b:value><b:value>2</b:value>"
            + "<b:value>39</b:value><!-- not signed -->\n</b:Numbers></soapenv:Body></soapenv:Envelope>";
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }

    static void sign(Document message, PrivateKey key) throws Exception {
        XMLSignatureFactory factory = XMLSignatureFactory.getInstance("DOM");
        Element security = (Element) message.getElementsByTagNameNS(WSSE, "Security").item(0);
        DOMSignContext context = new DOMSignContext(key, security);
        context.setDefaultNamespacePrefix("ds");
        for (String name : List.of("BinarySecurityToken", "Timestamp", "Body")) {
            Element element = (Element) message.getElementsByTagNameNS("*", name).item(0);
            context.setIdAttributeNS(element, WSU, "Id");
        }
        List<Reference> references = List.of(
            reference(factory, "TS-1", "wsse soapenv"),
            reference(factory, "id-1", "b"),
            reference(factory, "X509-1", "soapenv"));
        CanonicalizationMethod form = factory.newCanonicalizationMethod(
            CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) new ExcC14NParameterSpec(List.of("b", "soapenv")));
        SignedInfo info = factory.newSignedInfo(
            form, factory.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", null), references);
        Element named = message.createElementNS(WSSE, "wsse:SecurityTokenReference");
        Element token = message.createElementNS(WSSE, "wsse:Reference");
        token.setAttribute("URI", "#X509-1");
        token.setAttribute("ValueType", OASIS + "x509-token-profile-1.0#X509v3");
        named.appendChild(token);
        var keys = factory.getKeyInfoFactory();
        factory.newXMLSignature(info, keys.newKeyInfo(List.of(new DOMStructure(named)))).sign(context);
    }

    static Reference reference(XMLSignatureFactory factory, String id, String prefixes) throws Exception {
        var form = factory.newTransform(
            CanonicalizationMethod.EXCLUSIVE, (TransformParameterSpec) new ExcC14NParameterSpec(List.of(prefixes.split(" "))));
        return factory.newReference("#" + id, factory.newDigestMethod(DigestMethod.SHA256, null), List.of(form), null, null);
    }
}

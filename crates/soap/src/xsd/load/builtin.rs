//! Schemas that everybody refers to and few deliver: written by us, as much of them as messages need.

use std::fmt::Write as _;

use super::Document;
use crate::name::XML;
use crate::xsd::values::Builtin;

/// The document of a namespace that we know.
pub(super) fn document(namespace: &str) -> Option<Document> {
    let body = match namespace {
        XML => XML_ATTRIBUTES.to_owned(),
        "http://schemas.xmlsoap.org/soap/encoding/" => encoding("arrayType", ENCODING_11),
        "http://www.w3.org/2003/05/soap-encoding" => encoding("itemType", ENCODING_12),
        "http://www.w3.org/2005/05/xmlmime" | "http://www.w3.org/2004/11/xmlmime" => {
            MIME.to_owned()
        }
        "http://www.w3.org/2004/08/xop/include" => XOP.to_owned(),
        "http://ws-i.org/profiles/basic/1.1/xsd" => SWA_REF.to_owned(),
        "http://www.w3.org/2000/09/xmldsig#" => SIGNATURE.to_owned(),
        "http://www.w3.org/2005/08/addressing" => ADDRESSING.to_owned(),
        "http://schemas.xmlsoap.org/ws/2004/08/addressing" => ADDRESSING.to_owned(),
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" => {
            UTILITY.to_owned()
        }
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" => {
            SECURITY.to_owned()
        }
        crate::name::SOAP11 => SOAP_11.to_owned(),
        _ => return None,
    };
    // The namespace of `xml:` may have no other prefix.
    let own = if namespace == XML { String::new() } else { format!("xmlns:tns='{namespace}' ") };
    let text = format!(
        "<xs:schema xmlns:xs='{}' {own}targetNamespace='{namespace}' elementFormDefault='qualified'>{body}</xs:schema>",
        crate::name::XSD
    );
    Some(Document { url: format!("built-in:{namespace}"), bytes: text.into_bytes() })
}

const SWA_REF: &str =
    "<xs:simpleType name='swaRef'><xs:restriction base='xs:anyURI'/></xs:simpleType>";

const XML_ATTRIBUTES: &str = "
<xs:attribute name='lang'><xs:simpleType><xs:union memberTypes='xs:language'>
  <xs:simpleType><xs:restriction base='xs:string'><xs:enumeration value=''/></xs:restriction></xs:simpleType>
</xs:union></xs:simpleType></xs:attribute>
<xs:attribute name='space'><xs:simpleType><xs:restriction base='xs:NCName'>
  <xs:enumeration value='default'/><xs:enumeration value='preserve'/>
</xs:restriction></xs:simpleType></xs:attribute>
<xs:attribute name='base' type='xs:anyURI'/>
<xs:attribute name='id' type='xs:ID'/>
<xs:attributeGroup name='specialAttrs'>
  <xs:attribute ref='xml:base'/><xs:attribute ref='xml:lang'/><xs:attribute ref='xml:space'/><xs:attribute ref='xml:id'/>
</xs:attributeGroup>";

/// An element and a type for each built-in type, beside what is special to the version.
fn encoding(shape: &str, special: &str) -> String {
    let mut text = special.to_owned();
    for builtin in Builtin::ALL.iter().skip(1) {
        let name = builtin.name();
        let _ = write!(
            text,
            "<xs:complexType name='{name}'><xs:simpleContent><xs:extension base='xs:{name}'>\
             <xs:attributeGroup ref='tns:commonAttributes'/></xs:extension></xs:simpleContent></xs:complexType>\
             <xs:element name='{name}' type='tns:{name}' nillable='true'/>"
        );
    }
    debug_assert!(text.contains(shape));
    text
}

const ENCODING_11: &str = "
<xs:attribute name='root'><xs:simpleType><xs:restriction base='xs:boolean'><xs:pattern value='0|1'/></xs:restriction></xs:simpleType></xs:attribute>
<xs:attribute name='arrayType' type='xs:string'/>
<xs:attribute name='offset' type='xs:string'/>
<xs:attribute name='position' type='xs:string'/>
<xs:attributeGroup name='commonAttributes'>
  <xs:attribute name='id' type='xs:ID'/><xs:attribute name='href' type='xs:anyURI'/>
  <xs:anyAttribute namespace='##other' processContents='lax'/>
</xs:attributeGroup>
<xs:attributeGroup name='arrayAttributes'>
  <xs:attribute ref='tns:arrayType'/><xs:attribute ref='tns:offset'/>
</xs:attributeGroup>
<xs:attributeGroup name='arrayMemberAttributes'><xs:attribute ref='tns:position'/></xs:attributeGroup>
<xs:group name='Array'><xs:sequence>
  <xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/>
</xs:sequence></xs:group>
<xs:complexType name='Array'>
  <xs:group ref='tns:Array' minOccurs='0'/>
  <xs:attributeGroup ref='tns:arrayAttributes'/><xs:attributeGroup ref='tns:commonAttributes'/>
</xs:complexType>
<xs:element name='Array' type='tns:Array'/>
<xs:group name='Struct'><xs:sequence>
  <xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/>
</xs:sequence></xs:group>
<xs:complexType name='Struct'>
  <xs:group ref='tns:Struct' minOccurs='0'/><xs:attributeGroup ref='tns:commonAttributes'/>
</xs:complexType>
<xs:element name='Struct' type='tns:Struct'/>
<xs:simpleType name='base64'><xs:restriction base='xs:base64Binary'/></xs:simpleType>
<xs:element name='anyType' type='xs:anyType'/>";

const ENCODING_12: &str = "
<xs:attribute name='itemType' type='xs:QName'/>
<xs:attribute name='arraySize' type='xs:string'/>
<xs:attribute name='nodeType'><xs:simpleType><xs:restriction base='xs:NMTOKEN'>
  <xs:enumeration value='simple'/><xs:enumeration value='struct'/><xs:enumeration value='array'/>
</xs:restriction></xs:simpleType></xs:attribute>
<xs:attribute name='id' type='xs:ID'/>
<xs:attribute name='ref' type='xs:IDREF'/>
<xs:attributeGroup name='commonAttributes'>
  <xs:attribute ref='tns:nodeType'/><xs:attribute ref='tns:id'/><xs:attribute ref='tns:ref'/>
  <xs:anyAttribute namespace='##other' processContents='lax'/>
</xs:attributeGroup>
<xs:attributeGroup name='arrayAttributes'>
  <xs:attribute ref='tns:arraySize'/><xs:attribute ref='tns:itemType'/>
</xs:attributeGroup>
<xs:group name='Array'><xs:sequence>
  <xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/>
</xs:sequence></xs:group>
<xs:complexType name='Array'>
  <xs:group ref='tns:Array' minOccurs='0'/>
  <xs:attributeGroup ref='tns:arrayAttributes'/><xs:attributeGroup ref='tns:commonAttributes'/>
</xs:complexType>
<xs:element name='Array' type='tns:Array'/>
<xs:group name='Struct'><xs:sequence>
  <xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/>
</xs:sequence></xs:group>
<xs:complexType name='Struct'>
  <xs:group ref='tns:Struct' minOccurs='0'/><xs:attributeGroup ref='tns:commonAttributes'/>
</xs:complexType>
<xs:element name='Struct' type='tns:Struct'/>
<xs:element name='anyType' type='xs:anyType'/>";

const MIME: &str = "
<xs:attribute name='contentType'><xs:simpleType><xs:restriction base='xs:string'><xs:minLength value='3'/></xs:restriction></xs:simpleType></xs:attribute>
<xs:attribute name='expectedContentTypes' type='xs:string'/>
<xs:complexType name='base64Binary'><xs:simpleContent><xs:extension base='xs:base64Binary'>
  <xs:attribute ref='tns:contentType'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='hexBinary'><xs:simpleContent><xs:extension base='xs:hexBinary'>
  <xs:attribute ref='tns:contentType'/></xs:extension></xs:simpleContent></xs:complexType>";

const XOP: &str = "
<xs:complexType name='Include'><xs:sequence>
  <xs:any namespace='##other' minOccurs='0' maxOccurs='unbounded' processContents='lax'/>
</xs:sequence><xs:attribute name='href' type='xs:anyURI' use='required'/>
<xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:element name='Include' type='tns:Include'/>";

const SOAP_11: &str = "
<xs:attribute name='mustUnderstand'><xs:simpleType><xs:restriction base='xs:boolean'><xs:pattern value='0|1'/></xs:restriction></xs:simpleType></xs:attribute>
<xs:attribute name='actor' type='xs:anyURI'/>
<xs:attribute name='encodingStyle'><xs:simpleType><xs:list itemType='xs:anyURI'/></xs:simpleType></xs:attribute>
<xs:element name='Header' type='tns:Header'/><xs:element name='Body' type='tns:Body'/>
<xs:complexType name='Header'><xs:sequence><xs:any namespace='##other' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
<xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:complexType name='Body'><xs:sequence><xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
<xs:anyAttribute namespace='##any' processContents='lax'/></xs:complexType>
<xs:element name='Envelope' type='tns:Envelope'/>
<xs:complexType name='Envelope'><xs:sequence><xs:element ref='tns:Header' minOccurs='0'/><xs:element ref='tns:Body'/>
<xs:any namespace='##other' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
<xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:element name='Fault' type='tns:Fault'/>
<xs:complexType name='Fault'><xs:sequence>
  <xs:element form='unqualified' name='faultcode' type='xs:QName'/><xs:element form='unqualified' name='faultstring' type='xs:string'/>
  <xs:element form='unqualified' name='faultactor' type='xs:anyURI' minOccurs='0'/><xs:element form='unqualified' name='detail' type='tns:detail' minOccurs='0'/>
</xs:sequence></xs:complexType>
<xs:complexType name='detail'><xs:sequence><xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
<xs:anyAttribute namespace='##any' processContents='lax'/></xs:complexType>";

const ADDRESSING: &str = "
<xs:complexType name='AttributedURIType'><xs:simpleContent><xs:extension base='xs:anyURI'>
  <xs:anyAttribute namespace='##other' processContents='lax'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='RelatesToType'><xs:simpleContent><xs:extension base='xs:anyURI'>
  <xs:attribute name='RelationshipType' type='xs:anyURI'/><xs:anyAttribute namespace='##other' processContents='lax'/>
</xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='ReferenceParametersType'><xs:sequence>
  <xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
  <xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:complexType name='MetadataType'><xs:sequence>
  <xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
  <xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:complexType name='EndpointReferenceType'><xs:sequence>
  <xs:element name='Address' type='tns:AttributedURIType'/>
  <xs:element ref='tns:ReferenceParameters' minOccurs='0'/><xs:element ref='tns:Metadata' minOccurs='0'/>
  <xs:any namespace='##other' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
  <xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:element name='EndpointReference' type='tns:EndpointReferenceType'/>
<xs:element name='ReferenceParameters' type='tns:ReferenceParametersType'/>
<xs:element name='Metadata' type='tns:MetadataType'/>
<xs:element name='MessageID' type='tns:AttributedURIType'/>
<xs:element name='RelatesTo' type='tns:RelatesToType'/>
<xs:element name='ReplyTo' type='tns:EndpointReferenceType'/>
<xs:element name='From' type='tns:EndpointReferenceType'/>
<xs:element name='FaultTo' type='tns:EndpointReferenceType'/>
<xs:element name='To' type='tns:AttributedURIType'/>
<xs:element name='Action' type='tns:AttributedURIType'/>
<xs:attribute name='IsReferenceParameter' type='xs:boolean'/>
<xs:attribute name='Action' type='xs:anyURI'/>";

const UTILITY: &str = "
<xs:attribute name='Id' type='xs:ID'/>
<xs:attributeGroup name='commonAtts'><xs:attribute ref='tns:Id'/><xs:anyAttribute namespace='##other' processContents='lax'/></xs:attributeGroup>
<xs:complexType name='AttributedDateTime'><xs:simpleContent><xs:extension base='xs:string'><xs:attributeGroup ref='tns:commonAtts'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='AttributedURI'><xs:simpleContent><xs:extension base='xs:anyURI'><xs:attributeGroup ref='tns:commonAtts'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='TimestampType'><xs:sequence>
  <xs:element ref='tns:Created' minOccurs='0'/><xs:element ref='tns:Expires' minOccurs='0'/>
  <xs:any namespace='##other' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
  <xs:attributeGroup ref='tns:commonAtts'/></xs:complexType>
<xs:element name='Timestamp' type='tns:TimestampType'/>
<xs:element name='Created' type='tns:AttributedDateTime'/>
<xs:element name='Expires' type='tns:AttributedDateTime'/>";

const SECURITY: &str = "
<xs:complexType name='AttributedString'><xs:simpleContent><xs:extension base='xs:string'><xs:anyAttribute namespace='##other' processContents='lax'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='PasswordString'><xs:simpleContent><xs:extension base='tns:AttributedString'><xs:attribute name='Type' type='xs:anyURI'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='EncodedString'><xs:simpleContent><xs:extension base='tns:AttributedString'><xs:attribute name='EncodingType' type='xs:anyURI'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='BinarySecurityTokenType'><xs:simpleContent><xs:extension base='tns:EncodedString'><xs:attribute name='ValueType' type='xs:anyURI'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name='UsernameTokenType'><xs:sequence><xs:element name='Username' type='tns:AttributedString'/>
  <xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence><xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:complexType name='SecurityHeaderType'><xs:sequence><xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
  <xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:complexType name='SecurityTokenReferenceType'><xs:sequence><xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
  <xs:attribute name='Usage'><xs:simpleType><xs:list itemType='xs:anyURI'/></xs:simpleType></xs:attribute>
  <xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:complexType name='ReferenceType'><xs:attribute name='URI' type='xs:anyURI'/><xs:attribute name='ValueType' type='xs:anyURI'/>
  <xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType>
<xs:complexType name='KeyIdentifierType'><xs:simpleContent><xs:extension base='tns:EncodedString'><xs:attribute name='ValueType' type='xs:anyURI'/></xs:extension></xs:simpleContent></xs:complexType>
<xs:element name='Security' type='tns:SecurityHeaderType'/>
<xs:element name='UsernameToken' type='tns:UsernameTokenType'/>
<xs:element name='BinarySecurityToken' type='tns:BinarySecurityTokenType'/>
<xs:element name='SecurityTokenReference' type='tns:SecurityTokenReferenceType'/>
<xs:element name='Reference' type='tns:ReferenceType'/>
<xs:element name='KeyIdentifier' type='tns:KeyIdentifierType'/>
<xs:element name='Password' type='tns:PasswordString'/>
<xs:element name='Nonce' type='tns:EncodedString'/>";

/// Structure is left open: signatures are checked by those who verify them.
const SIGNATURE: &str = "
<xs:complexType name='OpenType' mixed='true'><xs:sequence>
  <xs:any namespace='##any' minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xs:sequence>
  <xs:attribute name='Id' type='xs:ID'/><xs:anyAttribute namespace='##any' processContents='lax'/></xs:complexType>
<xs:complexType name='SignatureType' mixed='true'><xs:complexContent><xs:extension base='tns:OpenType'/></xs:complexContent></xs:complexType>
<xs:complexType name='KeyInfoType' mixed='true'><xs:complexContent><xs:extension base='tns:OpenType'/></xs:complexContent></xs:complexType>
<xs:simpleType name='CryptoBinary'><xs:restriction base='xs:base64Binary'/></xs:simpleType>
<xs:simpleType name='DigestValueType'><xs:restriction base='xs:base64Binary'/></xs:simpleType>
<xs:element name='Signature' type='tns:SignatureType'/>
<xs:element name='KeyInfo' type='tns:KeyInfoType'/>
<xs:element name='X509Data' type='tns:OpenType'/>
<xs:element name='KeyName' type='xs:string'/>
<xs:element name='Object' type='tns:OpenType'/>";

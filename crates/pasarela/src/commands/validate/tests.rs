//! The command from the words on its line to what it prints.

use std::process::ExitCode;

use super::*;

const SCHEMA: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:include schemaLocation="parts/money.xsd"/>
  <xs:element name="order"><xs:complexType><xs:sequence>
    <xs:element name="line" type="xs:int" maxOccurs="unbounded"/>
    <xs:element name="total" type="money"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"#;

const MONEY: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="money"><xs:restriction base="xs:decimal"><xs:fractionDigits value="2"/></xs:restriction></xs:simpleType>
</xs:schema>"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.0.path().join("parts")).unwrap();
        folder.write("order.xsd", SCHEMA);
        folder.write("parts/money.xsd", MONEY);
        folder
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The report with the folder's name taken out, and the exit code.
    fn run(&self, schema: &str, files: &[&str], format: Format) -> (String, ExitCode) {
        let path = |name: &&str| self.0.path().join(name);
        let args = Args {
            schema: vec![path(&schema)],
            files: files.iter().map(path).collect(),
            strict: false,
            format,
        };
        let (report, code) = report(&args);
        (report.replace(&format!("{}/", self.0.path().display()), ""), code)
    }
}

fn same(a: ExitCode, b: ExitCode) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

#[test]
fn a_schema_alone_is_checked_with_all_that_it_includes() {
    let folder = Folder::new();
    let (report, code) = folder.run("order.xsd", &[], Format::Text);
    assert_eq!(report, "order.xsd: valid\n");
    assert!(same(code, ExitCode::SUCCESS));
}

#[test]
fn every_document_has_its_verdict_and_every_fault_its_place() {
    let folder = Folder::new();
    folder.write("good.xml", "<order><line>1</line><total>1.50</total></order>");
    folder.write("bad.xml", "<order>\n <line>x</line>\n <total>1.505</total>\n</order>");
    let (report, code) = folder.run("order.xsd", &["good.xml", "bad.xml"], Format::Text);
    assert_eq!(
        report,
        "good.xml: valid\n\
         error XS0005: bad.xml:2:9: cvc-type.3.1.3: \"x\" is not a valid xs:int (in /order/line)\n\
         error XS0005: bad.xml:3:14: cvc-type.3.1.3: \"1.505\" is not allowed by the fractionDigits facet (in /order/total)\n\
         bad.xml: not valid: 2 errors\n"
    );
    assert!(same(code, ExitCode::FAILURE));
}

#[test]
fn a_schema_at_fault_judges_nothing() {
    let folder = Folder::new();
    folder.write("order.xsd", &SCHEMA.replace("xs:int", "xs:itn"));
    folder.write("good.xml", "<order/>");
    let (report, code) = folder.run("order.xsd", &["good.xml"], Format::Text);
    assert!(report.starts_with("error XS0003: order.xsd:4:5: src-resolve: "), "{report}");
    assert!(report.ends_with("order.xsd: not valid: 1 error\n"), "{report}");
    assert!(same(code, ExitCode::FAILURE));
}

#[test]
fn what_cannot_be_read_is_wrong_use() {
    let folder = Folder::new();
    let (report, code) = folder.run("order.xsd", &["missing.xml"], Format::Text);
    assert!(report.ends_with("missing.xml: cannot be read\n"), "{report}");
    assert!(same(code, ExitCode::from(2)));
}

#[test]
fn programs_get_json() {
    let folder = Folder::new();
    folder.write("bad.xml", "<order><total>1</total></order>");
    let (report, _) = folder.run("order.xsd", &["bad.xml"], Format::Json);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report[0]["valid"], false);
    assert_eq!(report[0]["findings"][0]["code"], "XS0005");
    assert_eq!(report[0]["findings"][0]["rule"], "cvc-complex-type.2.4");
    assert_eq!(report[0]["findings"][0]["path"], "/order/total");
}

#[test]
fn every_code_has_its_page() {
    use crate::commands::explain::PAGES;
    for code in Code::ALL {
        let page = PAGES.iter().find(|page| page.0 == code.code());
        let heading = format!("# {}: {}\n", code.code(), code.title());
        assert!(page.is_some_and(|page| page.1.starts_with(&heading)), "{}", code.code());
    }
}

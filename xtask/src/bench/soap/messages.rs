//! The messages: orders of about 1, 10 and 100 KB, the same on every machine, and the contract they belong to.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Names and sizes, in bytes of the envelope, about.
pub(super) const SIZES: [(&str, usize); 3] = [("1k", 1_000), ("10k", 10_000), ("100k", 100_000)];

const ORDERS: &str = "urn:pasarela:peers:orders";

/// A size by its name.
pub(super) fn size(name: &str) -> Result<&'static str> {
    match SIZES.iter().find(|(known, _)| *known == name) {
        Some((known, _)) => Ok(known),
        None => bail!("there is no size {name}; there are 1k, 10k and 100k"),
    }
}

/// Writes everything that the contestants read.
pub(super) fn write(folder: &Path, wsdl: &str) -> Result<()> {
    fs::create_dir_all(folder).context("cannot make the folder of messages")?;
    let put = |name: &str, text: &str| {
        fs::write(folder.join(name), text).with_context(|| name.to_owned())
    };
    put("orders.wsdl", wsdl)?;
    let [types, orders] = schemas(wsdl).context("the contract has lost its two schemas")?;
    put("types.xsd", &types)?;
    put("orders.xsd", &orders)?;
    for (name, bytes) in SIZES {
        let order = Order::of(bytes);
        let body = format!(
            "<GetOrderResponse xmlns=\"{ORDERS}\" xmlns:o=\"{ORDERS}:types\">{}</GetOrderResponse>",
            order.xml()
        );
        put(&format!("{name}.body.xml"), &body)?;
        put(
            &format!("{name}.response.xml"),
            &format!(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<soap:Envelope \
                 xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>{body}</soap:Body></soap:Envelope>\n"
            ),
        )?;
        put(&format!("{name}.request.json"), &order.json())?;
    }
    Ok(())
}

/// The schemas in the contract as documents of their own.
fn schemas(wsdl: &str) -> Option<[String; 2]> {
    let mut found = wsdl.split("<xs:schema ").skip(1).map(|rest| {
        let inside = rest.split("</xs:schema>").next().unwrap_or_default();
        let spaces = format!(
            "xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:o=\"{ORDERS}:types\" xmlns:tns=\"{ORDERS}\""
        );
        let import = format!("<xs:import namespace=\"{ORDERS}:types\"");
        format!("<xs:schema {spaces} {inside}</xs:schema>\n")
            .replace(&import, &format!("{import} schemaLocation=\"types.xsd\""))
    });
    Some([found.next()?, found.next()?])
}

/// An order with as many items as fit.
struct Order {
    items: Vec<Item>,
}

struct Item {
    line: u32,
    sku: String,
    quantity: u32,
    /// In hundredths.
    price: u32,
}

impl Order {
    fn of(bytes: usize) -> Self {
        let mut order = Self { items: Vec::new() };
        // What stands around the order in an envelope.
        let around = 260;
        let mut length = order.xml().len() + around;
        // Any sequence does, if it is the same everywhere (Numerical Recipes' constants).
        let mut state = 1_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        loop {
            let item = Item {
                line: u32::try_from(order.items.len()).unwrap_or(u32::MAX) + 1,
                sku: format!("SKU-{:06}", random(1_000_000)),
                quantity: 1 + random(99),
                price: 1 + random(100_000),
            };
            length += item.xml().len();
            if length > bytes {
                return order;
            }
            order.items.push(item);
        }
    }

    fn xml(&self) -> String {
        let items: String = self.items.iter().map(Item::xml).collect();
        format!(
            "<order priority=\"high\" reference=\"R-2026-0007\"><o:id>9007199254740993</o:id>\
             <o:customer>Muñoz &amp; Söhne, S.A.</o:customer><o:placed>2026-11-23T10:15:00Z</o:placed>\
             <o:due>2026-12-01</o:due><o:total>{}</o:total><o:discount>0.50</o:discount>\
             <o:status>in-transit</o:status><o:note>leave it at the door</o:note>{items}<o:tag>first</o:tag>\
             <o:payment><o:card>4111</o:card></o:payment><o:parcel><o:weight>1.50</o:weight></o:parcel></order>",
            self.total()
        )
    }

    /// The same in the JSON that `pasarela transcode` makes of it.
    fn json(&self) -> String {
        let items: Vec<_> = self.items.iter().map(Item::json).collect();
        format!(
            "{{\"order\":{{\"@priority\":\"high\",\"@reference\":\"R-2026-0007\",\"id\":\"9007199254740993\",\
             \"customer\":\"Muñoz & Söhne, S.A.\",\"placed\":\"2026-11-23T10:15:00Z\",\"due\":\"2026-12-01\",\
             \"total\":\"{}\",\"discount\":\"0.50\",\"status\":\"in-transit\",\"note\":\"leave it at the door\",\
             \"item\":[{}],\"tag\":[\"first\"],\"payment\":{{\"card\":\"4111\"}},\"parcel\":{{\"weight\":\"1.50\"}}}}}}",
            self.total(),
            items.join(",")
        )
    }

    fn total(&self) -> String {
        let hundredths: u64 =
            self.items.iter().map(|item| u64::from(item.price) * u64::from(item.quantity)).sum();
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

impl Item {
    fn xml(&self) -> String {
        format!(
            "<o:item line=\"{}\"><o:sku>{}</o:sku><o:quantity>{}</o:quantity><o:price>{}.{:02}</o:price></o:item>",
            self.line,
            self.sku,
            self.quantity,
            self.price / 100,
            self.price % 100
        )
    }

    fn json(&self) -> String {
        format!(
            "{{\"@line\":{},\"sku\":\"{}\",\"quantity\":{},\"price\":\"{}.{:02}\"}}",
            self.line,
            self.sku,
            self.quantity,
            self.price / 100,
            self.price % 100
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_have_the_size_that_was_asked_for_and_are_the_same_every_time() {
        for (name, bytes) in SIZES {
            let length = Order::of(bytes).xml().len() + 260;
            // The total gets longer when all items are known.
            assert!(length <= bytes + 10 && length + 120 > bytes, "{name}: {length}");
            assert_eq!(Order::of(bytes).xml(), Order::of(bytes).xml());
        }
    }

    #[test]
    fn both_schemas_come_out_of_the_contract() {
        let wsdl = "<a><xs:schema targetNamespace=\"t\"><x/></xs:schema><xs:schema a=\"b\">\
                    <xs:import namespace=\"urn:pasarela:peers:orders:types\"/></xs:schema></a>";
        let [types, orders] = schemas(wsdl).unwrap();
        assert!(types.ends_with("targetNamespace=\"t\"><x/></xs:schema>\n"), "{types}");
        assert!(orders.contains("types\" schemaLocation=\"types.xsd\"/>"), "{orders}");
    }
}

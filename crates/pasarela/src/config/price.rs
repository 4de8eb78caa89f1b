//! Prices: money as exact decimals, models as the monetisation reference defines them (§4).
//!
//! Checked in full today, charged by a later version: what a file says about money should not
//! turn out to be wrong on the day it begins to count.

use pasarela_model::{Quota, QuotaOver};

use super::{
    fault::Code,
    tree::Node,
    units,
    walk::{Fields, Shape, Walk},
};

/// Decimals an amount is held with.
const DECIMALS: usize = 12;
/// Largest amount, in major units (reference §2).
const UNITS_MAX: u64 = 1_000_000;

/// An exact amount in 10⁻¹² of a currency's major unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    /// The amount in 10⁻¹² major units.
    pub const fn picounits(self) -> i128 {
        self.0
    }
}

/// An ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency {
    /// Three letters.
    pub code: &'static str,
    /// Decimals of its minor unit.
    pub exponent: u8,
}

/// What a plan costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// All its amounts are in this currency.
    pub currency: Currency,
    /// Fee for a month.
    pub monthly: Option<Amount>,
    /// Price of calls.
    pub calls: Option<CallPrice>,
    /// Index into the organisations, and hundredths of a percent; together at most 100 %.
    pub share: Vec<(usize, u32)>,
}

/// How calls are priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallPrice {
    /// Each call the same.
    PerUnit {
        /// Price of one.
        unit: Amount,
        /// Calls that cost nothing.
        included: u64,
    },
    /// Each call at the price of the tier it falls into.
    Graduated(Vec<Tier>),
    /// All calls at the price of the tier that holds their number.
    Volume(Vec<Tier>),
    /// The flat fee of the tier that holds their number.
    Stairstep(Vec<Tier>),
    /// Started packages.
    Package {
        /// Price of one package.
        amount: Amount,
        /// Calls in it.
        size: u64,
        /// Calls that cost nothing.
        included: u64,
    },
}

impl CallPrice {
    fn tiers(&self) -> Option<&[Tier]> {
        match self {
            Self::Graduated(tiers) | Self::Volume(tiers) | Self::Stairstep(tiers) => Some(tiers),
            Self::PerUnit { .. } | Self::Package { .. } => None,
        }
    }
}

/// A price up to a number of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The last call in it; `None`: no end.
    pub up_to: Option<u64>,
    /// Price of one.
    pub unit: Option<Amount>,
    /// Fee of the tier.
    pub flat: Option<Amount>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Model {
    PerUnit,
    Graduated,
    Volume,
    Stairstep,
    Package,
}

const MODELS: [(&str, Model); 5] = [
    ("per_unit", Model::PerUnit),
    ("graduated", Model::Graduated),
    ("volume", Model::Volume),
    ("stairstep", Model::Stairstep),
    ("package", Model::Package),
];

/// Reads a plan's `price`. Share names are looked up by `organisation`.
pub(crate) fn read(
    walk: &Walk<'_>,
    node: &Node,
    quota: Option<Quota>,
    organisation: impl Fn(&str, super::fault::Span) -> Option<usize>,
) -> Option<Price> {
    let fields = walk.fields(node, "a price", &["currency", "monthly", "calls", "share"])?;
    let currency = walk
        .need(&fields, "currency", "Write the ISO 4217 code, such as `currency: EUR`.")
        .and_then(|node| currency_of(walk, node));
    let monthly = fields.get("monthly").map(|node| fee(walk, node, "`monthly`", currency));
    let calls = fields.get("calls").map(|node| call_price(walk, node, currency, quota));
    let share = fields.get("share").map(|node| shares(walk, node, organisation));
    if monthly.is_none() && calls.is_none() {
        walk.fault(
            Code::MissingKey,
            fields.span,
            "A price needs `monthly`, `calls` or both; it has neither.",
            "Write `monthly: \"29.00\"`, or take the price away: a plan without one is free.",
        );
        return None;
    }
    Some(Price {
        currency: currency?,
        monthly: monthly.map_or(Some(None), |amount| amount.map(Some))?,
        calls: calls.map_or(Some(None), |calls| calls.map(Some))?,
        share: share.unwrap_or_else(|| Some(Vec::new()))?,
    })
}

fn currency_of(walk: &Walk<'_>, node: &Node) -> Option<Currency> {
    let text = walk.text(node, "`currency`")?;
    if let Some(currency) = currency(&text.value) {
        return Some(currency);
    }
    let upper = text.value.to_ascii_uppercase();
    let cure = match currency(&upper) {
        Some(known) if !text.outside => format!("Write it in capitals: `{}`.", known.code),
        _ => "Write an ISO 4217 code of three letters, such as EUR, USD or MXN.".into(),
    };
    walk.fault(Code::Currency, text.span, format!("{} is not a currency.", text.shown), cure);
    None
}

const AMOUNT: Shape = Shape {
    code: Code::Money,
    noun: "an amount of money",
    cure: "Write digits and a decimal point in quotes, without the currency: \"29.00\".",
};
const FEE: Shape = Shape {
    cure: "Write as many decimals as the currency has, in quotes: \"29.00\" for EUR, \"2_900\" for JPY.",
    ..AMOUNT
};

/// An amount that is asked for as it is, so it can have no more decimals than its coins.
fn fee(walk: &Walk<'_>, node: &Node, what: &str, currency: Option<Currency>) -> Option<Amount> {
    walk.parse(node, what, &FEE, |text| {
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let amount = amount(text)?;
        match currency {
            Some(currency) if decimals > usize::from(currency.exponent) => Err(format!(
                "{} has {} decimals",
                currency.code,
                if currency.exponent == 0 { "no".into() } else { currency.exponent.to_string() }
            )),
            _ => Ok(amount),
        }
    })
}

/// The price of one of many: up to twelve decimals.
fn unit_price(walk: &Walk<'_>, node: &Node, what: &str) -> Option<Amount> {
    walk.parse(node, what, &AMOUNT, amount)
}

fn call_price(
    walk: &Walk<'_>,
    node: &Node,
    currency: Option<Currency>,
    quota: Option<Quota>,
) -> Option<CallPrice> {
    const ALL: [&str; 6] = ["model", "unit", "included", "tiers", "amount", "size"];
    let fields = walk.fields(node, "the price of calls", &ALL)?;
    let cure = "Write `model: per_unit`, graduated, volume, stairstep or package.";
    let model = walk.word(walk.need(&fields, "model", cure)?, "`model`", &MODELS)?;
    let allowed: &[&str] = match model {
        Model::PerUnit => &["model", "unit", "included"],
        Model::Graduated | Model::Volume | Model::Stairstep => &["model", "tiers"],
        Model::Package => &["model", "amount", "size", "included"],
    };
    for key in ALL.iter().filter(|key| fields.get(key).is_some() && !allowed.contains(key)) {
        let word = MODELS.iter().find(|(_, known)| *known == model).map_or("", |known| known.0);
        walk.fault(
            Code::UnknownKey,
            fields.key_span(key),
            format!("The model {word} has no key \"{key}\"."),
            format!("Take it away, or use another model; {word} has: {}.", allowed.join(", ")),
        );
    }
    let count = |key: &str, least| {
        fields
            .get(key)
            .map_or(Some(least), |node| walk.integer(node, key, least..=1_000_000_000_000))
    };
    match model {
        Model::PerUnit => {
            let unit =
                walk.need(&fields, "unit", "Write the price of one call: `unit: \"0.002\"`.");
            let unit = unit.and_then(|node| unit_price(walk, node, "`unit`"));
            let included = count("included", 0);
            Some(CallPrice::PerUnit { unit: unit?, included: included? })
        }
        Model::Package => {
            let amount =
                walk.need(&fields, "amount", "Write the price of a package: `amount: \"4.75\"`.");
            let amount = amount.and_then(|node| fee(walk, node, "`amount`", currency));
            let size = walk.need(&fields, "size", "Write the calls in a package: `size: 250`.");
            let size = size.and_then(|node| walk.integer(node, "`size`", 1..=1_000_000_000_000));
            let included = count("included", 0);
            Some(CallPrice::Package { amount: amount?, size: size?, included: included? })
        }
        Model::Graduated | Model::Volume | Model::Stairstep => {
            let tiers = tiers(walk, &fields, model, currency)?;
            let price = match model {
                Model::Graduated => CallPrice::Graduated(tiers),
                Model::Volume => CallPrice::Volume(tiers),
                _ => CallPrice::Stairstep(tiers),
            };
            end_is_covered(walk, &fields, &price, quota);
            Some(price)
        }
    }
}

fn tiers(
    walk: &Walk<'_>,
    fields: &Fields<'_>,
    model: Model,
    currency: Option<Currency>,
) -> Option<Vec<Tier>> {
    let cure = "Write `tiers: [{ up_to: 10_000, unit: \"0.010\" }, { unit: \"0.004\" }]`.";
    let node = walk.need(fields, "tiers", cure)?;
    let items = walk.list(node, "`tiers`")?;
    if items.is_empty() {
        walk.fault(Code::Tiers, node.span, "There is no tier in this list.", cure);
        return None;
    }
    let mut tiers: Vec<Tier> = Vec::new();
    let mut fine = true;
    let mut below: Option<u64> = Some(0);
    for (index, item) in items.iter().enumerate() {
        let Some(tier) = tier(walk, item, model, currency) else {
            (fine, below) = (false, None);
            continue;
        };
        let last = index + 1 == items.len();
        let span = super::walk::start_of(item);
        match (tier.up_to, below) {
            (None, _) if !last => {
                fine = false;
                walk.fault(
                    Code::Tiers,
                    span,
                    "This tier has no `up_to`, so the tiers after it are never reached.",
                    "Give it an `up_to`, or move it to the end.",
                );
            }
            (Some(up_to), Some(below)) if up_to <= below => {
                fine = false;
                walk.fault(
                    Code::Tiers,
                    span,
                    format!(
                        "This tier ends at {} calls, but the one before it already does at {}.",
                        units::grouped(up_to),
                        units::grouped(below)
                    ),
                    "Write the tiers in rising order of `up_to`, the last one without it.",
                );
            }
            _ => (),
        }
        below = tier.up_to;
        tiers.push(tier);
    }
    fine.then_some(tiers)
}

fn tier(walk: &Walk<'_>, node: &Node, model: Model, currency: Option<Currency>) -> Option<Tier> {
    let known: &[&str] =
        if model == Model::Stairstep { &["up_to", "flat"] } else { &["up_to", "unit", "flat"] };
    let fields = walk.fields(node, "a tier", known)?;
    let up_to =
        fields.get("up_to").map(|node| walk.integer(node, "`up_to`", 1..=1_000_000_000_000));
    let unit = fields.get("unit").map(|node| unit_price(walk, node, "`unit`"));
    let flat = fields.get("flat").map(|node| fee(walk, node, "`flat`", currency));
    if unit.is_none() && flat.is_none() {
        let (key, example) = if model == Model::Stairstep {
            ("`flat`", "`flat: \"5.00\"`")
        } else {
            ("`unit` or `flat`", "`unit: \"0.010\"`, or \"0\" for calls that cost nothing")
        };
        let message = format!("A tier needs {key}, which is missing.");
        walk.fault(Code::MissingKey, fields.span, message, format!("Write {example}."));
        return None;
    }
    Some(Tier {
        up_to: up_to.map_or(Some(None), |value| value.map(Some))?,
        unit: unit.map_or(Some(None), |value| value.map(Some))?,
        flat: flat.map_or(Some(None), |value| value.map(Some))?,
    })
}

/// A call past the last tier has no price, so there may be none (reference §4).
fn end_is_covered(walk: &Walk<'_>, fields: &Fields<'_>, price: &CallPrice, quota: Option<Quota>) {
    let end = price.tiers().and_then(|tiers| tiers.last()).and_then(|tier| tier.up_to);
    let covered = |end| quota.is_some_and(|q| q.over == QuotaOver::Refuse && q.calls <= end);
    if let Some(end) = end.filter(|end| !covered(*end)) {
        walk.fault(
            Code::Tiers,
            fields.key_span("tiers"),
            format!("The last tier ends at {} calls; call {} would have no price.",
                units::grouped(end), units::grouped(end.saturating_add(1))),
            "Take `up_to` away from the last tier, or give the plan a quota that refuses calls past it.",
        );
    }
}

fn shares(
    walk: &Walk<'_>,
    node: &Node,
    organisation: impl Fn(&str, super::fault::Span) -> Option<usize>,
) -> Option<Vec<(usize, u32)>> {
    let mut shares = Vec::new();
    let (mut fine, mut sum) = (true, 0_u64);
    for entry in walk.entries(node, "`share`")? {
        let whose = organisation(&entry.key, entry.key_span);
        let share = walk.parse(&entry.value, "a share", &units::PERCENT, units::percent);
        sum += u64::from(share.unwrap_or(0));
        match (whose, share) {
            (Some(whose), Some(share)) => shares.push((whose, share)),
            _ => fine = false,
        }
    }
    if sum > 10_000 {
        fine = false;
        walk.fault(
            Code::Share,
            super::walk::start_of(node),
            format!("These shares add up to {}.{:02}%.", sum / 100, sum % 100),
            "Lower them: together they may give away 100% at most.",
        );
    }
    fine.then_some(shares)
}

/// `"0.004"` as 10⁻¹² units: digits, one point, nothing else.
pub(crate) fn amount(text: &str) -> Result<Amount, String> {
    let (units, decimals) = match text.split_once('.') {
        Some((_, "")) => return Err("after the point the digits are missing".into()),
        Some((units, decimals)) => (units, decimals),
        None => (text, ""),
    };
    if text.contains(',') {
        return Err("decimals come after a point; `_` may group digits, a comma may not".into());
    }
    if text.chars().any(|c| c.is_alphabetic() || "€$£¥".contains(c)) {
        return Err("there is more in it than digits; the currency stands under `currency`".into());
    }
    if decimals.len() > DECIMALS {
        return Err(format!("more than {DECIMALS} decimals are not counted"));
    }
    if decimals.contains('_') {
        return Err("`_` may group digits before the point only".into());
    }
    let units = units::whole(units)?;
    let decimals = units::whole(&format!("{decimals:0<DECIMALS$}"))?;
    if units > UNITS_MAX || (units == UNITS_MAX && decimals > 0) {
        return Err(format!("it is more than {}", units::grouped(UNITS_MAX)));
    }
    Ok(Amount(i128::from(units) * 1_000_000_000_000 + i128::from(decimals)))
}

/// Looks a currency up by its exact code.
pub(crate) fn currency(code: &str) -> Option<Currency> {
    let groups: [(u8, &'static str); 3] =
        [(0, NO_DECIMALS), (3, THREE_DECIMALS), (2, TWO_DECIMALS)];
    groups.iter().find_map(|(exponent, codes)| {
        let code = codes.split_ascii_whitespace().find(|known| *known == code)?;
        Some(Currency { code, exponent: *exponent })
    })
}

// ISO 4217: currencies that people pay with, by the decimals of their minor unit.
const NO_DECIMALS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const THREE_DECIMALS: &str = "BHD IQD JOD KWD LYD OMR TND";
const TWO_DECIMALS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD \
    BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL \
    GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD \
    LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK \
    PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS \
    TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        assert_eq!(amount("0.1").unwrap().picounits() * 3, amount("0.3").unwrap().picounits());
        assert_eq!(amount("0.000000000001"), Ok(Amount(1)));
        assert_eq!(amount("1_000_000"), Ok(Amount(1_000_000_000_000_000_000)));
        for bad in [
            "",
            ".5",
            "5.",
            "-1",
            "1e3",
            "1,50",
            "29 EUR",
            "€29",
            "1.2.3",
            "1000000.01",
            "0.0000000000001",
            "1.0_0",
        ] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn currencies_know_their_coins() {
        assert_eq!(currency("EUR").map(|c| c.exponent), Some(2));
        assert_eq!(currency("CLP").map(|c| c.exponent), Some(0));
        assert_eq!(currency("KWD").map(|c| c.exponent), Some(3));
        assert_eq!(currency("eur"), None);
        assert_eq!(currency("EURO"), None);
    }
}

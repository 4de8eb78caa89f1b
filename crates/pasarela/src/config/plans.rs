//! Reads `plans`: how much, how fast, at what price, and whose turn it is where an API is busy.

use std::collections::{BTreeMap, HashSet};

use pasarela_model::{Concurrency, Holder, Plan, Quota, QuotaOver, Rate, Snapshot};

use super::{
    fault::Code,
    names::{Item, Section},
    price::{self, Price},
    scopes,
    tree::{Kind, Node},
    units,
    walk::{Text, Walk, shown_word},
};

pub(crate) const KEYS: [&str; 8] =
    ["name", "rate", "operations", "quota", "price", "priority", "reserve", "scopes"];

/// Largest weight of a plan's calls.
const PRIORITY_MAX: u64 = 100;

pub(crate) fn read(
    walk: &Walk<'_>,
    section: &Section<'_>,
    organisations: &Section<'_>,
) -> Vec<Option<(Plan, Option<Price>)>> {
    let read = |item: &Item<'_>| plan(walk, item, organisations);
    section.items.iter().map(|item| item.as_ref().and_then(read)).collect()
}

fn plan(
    walk: &Walk<'_>,
    item: &Item<'_>,
    organisations: &Section<'_>,
) -> Option<(Plan, Option<Price>)> {
    let fields = &item.fields;
    let rate = fields.get("rate").map(|node| rate(walk, node));
    let operations = fields.get("operations").map_or(Some(Vec::new()), |node| rates(walk, node));
    let quota_read = fields.get("quota").map(|node| quota(walk, node));
    let quota = quota_read.flatten();
    let price_read = fields.get("price").map(|node| {
        price::read(walk, node, quota, |name, span| {
            let text =
                Text { value: name.to_owned(), span, shown: shown_word(name), outside: false };
            organisations.refer(walk, &text)?.first().copied()
        })
    });
    if price_read.as_ref().is_some_and(Option::is_some) {
        walk.warn(
            Code::PriceUnused,
            fields.key_span("price"),
            "This price is checked, but nothing is charged by this version.",
            "Nothing has to be done.",
        );
    }
    let free = fields.get("price").is_none();
    if free && quota.is_some_and(|quota| quota.over == QuotaOver::Charge) {
        walk.warn(
            Code::NoEffect,
            fields.key_span("quota"),
            "Calls past this quota are to be charged, but the plan has no price.",
            "Add a `price` with `calls`, or write `over: refuse`.",
        );
    }
    let priority = fields
        .get("priority")
        .map_or(Some(1), |node| walk.integer(node, "a priority", 1..=PRIORITY_MAX));
    let reserve = fields
        .get("reserve")
        .map_or(Some(0), |node| walk.parse(node, "`reserve`", &units::PERCENT, units::percent));
    let scopes = scopes::granted(walk, fields);
    let plan = Plan {
        name: item.name.as_ref()?.value.clone(),
        rate_per: rate.map_or(Some(Holder::default()), |rate| rate.map(|(_, per)| per))?,
        rate: rate.map_or(Some(None), |rate| rate.map(|(rate, _)| Some(rate)))?,
        operations: operations?,
        quota: quota_read.map_or(Some(None), |quota| quota.map(Some))?,
        priority: u32::try_from(priority?).ok()?,
        reserve: reserve?,
        scopes: scopes?,
    };
    Some((plan, price_read.map_or(Some(None), |price| price.map(Some))?))
}

/// A rate as it is, or with whose it is.
fn rate(walk: &Walk<'_>, node: &Node) -> Option<(Rate, Holder)> {
    if !matches!(node.kind, Kind::Map(_)) {
        let rate = walk.parse(node, "`rate`", &units::RATE, units::rate)?;
        return Some((rate, Holder::default()));
    }
    let fields = walk.fields(node, "a rate", &["calls", "per"])?;
    let calls = walk
        .need(&fields, "calls", "Write `calls: 5/s`.")
        .and_then(|node| walk.parse(node, "`calls`", &units::RATE, units::rate));
    let per = per(walk, fields.get("per"));
    Some((calls?, per?))
}

/// Rates by the names of operations.
fn rates(walk: &Walk<'_>, node: &Node) -> Option<Vec<(String, Rate)>> {
    let entries = walk.entries(node, "`operations`")?;
    let read = entries.iter().map(|entry| {
        let rate = walk.parse(&entry.value, "a rate", &units::RATE, units::rate)?;
        Some((entry.key.clone(), rate))
    });
    // All of them are read before it is said that one is missing.
    read.collect::<Vec<_>>().into_iter().collect()
}

/// Who counts as one.
fn per(walk: &Walk<'_>, node: Option<&Node>) -> Option<Holder> {
    let words = [("application", Holder::Application), ("organisation", Holder::Organisation)];
    node.map_or(Some(Holder::default()), |node| walk.word(node, "`per`", &words))
}

fn quota(walk: &Walk<'_>, node: &Node) -> Option<Quota> {
    let (calls, over, per) = if matches!(node.kind, Kind::Map(_)) {
        let fields = walk.fields(node, "a quota", &["calls", "over", "per"])?;
        let calls = walk
            .need(&fields, "calls", "Write `calls: 1_000/month`.")
            .and_then(|node| walk.parse(node, "`calls`", &units::QUOTA, units::quota));
        let words = [("refuse", QuotaOver::Refuse), ("charge", QuotaOver::Charge)];
        let over = fields
            .get("over")
            .map_or(Some(QuotaOver::Refuse), |node| walk.word(node, "`over`", &words));
        (calls, over, per(walk, fields.get("per")))
    } else {
        let calls = walk.parse(node, "`quota`", &units::QUOTA, units::quota);
        (calls, Some(QuotaOver::Refuse), Some(Holder::default()))
    };
    let (calls, window) = calls?;
    Some(Quota { calls, window, over: over?, per: per? })
}

/// A rate for an operation that nobody offers would limit nothing.
pub(crate) fn check_operations(walk: &Walk<'_>, section: &Section<'_>, snapshot: &Snapshot) {
    for (plan, item) in section.items.iter().enumerate() {
        let Some(node) = item.as_ref().and_then(|item| item.fields.get("operations")) else {
            continue;
        };
        let Kind::Map(entries) = &node.kind else { continue };
        let offered = || snapshot.apis.iter().filter(|api| api.plans.contains(&plan));
        for entry in entries {
            let mut operations = offered().flat_map(|api| &api.operations);
            if !operations.any(|operation| operation.name == entry.key) {
                let shown = shown_word(&entry.key);
                walk.fault(
                    Code::Reference,
                    entry.key_span,
                    format!("No API that offers this plan has an operation {shown}."),
                    "Write the operationId of its contract, or method and path where there is none: \"GET /quotes/{id}\".",
                );
            }
        }
    }
}

/// Warns where what is reserved of an API is more than everything: each then gets less than it says.
pub(crate) fn check_reserves(walk: &Walk<'_>, section: &Section<'_>, snapshot: &Snapshot) {
    // For each API: who has something reserved, how much that is together, and under which plan.
    let mut reserved: BTreeMap<usize, (HashSet<_>, u64, usize)> = BTreeMap::new();
    for (number, application) in snapshot.applications.iter().enumerate() {
        let alone = application.organisation.is_none().then_some(number);
        let payer = (application.organisation, alone);
        for its in &application.subscriptions {
            let Some(plan) = snapshot.plans.get(its.plan).filter(|plan| plan.reserve > 0) else {
                continue;
            };
            let (payers, sum, last) = reserved.entry(its.api).or_default();
            if payers.insert(payer) {
                (*sum, *last) = (*sum + u64::from(plan.reserve), its.plan);
            }
        }
    }
    for (api, (_, sum, last)) in reserved {
        let item = section.items.get(last).and_then(Option::as_ref);
        let (Some(api), Some(item)) = (snapshot.apis.get(api), item) else { continue };
        if sum > 10_000 {
            walk.warn(
                Code::Reserve,
                item.fields.key_span("reserve"),
                format!(
                    "What is reserved of {} v{} for its subscribers adds up to {}.{:02} %.",
                    api.name,
                    api.version,
                    sum / 100,
                    sum % 100
                ),
                "Reserve less; until then each has its part of everything, in proportion.",
            );
        } else if api.upstream.concurrency == Concurrency::Off {
            walk.warn(
                Code::NoEffect,
                item.fields.key_span("reserve"),
                format!(
                    "{} v{} has `concurrency: off`: there is nothing to reserve.",
                    api.name, api.version
                ),
                "Give the API a number of calls that its upstreams can take at a time.",
            );
        }
    }
}

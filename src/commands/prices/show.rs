//! `paygrain prices show`: everything in one price book.

use std::collections::BTreeSet;

use paygrain_pricing::book::{Allowance, CommittedRates, Grant};
use paygrain_pricing::{Activity, Catalogue, Exact, Meter, Price, PriceBook, Sku};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text};

/// Shows a book.
pub(super) fn run(catalogue: &Catalogue, name: &str, format: OutputFormat) -> Result<(), Failure> {
    let book = super::find(catalogue, name)?;
    let mut rows = Rows::new(["sku", "region", "from", "to", "tier_from#", "price#", "per", "mark", "source"]);
    for sku in &book.skus {
        for price in &sku.prices {
            push_price(&mut rows, sku, price);
        }
    }
    match format {
        OutputFormat::Csv => rows.print_csv(),
        OutputFormat::Json => print_json(&book_document(book)),
        OutputFormat::Table => {
            print_text(&format!("{}, version {}, {}\n", book.title, book.version, book.currency))?;
            rows.print()?;
            titled("Rules", rule_rows(book))?;
            titled("Allowances", allowance_rows(book))?;
            titled("Commitments", commitment_rows(book))?;
            titled("Activities", activity_rows(book))?;
            titled("Examples", example_rows(book))?;
            print_text("\nSources\n")?;
            for (key, address) in &book.sources {
                print_text(&format!("  {key}: {address}\n"))?;
            }
            Ok(())
        }
    }
}

/// A table under a title; nothing where it has no rows.
fn titled(title: &str, rows: Rows) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    print_text(&format!("\n{title}\n"))?;
    rows.print()
}

/// What each SKU counts of a record, by era; one row for all keys of a price table.
fn rule_rows(book: &PriceBook) -> Rows {
    let mut rows = Rows::new(["sku", "table", "rows", "from", "counts", "unit", "mark", "source"]);
    let mut shown = BTreeSet::new();
    for sku in book.skus.iter().filter(|sku| shown.insert(sku.base.clone())) {
        for meter in &sku.meters {
            rows.push(vec![
                sku.base.clone(),
                sku.table.name().to_owned(),
                sku.base_filter.as_ref().map_or_else(|| "every".to_owned(), ToString::to_string),
                day(meter.from),
                meter.quantity.to_string(),
                sku.unit.text().to_owned(),
                meter.mark.clone(),
                meter.source.clone(),
            ]);
        }
    }
    rows
}

/// Which accounts have it, where not all have.
fn opened(allowance: &Allowance) -> String {
    allowance.opened_before.map_or(String::new(), |day| format!(", accounts opened before {day}"))
}

fn allowance_rows(book: &PriceBook) -> Rows {
    let mut rows = Rows::new(["allowance", "gives", "each", "per", "from", "to", "given", "mark", "source"]);
    for allowance in &book.allowances {
        let gives = match &allowance.grant {
            Grant::Quantity { quantity, unit } => format!("{quantity} {unit}"),
            Grant::Credit(credit) => format!("{credit} {}", book.currency),
        };
        let given = match (allowance.always, allowance.on_request, allowance.expires_months) {
            (true, ..) => "always".to_owned(),
            (_, true, _) => "on request".to_owned(),
            (.., Some(months)) => format!("the first {months} months{}", opened(allowance)),
            _ => format!("by default{}", opened(allowance)),
        };
        rows.push(vec![
            allowance.id.clone(),
            gives,
            allowance.window.map_or_else(|| "month".to_owned(), |window| format!("{window:?}").to_lowercase()),
            allowance.scope.join(", "),
            day(allowance.from),
            day(allowance.to),
            given,
            allowance.mark.clone(),
            allowance.source.clone(),
        ]);
    }
    rows
}

fn commitment_rows(book: &PriceBook) -> Rows {
    let mut rows = Rows::new(["plan", "what", "covers", "key", "rate", "per", "months#", "mark", "source"]);
    for plan in &book.commitments {
        let rates: Vec<(Option<&str>, String)> = match &plan.rates {
            CommittedRates::One(_, text) => vec![(None, text.clone())],
            CommittedRates::ByKey(rates) => {
                rates.iter().map(|(key, (_, text))| (Some(key.as_str()), text.clone())).collect()
            }
            CommittedRates::Percent(percent) => vec![(None, format!("{percent} % off"))],
        };
        for (key, rate) in rates {
            rows.push(vec![
                plan.id.clone(),
                plan.description.clone(),
                plan.skus.join(", "),
                key.unwrap_or_default().to_owned(),
                rate,
                plan.per.as_ref().map(|per| per.text().to_owned()).unwrap_or_default(),
                plan.term_months.map(|months| months.to_string()).unwrap_or_default(),
                plan.mark(key).to_owned(),
                plan.source.clone(),
            ]);
        }
    }
    rows
}

fn example_rows(book: &PriceBook) -> Rows {
    let mut rows = Rows::new(["example", "month", "total#"]);
    for example in &book.examples {
        rows.push(vec![example.title.clone(), example.request.period.to_string(), example.total.to_string()]);
    }
    rows
}

fn day(day: Option<chrono::NaiveDate>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}

fn push_price(rows: &mut Rows, sku: &Sku, price: &Price) {
    let mut from = Exact::zero();
    for tier in &price.tiers {
        rows.push(vec![
            sku.id.clone(),
            price.region.clone().unwrap_or_else(|| "every".into()),
            price.from.map(|day| day.to_string()).unwrap_or_default(),
            price.to.map(|day| day.to_string()).unwrap_or_default(),
            from.to_string(),
            tier.published.clone(),
            price.per.text().to_owned(),
            tier.mark.clone(),
            price.source.clone(),
        ]);
        from = tier.up_to.clone().unwrap_or(from);
    }
}

/// The activities: which records become the time of instances.
fn activity_rows(book: &PriceBook) -> Rows {
    let mut rows = Rows::new([
        "activity",
        "table",
        "filter",
        "concurrency",
        "tail_s#",
        "minimum_s#",
        "step_s#",
        "busy",
        "idle",
        "mark",
        "source",
    ]);
    let seconds = |us: i64| Exact::ratio(us.into(), 1_000_000).unwrap_or_default().to_string();
    for activity in &book.activities {
        rows.push(vec![
            activity.id.clone(),
            activity.table.name().to_owned(),
            activity.filter.as_ref().map(ToString::to_string).unwrap_or_default(),
            activity.concurrency.to_string(),
            seconds(activity.timing.tail_us),
            seconds(activity.timing.minimum_us),
            seconds(activity.timing.step_us),
            activity.busy.clone(),
            activity.idle.clone().unwrap_or_default(),
            activity.mark.clone(),
            activity.source.clone(),
        ]);
    }
    rows
}

/// An activity, times in microseconds.
fn activity_document(activity: &Activity) -> Value {
    json!({
        "id": activity.id, "table": activity.table.name(), "filter": activity.filter.as_ref().map(ToString::to_string),
        "duration": activity.duration.to_string(), "concurrency": activity.concurrency.to_string(),
        "tail_us": activity.timing.tail_us, "minimum_us": activity.timing.minimum_us,
        "step_us": activity.timing.step_us, "busy": activity.busy, "idle": activity.idle,
        "source": activity.source, "mark": activity.mark,
    })
}

fn book_document(book: &PriceBook) -> Value {
    let price = |price: &Price| {
        let tiers: Vec<_> = price
            .tiers
            .iter()
            .map(|tier| json!({"up_to": tier.up_to, "price": tier.published, "mark": tier.mark}))
            .collect();
        json!({
            "region": price.region, "from": price.from, "to": price.to, "per": price.per.text(), "tiers": tiers,
            "source": price.source, "source_address": book.source_address(&price.source),
        })
    };
    let rule = |meter: &Meter| {
        json!({
            "from": meter.from, "to": meter.to, "quantity": meter.quantity.to_string(), "mark": meter.mark,
            "source": meter.source,
        })
    };
    let (allowances, commitments, examples) = (allowance_rows(book), commitment_rows(book), example_rows(book));
    let skus: Vec<_> = book
        .skus
        .iter()
        .map(|sku| {
            json!({
                "sku": sku.name, "description": sku.description, "table": sku.table.name(),
                "filter": sku.filter.as_ref().map(ToString::to_string), "unit": sku.unit.text(),
                "rules": sku.meters.iter().map(rule).collect::<Vec<_>>(),
                "prices": sku.prices.iter().map(price).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "price_book": book.name, "title": book.title, "version": book.version, "currency": book.currency,
        "provider_title": book.provider_title, "category": book.category, "subcategory": book.subcategory,
        "time_zone": book.zone.to_string(), "sources": book.sources, "skus": skus,
        "allowances": allowances.objects(), "commitments": commitments.objects(), "activities": book.activities.iter().map(activity_document).collect::<Vec<_>>(), "examples": examples.objects(),
    })
}

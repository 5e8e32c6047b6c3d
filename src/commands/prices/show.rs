//! `paygrain prices show`: everything in one price book.

use paygrain_pricing::{Activity, Catalogue, Exact, Price, PriceBook, Sku};
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
            for (index, activity) in book.activities.iter().enumerate() {
                if index == 0 {
                    print_text("\nActivities: the time of instances, from records of their requests\n")?;
                }
                print_text(&format!("  {}\n", activity_text(activity)))?;
            }
            print_text("\nSources\n")?;
            for (key, address) in &book.sources {
                print_text(&format!("  {key}: {address}\n"))?;
            }
            Ok(())
        }
    }
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

/// What an activity does, in one line.
fn activity_text(activity: &Activity) -> String {
    let timing = activity.timing;
    let mut text = format!("{}: {}", activity.id, activity.table);
    if let Some(filter) = &activity.filter {
        text += &format!(" where {filter}");
    }
    text += &format!("; requests at once: {}; meter {}", activity.concurrency, activity.busy);
    if let Some(idle) = activity.idle.as_ref().filter(|idle| **idle != activity.busy) {
        text += &format!(", idle {idle}");
    }
    let seconds = |us: i64| Exact::ratio(us, 1_000_000).unwrap_or_default();
    for (name, us, absent) in [("tail", timing.tail_us, 0), ("minimum", timing.minimum_us, 0), ("step", timing.step_us, 1)] {
        if us != absent {
            text += &format!(", {name} {} s", seconds(us));
        }
    }
    format!("{text} ({}, {})", activity.source, activity.mark)
}

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
    let skus: Vec<_> = book
        .skus
        .iter()
        .map(|sku| {
            json!({
                "sku": sku.name, "description": sku.description, "table": sku.table.name(),
                "filter": sku.filter.as_ref().map(ToString::to_string), "unit": sku.unit.text(),
                "prices": sku.prices.iter().map(price).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "price_book": book.name, "title": book.title, "version": book.version, "currency": book.currency,
        "sources": book.sources, "skus": skus,
        "activities": book.activities.iter().map(activity_document).collect::<Vec<_>>(),
    })
}

//! SKUs: the table and rows they count, their meters by era, and one for each key of their prices.

use super::{
    BookContext, CHECK_MONTH_US, billed_as, check, percent,
    price::{self, PriceEntry},
    read_month, read_scope,
    reader::{Entry, Reader},
};
use crate::{
    book::{Meter, PercentPrices, Sku, SkuKey},
    exact::Exact,
    expression::{Expression, Type},
    nearest::did_you_mean_or,
    table::{ColumnKind, Table},
    unit::{Unit, Window},
};

const SKU_KEYS: &[&str] = &[
    "id",
    "description",
    "table",
    "services",
    "also",
    "filter",
    "unit",
    "meter_unit",
    "quantity",
    "meter",
    "aggregate",
    "scope",
    "month",
    "price",
    "by",
    "default",
    "scale",
    "billed_as",
];
const METER_KEYS: &[&str] = &["from", "to", "quantity", "source", "mark", "note"];

/// Reads a SKU: one, or one for each key of its prices.
pub(super) fn read<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, book: &BookContext, skus: &mut Vec<Sku>) {
    reader.place.clear();
    let id = reader.required(entry, "id").to_owned();
    reader.place = format!("SKU `{id}`");
    reader.known_keys(entry, SKU_KEYS);
    let table = read_table(reader, entry);
    check::sku(reader, entry, table);
    if !entry.has("unit") {
        reader.problem(entry.start, "`unit` is missing");
    }
    let unit = reader.unit(entry, "unit");
    let (Some(table), Some(unit)) = (table, unit) else { return };
    let quantity_unit = reader.unit(entry, "meter_unit").unwrap_or_else(|| unit.clone());
    let filter = read_filter(reader, entry, table, &quantity_unit);
    let maximum_per = read_maximum(reader, entry);
    let meters = read_meters(reader, entry, table, &unit, &quantity_unit, maximum_per, book);
    let percent = percent::read(reader, entry, book);
    let prices = if percent.is_none() { price::read(reader, entry, &unit, book) } else { Vec::new() };
    let mut scope = read_scope(reader, entry, &["row"]);
    let scope_per_row = scope.iter().any(|column| column == "row");
    scope.retain(|column| column != "row");
    let scale = reader.decimal(entry, "scale").map_or_else(Exact::one, |(scale, _)| scale);
    if !scale.is_positive() {
        reader.problem(entry.start, "`scale` is 0");
    }
    let sku = Sku {
        base: id.clone(),
        name: String::new(),
        description: reader.text(entry, "description").unwrap_or(&id).to_owned(),
        id,
        table,
        services: reader.texts(entry, "services").unwrap_or_else(|| vec![book.service.clone()]),
        also: reader.texts(entry, "also").unwrap_or_default(),
        filter: filter.clone(),
        base_filter: filter.clone(),
        key: None,
        meters,
        unit,
        quantity_unit,
        maximum_per,
        scale,
        scope,
        scope_per_row,
        month: read_month(reader, entry).unwrap_or(book.month),
        zone: book.zone,
        prices: Vec::new(),
        percent: None,
        allowances: Vec::new(),
        window: maximum_per,
        scope_columns: Vec::new(),
        billed_as: Vec::new(),
    };
    if percent.is_some() && entry.has("by") {
        // The keys are those of the other SKU; the column can be checked now.
        key_filter(reader, entry, &sku, filter.as_ref(), "");
    }
    keyed(reader, entry, book, &sku, percent.as_ref(), &prices, skus);
}

/// The SKU once for each key of its prices; once as it is where it has none.
fn keyed<'t>(
    reader: &mut Reader<'t>,
    entry: Entry<'t>,
    book: &BookContext,
    whole: &Sku,
    percent: Option<&PercentPrices>,
    prices: &[PriceEntry],
    skus: &mut Vec<Sku>,
) {
    let keys: Vec<Option<String>> = match entry.has("by") && percent.is_none() {
        true => price::keys(prices).into_iter().map(Some).collect(),
        false => vec![None],
    };
    check::default_key(reader, entry, &keys);
    if percent.is_some() && entry.has("by") && entry.has("billed_as") {
        reader.problem(entry.start, "`billed_as` cannot be given where the keys are those of another SKU");
    }
    let billed_as = billed_as::read(reader, entry, &whole.unit, &keys);
    for key in keys {
        let mut sku = Sku { percent: percent.cloned(), ..whole.clone() };
        if let Some(key) = &key {
            sku.id = format!("{}:{key}", sku.base);
            sku.filter = key_filter(reader, entry, &sku, whole.filter.as_ref(), key);
            sku.key = reader.text(entry, "by").map(|column| SkuKey {
                column: column.to_owned(),
                default: reader.text(entry, "default").map(str::to_owned),
                value: key.clone(),
            });
        }
        sku.name = format!("{}.{}.{}", book.provider, book.service, sku.id);
        sku.prices = prices.iter().filter_map(|entry| entry.price(key.as_deref())).collect();
        sku.prices.sort_by_key(|price| price.from);
        sku.billed_as = billed_as.iter().filter(|(of, _)| *of == key).map(|(_, billed)| billed.clone()).collect();
        skus.push(sku);
    }
}

fn read_table<'t>(reader: &mut Reader<'t>, entry: Entry<'t>) -> Option<Table> {
    let name = reader.required(entry, "table");
    let table = Table::from_name(name);
    if table.is_none() && !name.is_empty() {
        let at = entry.get("table").map_or(entry.start, |value| value.span().start);
        let hint = did_you_mean_or(name, Table::ALL.map(Table::name));
        reader.problem_with_hint(at, format!("no table `{name}`"), hint);
    }
    table
}

fn read_filter<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, table: Table, quantity: &Unit) -> Option<Expression> {
    let at = entry.get("filter").map_or(entry.start, |value| value.span().start);
    let text = reader.text(entry, "filter")?;
    let filter = reader.ok(at, Expression::parse_with_quantity(text, table, Some(quantity)))?;
    if *filter.value_type() != Type::Condition {
        reader.problem(at, format!("the filter `{text}` is not a condition"));
    }
    Some(filter)
}

/// The filter of one key of a `by` SKU.
fn key_filter<'t>(
    reader: &mut Reader<'t>,
    entry: Entry<'t>,
    sku: &Sku,
    filter: Option<&Expression>,
    key: &str,
) -> Option<Expression> {
    let by = reader.text(entry, "by")?;
    if sku.table.column(by).is_none_or(|column| column.kind != ColumnKind::Text) {
        let texts = sku.table.columns().iter().filter(|column| column.kind == ColumnKind::Text);
        let hint = did_you_mean_or(by, texts.map(|column| column.name));
        reader.problem_with_hint(entry.start, format!("no text column `{by}` in the table {}", sku.table), hint);
        return None;
    }
    let text = key_filter_text(filter, by, reader.text(entry, "default"), key);
    reader.ok(entry.start, Expression::parse_with_quantity(&text, sku.table, Some(&sku.quantity_unit)))
}

/// The text of the filter of one key: the filter all keys share and the key in its column.
pub(super) fn key_filter_text(filter: Option<&Expression>, by: &str, default: Option<&str>, key: &str) -> String {
    let column = match default {
        Some(default) => format!("coalesce({by}, '{default}')"),
        None => by.to_owned(),
    };
    let own = filter.map_or_else(String::new, |filter| format!("({filter}) and "));
    format!("{own}{column} = '{key}'")
}

fn read_maximum<'t>(reader: &mut Reader<'t>, entry: Entry<'t>) -> Option<Window> {
    let aggregate = reader.table(entry, "aggregate")?;
    reader.known_keys(aggregate, &["max"]);
    let window = Window::from_name(reader.required(aggregate, "max"));
    if window.is_none() {
        reader.problem(aggregate.start, "`max` is neither `h` nor `day`");
    }
    window
}

/// The rules by era; one without eras when the SKU has no `[[sku.meter]]`.
fn read_meters<'t>(
    reader: &mut Reader<'t>,
    entry: Entry<'t>,
    table: Table,
    unit: &Unit,
    quantity: &Unit,
    maximum_per: Option<Window>,
    book: &BookContext,
) -> Vec<Meter> {
    let default = if table == Table::Metered { "quantity" } else { "1" };
    let mut eras = reader.tables(entry, "meter");
    if eras.is_empty() {
        eras.push(entry);
    } else if entry.has("quantity") {
        reader.problem(entry.start, "both `quantity` and `[[sku.meter]]`");
    }
    let with_eras = entry.has("meter");
    let mut meters = Vec::new();
    for era in eras {
        if with_eras {
            reader.known_keys(era, METER_KEYS);
        }
        let text = reader.text(era, "quantity").unwrap_or(default);
        let at = era.get("quantity").map_or(era.start, |value| value.span().start);
        let parsed = Expression::parse_with_quantity(text, table, Some(quantity));
        let Some(expression) = reader.ok(at, parsed) else { continue };
        let Some(own) = value_unit(&expression, maximum_per) else {
            reader.problem(at, format!("`{text}` is not a number"));
            continue;
        };
        if reader.ok(at, own.factor(unit, CHECK_MONTH_US)).is_some() {
            check::things_counted(reader, at, &expression, quantity, unit);
        }
        let (from, to) = if with_eras { check::read_days(reader, era) } else { (None, None) };
        if with_eras {
            check::source(reader, era, &book.sources);
        }
        meters.push(Meter {
            from,
            to,
            quantity: expression,
            unit: own,
            source: if with_eras { reader.text(era, "source").unwrap_or_default().to_owned() } else { String::new() },
            mark: if with_eras { price::read_mark(reader, era).unwrap_or_default() } else { String::new() },
        });
    }
    meters.sort_by_key(|meter| meter.from);
    for pair in meters.windows(2) {
        if pair[0].to != pair[1].from || pair[1].from.is_none() {
            let from = pair[1].from.map_or("the beginning".to_owned(), |day| day.to_string());
            let message = format!("meters leave a gap or overlap at {from}");
            let hint = Some("an era starts on the day (`from`) the one before ends (`to`)".to_owned());
            reader.problem_with_hint(entry.start, message, hint);
        }
    }
    meters
}

/// The unit a rule counts in; a maximum per window becomes level × window length.
fn value_unit(expression: &Expression, maximum_per: Option<Window>) -> Option<Unit> {
    let Type::Number { scale, months, dimensions } = expression.value_type() else { return None };
    let (mut scale, mut dimensions) = (scale.clone(), *dimensions);
    if let Some(window) = maximum_per {
        scale = scale * Exact::from(window.us());
        dimensions.time += 1;
    }
    Some(Unit::from_parts(expression.to_string(), scale, *months, dimensions))
}

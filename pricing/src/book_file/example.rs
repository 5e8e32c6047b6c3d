//! The examples of a book: usage as in the file of an estimate, and what it costs
use serde::Deserialize;
use toml::{Spanned, de::DeValue, de::ValueDeserializer};

use super::{
    BookContext,
    check::source as check_source,
    reader::{Entry, Reader},
};
use crate::{
    book::Example,
    estimate::{EstimateRequest, RowValue},
};

/// What an example has besides the request of an estimate.
const OWN_KEYS: &[&str] = &["title", "total", "source"];

/// Reads one `[[example]]`; rows without service are the book's, and so is the request without provider.
pub(super) fn read<'t>(reader: &mut Reader<'t>, entry: Entry<'t>, book: &BookContext) -> Option<Example> {
    reader.place.clear();
    let title = reader.required(entry, "title").to_owned();
    reader.place = format!("example `{title}`");
    let total = reader.decimal(entry, "total");
    if !entry.has("total") {
        reader.problem(entry.start, "`total` is missing");
    }
    let source = reader.text(entry, "source").unwrap_or_default().to_owned();
    check_source(reader, entry, &book.sources);
    let own = entry.table.iter().filter(|(key, _)| !OWN_KEYS.contains(&key.get_ref().as_ref()));
    let table = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    let document = Spanned::new(entry.start..entry.start, DeValue::Table(table));
    let mut request = match EstimateRequest::deserialize(ValueDeserializer::from(document)) {
        Ok(request) => request,
        Err(error) => {
            reader.problem(error.span().map_or(entry.start, |span| span.start), error.message());
            return None;
        }
    };
    request.provider.get_or_insert_with(|| book.provider.clone());
    for row in &mut request.usage {
        row.entry("service".to_owned()).or_insert_with(|| RowValue::Text(book.service.clone()));
    }
    Some(Example { title, line: reader.line(entry.start), request, total: total?.0, source })
}

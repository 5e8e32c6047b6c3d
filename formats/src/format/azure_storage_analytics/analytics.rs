//! Lines of Storage Analytics: fields between semicolons, some in quotes.
//!
//! Inside quotes a quote is an HTML entity, so that a field in quotes ends at a quote with a semicolon behind; an ETag has
//! quotes of its own inside them. Semicolons may stand in a user agent as they are.

use super::Entry;

/// Fields of version 1.0; version 2.0 has more behind them.
const FIELDS_MIN: usize = 30;
/// Most fields that are looked at.
const FIELDS_MAX: usize = 64;

/// The request in a line.
pub(super) fn entry(line: &str) -> Result<Entry<'_>, String> {
    let version = line.split(';').next().unwrap_or_default();
    if !matches!(version, "1.0" | "2.0") {
        let version = crate::error::excerpt(version.as_bytes());
        return Err(format!("`version-number` is `{version}`, expected `1.0` or `2.0`"));
    }
    let fields = fields(line)?;
    if fields.len() < FIELDS_MIN {
        let count = fields.len();
        return Err(format!("the line has {count} fields, expected at least {FIELDS_MIN}: it is cut off"));
    }
    // The numbers are those of the documentation, from 1.
    let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default();
    let present = |number: usize| Some(field(number)).filter(|text| !text.is_empty());
    Ok(Entry {
        time: field(2),
        operation: field(3),
        status_text: field(4),
        status: present(5),
        duration_ms: present(6),
        resource: present(10),
        service: field(11),
        request_id: field(14),
        operation_count: field(15),
        client: present(16),
        request_bytes: present(19),
        response_bytes: present(21),
        ..Entry::default()
    })
}

fn fields(line: &str) -> Result<Vec<&str>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    while fields.len() < FIELDS_MAX {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => match quoted.find("\";") {
                Some(end) => (&quoted[..end], Some(&quoted[end + 2..])),
                None => (quoted.strip_suffix('"').ok_or("the line ends inside quotes: it is cut off")?, None),
            },
            None => rest.split_once(';').map_or((rest, None), |(field, after)| (field, Some(after))),
        };
        fields.push(field);
        let Some(after) = after else { break };
        rest = after;
    }
    Ok(fields)
}

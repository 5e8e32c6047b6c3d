//! One record in any of the templates.

use quick_xml::events::Event;

use crate::format::timestamp;

use super::REPLACED_ID;
use super::access::{Access, is_short_id, is_uuid};

/// Reads a record by how it begins.
///
/// # Errors
/// Says which template it was taken for and what is wrong with it.
pub(super) fn read(text: &str) -> Result<Access, String> {
    match text.as_bytes().first() {
        Some(b'{') => json(text),
        Some(b'<') => xml(text),
        _ => clf(text).or_else(|| csv(text)).ok_or_else(|| {
            "not an access log record: expected JSON, XML, CLF (`… [time] \"GET /path HTTP/1.1\" 200 49 requestId`) or CSV of these".to_owned()
        }),
    }
}

fn json(text: &str) -> Result<Access, String> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(|error| {
        format!("not valid JSON: {error}; API Gateway does not escape quotes in the values of its template")
    })?;
    let mut access = Access::default();
    for (name, value) in &fields {
        match value {
            serde_json::Value::String(value) => access.set(name, value),
            serde_json::Value::Number(value) => access.set(name, &value.to_string()),
            _ => {}
        }
    }
    Ok(access)
}

/// `<request id="…"><ip>…</ip>…</request>`, on one line.
fn xml(text: &str) -> Result<Access, String> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut access = Access::default();
    let mut name = String::new();
    let mut depth = 0_i32;
    let wrong =
        |problem: String| format!("not valid XML: {problem}; API Gateway does not escape the values of its template");
    loop {
        match reader.read_event().map_err(|error| wrong(error.to_string()))? {
            Event::Start(element) => {
                depth += 1;
                name = String::from_utf8_lossy(element.name().as_ref()).into_owned();
                if depth == 1 && name != "request" {
                    return Err(format!("`<{name}>` is no access log record, expected `<request id=\"…\">`"));
                }
                if depth == 1 {
                    let id = element.attributes().flatten().find(|attribute| attribute.key.as_ref() == b"id");
                    access.set(
                        "requestId",
                        &id.map_or(String::new(), |id| String::from_utf8_lossy(&id.value).into_owned()),
                    );
                }
            }
            Event::Text(value) if depth == 2 => access.set(&name, &String::from_utf8_lossy(&value)),
            Event::End(_) => depth -= 1,
            Event::Eof if depth == 0 => return Ok(access),
            Event::Eof => return Err(wrong("it ends in the middle".into())),
            _ => {}
        }
    }
}

/// `sourceIp caller user [time]"method path protocol" status length requestId extendedRequestId`.
fn clf(text: &str) -> Option<Access> {
    let (_, after) = text.split_once(" [")?;
    let (time, after) = after.split_once(']')?;
    timestamp::web_server(time)?;
    let quoted = after.trim_start_matches(' ').strip_prefix('"')?;
    // What is called may have quotes in it, the numbers and ids behind it have none.
    let (called, after) = quoted.rsplit_once('"')?;
    let mut access = values(after)?;
    access.set("requestTime", time);
    let mut words = called.split(' ');
    let (first, last) = (words.next()?, called.rsplit(' ').next()?);
    if last.starts_with("HTTP/") {
        access.set("httpMethod", first);
        access.set("protocol", last);
        let path = called.get(first.len()..called.len() - last.len())?.trim();
        // A route begins with its own method; `$default` is one without.
        let is_route = path.starts_with('$') || path.split_once(' ').is_some_and(|(method, _)| is_method(method));
        access.set(if is_route { "routeKey" } else { "resourcePath" }, path);
    } else if matches!(first, "CONNECT" | "MESSAGE" | "DISCONNECT") {
        access.set("eventType", first);
        access.set("connectionId", last);
    } else {
        return None;
    }
    Some(access)
}

/// Status, length and ids; a WebSocket API has no length.
fn values(text: &str) -> Option<Access> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let mut access = Access::default();
    let (status, ids) = words.split_first()?;
    let ids = match ids {
        [length, rest @ ..] if *length == "-" || length.bytes().all(|byte| byte.is_ascii_digit()) => {
            access.set("responseLength", length);
            rest
        }
        _ => ids,
    };
    access.set("status", status);
    set_ids(&mut access, ids)?;
    (*status == "-" || (status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()))).then_some(access)
}

/// The request id, and the extended one if there is one.
fn set_ids(access: &mut Access, ids: &[&str]) -> Option<()> {
    let (first, rest) = ids.split_first()?;
    if !is_id(first) || rest.len() > 1 || !rest.iter().all(|id| *id == "-" || is_id(id)) {
        return None;
    }
    access.set("requestId", first);
    access.set("extendedRequestId", rest.first().unwrap_or(&"-"));
    Some(())
}

/// `sourceIp,caller,user,time,method,path,protocol,status,length,requestId,extendedRequestId`, and with a route or
/// without the caller as the templates of the other kinds of API have it.
fn csv(text: &str) -> Option<Access> {
    let fields: Vec<&str> = text.split(',').map(|field| field.trim().trim_matches('"')).collect();
    let at = fields.iter().position(|field| timestamp::web_server(field).is_some())?;
    let mut access = Access::default();
    access.set("requestTime", fields.get(at)?);
    let called = fields.get(at + 1..)?;
    if let [kind @ ("CONNECT" | "MESSAGE" | "DISCONNECT"), _, connection, status, ids @ ..] = called {
        access.set("eventType", kind);
        access.set("connectionId", connection);
        access.set("status", status);
        set_ids(&mut access, ids)?;
        return Some(access);
    }
    // A path may have commas in it.
    let protocol = called.iter().position(|field| field.starts_with("HTTP/"))?;
    let (method, path) = called.get(..protocol)?.split_first()?;
    let [protocol, status, length, ids @ ..] = called.get(protocol..)? else { return None };
    access.set("httpMethod", method);
    let path = path.join(",");
    let is_route = path.starts_with('$') || path.split_once(' ').is_some_and(|(method, _)| is_method(method));
    access.set(if is_route { "routeKey" } else { "resourcePath" }, &path);
    access.set("protocol", protocol);
    access.set("status", status);
    access.set("responseLength", length);
    set_ids(&mut access, ids)?;
    is_method(method).then_some(access)
}

fn is_method(word: &str) -> bool {
    (3..=7).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A client may choose the request id, so it is no more than a word of some length.
fn is_id(word: &str) -> bool {
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=./+".contains(&byte));
    is_uuid(word) || is_short_id(word) || word == REPLACED_ID || (word.len() >= 16 && plain)
}

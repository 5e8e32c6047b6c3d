//! The values of one access log record, by the names that templates give them.

use crate::format::{decimal, timestamp};
use crate::record::Request;

use super::{REPLACED_ID, request};

/// Values of one record; absent where the log has `-` or nothing.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) request_id: Option<String>,
    pub(super) extended_id: Option<String>,
    pub(super) time: Option<String>,
    pub(super) time_ms: Option<String>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) route: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) connection: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) status: Option<String>,
    pub(super) response_length: Option<String>,
    pub(super) data_processed: Option<String>,
    pub(super) latency_ms: Option<String>,
    pub(super) api: Option<String>,
    pub(super) account: Option<String>,
}

impl Access {
    /// Sets a value by the name that a template gives it: `requestId`, `request_id` and `request-id` are one.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let plain = name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| char::from(byte.to_ascii_lowercase()));
        let field = match plain.collect::<String>().as_str() {
            "requestid" => &mut self.request_id,
            "extendedrequestid" => &mut self.extended_id,
            "requesttime" => &mut self.time,
            "requesttimeepoch" => &mut self.time_ms,
            "httpmethod" | "method" => &mut self.method,
            "resourcepath" | "path" => &mut self.path,
            "routekey" => &mut self.route,
            "eventtype" => &mut self.event_type,
            "connectionid" => &mut self.connection,
            "protocol" => &mut self.protocol,
            "status" => &mut self.status,
            "responselength" => &mut self.response_length,
            "dataprocessed" => &mut self.data_processed,
            "responselatency" => &mut self.latency_ms,
            "apiid" => &mut self.api,
            "accountid" => &mut self.account,
            _ => return,
        };
        let value = value.trim();
        if !matches!(value, "" | "-") {
            *field = Some(value.to_owned());
        }
    }

    /// Whether this can be nothing but an access log: an id, what was called, and two more of its values.
    pub(super) fn is_sure(&self) -> bool {
        let called = self.method.is_some() || self.route.is_some() || self.event_type.is_some();
        let more = [
            self.has_time(),
            self.protocol.is_some(),
            self.status.is_some(),
            self.response_length.is_some(),
            self.extended_id.is_some(),
            self.connection.is_some(),
        ];
        (self.request_id.is_some() || self.extended_id.is_some())
            && called
            && more.into_iter().filter(|present| *present).count() >= 2
    }

    pub(super) fn has_time(&self) -> bool {
        self.time.is_some() || self.time_ms.is_some()
    }

    /// The id that tells requests apart; nothing where a client's took its place.
    pub(super) fn key(&self) -> Option<&str> {
        self.extended_id.as_deref().or(self.request_id.as_deref().filter(|id| *id != REPLACED_ID))
    }

    /// The request and its time, in microseconds since 1970 UTC.
    pub(super) fn request(&self, account: Option<&str>) -> Result<(Request, Option<i64>), String> {
        let id = self.request_id.as_ref().or(self.extended_id.as_ref());
        let id = id.ok_or("there is neither `requestId` nor `extendedRequestId`")?;
        let mut row = request(self.variant());
        row.account = self.account.clone().or_else(|| account.map(str::to_owned));
        row.resource.clone_from(&self.api);
        row.operation = self.event_type.clone().or_else(|| self.method.clone());
        row.request_id = Some(id.clone());
        if let Some(status) = &self.status {
            if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("`status` is `{}`, expected three digits", cut(status)));
            }
            row.status = Some(status.clone());
        }
        let integer = |text: &Option<String>, name: &str, scale: i32| match text {
            None => Ok(None),
            Some(text) => decimal::exact(text, scale).map(Some).map_err(|problem| format!("`{name}` {problem}")),
        };
        row.response_bytes = integer(&self.response_length, "responseLength", 0)?;
        row.request_bytes = integer(&self.data_processed, "dataProcessed", 0)?;
        row.duration_us = integer(&self.latency_ms, "responseLatency", 3)?;
        Ok((row, self.time_us()?))
    }

    fn time_us(&self) -> Result<Option<i64>, String> {
        if let Some(text) = &self.time_ms {
            let time = text.parse().ok().and_then(timestamp::epoch_ms);
            let wrong = || format!("`requestTimeEpoch` is `{}`, expected milliseconds since 1970", cut(text));
            return time.map(Some).ok_or_else(wrong);
        }
        let Some(text) = &self.time else { return Ok(None) };
        let time = timestamp::web_server(text)
            .or_else(|| timestamp::iso(text))
            .or_else(|| text.parse().ok().and_then(timestamp::epoch_ms));
        let wrong =
            || format!("`requestTime` is `{}`, expected a time such as `09/Jun/2023:12:54:08 +0000`", cut(text));
        time.map(Some).ok_or_else(wrong)
    }

    /// The kind of API, in the words of the price book. HTTP APIs have short ids, and routes instead of resources.
    fn variant(&self) -> Option<&'static str> {
        if self.event_type.is_some() || self.connection.is_some() {
            // Only messages are metered; connections are by the minute.
            let connects = matches!(self.event_type.as_deref(), Some("CONNECT" | "DISCONNECT"));
            return Some(if connects { "websocket-connection" } else { "websocket" });
        }
        if self.route.is_some() {
            return Some("http");
        }
        let id = self.request_id.as_deref();
        if id.is_some_and(|id| is_uuid(id) || id == REPLACED_ID)
            || (id.is_some() && self.extended_id.is_some() && self.extended_id.as_deref() != id)
        {
            return Some("rest");
        }
        match id.or(self.extended_id.as_deref()) {
            Some(id) if is_short_id(id) && self.request_id.is_some() => Some("http"),
            _ if self.path.is_some() => Some("rest"),
            _ => None,
        }
    }
}

/// `1d9e8a0c-5a5b-4d0e-9c1f-3b8f2e6a7c90`.
pub(super) fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `GQIVriFLIAMEMsA=`.
pub(super) fn is_short_id(id: &str) -> bool {
    (12..=32).contains(&id.len())
        && id.ends_with('=')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
}

fn cut(text: &str) -> String {
    crate::error::excerpt(text.as_bytes())
}

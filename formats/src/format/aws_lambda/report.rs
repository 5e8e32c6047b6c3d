//! One REPORT, from its text or its JSON.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::excerpt;
use crate::format::decimal;

/// Decimal places between milliseconds and microseconds.
const MS_TO_US: i32 = 3;

/// Longest execution we believe, in milliseconds: ten years. Above it the number is damaged, and sums could overflow.
const DURATION_MS_MAX: i64 = 10 * 366 * 86_400_000;

/// Largest memory we believe, in MB.
const MEMORY_MB_MAX: i64 = 1 << 30;

/// Names of the fields in text, longer ones before those that they end with.
const NAMES: [&str; 12] = [
    "Billed Restore Duration",
    "Restore Duration",
    "Billed Duration",
    "Init Duration",
    "Duration",
    "Memory Size",
    "Max Memory Used",
    "Status",
    "Error Type",
    "XRAY TraceId",
    "SegmentId",
    "Sampled",
];

/// The facts of a REPORT.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report<'a> {
    pub(super) request_id: Cow<'a, str>,
    pub(super) duration_us: Option<i64>,
    pub(super) init_us: Option<i64>,
    pub(super) restore_us: Option<i64>,
    pub(super) billed_ms: Option<i64>,
    pub(super) memory_mb: Option<i64>,
    pub(super) memory_used_mb: Option<i64>,
    pub(super) status: Option<Cow<'a, str>>,
    pub(super) error_type: Option<Cow<'a, str>>,
    pub(super) function_arn: Option<Cow<'a, str>>,
    /// Ran on an instance that is billed by itself: neither billed duration nor memory.
    pub(super) managed_instance: bool,
}

impl<'a> Report<'a> {
    /// Reads what follows `REPORT RequestId:`.
    ///
    /// Fields are found by name: log tools turn the tabs between them into spaces, or into a literal `\t`, and the
    /// platform adds fields. A line that ends before the memory size was cut off; one without durations was not, as
    /// some crashes leave none.
    pub(super) fn from_text(text: &'a str) -> Result<Self, String> {
        if let Some(report) = Self::from_tabbed(text) {
            return Ok(report);
        }
        if text.contains('\\') {
            let unescaped = text.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r");
            return Report::from_any(&unescaped).map(Report::into_owned);
        }
        Self::from_any(text)
    }

    fn from_any(text: &'a str) -> Result<Self, String> {
        let request_id = text.split_ascii_whitespace().next().unwrap_or_default();
        if request_id.is_empty() {
            return Err("the REPORT line has no request id".into());
        }
        let fields = Fields::of(text)?;
        let memory_mb = fields.mb("Memory Size")?;
        if memory_mb.is_none() {
            return Err("the REPORT line has no `Memory Size`: it is cut off or damaged".into());
        }
        Ok(Report {
            request_id: request_id.into(),
            duration_us: fields.us("Duration")?,
            init_us: fields.us("Init Duration")?,
            restore_us: fields.us("Restore Duration")?,
            billed_ms: fields.ms("Billed Duration")?,
            memory_mb,
            memory_used_mb: fields.mb("Max Memory Used")?,
            status: fields.word("Status").map(status),
            error_type: fields.word("Error Type").map(Cow::from),
            ..Report::default()
        })
    }

    /// Reads a REPORT as the platform writes it, with one tab between its fields; `None` where anything at all is
    /// different, which [`Report::from_any`] then judges. It must never say anything else than that does.
    fn from_tabbed(text: &'a str) -> Option<Self> {
        let mut report = Report::default();
        let mut from = 0;
        for end in memchr::memchr_iter(b'\t', text.as_bytes()).chain([text.len()]) {
            let field = text.get(from..end)?;
            from = end + 1;
            if report.request_id.is_empty() {
                let id = field.strip_prefix(' ')?;
                // Neither space nor a colon, by which names are known, nor an escape.
                let odd = |byte: u8| byte <= b' ' || byte == b':' || byte == b'\\' || byte >= 0x7f;
                if id.is_empty() || id.bytes().fold(false, |any, byte| any | odd(byte)) {
                    return None;
                }
                report.request_id = id.into();
                continue;
            }
            if field.is_empty() && end == text.len() {
                continue;
            }
            let colon = memchr::memchr(b':', field.as_bytes())?;
            let (name, value) = (field.get(..colon)?, field.get(colon + 2..)?);
            let (place, amount, scale, max) = match name {
                "Duration" => (&mut report.duration_us, value.strip_suffix(" ms")?, MS_TO_US, DURATION_MS_MAX * 1000),
                "Init Duration" => (&mut report.init_us, value.strip_suffix(" ms")?, MS_TO_US, DURATION_MS_MAX * 1000),
                "Billed Duration" => (&mut report.billed_ms, value.strip_suffix(" ms")?, 0, DURATION_MS_MAX),
                "Memory Size" => (&mut report.memory_mb, value.strip_suffix(" MB")?, 0, MEMORY_MB_MAX),
                "Max Memory Used" => (&mut report.memory_used_mb, value.strip_suffix(" MB")?, 0, MEMORY_MB_MAX),
                "Status" | "Error Type" => {
                    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._".contains(&byte);
                    let place = if name == "Status" { &mut report.status } else { &mut report.error_type };
                    if place.is_some() || value.is_empty() || !value.bytes().all(plain) {
                        return None;
                    }
                    *place = Some(if name == "Status" { status(value) } else { value.into() });
                    continue;
                }
                _ => return None,
            };
            if field.as_bytes().get(colon + 1) != Some(&b' ') || place.is_some() {
                return None;
            }
            *place = decimal::exact(amount, scale).ok().filter(|number| *number <= max);
            (*place)?;
        }
        report.memory_mb.is_some().then_some(report)
    }

    fn into_owned(self) -> Report<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Report {
            request_id: owned(self.request_id),
            status: self.status.map(owned),
            error_type: self.error_type.map(owned),
            function_arn: self.function_arn.map(owned),
            duration_us: self.duration_us,
            init_us: self.init_us,
            restore_us: self.restore_us,
            billed_ms: self.billed_ms,
            memory_mb: self.memory_mb,
            memory_used_mb: self.memory_used_mb,
            managed_instance: self.managed_instance,
        }
    }

    /// Reads the `record` of a `platform.report`. Numbers are taken from their text.
    pub(super) fn from_json(record: &'a str) -> Result<Self, String> {
        let record: JsonRecord<'_> =
            serde_json::from_str(record).map_err(|error| format!("the record of platform.report: {error}"))?;
        let metrics = record.metrics.ok_or("platform.report has no `metrics`")?;
        let duration_us = us("durationMs", number(metrics.duration_ms))?;
        let billed_ms = ms("billedDurationMs", number(metrics.billed_duration_ms))?;
        let memory_mb = mb("memorySizeMB", number(metrics.memory_size_mb), 0)?;
        let managed_instance = duration_us.is_some() && billed_ms.is_none() && memory_mb.is_none();
        if memory_mb.is_none() && !managed_instance {
            return Err("platform.report has no `memorySizeMB`".into());
        }
        Ok(Report {
            request_id: record.request_id,
            duration_us,
            init_us: us("initDurationMs", number(metrics.init_duration_ms))?,
            restore_us: us("restoreDurationMs", number(metrics.restore_duration_ms))?,
            billed_ms,
            memory_mb,
            memory_used_mb: mb("maxMemoryUsedMB", number(metrics.max_memory_used_mb), 0)?,
            status: record.status.map(|text| status(&text).into_owned().into()),
            error_type: record.error_type.map(Cow::from),
            function_arn: record.function_arn.map(Cow::from),
            managed_instance,
        })
    }

    /// Reads the fields that Logs Insights discovers in a REPORT, where the message itself was not selected.
    /// There, memory is in bytes and a MB has 1,000,000 of them; the fields of a JSON message are as they stand in it.
    pub(super) fn from_insights(field: impl Fn(&str) -> Option<&'a str>) -> Result<Self, String> {
        const BYTES_TO_MB: i32 = -6;
        let either = |name: &'static str, in_message: &'static str| match field(name) {
            Some(value) => (name, Some(value)),
            None => (in_message, field(in_message)),
        };
        let time = |(name, value): (&str, _)| us(name, value);
        let request_id = either("@requestId", "record.requestId").1;
        let request_id = request_id.ok_or("the REPORT has neither `@message` nor `@requestId`")?.into();
        let memory = |bytes: &str, in_message: &str| match field(bytes) {
            Some(value) => mb(bytes, Some(value), BYTES_TO_MB),
            None => mb(in_message, field(in_message), 0),
        };
        let memory_mb = memory("@memorySize", "record.metrics.memorySizeMB")?;
        if memory_mb.is_none() {
            return Err("the REPORT has neither `@message` nor `@memorySize`".into());
        }
        let (billed, billed_value) = either("@billedDuration", "record.metrics.billedDurationMs");
        Ok(Report {
            request_id,
            duration_us: time(either("@duration", "record.metrics.durationMs"))?,
            init_us: time(either("@initDuration", "record.metrics.initDurationMs"))?,
            restore_us: time(either("@restoreDuration", "record.metrics.restoreDurationMs"))?,
            billed_ms: ms(billed, billed_value)?,
            memory_mb,
            memory_used_mb: memory("@maxMemoryUsed", "record.metrics.maxMemoryUsedMB")?,
            status: field("record.status").map(status),
            error_type: field("record.errorType").map(Cow::from),
            ..Report::default()
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonRecord<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    status: Option<String>,
    error_type: Option<String>,
    function_arn: Option<String>,
    #[serde(borrow)]
    metrics: Option<JsonMetrics<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonMetrics<'a> {
    #[serde(borrow)]
    duration_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    billed_duration_ms: Option<&'a RawValue>,
    #[serde(borrow, rename = "memorySizeMB")]
    memory_size_mb: Option<&'a RawValue>,
    #[serde(borrow, rename = "maxMemoryUsedMB")]
    max_memory_used_mb: Option<&'a RawValue>,
    #[serde(borrow)]
    init_duration_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    restore_duration_ms: Option<&'a RawValue>,
}

fn number(value: Option<&RawValue>) -> Option<&str> {
    value.map(RawValue::get)
}

/// One word per outcome, whatever the platform version calls it.
fn status(text: &str) -> Cow<'_, str> {
    match text {
        "failure" => "error".into(),
        other if other.bytes().any(|byte| byte.is_ascii_uppercase()) => other.to_ascii_lowercase().into(),
        other => other.into(),
    }
}

fn us(name: &str, value: Option<&str>) -> Result<Option<i64>, String> {
    bounded(name, value, MS_TO_US, DURATION_MS_MAX * 1000)
}

fn ms(name: &str, value: Option<&str>) -> Result<Option<i64>, String> {
    bounded(name, value, 0, DURATION_MS_MAX)
}

fn mb(name: &str, value: Option<&str>, scale: i32) -> Result<Option<i64>, String> {
    bounded(name, value, scale, MEMORY_MB_MAX)
}

fn bounded(name: &str, value: Option<&str>, scale: i32, max: i64) -> Result<Option<i64>, String> {
    let Some(text) = value else { return Ok(None) };
    let number = decimal::exact(text, scale).map_err(|problem| format!("`{name}` {problem}"))?;
    if number > max {
        return Err(format!("`{name}` is `{}`, which is more than there can be", excerpt(text.as_bytes())));
    }
    Ok(Some(number))
}

/// Names and values of a REPORT in text.
struct Fields<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        let mut found: Vec<(&'static str, usize, usize)> = Vec::new();
        for colon in memchr::memchr_iter(b':', text.as_bytes()) {
            let before = &text[..colon];
            let name = NAMES.iter().find(|name| {
                before
                    .strip_suffix(**name)
                    .is_some_and(|rest| rest.as_bytes().last().is_some_and(u8::is_ascii_whitespace))
            });
            let Some(name) = name else { continue };
            if found.iter().any(|(other, ..)| other == name) {
                return Err(format!("the REPORT line has `{name}` twice"));
            }
            found.push((name, colon - name.len(), colon + 1));
        }
        let ends = found.iter().skip(1).map(|(_, begin, _)| *begin).chain([text.len()]);
        Ok(Fields(found.iter().zip(ends).map(|((name, _, from), to)| (*name, text[*from..to].trim())).collect()))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// The first word of a value.
    fn word(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.split_ascii_whitespace().next()
    }

    fn us(&self, name: &str) -> Result<Option<i64>, String> {
        us(name, self.amount(name, "ms")?)
    }

    fn ms(&self, name: &str) -> Result<Option<i64>, String> {
        ms(name, self.amount(name, "ms")?)
    }

    fn mb(&self, name: &str) -> Result<Option<i64>, String> {
        mb(name, self.amount(name, "MB")?, 0)
    }

    /// The number of a value; without its unit it may have lost digits as well.
    fn amount(&self, name: &str, unit: &str) -> Result<Option<&'a str>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let mut words = value.split_ascii_whitespace();
        let number = words.next().unwrap_or_default();
        if words.next() != Some(unit) {
            return Err(format!("`{name}` is `{}`, expected a number of {unit}", excerpt(value.as_bytes())));
        }
        Ok(Some(number))
    }
}

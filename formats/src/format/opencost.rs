//! Allocations of a Kubernetes cluster as OpenCost answers them: hours of cores, memory, volumes.
//!
//! Quantities only: what OpenCost makes of them in money is its own rating. The rows of what nobody asked for
//! (`__idle__`, `__unallocated__`, `__unmounted__`) are of a variant, so that they add up to the cluster or are left out.
//!
//! The key is the window, the name and the meter. The answer does not say by what it was aggregated: the same window by
//! namespace and by pod has other names and counts twice, as do a month and its days.

use std::collections::BTreeSet;
use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::json_elements::{Element, each, is_json, json_in};
use crate::format::json_fields::Object;
use crate::format::{Format, Origin, Recognition, Sink, measured, timestamp};
use crate::record::{EventTime, MeteredQuantity, Record, RecordKey, Usage};

/// Windows of which it is looked whether they overlap.
const WINDOWS_MAX: usize = 10_000;

/// Fields that are quantities, their meters and units.
const METERS: [(&str, &str, &str); 6] = [
    ("cpuCoreHours", "cpu", "vCPU-h"),
    ("ramByteHours", "ram", "B-h"),
    ("gpuHours", "gpu", "unit-h"),
    ("pvByteHours", "pv", "B-h"),
    ("networkTransferBytes", "network-transfer", "B"),
    ("networkReceiveBytes", "network-receive", "B"),
];

/// `opencost`.
pub struct OpenCost;

impl Format for OpenCost {
    fn name(&self) -> &'static str {
        "opencost"
    }

    fn description(&self) -> &'static str {
        "OpenCost or Kubecost allocations of a Kubernetes cluster, the JSON answer of /allocation"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let json = json_in(head)?;
        let has = |name: &str| memchr::memmem::find(json, format!("\"{name}\"").as_bytes()).is_some();
        (has("cpuCoreHours") && has("ramByteHours"))
            .then(|| Recognition { because: "it has allocations of OpenCost (cpuCoreHours, ramByteHours)".into() })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let mut allocations =
            Allocations { defaults: origin.defaults, windows: BTreeSet::new(), without_window: 0, rounded: false };
        let (_, mut input) = is_json(input)?;
        each(&mut input, &["data"], &mut |place, element, after_broken| {
            let (step, json) = match element {
                Element::Broken(problem, beginning) => (Err(problem), beginning.to_vec()),
                Element::Inner(_, b"null") => return Ok(true),
                Element::Inner(_, json) => (Object::parse(json), json.to_vec()),
                Element::Object(fields) => (Object::parse(&fields.object()), fields.object()),
            };
            let step = match step {
                Ok(step) if step.has("code") && step.raw("data") == Some("null") => return Ok(true),
                Ok(step) => step,
                Err(_) if after_broken => return Ok(false),
                Err(problem) => {
                    sink.reject(place.rejected(problem, &json))?;
                    return Ok(true);
                }
            };
            let mut known = false;
            let mut fields: Vec<(&str, &str)> = step.fields().collect();
            fields.sort_unstable();
            for (name, json) in fields {
                match allocations.records(name, json) {
                    Ok(records) => {
                        known = true;
                        records.into_iter().try_for_each(|record| sink.record(record))?;
                    }
                    Err(_) if after_broken && !known => return Ok(false),
                    Err(problem) => sink.reject(place.rejected(problem, json.as_bytes()))?,
                }
            }
            Ok(true)
        })?;
        allocations.finish(sink);
        Ok(())
    }
}

/// Reads allocations and remembers what to warn of.
struct Allocations<'a> {
    defaults: &'a Defaults,
    windows: BTreeSet<(i64, i64)>,
    without_window: u64,
    rounded: bool,
}

impl Allocations<'_> {
    /// The quantities of one allocation, those that are not zero.
    fn records(&mut self, name: &str, json: &str) -> Result<Vec<Record>, String> {
        let allocation = Object::parse(json.as_bytes())
            .ok()
            .filter(|object| METERS.iter().any(|(field, ..)| object.has(field)))
            .ok_or_else(|| format!("`{name}` is no allocation: expected an object with `cpuCoreHours`"))?;
        let name = allocation.text("name").unwrap_or_else(|| name.to_owned());
        let window = allocation.object("window").unwrap_or_default();
        let time = |field: &str| {
            let Some(text) = window.text(field).or_else(|| allocation.text(field)) else { return Ok(None) };
            // The time of nothing, in Go.
            if text.starts_with("0001-01-01T") {
                return Ok(None);
            }
            let time_us = timestamp::iso(&text);
            time_us.map(Some).ok_or_else(|| format!("`{field}` of `{name}` is `{text}`, expected an ISO 8601 time"))
        };
        let window = match (time("start")?, time("end")?) {
            (Some(start_us), Some(end_us)) if start_us >= end_us => {
                return Err(format!("the window of `{name}` ends before it begins"));
            }
            (Some(start_us), Some(end_us)) => Some((start_us, end_us)),
            _ => None,
        };
        let mut quantities = Vec::new();
        for (field, meter, unit) in METERS {
            let Some(text) = allocation.text(field) else { continue };
            let wrong = |problem| format!("`{field}` of `{name}` {problem}");
            let (quantity, rounded) = measured::quantity(&text).map_err(wrong)?;
            self.rounded |= rounded;
            if quantity > 0 {
                quantities.push((meter, unit, quantity));
            }
        }
        match window {
            Some(window) if self.windows.len() < WINDOWS_MAX => {
                self.windows.insert(window);
            }
            Some(_) => {}
            None => self.without_window += 1,
        }
        let cluster = allocation.object("properties").and_then(|properties| properties.text("cluster"));
        Ok(quantities.into_iter().map(|what| self.record(&name, cluster.as_deref(), window, what)).collect())
    }

    fn record(
        &self,
        name: &str,
        cluster: Option<&str>,
        window: Option<(i64, i64)>,
        (meter, unit, quantity): (&str, &str, i128),
    ) -> Record {
        let mut row = MeteredQuantity {
            provider: "kubernetes".into(),
            service: "allocation".into(),
            account: cluster.map(str::to_owned),
            resource: Some(name.to_owned()),
            meter: Some(meter.to_owned()),
            variant: match name.rsplit('/').next() {
                Some("__idle__") => Some("idle".into()),
                Some("__unallocated__") => Some("unallocated".into()),
                Some("__unmounted__") => Some("unmounted".into()),
                _ => None,
            },
            quantity: Some(quantity),
            unit: Some(unit.to_owned()),
            ..MeteredQuantity::default()
        };
        self.defaults.complete_metered_quantity(&mut row);
        // Without a window only the quantity tells one answer from the next.
        let (end, content) = match window {
            Some((_, end_us)) => (Some(end_us.to_string()), None),
            None => (None, Some(quantity.to_string())),
        };
        let parts = [Some("opencost"), cluster, Some(name), Some(meter), end.as_deref(), content.as_deref()];
        let time = window.map_or(EventTime::Assumed, |(start_us, _)| EventTime::Logged(start_us));
        Record { time, key: RecordKey::of(&parts), usage: Usage::MeteredQuantity(Box::new(row)) }
    }

    fn finish(&self, sink: &mut dyn Sink) {
        if self.without_window > 0 {
            sink.warn(format!(
                "{} allocations name no window: they are at the time of `--at`, and equal quantities of one name count once",
                self.without_window
            ));
        }
        let mut last_end_us = i64::MIN;
        let overlap = self.windows.iter().any(|(start_us, end_us)| {
            let overlaps = *start_us < last_end_us;
            last_end_us = last_end_us.max(*end_us);
            overlaps
        });
        if overlap {
            sink.warn(
                "windows overlap: what is in two of them counts twice; ask OpenCost for steps of one length (`step=1d&accumulate=false`)".into(),
            );
        }
        if self.rounded {
            sink.warn(measured::ROUNDED.into());
        }
    }
}

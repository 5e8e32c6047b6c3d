//! How long dynos were up, from the states they went through.

use std::collections::BTreeMap;

use crate::defaults::Defaults;
use crate::format::Sink;
use crate::record::{EventTime, MeteredQuantity, Record, RecordKey, Usage};

use super::frame::Message;
use super::names_of;

/// The quantity of one.
const ONE: i128 = 10_i128.pow(MeteredQuantity::SCALE as u32);
/// Most dynos and process types that are remembered at once.
const REMEMBERED_MAX: usize = 100_000;

/// The dynos that are up, and the sizes of process types.
#[derive(Default)]
pub(super) struct Dynos {
    up_since: BTreeMap<String, i64>,
    sizes: BTreeMap<String, String>,
    without_size: BTreeMap<String, u64>,
    without_start: BTreeMap<String, u64>,
}

impl Dynos {
    /// `Scaled to web@2:Standard-1X worker@0:Eco by user …`.
    pub(super) fn scaled(&mut self, text: &str) {
        let Some(formation) = text.strip_prefix("Scaled to ") else { return };
        for part in formation.split(' ').take_while(|part| *part != "by") {
            let of_type = part.split_once('@').and_then(|(kind, rest)| Some((kind, rest.split_once(':')?.1)));
            if let Some((kind, size)) = of_type
                && self.sizes.len() < REMEMBERED_MAX
            {
                self.sizes.insert(kind.to_owned(), size.to_lowercase());
            }
        }
    }

    /// The time that ends with a message, if one does. A dyno that is started again or has crashed goes on counting.
    pub(super) fn state(&mut self, message: &Message<'_>, defaults: &Defaults) -> Option<Record> {
        let states = message.text.strip_prefix("State changed from ")?;
        let (_, state) = states.split_once(" to ")?;
        let dyno = message.process;
        match state.trim_end() {
            "starting" | "up" => {
                if self.up_since.len() < REMEMBERED_MAX {
                    self.up_since.entry(dyno.to_owned()).or_insert(message.time);
                }
                None
            }
            "down" | "complete" => {
                let since = self.up_since.remove(dyno).filter(|since| *since < message.time);
                let Some(since) = since else {
                    note(&mut self.without_start, dyno);
                    return None;
                };
                let kind = dyno.split_once('.').map_or(dyno, |(kind, _)| kind);
                let Some(size) = self.sizes.get(kind) else {
                    note(&mut self.without_size, dyno);
                    return None;
                };
                Some(record(dyno, size, since, message.time, defaults))
            }
            _ => None,
        }
    }

    pub(super) fn finish(self, sink: &mut dyn Sink) {
        let still_up: BTreeMap<String, u64> = self.up_since.into_keys().map(|dyno| (dyno, 1)).collect();
        for (dynos, what) in [
            (self.without_size, "the log does not say the size of dynos (`Scaled to …`)"),
            (self.without_start, "the log does not say when dynos started"),
            (still_up, "the log ends before dynos went down"),
        ] {
            if !dynos.is_empty() {
                sink.warn(format!("{what}: the time of {} of them is not metered: {}", dynos.len(), names_of(&dynos)));
            }
        }
    }
}

fn note(counts: &mut BTreeMap<String, u64>, dyno: &str) {
    if counts.len() < REMEMBERED_MAX {
        *counts.entry(dyno.to_owned()).or_default() += 1;
    }
}

/// A dyno that was up from one time to another: both are what tells it from others of its name.
fn record(dyno: &str, size: &str, since: i64, until: i64, defaults: &Defaults) -> Record {
    let mut row = MeteredQuantity {
        provider: "heroku".into(),
        service: "dynos".into(),
        resource: Some(dyno.to_owned()),
        meter: Some("dyno".into()),
        variant: Some(size.to_owned()),
        quantity: Some(ONE),
        held_us: Some(until - since),
        ..MeteredQuantity::default()
    };
    defaults.complete_metered_quantity(&mut row);
    let key = RecordKey::of(&[Some("heroku-dyno"), Some(dyno), Some(&until.to_string())]);
    Record { time: EventTime::Logged(since), key, usage: Usage::MeteredQuantity(Box::new(row)) }
}

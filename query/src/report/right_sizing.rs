//! `right-sizing`: memory that is configured and not used, and what less of it would save.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use datafusion::prelude::SessionContext;
use paygrain_ingest::table::Table;
use paygrain_pricing::Exact;
use serde::{Deserialize, Serialize};

use super::costs::{Cost, Costs};
use super::parameters::{FROM, Given, PERIOD, Parameter, TO, cost_parameters};
use super::resources::SizeAdvice;
use super::source::{HistogramRow, Records, Resource};
use super::statistics::Histogram;
use super::what_if::what_if;
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::metering::literal;
use crate::session::session;

const HEADROOM: Parameter = Parameter {
    name: "headroom_percent",
    meaning: "memory to keep free above the most that was used, in percent of that; 20 if not given",
};

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "right-sizing",
    meaning: "memory used against memory configured, and what a smaller size would save",
    method: "The proposed size is the provider's next one that holds the most memory any invocation used and the headroom. The saving is the bill less the same usage rated again at the proposed sizes, all at once, ONLY IF DURATIONS STAY THE SAME: less memory often means less CPU and longer durations, so measure before you change. Invocations whose log does not say the memory used are not counted; a resource without any is left out.",
    estimate: true,
    parameters: &cost_parameters![PERIOD, FROM, TO, HEADROOM],
    run: |engine, given| Box::pin(run(engine, given)),
};

/// Headroom unless the request says otherwise.
const HEADROOM_PERCENT: u32 = 20;

/// A resource at one memory size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SizeRow {
    #[serde(flatten)]
    resource: Resource,
    memory_mb: i64,
    invocation_count: u64,
    p99_used_mb: Option<i64>,
    max_used_mb: Option<i64>,
    advice: &'static str,
    proposed_mb: Option<i64>,
    list_cost: Exact,
    billed_cost: Exact,
    list_saving: Option<Exact>,
    billed_saving: Option<Exact>,
}

#[derive(Serialize)]
struct Summary {
    headroom_percent: Exact,
    list_saving: Exact,
    billed_saving: Exact,
}

/// The memory sizes a service offers, in MB.
#[derive(Debug, Deserialize)]
struct MemorySizes {
    provider: String,
    service: String,
    #[serde(default)]
    sizes: Vec<i64>,
    #[serde(default)]
    from: i64,
    #[serde(default)]
    to: i64,
    #[serde(default)]
    step: i64,
}

impl MemorySizes {
    /// Every service whose sizes are known.
    fn all() -> Vec<Self> {
        // A test reads the file.
        serde_json::from_str(include_str!("memory_sizes.json")).unwrap_or_default()
    }

    /// The least size that holds so much.
    fn holding(&self, needed_mb: i64) -> Option<i64> {
        if self.step == 0 {
            return self.sizes.iter().copied().find(|size| *size >= needed_mb);
        }
        let above = (needed_mb - self.from).max(0);
        let steps = above / self.step + i64::from(above % self.step > 0);
        Some(self.from + steps * self.step).filter(|size| *size <= self.to)
    }
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let headroom = given.decimal("headroom_percent")?.unwrap_or_else(|| Exact::from(HEADROOM_PERCENT));
    let selection = given.selection(engine).await?;
    let mut columns = Resource::columns();
    columns.extend([
        column("memory_mb", ColumnKind::Count, "configured memory"),
        column("invocation_count", ColumnKind::Count, "invocations whose log says what they used"),
        column("p99_used_mb", ColumnKind::Count, "99 of 100 invocations used no more"),
        column("max_used_mb", ColumnKind::Count, "the most any used"),
        column(
            "advice",
            ColumnKind::Text,
            "`lower`, `keep`, `raise` (less free than the headroom), or `unknown sizes`",
        ),
        column(
            "proposed_mb",
            ColumnKind::Count,
            "the next size that holds the most used and the headroom; null unless lower",
        ),
        column("list_cost", ColumnKind::Amount, "cost at this size before allowances and discounts"),
        column("billed_cost", ColumnKind::Amount, "what is billed at this size"),
        column(
            "list_saving",
            ColumnKind::Amount,
            "what the proposed size would save of it, if durations stay the same",
        ),
        column("billed_saving", ColumnKind::Amount, "what it would take off the bill, if durations stay the same"),
    ]);
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let records = Records::of(Table::Invocations, engine.catalogue(), &selection, days)?;
    let mut rows = rows(records.memory_used(&engine.session().await?).await?, &headroom);
    let as_is = marked_sizes(session(engine.lake()).await?).await?;
    let as_is = Costs::of(engine, &as_is, &selection, days).await?;
    let proposed = match resized(session(engine.lake()).await?, &rows).await? {
        Some(resized) => Costs::of(engine, &resized, &selection, days).await?,
        None => Costs::of_months(Vec::new(), &selection, days),
    };
    let currency = as_is.currency()?;
    add_savings(&mut rows, &as_is, &proposed);
    let sum = |saving: fn(&SizeRow) -> &Option<Exact>| rows.iter().filter_map(|row| saving(row).as_ref()).sum();
    let summary = Summary {
        headroom_percent: headroom,
        list_saving: sum(|row| &row.list_saving),
        billed_saving: sum(|row| &row.billed_saving),
    };
    let rows = limited(rows, selection.limit);
    Ok(Body::new(days, columns, &rows).in_currency(currency).with_summary(&summary))
}

/// What would fit, by size, whoever's they are; the usual headroom.
pub(super) fn advice(found: Vec<HistogramRow>) -> Vec<SizeAdvice> {
    let size = |row: SizeRow| SizeAdvice {
        memory_mb: row.memory_mb,
        invocation_count: row.invocation_count,
        p99_used_mb: row.p99_used_mb,
        max_used_mb: row.max_used_mb,
        advice: row.advice,
        proposed_mb: row.proposed_mb,
    };
    rows(found, &Exact::from(HEADROOM_PERCENT)).into_iter().map(size).collect()
}

/// Every resource and size, without costs.
fn rows(found: Vec<HistogramRow>, headroom: &Exact) -> Vec<SizeRow> {
    let known = MemorySizes::all();
    let mut histograms: BTreeMap<(Resource, i64), Histogram> = BTreeMap::new();
    for row in found.into_iter().filter(|row| row.memory_mb > 0) {
        histograms.entry((row.resource, row.memory_mb)).or_default().add(row.value, row.count);
    }
    let row = |((resource, memory_mb), used): ((Resource, i64), Histogram)| {
        let most = used.greatest();
        let factor = Exact::one() + headroom * Exact::ratio(1, 100).unwrap_or_default();
        let needed = most.map(|most| (Exact::from(most) * factor).ceil_to_integer());
        let needed = needed.and_then(|needed| i64::try_from(needed.to_i128()?).ok());
        let sizes = known.iter().find(|known| known.provider == resource.provider && known.service == resource.service);
        let (advice, proposed_mb) = match (sizes, needed) {
            (None, _) | (_, None) => ("unknown sizes", None),
            (Some(sizes), Some(needed)) => match sizes.holding(needed) {
                Some(size) if size < memory_mb => ("lower", Some(size)),
                Some(size) if size == memory_mb || needed <= memory_mb => ("keep", None),
                _ => ("raise", None),
            },
        };
        SizeRow {
            resource,
            memory_mb,
            invocation_count: used.total(),
            p99_used_mb: used.percentile(99),
            max_used_mb: most,
            advice,
            proposed_mb,
            list_cost: Exact::zero(),
            billed_cost: Exact::zero(),
            list_saving: None,
            billed_saving: None,
        }
    };
    histograms.into_iter().map(row).collect()
}

/// The size as it is, as a mark.
const SIZE: &str = "coalesce(CAST(memory_mb AS VARCHAR), '')";

/// Every invocation marked by its size.
async fn marked_sizes(session: SessionContext) -> Result<SessionContext, QueryError> {
    what_if(session, Table::Invocations, &[], Some(SIZE)).await
}

/// As if every invocation had run at the size that is proposed for it, marked by the size it ran at; nothing where none
/// is proposed.
async fn resized(session: SessionContext, rows: &[SizeRow]) -> Result<Option<SessionContext>, QueryError> {
    let cases = rows.iter().filter_map(|row| {
        let Resource { provider, service, account, region, resource } = &row.resource;
        let is = |column: &str, value: &str| format!("coalesce({column}, '') = {}", literal(value));
        let same = [
            is("provider", provider),
            is("service", service),
            is("account", account),
            is("region", region),
            is("resource", resource),
        ];
        Some(format!(" WHEN memory_mb = {} AND {} THEN {}", row.memory_mb, same.join(" AND "), row.proposed_mb?))
    });
    let cases: String = cases.collect();
    if cases.is_empty() {
        return Ok(None);
    }
    let resized = format!("CASE{cases} ELSE memory_mb END");
    what_if(session, Table::Invocations, &[("memory_mb", &resized)], Some(SIZE)).await.map(Some)
}

/// What rows cost, and what those with a smaller size would save; the largest saving first.
fn add_savings(rows: &mut [SizeRow], as_is: &Costs, proposed: &Costs) {
    let by_size = |costs: &Costs| {
        let mut groups: BTreeMap<(Resource, String), Cost> = BTreeMap::new();
        for part in costs.parts() {
            if let Some(resource) = part.resource() {
                groups.entry((resource, part.mark().to_owned())).or_default().add(&part);
            }
        }
        groups
    };
    let (as_is, proposed) = (by_size(as_is), by_size(proposed));
    for row in rows.iter_mut() {
        let key = (row.resource.clone(), row.memory_mb.to_string());
        let now = as_is.get(&key).cloned().unwrap_or_default();
        if row.proposed_mb.is_some() {
            let saving = now.less(&proposed.get(&key).cloned().unwrap_or_default());
            row.list_saving = Some(saving.list);
            row.billed_saving = Some(saving.billed);
        }
        row.list_cost = now.list;
        row.billed_cost = now.billed;
    }
    rows.sort_by_cached_key(|row| {
        (Reverse(row.billed_saving.clone()), Reverse(row.list_saving.clone()), Reverse(row.list_cost.clone()))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Usage, billed_ms, costs, selection};
    use paygrain_pricing::Catalogue;

    #[test]
    fn the_next_size_holds_what_is_needed() {
        let all = MemorySizes::all();
        let of = |service: &str| all.iter().find(|sizes| sizes.service == service).unwrap();
        assert!(all.len() >= 6 && all.iter().all(|known| known.step > 0 || known.sizes.is_sorted()));
        assert_eq!(
            [1, 128, 129, 10_240, 10_241].map(|mb| of("lambda").holding(mb)),
            [Some(128), Some(128), Some(129), Some(10_240), None]
        );
        let gcp = all.iter().find(|known| known.provider == "gcp" && known.service == "functions").unwrap();
        assert_eq!([1, 129, 8193].map(|mb| gcp.holding(mb)), [Some(128), Some(256), None]);
    }

    #[test]
    fn advice_is_by_the_most_that_was_used() {
        let bar = |memory_mb, value, count| HistogramRow {
            resource: Resource { provider: "aws".into(), service: "lambda".into(), ..Resource::default() },
            memory_mb,
            value,
            count,
        };
        let found = vec![bar(1024, 100, 990), bar(1024, 301, 10), bar(362, 301, 1), bar(360, 301, 1), bar(0, 5, 1)];
        let rows = rows(found, &Exact::from(20));
        let advice: Vec<_> = rows.iter().map(|row| (row.memory_mb, row.advice, row.proposed_mb)).collect();
        // 301 * 1.2 = 361.2
        assert_eq!(advice, [(360, "raise", None), (362, "keep", None), (1024, "lower", Some(362))]);
        assert_eq!((rows[2].p99_used_mb, rows[2].max_used_mb), (Some(100), Some(301)));
    }

    #[tokio::test]
    async fn savings_are_those_worked_by_hand() {
        let usage = Usage::random(61, 300);
        let selection = selection("2026-10");
        let catalogue = Catalogue::embedded().unwrap();
        let records = Records::of(Table::Invocations, &catalogue, &selection, selection.days.unwrap()).unwrap();
        let mut rows = rows(records.memory_histogram(&usage.session()).await.unwrap(), &Exact::from(20));
        let as_is = costs(&marked_sizes(usage.session()).await.unwrap(), &[]).await;
        let proposed = costs(&resized(usage.session(), &rows).await.unwrap().unwrap(), &[]).await;
        add_savings(&mut rows, &as_is, &proposed);
        let lowered: Vec<_> = rows.iter().filter(|row| row.advice == "lower").collect();
        assert_eq!(lowered.len(), 12, "all at 512 and 1,024 MB");
        for row in lowered {
            let own = usage.of(&row.resource).filter(|one| one.memory_mb == Some(row.memory_mb));
            let billed_ms: i128 = own.map(|one| i128::from(billed_ms(one))).sum();
            let less = i128::from(row.memory_mb - row.proposed_mb.unwrap());
            let saving = Exact::ratio(billed_ms * less, 1_024_000).unwrap() * "0.0000166667".parse::<Exact>().unwrap();
            assert_eq!((row.billed_saving.as_ref(), row.list_saving.as_ref()), (Some(&saving), Some(&saving)));
        }
        assert_eq!(as_is.total().billed, rows.iter().map(|row| &row.billed_cost).sum::<Exact>());
    }
}

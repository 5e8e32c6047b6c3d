//! `allowance`: how much of each free tier is used, and when it is used up.

use chrono::NaiveDate;
use paygrain_pricing::{Catalogue, Exact, Period, PriceBook};
use serde::Serialize;

use super::costs::bill_request;
use super::parameters::{self, Given};
use super::progress::{Progress, progress};
use super::{Body, ColumnKind, ReportInfo, column, limited};
use crate::bill::RatedUsage;
use crate::engine::Engine;
use crate::error::QueryError;

pub(super) const INFO: ReportInfo = ReportInfo {
    name: "allowance",
    meaning: "how much of each free tier of the month is used, what is left, and when it is used up",
    method: "What rating took of each allowance, in time order; `exhausted_on` is the day whose usage took the last of it. Only allowances that usage drew on are listed. Projections are estimates: what was used goes on at the same pace, usage / time since the month began * length of the month, and never beyond what is granted.",
    estimate: true,
    parameters: &[
        parameters::PERIOD,
        parameters::PROVIDER,
        parameters::LIMIT,
        parameters::ALLOWANCES,
        parameters::ACCOUNT_OPENED,
    ],
    run: |engine, given| Box::pin(run(engine, given)),
};

/// An allowance of one account, or of whatever its scope is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct AllowanceRow {
    provider: String,
    service: String,
    allowance: String,
    organisation: String,
    account: String,
    region: String,
    resource: String,
    given_per: &'static str,
    unit: String,
    granted: Exact,
    used: Exact,
    used_share: Option<Exact>,
    left: Option<Exact>,
    exhausted_on: Option<NaiveDate>,
    exhausted_count: u64,
    projected_used: Option<Exact>,
    projected_exhausted_on: Option<NaiveDate>,
}

async fn run(engine: &Engine, given: Given<'_>) -> Result<Body, QueryError> {
    let selection = given.selection(engine).await?;
    let text = |name, meaning| column(name, ColumnKind::Text, meaning);
    let columns = vec![
        text("provider", "the provider"),
        text("service", "the service of the price book"),
        text("allowance", "the allowance's id in the price book"),
        text("organisation", "whose it is, where organisations share it"),
        text("account", "whose it is, where every account has its own"),
        text("region", "where it is, where every region has its own"),
        text("resource", "whose it is, where every resource has its own"),
        text("given_per", "`month`, `day` or `hour`: how often it is given anew"),
        text("unit", "unit of the quantities; the currency for money"),
        column("granted", ColumnKind::Quantity, "all of it, per month, day or hour"),
        column("used", ColumnKind::Quantity, "what was taken in the month"),
        column("used_share", ColumnKind::Share, "the part used; null where it is given per day or hour"),
        column("left", ColumnKind::Quantity, "what is left; null where it is given per day or hour"),
        text("exhausted_on", "the first day on which it was used up; null if it never was"),
        column("exhausted_count", ColumnKind::Count, "how many months, days or hours used it up"),
        column(
            "projected_used",
            ColumnKind::Quantity,
            "estimate to the end of the month; null where it is given per day or hour",
        ),
        text("projected_exhausted_on", "estimated day on which it is used up; null if not in the month"),
    ];
    let Some(days) = selection.days else { return Ok(Body::without_rows(None, columns)) };
    let Some(period) = days.period else { return Ok(Body::without_rows(Some(days), columns)) };
    let session = engine.session().await?;
    let request = bill_request(engine, &selection, period);
    let usage = RatedUsage::of(&session, engine.catalogue(), &request).await?;
    let progress = progress(engine, &session, period).await?;
    let rows = rows(engine.catalogue(), &usage, period, progress);
    Ok(Body::new(days, columns, &limited(rows, selection.limit)))
}

/// By book, allowance and scope.
fn rows(catalogue: &Catalogue, usage: &RatedUsage, period: Period, progress: Progress) -> Vec<AllowanceRow> {
    let uses = &usage.rated.allowances;
    let same = |a: &paygrain_pricing::AllowanceUse, b: &paygrain_pricing::AllowanceUse| {
        (&a.price_book, &a.allowance, &a.scope) == (&b.price_book, &b.allowance, &b.scope)
    };
    uses.chunk_by(same)
        .filter_map(|windows| {
            let first = windows.first()?;
            let book = catalogue.books().iter().find(|book| book.name == first.price_book)?;
            Some(row(book, windows, period, progress))
        })
        .collect()
}

fn row(
    book: &PriceBook,
    windows: &[paygrain_pricing::AllowanceUse],
    period: Period,
    progress: Progress,
) -> AllowanceRow {
    let first = &windows[0];
    let scope = |column: &str| first.scope.get(column).unwrap_or_default().to_owned();
    let allowance = book.allowances.iter().find(|allowance| allowance.id == first.allowance);
    let window = allowance.and_then(|allowance| allowance.window);
    let used: Exact = windows.iter().map(|window| &window.used).sum();
    let exhausted_us = windows.iter().filter_map(|window| window.exhausted_at_us).min();
    let exhausted_on = exhausted_us.map(|at_us| book.zone.day_of(at_us));
    let mut row = AllowanceRow {
        provider: book.provider.clone(),
        service: book.service.clone(),
        allowance: first.allowance.clone(),
        organisation: scope("organisation"),
        account: scope("account"),
        region: scope("region"),
        resource: scope("resource"),
        given_per: match window {
            None => "month",
            Some(paygrain_pricing::Window::Day) => "day",
            Some(paygrain_pricing::Window::Hour) => "hour",
        },
        unit: first.unit.clone(),
        granted: first.granted.clone(),
        used_share: None,
        left: None,
        exhausted_on,
        exhausted_count: windows.iter().filter(|window| window.exhausted_at_us.is_some()).count() as u64,
        projected_used: None,
        projected_exhausted_on: exhausted_on,
        used,
    };
    if window.is_none() {
        row.used_share = row.used.checked_div(&row.granted);
        row.left = Some(&row.granted - &row.used);
        let (start_us, end_us) = (book.zone.start_us(period), book.zone.end_us(period));
        let elapsed_us = Exact::from(progress.elapsed_us(start_us, end_us));
        let whole = Exact::from(end_us - start_us).checked_div(&elapsed_us).map(|times| &row.used * &times);
        row.projected_used = whole.map(|whole| whole.min(row.granted.clone()));
        if exhausted_on.is_none() && row.projected_used.as_ref() == Some(&row.granted) {
            // granted / used * elapsed, from the start of the month
            let needed_us = row.granted.checked_div(&row.used).map(|times| (times * &elapsed_us).ceil_to_integer());
            let at_us = needed_us.and_then(|us| i64::try_from(us.to_i128()?).ok()).map(|us| start_us + us - 1);
            row.projected_exhausted_on = at_us.map(|at_us| book.zone.day_of(at_us));
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill::BillRequest;
    use crate::report::testing::Usage;
    use paygrain_ingest::record::Invocation;

    /// A GB-second function that runs 20,000 s a day from the first: 400,000 GB-s are free a month.
    fn usage(days: i64) -> Usage {
        let period: Period = "2026-10".parse().unwrap();
        let one = |number: i64| {
            let row = Invocation {
                provider: "aws".into(),
                service: "lambda".into(),
                account: Some("1".into()),
                region: Some("us-east-1".into()),
                resource: Some("f".into()),
                duration_us: Some(800_000_000),
                memory_mb: Some(1024),
                ..Invocation::default()
            };
            (period.start_us() + number * 86_400_000_000 / 25, row)
        };
        Usage((0..days * 25).map(one).collect())
    }

    async fn duration_row(days: i64, progress: Progress) -> AllowanceRow {
        let catalogue = Catalogue::embedded().unwrap();
        let request = BillRequest::new("2026-10".parse().unwrap());
        let rated = RatedUsage::of(&usage(days).session(), &catalogue, &request).await.unwrap();
        let rows = rows(&catalogue, &rated, request.period, progress);
        rows.into_iter().find(|row| row.allowance == "free-duration").unwrap()
    }

    #[tokio::test]
    async fn what_is_used_up_is_told_with_its_day() {
        let row = duration_row(31, Progress::Over).await;
        assert_eq!((row.used, row.left), (Exact::from(400_000), Some(Exact::zero())));
        assert_eq!(row.used_share, Some(Exact::one()));
        // 20 days of 20,000 GB-s.
        assert_eq!(row.exhausted_on, Some("2026-10-20".parse().unwrap()));
        assert_eq!((row.exhausted_count, row.given_per), (1, "month"));
        assert_eq!(row.projected_exhausted_on, row.exhausted_on);
    }

    #[tokio::test]
    async fn what_goes_on_at_the_same_pace_is_used_up_on_the_same_day() {
        let ten_days_us = "2026-10".parse::<Period>().unwrap().start_us() + 10 * 86_400_000_000;
        let row = duration_row(10, Progress::Until(ten_days_us)).await;
        assert_eq!((row.used, row.left), (Exact::from(200_000), Some(Exact::from(200_000))));
        assert_eq!(row.exhausted_on, None);
        assert_eq!(row.projected_used, Some(Exact::from(400_000)));
        assert_eq!(row.projected_exhausted_on, Some("2026-10-20".parse().unwrap()));
        // The same usage in a month that is over is all there is.
        let row = duration_row(10, Progress::Over).await;
        assert_eq!((row.projected_used, row.projected_exhausted_on), (Some(Exact::from(200_000)), None));
    }
}

//! Which of the alternative views of a bill is compared: an account may have its bill as a Cost and Usage Report, in
//! FOCUS and from Cost Explorer at once, and they are never added.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::prelude::SessionContext;
use paygrain_pricing::{Catalogue, Period};
use serde::Serialize;

use super::ReconcileRequest;
use super::lines::{account_of, in_period, provider_of};
use crate::error::QueryError;
use crate::metering::cell;

/// Views from the one that says most to the one that says least; any other stands behind them, by name.
pub const PREFERENCE: [&str; 9] = [
    "aws-cur",
    "gcp-billing",
    "azure-actual",
    "oci-cost",
    "focus",
    "aws-cost-explorer-hourly",
    "aws-cost-explorer-daily",
    "azure-amortized",
    "aws-cost-explorer-monthly",
];

/// One view of the bill of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BillView {
    /// Provider.
    pub provider: String,
    /// Account that is billed; empty where the export does not say.
    pub account: String,
    /// The view: `aws-cur`, `focus`, …
    pub view: String,
    /// Lines in the period.
    pub line_count: u64,
    /// Whether it is the one that is compared.
    pub compared: bool,
    /// As the table has them.
    #[serde(skip)]
    pub(super) stored: (String, String),
    /// Accounts that its lines are of.
    #[serde(skip)]
    pub(super) sub_accounts: BTreeSet<String>,
}

/// Every view of the period's bills, and which of them are compared.
pub(super) async fn views(
    session: &SessionContext,
    catalogue: &Catalogue,
    request: &ReconcileRequest,
) -> Result<Vec<BillView>, QueryError> {
    let mut views = found(session, catalogue, request.period).await?;
    if let Some(name) = request.view.as_deref().filter(|name| !views.iter().any(|view| view.view == *name)) {
        let known: BTreeSet<String> = views.into_iter().map(|view| view.view).collect();
        let (view, period) = (name.to_owned(), request.period.to_string());
        return Err(QueryError::NoSuchView { view, period, known: known.into_iter().collect() });
    }
    views.retain(|view| request.provider.as_ref().is_none_or(|provider| *provider == view.provider));
    choose(&mut views, request.view.as_deref());
    Ok(views)
}

async fn found(session: &SessionContext, catalogue: &Catalogue, period: Period) -> Result<Vec<BillView>, QueryError> {
    let sql = format!(
        "SELECT provider, coalesce(billing_account_id, ''), coalesce(export_kind, ''), coalesce(sub_account_id, ''), \
         CAST(count(*) AS BIGINT) FROM billed WHERE {} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        in_period(period),
    );
    let mut found: BTreeMap<(String, String, String), BillView> = BTreeMap::new();
    for batch in session.sql(&sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            let text = |column: usize| cell(&batch, column, row).map(Option::unwrap_or_default);
            let (stored, account) = ((text(0)?, text(1)?), text(1)?);
            let provider = provider_of(catalogue, &stored.0);
            let key = (provider.clone(), account.clone(), text(2)?);
            let view = found.entry(key.clone()).or_insert_with(|| BillView {
                account: account_of(&provider, &account).to_owned(),
                provider,
                view: key.2,
                line_count: 0,
                compared: false,
                stored,
                sub_accounts: BTreeSet::new(),
            });
            view.line_count += text(4)?.parse::<u64>().unwrap_or(0);
            let sub_account = text(3)?;
            if !sub_account.is_empty() {
                view.sub_accounts.insert(account_of(&view.provider, &sub_account).to_owned());
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Of each provider the best view, and of accounts that it does not have their own best one. Where an export does not
/// say whose bill it is, it may be anyone's: then one view alone is compared.
fn choose(views: &mut [BillView], asked: Option<&str>) {
    let rank = |view: &BillView| {
        let place = PREFERENCE.iter().position(|known| *known == view.view).unwrap_or(PREFERENCE.len());
        (place, view.view.clone())
    };
    let mut order: Vec<usize> =
        (0..views.len()).filter(|place| asked.is_none_or(|name| views[*place].view == name)).collect();
    order.sort_by_key(|place| rank(&views[*place]));
    for place in order {
        let view = &views[place];
        let same = |other: &BillView| {
            let unknown = other.account.is_empty() || view.account.is_empty();
            let covers = other.sub_accounts.contains(&view.account)
                || view.sub_accounts.contains(&other.account)
                || !other.sub_accounts.is_disjoint(&view.sub_accounts);
            other.view != view.view && (unknown || other.account == view.account || covers)
        };
        let taken = views.iter().any(|other| other.compared && other.provider == view.provider && same(other));
        views[place].compared = !taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(account: &str, view: &str, sub_accounts: &[&str]) -> BillView {
        BillView {
            provider: "aws".into(),
            account: account.into(),
            view: view.into(),
            line_count: 1,
            compared: false,
            stored: Default::default(),
            sub_accounts: sub_accounts.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn chosen(mut views: Vec<BillView>, asked: Option<&str>) -> Vec<String> {
        choose(&mut views, asked);
        let compared = views.into_iter().filter(|view| view.compared);
        compared.map(|view| format!("{} {}", view.account, view.view)).collect()
    }

    #[test]
    fn alternative_views_of_an_account_are_never_added() {
        let all = || vec![view("1", "focus", &[]), view("1", "aws-cur", &[]), view("2", "focus", &[])];
        assert_eq!(chosen(all(), None), ["1 aws-cur", "2 focus"]);
        assert_eq!(chosen(all(), Some("focus")), ["1 focus", "2 focus"]);
        let nobody = vec![view("", "aws-cost-explorer-daily", &[]), view("1", "focus", &[]), view("2", "focus", &[])];
        assert_eq!(chosen(nobody, None), ["1 focus", "2 focus"]);
        let member = vec![view("9", "aws-cur", &["1", "2"]), view("1", "aws-cost-explorer-daily", &[])];
        assert_eq!(chosen(member, None), ["9 aws-cur"]);
        let azure = vec![view("1", "azure-amortized", &[]), view("1", "azure-actual", &[])];
        assert_eq!(chosen(azure, None), ["1 azure-actual"]);
        assert_eq!(chosen(vec![view("1", "z-own", &[]), view("1", "a-own", &[])], None), ["1 a-own"]);
    }
}

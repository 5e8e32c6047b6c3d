//! What an account has agreed with its provider beyond the price list: discounts, commitments, the currency of its bill
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    book::{CommitmentKind, CommittedRates},
    catalogue::{Catalogue, SkuIndex},
    exact::Exact,
    nearest::nearest,
};

/// An account's agreement. Without one, list prices in the currency of the price books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Negotiated discounts, by SKU.
    #[serde(default)]
    pub discounts: Vec<Discount>,
    /// Commitments bought.
    #[serde(default)]
    pub commitments: Vec<Commitment>,
    /// The accounts of each organisation: their usage runs through the same tiers where a price says so. Accounts named
    /// nowhere are of one more organisation together.
    #[serde(default)]
    pub organisations: BTreeMap<String, BTreeSet<String>>,
    /// ISO 4217 code of the bill; absent: that of the price books.
    #[serde(default)]
    pub billing_currency: Option<String>,
    /// Units of `billing_currency` for one of another currency, by the other's code.
    #[serde(default)]
    pub exchange_rates: BTreeMap<String, Exact>,
}

/// A negotiated discount on the list price of SKUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discount {
    /// Name on the bill.
    pub id: String,
    /// SKU names such as `aws.lambda.duration-x86`; a `*` at the end stands for any rest.
    pub skus: Vec<String>,
    /// Percent off, from 0 to 100.
    pub percent: Exact,
    /// First day, inclusive.
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    #[serde(default)]
    pub to: Option<NaiveDate>,
}

/// A commitment bought: so much usage or so much money every hour, used or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// Name on the bill.
    pub id: String,
    /// The plan in a price book: `aws.ec2.reserved-1y`.
    pub plan: String,
    /// The key, of a plan whose rates are by key: `t3.medium`. Of a plan by money it is absent.
    #[serde(default)]
    pub key: Option<String>,
    /// How many units (usage), or how much money an hour (spend).
    pub quantity: Exact,
    /// Covers only this account's usage; absent: every account's.
    #[serde(default)]
    pub account: Option<String>,
    /// Covers only this region's usage; absent: every region's.
    #[serde(default)]
    pub region: Option<String>,
    /// First day, inclusive.
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// Last day, exclusive.
    #[serde(default)]
    pub to: Option<NaiveDate>,
}

/// Why an agreement cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct AgreementError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Agreement {
    /// Reads an agreement in TOML.
    ///
    /// # Errors
    /// When it is not of the documented shape.
    pub fn from_toml(text: &str) -> Result<Self, AgreementError> {
        toml::from_str(text).map_err(|error| AgreementError {
            message: error.to_string().trim_end().to_owned(),
            hint: Some(
                "expected `discounts`, `commitments`, `organisations`, `billing_currency` and `exchange_rates`"
                    .to_owned(),
            ),
        })
    }

    /// The organisation of an account.
    pub fn organisation(&self, account: Option<&str>) -> Option<&str> {
        let of =
            |(_, accounts): &(&String, &BTreeSet<String>)| account.is_some_and(|account| accounts.contains(account));
        self.organisations.iter().find(of).map(|(name, _)| name.as_str())
    }

    /// The SKUs that its commitments may cover.
    pub(crate) fn covered(&self, catalogue: &Catalogue) -> BTreeSet<SkuIndex> {
        let plans = self.commitments.iter().filter_map(|commitment| catalogue.plan(&commitment.plan));
        plans.flat_map(|(.., skus)| skus).collect()
    }

    /// Checks the agreement against the price books.
    ///
    /// # Errors
    /// The first SKU, plan or key that no book has, or number that has no meaning.
    pub fn check(&self, catalogue: &Catalogue) -> Result<(), AgreementError> {
        let mut ids = BTreeSet::new();
        for id in self.discounts.iter().map(|one| &one.id).chain(self.commitments.iter().map(|one| &one.id)) {
            if !ids.insert(id) {
                return error(format!("two discounts or commitments have the id `{id}`"), None);
            }
        }
        self.discounts.iter().try_for_each(|discount| discount.check(catalogue))?;
        self.commitments.iter().try_for_each(|commitment| commitment.check(catalogue))?;
        for (currency, rate) in &self.exchange_rates {
            if !rate.is_positive() {
                return error(format!("the exchange rate of {currency} is {rate}: it is above 0"), None);
            }
        }
        let mut accounts = BTreeSet::new();
        for account in self.organisations.values().flatten() {
            if !accounts.insert(account) {
                return error(format!("the account `{account}` is of two organisations"), None);
            }
        }
        if self.billing_currency.is_none() && !self.exchange_rates.is_empty() {
            return error("`exchange_rates` without `billing_currency`".to_owned(), None);
        }
        Ok(())
    }
}

fn error(message: String, hint: Option<String>) -> Result<(), AgreementError> {
    Err(AgreementError { message, hint })
}

fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|near| format!("did you mean `{near}`?"))
}

impl Discount {
    fn check(&self, catalogue: &Catalogue) -> Result<(), AgreementError> {
        if self.percent.is_negative() || self.percent > Exact::from(100) {
            return error(format!("discount `{}`: `percent` is {}, outside 0 to 100", self.id, self.percent), None);
        }
        for pattern in &self.skus {
            if !catalogue.skus().any(|(_, sku)| matches(pattern, &sku.name)) {
                let hint = did_you_mean(pattern, catalogue.skus().map(|(_, sku)| sku.name.as_str()));
                return error(format!("discount `{}`: no SKU is named `{pattern}`", self.id), hint);
            }
        }
        check_days(&self.id, self.from, self.to)
    }

    /// Whether it applies to a SKU.
    pub(crate) fn names(&self, sku: &str) -> bool {
        self.skus.iter().any(|pattern| matches(pattern, sku))
    }
}

/// Whether a SKU has a name, or one that begins as a pattern with `*` at its end does.
fn matches(pattern: &str, sku: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == sku, |start| sku.starts_with(start))
}

fn check_days(id: &str, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<(), AgreementError> {
    match (from, to) {
        (Some(from), Some(to)) if to <= from => {
            error(format!("`{id}` ends on {to}, not after its start on {from}"), None)
        }
        _ => Ok(()),
    }
}

impl Commitment {
    fn check(&self, catalogue: &Catalogue) -> Result<(), AgreementError> {
        let Some((_, plan, _)) = catalogue.plan(&self.plan) else {
            let plans = catalogue.books().iter().flat_map(|book| &book.commitments).map(|plan| plan.name.as_str());
            let hint = did_you_mean(&self.plan, plans);
            return error(format!("commitment `{}`: no price book has the plan `{}`", self.id, self.plan), hint);
        };
        if self.quantity.is_negative() {
            return error(format!("commitment `{}`: `quantity` is {}, below 0", self.id, self.quantity), None);
        }
        if let (CommittedRates::ByKey(rates), CommitmentKind::Usage) = (&plan.rates, plan.kind) {
            let key = self.key.as_deref().unwrap_or_default();
            if !rates.contains_key(key) {
                let hint = did_you_mean(key, rates.keys().map(String::as_str))
                    .or_else(|| Some(format!("one of {}", rates.keys().cloned().collect::<Vec<_>>().join(", "))));
                return error(format!("commitment `{}`: the plan `{}` has no `key` `{key}`", self.id, plan.name), hint);
            }
        }
        if plan.term_months.is_some() && !plan.upfront(self.key.as_deref()).is_zero() && self.from.is_none() {
            let message = format!("commitment `{}`: `from` is missing: its upfront fee falls on that day", self.id);
            return error(message, None);
        }
        check_days(&self.id, self.from, self.to)
    }
}

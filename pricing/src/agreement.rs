//! What an account has agreed with its provider beyond the price list: discounts, commitments, the currency of its bill
use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::exact::Exact;

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
            hint: Some("expected `discounts`, `commitments`, `billing_currency` and `exchange_rates`".to_owned()),
        })
    }
}

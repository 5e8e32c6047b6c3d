//! What the rows of one charge and kind share: category, SKU, price, commitment.

use paygrain_pricing::{Catalogue, Charge, Exact, Period, Price, PriceBook, Sku, Unit};
use serde_json::{Map, Value};

use super::FocusRequest;
use super::unit::FocusUnit;

/// What a row shows of a charge. A charge has rows of several kinds, since one row has one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKind {
    /// Quantity at the price of its tier; the fee of a commitment, and what is left unused of one.
    Priced,
    /// Quantity that an allowance made free: the same tier at price 0.
    Free,
    /// Money that an allowance gives.
    Credit,
    /// What belongs to no quantity: whole packages, a minimum charge, volume pricing.
    Adjustment,
    /// A difference to an earlier billing period.
    Correction,
}

/// What the rows of one charge and kind share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The kind.
    pub kind: RowKind,
    /// `ChargeCategory`.
    pub charge_category: &'static str,
    /// `ChargeClass`.
    pub charge_class: Option<&'static str>,
    /// `ChargeFrequency`.
    pub charge_frequency: &'static str,
    /// `ChargeDescription`.
    pub charge_description: String,
    /// `BillingCurrency`.
    pub billing_currency: String,
    /// `BillingPeriodStart` and `BillingPeriodEnd`, microseconds since 1970 UTC.
    pub billing_period_us: (i64, i64),
    /// `InvoiceId`.
    pub invoice_id: Option<String>,
    /// `ProviderName`; the same is the publisher and issues the invoice.
    pub provider_name: String,
    /// `ServiceName`.
    pub service_name: String,
    /// `ServiceCategory`.
    pub service_category: String,
    /// `ServiceSubcategory`.
    pub service_subcategory: String,
    /// `PricingCategory`; nothing where there is no price.
    pub pricing_category: Option<&'static str>,
    /// `PricingCurrency`.
    pub pricing_currency: String,
    /// Units of the billing currency for one of the pricing currency.
    pub exchange_rate: Exact,
    /// `ListUnitPrice`: of one `pricing_unit`, in the billing currency.
    pub list_unit_price: Option<Exact>,
    /// `ContractedUnitPrice`, likewise.
    pub contracted_unit_price: Option<Exact>,
    /// `PricingCurrencyListUnitPrice`.
    pub pricing_currency_list_unit_price: Option<Exact>,
    /// `PricingCurrencyContractedUnitPrice`.
    pub pricing_currency_contracted_unit_price: Option<Exact>,
    /// `ConsumedUnit`.
    pub consumed_unit: String,
    /// How much of the charge's `consumed_unit` one of `consumed_unit` is.
    pub consumed_part: Exact,
    /// `PricingUnit`: what the published price is for.
    pub pricing_unit: String,
    /// How much of the charge's `pricing_unit` one of `pricing_unit` is.
    pub pricing_part: Exact,
    /// `SkuId`.
    pub sku_id: String,
    /// `SkuMeter`.
    pub sku_meter: String,
    /// `SkuPriceId`.
    pub sku_price_id: String,
    /// `SkuPriceDetails`, a JSON object.
    pub sku_price_details: String,
    /// `Tags`, a JSON object.
    pub tags: String,
    /// The commitment.
    pub commitment: Option<CommitmentTerms>,
}

/// The commitment behind a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitmentTerms {
    /// `CommitmentDiscountId` and `CommitmentDiscountName`.
    pub id: String,
    /// `CommitmentDiscountType`: the plan of the price book.
    pub plan: String,
    /// `CommitmentDiscountCategory`.
    pub category: &'static str,
    /// `CommitmentDiscountStatus`.
    pub status: Option<&'static str>,
    /// `CommitmentDiscountUnit`.
    pub unit: String,
}

/// A charge with what the price books know of it.
pub(super) struct Source<'a> {
    pub charge: &'a Charge,
    pub book: Option<&'a PriceBook>,
    pub sku: Option<&'a Sku>,
    /// Region of the usage.
    pub region: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// Looks a charge up.
    pub fn of(catalogue: &'a Catalogue, charge: &'a Charge, region: Option<&'a str>) -> Self {
        let index = catalogue.find_sku(&charge.sku);
        let named = || catalogue.books().iter().find(|book| book.name == charge.price_book);
        Self {
            charge,
            book: index.map(|index| catalogue.book_of(index)).or_else(named),
            sku: index.map(|index| catalogue.sku(index)),
            region,
        }
    }

    /// First instant and end of a billing period as the provider counts months, microseconds since 1970 UTC.
    pub fn billing_period_us(&self, period: Period) -> (i64, i64) {
        super::rows::billing_period_us(self.book.map(|book| book.zone).unwrap_or_default(), period)
    }

    /// The price of the SKU that the charge was priced by.
    fn price(&self) -> Option<&'a Price> {
        let tier = usize::try_from(self.charge.tier).ok()?.checked_sub(1)?;
        let is_it = |price: &&Price| {
            price.from == self.charge.price_from
                && price.per.text() == self.charge.published_per
                && price.source == self.charge.source
                && price.tiers.get(tier).is_some_and(|tier| tier.published == self.charge.published_price)
        };
        let of_region = |price: &&Price| {
            let set = price.region.as_ref().and_then(|set| self.book?.regions.get(set));
            self.region.is_some_and(|region| set.is_some_and(|set| set.contains(region)))
        };
        let mut found = self.sku?.prices.iter().filter(is_it);
        found.clone().find(of_region).or_else(|| found.find(|price| price.region.is_none()))
    }

    /// The unit the published price is for, and how much of the charge's `pricing_unit` one of it is.
    fn pricing_unit(&self) -> (String, Exact) {
        let own = FocusUnit::of(&self.charge.pricing_unit);
        let month_us = match self.sku {
            Some(sku) => sku.month_us(self.charge.period),
            None => self.charge.period.end_us() - self.charge.period.start_us(),
        };
        let per = Unit::parse(&self.charge.published_per).ok();
        let factor = per.zip(Unit::parse(&self.charge.pricing_unit).ok());
        match factor.and_then(|(per, own)| per.factor(&own, month_us).ok()).filter(Exact::is_positive) {
            Some(factor) => {
                let unit = FocusUnit::of(&self.charge.published_per);
                (unit.name, factor * unit.part)
            }
            None => (own.name, own.part),
        }
    }

    /// The SKU price: SKU, tier, first day and region set of the price.
    fn sku_price_id(&self, kind: RowKind) -> String {
        let mut id = format!("{}/tier-{}", self.charge.sku, self.charge.tier);
        if let Some(from) = self.charge.price_from {
            id += &format!("@{from}");
        }
        if let Some(set) = self.price().and_then(|price| price.region.as_ref()) {
            id += &format!("@{set}");
        }
        if kind == RowKind::Free {
            id += "/free";
        }
        id
    }

    /// What is behind the price, as a flat JSON object of texts.
    fn details(&self, kind: RowKind) -> String {
        let charge = self.charge;
        let mut details = Map::new();
        let mut put = |key: &str, value: String| {
            if !value.is_empty() {
                details.insert(key.to_owned(), Value::String(value));
            }
        };
        put("x_Tier", charge.tier.to_string());
        put("x_TierFrom", charge.tier_from.to_string());
        put("x_TierTo", charge.tier_to.as_ref().map(Exact::to_string).unwrap_or_default());
        put("x_TierUnit", charge.pricing_unit.clone());
        put("x_PublishedPrice", charge.published_price.clone());
        put("x_PublishedPer", charge.published_per.clone());
        put("x_PriceFrom", charge.price_from.map(|day| day.to_string()).unwrap_or_default());
        put("x_Meter", charge.meter.clone());
        put("x_Filter", charge.filter.clone());
        put("x_PriceBook", charge.price_book.clone());
        put("x_PriceBookVersion", charge.price_book_version.clone());
        put("x_Source", charge.source.clone());
        put("x_SourceAddress", charge.source_address.clone());
        put("x_PriceCertainty", charge.mark.clone());
        let discounts: Vec<_> =
            charge.discounts.iter().map(|discount| format!("{} {}%", discount.id, discount.percent)).collect();
        put("x_Discounts", discounts.join(", "));
        put("x_Allowances", self.allowances(kind));
        Value::Object(details).to_string()
    }

    /// The allowances behind free quantity or behind a credit, by id.
    fn allowances(&self, kind: RowKind) -> String {
        let allowances = self.charge.allowances.iter().filter(|allowance| match kind {
            RowKind::Free => !allowance.quantity.is_zero(),
            RowKind::Credit => !allowance.credit.is_zero(),
            _ => false,
        });
        allowances.map(|allowance| allowance.id.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn description(&self, kind: RowKind) -> String {
        let words = match &self.charge.description {
            words if words.is_empty() => &self.charge.sku,
            words => words,
        };
        match kind {
            RowKind::Priced if self.charge.charge_category == "Purchase" => words.clone(),
            RowKind::Priced => match self.charge.commitment.as_ref().and_then(|commitment| commitment.status) {
                Some("Unused") => format!("{words}: commitment left unused"),
                Some(_) => format!("{words}: covered by a commitment"),
                None => words.clone(),
            },
            RowKind::Free => format!("{words}: free by {}", self.allowances(kind)),
            RowKind::Credit => format!("{words}: credit of {}", self.allowances(kind)),
            RowKind::Adjustment => format!("{words}: whole packages, minimum charge or volume pricing"),
            RowKind::Correction => format!("{words}: correction of {}", self.charge.period),
        }
    }

    /// The unit a commitment is counted in.
    fn commitment(&self) -> Option<CommitmentTerms> {
        let commitment = self.charge.commitment.as_ref()?;
        Some(CommitmentTerms {
            id: commitment.id.clone(),
            plan: commitment.plan.clone(),
            category: commitment.category,
            status: commitment.status,
            unit: match Unit::parse(&commitment.unit) {
                Ok(_) => FocusUnit::of(&commitment.unit).name,
                Err(_) => commitment.unit.clone(), // a currency
            },
        })
    }

    /// What the rows of a kind share.
    pub fn terms(&self, kind: RowKind, request: &FocusRequest) -> Terms {
        let charge = self.charge;
        let has_price = matches!(kind, RowKind::Priced | RowKind::Free | RowKind::Correction);
        let (pricing_unit, pricing_part) = self.pricing_unit();
        let consumed = FocusUnit::of(&charge.consumed_unit);
        let price_of = |unit_price: &Exact| match kind {
            RowKind::Free => Exact::zero(),
            _ => unit_price * &pricing_part,
        };
        let price = |unit_price: &Exact| has_price.then(|| price_of(unit_price));
        let published = |price: Option<Exact>| price.and_then(|price| price.checked_div(&charge.exchange_rate));
        let (list, contracted) = (price(&charge.unit_price), price(&charge.contracted_unit_price));
        let is_purchase = charge.charge_category == "Purchase";
        let title =
            |of: fn(&PriceBook) -> &String, or: &str| self.book.map_or_else(|| or.to_owned(), |book| of(book).clone());
        Terms {
            kind,
            charge_category: match kind {
                RowKind::Credit => "Credit",
                RowKind::Adjustment => "Adjustment",
                _ => charge.charge_category,
            },
            charge_class: (kind == RowKind::Correction).then_some("Correction"),
            charge_frequency: charge.charge_frequency,
            charge_description: self.description(kind),
            billing_currency: charge.currency.clone(),
            billing_period_us: self.billing_period_us(request.bill.period),
            invoice_id: request.invoice_id.clone(),
            provider_name: title(|book| &book.provider_title, &charge.provider),
            service_name: title(|book| &book.title, &charge.service),
            service_category: title(|book| &book.category, "Other"),
            service_subcategory: title(|book| &book.subcategory, "Other (Other)"),
            pricing_category: has_price.then_some(match (&charge.commitment, is_purchase) {
                (Some(_), false) => "Committed",
                _ => "Standard",
            }),
            pricing_currency: charge.pricing_currency.clone(),
            exchange_rate: charge.exchange_rate.clone(),
            pricing_currency_list_unit_price: published(list.clone()),
            pricing_currency_contracted_unit_price: published(contracted.clone()),
            list_unit_price: list,
            contracted_unit_price: contracted,
            consumed_unit: consumed.name,
            consumed_part: consumed.part,
            pricing_unit,
            pricing_part,
            sku_id: charge.sku.clone(),
            sku_meter: self.sku.map_or_else(|| charge.sku.clone(), |sku| sku.base.clone()),
            sku_price_id: self.sku_price_id(kind),
            sku_price_details: self.details(kind),
            tags: Value::Object(Map::from_iter([("paygrain:charge".to_owned(), Value::from(charge.id.as_str()))]))
                .to_string(),
            commitment: self.commitment(),
        }
    }
}

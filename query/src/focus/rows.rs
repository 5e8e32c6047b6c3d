//! The rows: each charge by place and charge period, with a row for every price it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{Catalogue, Charge, Exact, Period, Scope, Zone};

use super::correction::Correction;
use super::terms::{RowKind, Source, Terms};
use super::{ChargePeriod, FocusRequest};
use crate::bill::{RatedUsage, RowShare, proportion};

/// The account of usage whose log names none: there must be one.
const UNKNOWN_ACCOUNT: &str = "unknown";
/// One row. Quantities are in the units of `terms`, costs in the billing currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FocusRow {
    /// What it shares with other rows of the charge.
    pub terms: Arc<Terms>,
    /// Whose usage it is, and where.
    pub place: Arc<Place>,
    /// `ChargePeriodStart` and `ChargePeriodEnd`, microseconds since 1970 UTC.
    pub charge_period_us: (i64, i64),
    /// `ConsumedQuantity`, in [`Terms::consumed_unit`].
    pub consumed_quantity: Option<Exact>,
    /// `PricingQuantity`, in [`Terms::pricing_unit`].
    pub pricing_quantity: Option<Exact>,
    /// `CommitmentDiscountQuantity`.
    pub commitment_quantity: Option<Exact>,
    /// The costs.
    pub costs: Costs,
}

/// The costs of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// `ListCost`.
    pub list: Exact,
    /// `ContractedCost`.
    pub contracted: Exact,
    /// `BilledCost`.
    pub billed: Exact,
    /// `EffectiveCost`.
    pub effective: Exact,
    /// `PricingCurrencyEffectiveCost`.
    pub pricing_currency_effective: Exact,
}

/// Whose usage, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Who is billed: the organisation, or else the account.
    pub billing_account: Account,
    /// The account within the organisation that is billed.
    pub sub_account: Option<Account>,
    /// `RegionId`.
    pub region: Option<String>,
    /// `ResourceId`: `provider/service/account/region/resource`, so that it is unique within the provider.
    pub resource_id: Option<String>,
    /// `ResourceName`: as the log has it.
    pub resource_name: Option<String>,
    /// `ResourceType`: the service the resource is of.
    pub resource_type: Option<String>,
}

/// An account, or an organisation of accounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// `provider/account`: unique, and text even where the provider's own id is a number with zeros in front.
    pub id: String,
    /// Provider and account: logs have no names of accounts.
    pub name: String,
    /// `Account` or `Organisation`.
    pub kind: &'static str,
}

impl Account {
    fn new(provider: &str, account: &str, kind: &'static str) -> Self {
        Self { id: format!("{provider}/{account}"), name: format!("{provider} {account}"), kind }
    }
}

impl Place {
    /// The place of a resource of a service. `resource_type` is the service as people write it.
    fn new(provider: &str, service: &str, resource_type: &str, scope: &Scope) -> Self {
        let value = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let (account, region, resource) = (value(&scope.account), value(&scope.region), value(&scope.resource));
        let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let own = account.as_ref().map(|account| Account::new(provider, account, "Account"));
        let organisation = value(&scope.organisation).map(|name| Account::new(provider, &name, "Organisation"));
        let (billing_account, sub_account) = match (organisation, own) {
            (Some(organisation), own) => (organisation, own),
            (None, Some(own)) => (own, None),
            (None, None) => (Account::new(provider, UNKNOWN_ACCOUNT, "Account"), None),
        };
        Self {
            billing_account,
            sub_account,
            resource_id: resource
                .as_ref()
                .map(|name| format!("{provider}/{service}/{}/{}/{name}", or_dash(&account), or_dash(&region))),
            resource_type: resource.as_ref().map(|_| resource_type.to_owned()),
            resource_name: resource,
            region,
        }
    }
}

/// A part of a charge: what one place has in one charge period.
#[derive(Default)]
struct Portion {
    consumed: Exact,
    free: Exact,
    credit: Exact,
    adjustment: Exact,
    billed: Exact,
}

impl Portion {
    fn add(&mut self, charge: &Charge, share: &RowShare) {
        let adjustment = proportion(&share.consumed_quantity, &charge.consumed_quantity, &charge.adjustment);
        let charged = &share.billed_cost - &adjustment;
        if charge.allowances.iter().any(|allowance| !allowance.credit.is_zero()) {
            let paid = &share.consumed_quantity - &share.free_quantity;
            self.credit += paid * &charge.contracted_unit_price - charged;
        }
        self.consumed += &share.consumed_quantity;
        self.free += &share.free_quantity;
        self.billed += &share.billed_cost;
        self.adjustment += adjustment;
    }
}

/// The rows of a rated period and of its corrections.
pub(super) fn rows(catalogue: &Catalogue, usage: &RatedUsage, request: &FocusRequest) -> Vec<FocusRow> {
    let places = places(catalogue, usage);
    let mut portions: Vec<BTreeMap<(Arc<Place>, i64), Portion>> = Vec::new();
    portions.resize_with(usage.rated.charges.len(), BTreeMap::new);
    for share in usage.shares(request.bill.attribution) {
        let metered = &usage.rows[share.row];
        let billing = billing_period_us(catalogue.sku(metered.sku).zone, request.bill.period);
        let start_us = charge_period(request.charge_period, billing, metered.hour_us).0;
        let place = Arc::clone(&places[share.row]);
        let portion = portions[share.charge].entry((place, start_us)).or_default();
        portion.add(&usage.rated.charges[share.charge], &share);
    }
    let mut rows = Vec::new();
    for (charge, portions) in usage.rated.charges.iter().zip(portions) {
        ChargeRows { catalogue, request, charge }.add(portions, &mut rows);
    }
    rows.extend(request.corrections.iter().map(|correction| corrected(catalogue, request, correction)));
    rows
}

/// First instant and end of a billing period in the provider's zone, microseconds since 1970 UTC.
pub(super) fn billing_period_us(zone: Zone, period: Period) -> (i64, i64) {
    (zone.start_us(period), zone.end_us(period))
}

/// The charge period an instant falls in, within the billing period.
fn charge_period(length: ChargePeriod, whole: (i64, i64), at_us: i64) -> (i64, i64) {
    let step = match length {
        ChargePeriod::Month => return whole,
        ChargePeriod::Day => 24 * HOUR_US,
        ChargePeriod::Hour => HOUR_US,
    };
    let start = at_us.div_euclid(step) * step;
    (start.max(whole.0), (start + step).min(whole.1))
}

/// The place of every metered row.
fn places(catalogue: &Catalogue, usage: &RatedUsage) -> Vec<Arc<Place>> {
    let mut known: BTreeMap<(&str, &str, &Scope), Arc<Place>> = BTreeMap::new();
    let mut places = Vec::with_capacity(usage.rows.len());
    for row in &usage.rows {
        let provider = catalogue.book_of(row.sku).provider.as_str();
        let (service, scope) = (usage.service(row), usage.scope(row));
        let place = known
            .entry((provider, service, scope))
            .or_insert_with(|| Arc::new(Place::new(provider, service, &title(catalogue, provider, service), scope)));
        places.push(Arc::clone(place));
    }
    places
}

/// A service as people write it.
fn title(catalogue: &Catalogue, provider: &str, service: &str) -> String {
    let own = catalogue.books().iter().find(|book| book.provider == provider && book.service == service);
    own.map_or_else(|| service.to_owned(), |book| book.title.clone())
}

/// The place of a charge as a whole.
fn place_of(catalogue: &Catalogue, charge: &Charge) -> Place {
    let title = title(catalogue, &charge.provider, &charge.service);
    Place::new(&charge.provider, &charge.service, &title, &charge.scope)
}

/// Makes the rows of one charge.
struct ChargeRows<'a> {
    catalogue: &'a Catalogue,
    request: &'a FocusRequest,
    charge: &'a Charge,
}

impl ChargeRows<'_> {
    fn add(&self, portions: BTreeMap<(Arc<Place>, i64), Portion>, rows: &mut Vec<FocusRow>) {
        let charge = self.charge;
        let first = portions.keys().next().map(|(place, _)| Arc::clone(place));
        let region = first.as_ref().map_or(charge.scope.region.as_deref(), |place| place.region.as_deref());
        let source = Source::of(self.catalogue, charge, region);
        let terms = |kind| Arc::new(source.terms(kind, self.request));
        let (priced, free) = (terms(RowKind::Priced), terms(RowKind::Free));
        let (credit, adjustment) = (terms(RowKind::Credit), terms(RowKind::Adjustment));
        let billing = source.billing_period_us(self.request.bill.period);
        let mut shown = Exact::zero();
        for ((place, start_us), portion) in portions {
            let period = charge_period(self.request.charge_period, billing, start_us);
            shown += &portion.billed;
            let row = |terms: &Arc<Terms>| FocusRow::empty(terms, &place, period);
            let paid = &portion.consumed - &portion.free;
            if !paid.is_zero() {
                rows.push(self.priced(row(&priced), &portion, paid));
            }
            if !portion.free.is_zero() {
                rows.push(row(&free).with_quantity(&portion.free));
            }
            if !portion.credit.is_zero() {
                rows.push(row(&credit).with_cost(-&portion.credit));
            }
            if !portion.adjustment.is_zero() {
                rows.push(row(&adjustment).with_cost(portion.adjustment));
            }
        }
        // What no usage stands behind: the fee of a commitment, its unused part, a package begun in a tier of its own.
        let rest = &charge.billed_cost - shown;
        if first.is_none() && charge.commitment.is_some() {
            rows.push(self.without_usage(&priced, billing));
        } else if !rest.is_zero() {
            let place = Arc::new(place_of(self.catalogue, charge));
            rows.push(FocusRow::empty(&adjustment, &place, billing).with_cost(rest));
        }
    }

    /// A quantity at its price.
    fn priced(&self, row: FocusRow, portion: &Portion, paid: Exact) -> FocusRow {
        let charge = self.charge;
        let mut row = row.with_quantity(&paid);
        let billed = &portion.billed - &portion.adjustment + &portion.credit;
        row.costs.list = &paid * &charge.unit_price;
        row.costs.contracted = paid * &charge.contracted_unit_price;
        let effective = match &charge.commitment {
            Some(commitment) => {
                let part = |whole: &Exact| proportion(&portion.consumed, &charge.consumed_quantity, whole);
                row.commitment_quantity = Some(part(&commitment.quantity));
                part(&charge.effective_cost)
            }
            None => billed.clone(),
        };
        row.bill(billed, effective)
    }

    /// The fee of a commitment, or what is left unused of one: the resource is the commitment itself.
    fn without_usage(&self, terms: &Arc<Terms>, period: (i64, i64)) -> FocusRow {
        let charge = self.charge;
        let mut place = place_of(self.catalogue, charge);
        place.resource_name = None;
        place.resource_id = terms.commitment.as_ref().map(|commitment| commitment.id.clone());
        place.resource_type = place.resource_id.as_ref().map(|_| "Commitment".to_owned());
        let mut row = FocusRow::empty(terms, &Arc::new(place), period).with_quantity(&charge.pricing_quantity);
        row.consumed_quantity = None;
        row.commitment_quantity = charge.commitment.as_ref().map(|commitment| commitment.quantity.clone());
        row.costs.list = &charge.pricing_quantity * &charge.unit_price;
        row.costs.contracted = &charge.pricing_quantity * &charge.contracted_unit_price;
        row.bill(charge.billed_cost.clone(), charge.effective_cost.clone())
    }
}

/// The row of a correction: billed now, for the period it corrects.
fn corrected(catalogue: &Catalogue, request: &FocusRequest, correction: &Correction) -> FocusRow {
    let charge = &correction.charge;
    let source = Source::of(catalogue, charge, charge.scope.region.as_deref());
    let place = place_of(catalogue, charge);
    let period = source.billing_period_us(charge.period);
    let terms = Arc::new(source.terms(RowKind::Correction, request));
    let mut row = FocusRow::empty(&terms, &Arc::new(place), period).with_quantity(&correction.priced_quantity);
    row.consumed_quantity = correction.consumed_quantity.checked_div(&terms.consumed_part);
    row.costs.list = correction.list_cost.clone();
    row.costs.contracted = correction.contracted_cost.clone();
    row.bill(correction.billed_cost.clone(), correction.effective_cost.clone())
}

impl FocusRow {
    fn empty(terms: &Arc<Terms>, place: &Arc<Place>, charge_period_us: (i64, i64)) -> Self {
        Self {
            terms: Arc::clone(terms),
            place: Arc::clone(place),
            charge_period_us,
            consumed_quantity: None,
            pricing_quantity: None,
            commitment_quantity: None,
            costs: Costs::default(),
        }
    }

    /// With a quantity in the charge's unit.
    fn with_quantity(mut self, quantity: &Exact) -> Self {
        self.consumed_quantity = quantity.checked_div(&self.terms.consumed_part);
        self.pricing_quantity = quantity.checked_div(&self.terms.pricing_part);
        self
    }

    /// With an amount that no price and no quantity is behind: every cost is the amount.
    fn with_cost(mut self, amount: Exact) -> Self {
        self.costs.list = amount.clone();
        self.costs.contracted = amount.clone();
        self.bill(amount.clone(), amount)
    }

    fn bill(mut self, billed: Exact, effective: Exact) -> Self {
        self.costs.pricing_currency_effective = effective.checked_div(&self.terms.exchange_rate).unwrap_or_default();
        self.costs.billed = billed;
        self.costs.effective = effective;
        self
    }
}

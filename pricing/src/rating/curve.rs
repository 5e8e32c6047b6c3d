//! The cost curve F of one price: F(x) is the cost of the first x units of a period
use crate::{
    book::{Price, Sku},
    exact::Exact,
};

/// A tier in the SKU's unit.
#[derive(Clone, Debug)]
pub(super) struct CurveTier {
    /// Cumulative quantity at which it starts.
    pub from: Exact,
    /// Cumulative quantity at which it ends; the last is open.
    pub to: Option<Exact>,
    /// Price of one unit.
    pub unit_price: Exact,
}

/// F of one price in a month of known length; quantities in the SKU's unit, money in the book's currency.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub tiers: Vec<CurveTier>,
    volume: bool,
    minimum_charge: Option<Exact>,
    /// Size of a package.
    pub package: Option<Exact>,
}

impl Curve {
    pub fn new(sku: &Sku, price: &Price, month_us: i64) -> Self {
        let in_sku_unit = |unit: &crate::unit::Unit| unit.factor(&sku.unit, month_us).unwrap_or_default();
        let (per, tier_unit) = (in_sku_unit(&price.per), in_sku_unit(&price.tier_unit));
        let mut from = Exact::zero();
        let tiers = price.tiers.iter().map(|tier| {
            let to = tier.up_to.as_ref().map(|bound| bound * &tier_unit);
            let unit_price = tier.price.checked_div(&per).unwrap_or_default();
            let start = std::mem::replace(&mut from, to.clone().unwrap_or_default());
            CurveTier { from: start, to, unit_price }
        });
        Self {
            tiers: tiers.collect(),
            volume: price.volume,
            minimum_charge: price.minimum_charge.clone(),
            package: price.package.as_ref().map(in_sku_unit).filter(Exact::is_positive),
        }
    }

    /// Whether F is the plain sum over the tiers.
    pub fn is_graduated(&self) -> bool {
        !self.volume && self.minimum_charge.is_none()
    }

    /// F(`to`) − F(`from`), minimum charge and volume pricing included.
    pub fn between(&self, from: &Exact, to: &Exact) -> Exact {
        self.cost(to) - self.cost(from)
    }

    fn cost(&self, quantity: &Exact) -> Exact {
        let raw = match self.volume {
            true => {
                let reached = |tier: &&CurveTier| tier.to.as_ref().is_none_or(|to| quantity <= to);
                self.tiers.iter().find(reached).map_or_else(Exact::zero, |tier| quantity * &tier.unit_price)
            }
            false => self.tiers.iter().map(|tier| tier.overlap(&Exact::zero(), quantity) * &tier.unit_price).sum(),
        };
        match &self.minimum_charge {
            Some(minimum) if quantity.is_positive() && raw < *minimum => minimum.clone(),
            _ => raw,
        }
    }

    /// The tier a quantity beyond `position` falls in first.
    pub fn tier_at(&self, position: &Exact) -> usize {
        let open = |tier: &CurveTier| tier.to.as_ref().is_none_or(|to| position < to);
        self.tiers.iter().position(open).unwrap_or(0)
    }
}

impl CurveTier {
    /// How much of the quantities from `from` to `to` falls into the tier.
    pub fn overlap(&self, from: &Exact, to: &Exact) -> Exact {
        let start = from.max(&self.from);
        let end = self.to.as_ref().map_or(to, |bound| to.min(bound));
        if end > start { end - start } else { Exact::zero() }
    }
}

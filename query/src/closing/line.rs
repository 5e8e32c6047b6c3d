//! The lines of an issued bill: how they are compared with a new rating, and how they add up.

use std::collections::HashMap;

use paygrain_pricing::{AllowanceShare, Charge, Exact};

/// FOCUS charge class of a line that corrects an issued bill.
pub const CORRECTION: &str = "Correction";

/// One line of an issued bill: a charge of the first revision, or a correction of a later one, with signed quantities
/// and amounts. The lines of revisions 1 to N sum to the bill as of revision N.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillLine {
    /// The revision that added it.
    pub revision: u32,
    /// FOCUS charge class: [`CORRECTION`] for a correction, otherwise nothing.
    pub charge_class: Option<&'static str>,
    /// Usage records that it adds or takes away; the count of `charge` is its size.
    pub record_count: i64,
    /// What is charged: of a correction the difference.
    pub charge: Charge,
}

/// What makes two charges parts of one position: the charge's id and everything that its quantities are priced at. A
/// position has one price, so unit price × quantity = cost holds in each of its lines and in their sum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    id: String,
    charge_category: &'static str,
    prices: [Exact; 3],
    units: [String; 4],
    /// Id, plan, category, status and unit.
    commitment: Option<(String, String, &'static str, Option<&'static str>, String)>,
}

impl Key {
    fn of(charge: &Charge) -> Self {
        let commitment = charge.commitment.as_ref();
        Self {
            id: charge.id.clone(),
            charge_category: charge.charge_category,
            prices: [&charge.unit_price, &charge.contracted_unit_price, &charge.exchange_rate].map(Clone::clone),
            units: [&charge.consumed_unit, &charge.pricing_unit, &charge.currency, &charge.pricing_currency]
                .map(Clone::clone),
            commitment: commitment
                .map(|share| (share.id.clone(), share.plan.clone(), share.category, share.status, share.unit.clone())),
        }
    }
}

/// The sum of lines of one position.
#[derive(Clone)]
struct Position {
    /// The latest description, and the sums.
    charge: Charge,
    record_count: i64,
}

impl Position {
    /// A charge as a position of its own.
    fn of(charge: &Charge) -> Self {
        Self { charge: charge.clone(), record_count: i64::try_from(charge.record_count).unwrap_or(i64::MAX) }
    }

    /// This position less another.
    fn less(mut self, other: &Self) -> Self {
        add(&mut self.charge, &other.charge, -1);
        self.record_count -= other.record_count;
        self
    }

    /// What takes the position away.
    fn reversed(&self) -> Self {
        let mut nothing = self.clone();
        add(&mut nothing.charge, &self.charge, -1);
        nothing.record_count = 0;
        nothing.less(self)
    }

    fn is_nothing(&self) -> bool {
        let mut charge = self.charge.clone();
        self.record_count == 0
            && amounts(&mut charge).iter().all(|amount| amount.is_zero())
            && charge.allowances.is_empty()
            && charge.commitment.is_none_or(|share| share.quantity.is_zero())
    }
}

/// Everything of a charge that adds up, its allowances and its commitment apart.
fn amounts(charge: &mut Charge) -> [&mut Exact; 8] {
    [
        &mut charge.consumed_quantity,
        &mut charge.free_quantity,
        &mut charge.pricing_quantity,
        &mut charge.list_cost,
        &mut charge.contracted_cost,
        &mut charge.billed_cost,
        &mut charge.effective_cost,
        &mut charge.adjustment,
    ]
}

/// Adds `sign` × the quantities and amounts of another charge of the position.
fn add(sum: &mut Charge, other: &Charge, sign: i32) {
    let sign = Exact::from(sign);
    let mut other = other.clone();
    for (sum, amount) in amounts(sum).into_iter().zip(amounts(&mut other)) {
        *sum += &*amount * &sign;
    }
    for share in &other.allowances {
        let place = match sum.allowances.iter().position(|known| known.id == share.id) {
            Some(place) => place,
            None => {
                let nothing = (Exact::zero(), Exact::zero());
                sum.allowances.push(AllowanceShare { id: share.id.clone(), quantity: nothing.0, credit: nothing.1 });
                sum.allowances.len() - 1
            }
        };
        sum.allowances[place].quantity += &share.quantity * &sign;
        sum.allowances[place].credit += &share.credit * &sign;
    }
    sum.allowances.retain(|share| !share.quantity.is_zero() || !share.credit.is_zero());
    if let (Some(sum), Some(share)) = (&mut sum.commitment, &other.commitment) {
        sum.quantity += &share.quantity * &sign;
    }
}

/// Lines summed per position, in the order in which positions first appear.
#[derive(Default)]
struct Positions {
    sums: Vec<(Key, Position)>,
    place: HashMap<Key, usize>,
}

impl Positions {
    fn of(lines: &[BillLine]) -> Self {
        let mut positions = Self::default();
        for line in lines {
            let key = Key::of(&line.charge);
            match positions.place.get(&key) {
                Some(place) => {
                    let sum = &mut positions.sums[*place].1;
                    let before = std::mem::replace(&mut sum.charge, line.charge.clone());
                    add(&mut sum.charge, &before, 1);
                    sum.record_count += line.record_count;
                }
                None => {
                    positions.place.insert(key.clone(), positions.sums.len());
                    let position = Position { charge: line.charge.clone(), record_count: line.record_count };
                    positions.sums.push((key, position));
                }
            }
        }
        positions
    }

    fn find(&self, key: &Key) -> Option<&Position> {
        self.place.get(key).map(|place| &self.sums[*place].1)
    }
}

/// The lines that lead from what is stored to a new rating; none when nothing changed. A first revision has the charges
/// themselves. A later one has the difference of each position, and takes away what is no longer there: a charge at
/// another price than before is a reversal at the old and a line at the new price, next to each other.
pub(super) fn difference(stored: &[BillLine], charges: &[Charge], revision: u32) -> Vec<BillLine> {
    let charge_class = (revision > 1).then_some(CORRECTION);
    let line = |position: Position| {
        let Position { mut charge, record_count } = position;
        charge.record_count = record_count.unsigned_abs();
        BillLine { revision, charge_class, record_count, charge }
    };
    let before = Positions::of(stored);
    let now: HashMap<Key, ()> = charges.iter().map(|charge| (Key::of(charge), ())).collect();
    let mut gone: Vec<&Position> = before
        .sums
        .iter()
        .filter(|(key, sum)| !now.contains_key(key) && !sum.is_nothing())
        .map(|(_, sum)| sum)
        .collect();
    let mut lines = Vec::new();
    for charge in charges {
        gone.retain(|position| {
            let is_same = position.charge.id == charge.id;
            if is_same {
                lines.push(line(position.reversed()));
            }
            !is_same
        });
        let fresh = Position::of(charge);
        let change = match before.find(&Key::of(charge)) {
            Some(known) => fresh.less(known),
            None => fresh,
        };
        if !change.is_nothing() {
            lines.push(line(change));
        }
    }
    lines.extend(gone.into_iter().map(|position| line(position.reversed())));
    lines
}

/// The charges that lines sum to, those of nothing left out, by SKU, scope and tier.
pub(super) fn net(lines: &[BillLine]) -> Vec<Charge> {
    let positions = Positions::of(lines).sums.into_iter().map(|(_, position)| position);
    let mut charges: Vec<Charge> = positions
        .filter(|position| !position.is_nothing())
        .map(|Position { mut charge, record_count }| {
            charge.record_count = u64::try_from(record_count).unwrap_or(0);
            charge
        })
        .collect();
    charges.sort_by(|a, b| (&a.sku, &a.scope, a.tier, &a.id).cmp(&(&b.sku, &b.scope, b.tier, &b.id)));
    charges
}

//! Metering from rollups: the same rules, hour by hour, on sums instead of records.
//!
//! For each class a [`Plan`] says which SKUs its records feed, by which term times which number. Wherever a rule cannot be
//! answered from what is kept, nothing is answered, and the records are read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use paygrain_pricing::expression::{Expression, Part, Value};
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::zone::Zone;
use paygrain_pricing::{Catalogue, Exact, MeteringRule, Scope, SkuIndex};

use super::class::{ACCOUNT, Class, PROVIDER, REGION, RESOURCE, SERVICE, is_common};
use super::store::{Day, View};
use super::{HOURS, Rollup, Terms, parts_of};
use crate::incomplete::{Incomplete, can_be_missing};
use crate::metering::{Details, Meter, Metered, MeteredRow, Quantity, Question};

/// What the records of a class are to the meters of their service.
#[derive(Debug, Default)]
struct Plan {
    /// What they feed.
    uses: Vec<Use>,
    /// Whether an activity takes them.
    taken: bool,
    /// The meters that take them, by bits.
    takes: u64,
    /// The meters that are meant to count them and cannot, by bits.
    gaps: u64,
    /// Whether a word in them may be wrong.
    unknown_word: bool,
    /// The terms that must be known, and those that must have no value.
    needed: Vec<(String, bool)>,
}

/// One SKU that the records of a class feed.
#[derive(Debug)]
struct Use {
    /// The meter, by its place.
    meter: usize,
    sku: SkuIndex,
    factor: i128,
    /// What is summed; nothing where the records are counted.
    term: Option<String>,
}

/// A meter ready for classes.
struct Ready<'a> {
    meter: &'a Meter<'a>,
    parts: Vec<Part>,
    factor: Arc<Exact>,
    /// First hour and end.
    bounds: (i64, i64),
}

/// Account, region and resource, and what else was asked for.
type Place = ([Option<Arc<str>>; 3], Details);
/// One scope, one SKU, one meter's factor.
type Output = (u32, SkuIndex, usize);

/// What was summed of an output in an hour.
struct Row {
    hour_us: i64,
    output: Output,
    base: i128,
    record_count: u64,
}

/// What the cells of a class feed on one day.
#[derive(Clone, Copy)]
struct Feed {
    /// By its place among the outputs of the day.
    output: usize,
    meter: usize,
    factor: i128,
    /// The place of the term that is summed; nothing where the records are counted.
    term: Option<usize>,
}

impl Question<'_> {
    /// Meters the usage of a service from rollups; `false`, and nothing is metered, where they do not say enough.
    pub fn metered_by_rollups(
        &self,
        view: &View,
        catalogue: &Catalogue,
        rules: &[&MeteringRule<'_>],
        metered: &mut Metered,
    ) -> Result<bool, crate::error::QueryError> {
        let meters = Meter::of(catalogue, rules);
        let Some(walk) = Walk::of(self, view, catalogue, &meters) else { return Ok(false) };
        let Some(found) = walk.sums() else { return Ok(false) };
        let service = metered.service(&self.source.service);
        let scopes: Vec<u32> = found.scopes.into_iter().map(|(scope, details)| metered.scope(scope, details)).collect();
        metered.rows.reserve(found.rows.len());
        // Rows of an hour stand together, and zones are few.
        let mut known = (0, Zone::default(), Zone::default().day_of(0));
        for Row { hour_us, output: (scope, sku, meter), base, record_count } in found.rows {
            let zone = catalogue.sku(sku).zone;
            if (known.0, known.1) != (hour_us, zone) {
                known = (hour_us, zone, zone.day_of(hour_us));
            }
            metered.rows.push(MeteredRow {
                sku,
                service,
                hour_us,
                day: known.2,
                scope: scopes[scope as usize],
                quantity: Quantity::new(base, walk.meters[meter].factor.clone()),
                record_count,
            });
        }
        metered.record_count += found.record_count;
        let reason = self.why_without_sku(catalogue);
        let without_sku = found.without_sku.into_iter().map(|(kind, count)| self.unpriced(kind, count, reason));
        metered.unpriced.extend(without_sku);
        let incomplete = found.incomplete.into_iter();
        metered.unpriced.extend(incomplete.map(|((usage, reason), count)| self.unpriced(usage, count, reason)));
        Ok(true)
    }
}

/// A walk over the rollups of a service.
struct Walk<'a> {
    question: &'a Question<'a>,
    view: &'a View,
    catalogue: &'a Catalogue,
    meters: Vec<Ready<'a>>,
    incomplete: Incomplete<'a>,
    plans: Vec<Plan>,
    /// Plan and scope of each class; nothing for classes of other services.
    of_class: Vec<Option<(u32, u32)>>,
    scopes: Vec<(Scope, Details)>,
    /// A class of each plan.
    examples: Vec<&'a Class>,
}

/// What a walk has found.
#[derive(Default)]
struct Found {
    /// By hour and output, each once.
    rows: Vec<Row>,
    scopes: Vec<(Scope, Details)>,
    record_count: u64,
    /// Records that nothing takes, by what they are.
    without_sku: BTreeMap<String, u64>,
    incomplete: BTreeMap<(String, String), u64>,
}

impl<'a> Walk<'a> {
    /// Prepares a walk; nothing where rollups do not say enough.
    fn of(
        question: &'a Question<'a>,
        view: &'a View,
        catalogue: &'a Catalogue,
        meters: &'a [Meter<'a>],
    ) -> Option<Self> {
        let table = question.table;
        let common = |column: &str| is_common(table, column);
        let signs = |filter: Option<&Expression>| filter.is_none_or(|filter| filter.follows_from_signs(&common));
        let whole_hours = |(from, to): (i64, i64)| from % HOUR_US == 0 && to % HOUR_US == 0;
        if !whole_hours(question.own) || !whole_hours(question.scanned) || meters.len() > 64 {
            return None;
        }
        let mut ready = Vec::new();
        for meter in meters {
            let bounds = (meter.rule.from_us, meter.rule.to_us);
            if !whole_hours(bounds)
                || !signs(meter.filter(catalogue))
                || meter.key.is_some_and(|key| !common(&key.column))
            {
                return None;
            }
            let parts = parts_of(table, meter.rule.quantity)?;
            let terms = || parts.iter().filter_map(Part::term);
            if terms().any(|term| term.columns().into_iter().any(|column| view.declared.contains(column))) {
                return None;
            }
            ready.push(Ready { meter, parts, factor: Arc::new(meter.rule.factor.clone()), bounds });
        }
        let incomplete = Incomplete::of(question, catalogue, meters);
        let activities = || question.activities.iter();
        if !activities().all(|activity| signs(activity.filter.as_ref())) || !incomplete.words().all(common) {
            return None;
        }
        let mut walk = Self {
            question,
            view,
            catalogue,
            meters: ready,
            incomplete,
            plans: Vec::new(),
            of_class: Vec::new(),
            scopes: Vec::new(),
            examples: Vec::new(),
        };
        walk.plan()?;
        Some(walk)
    }

    /// Makes the plans of all classes of the service.
    fn plan(&mut self) -> Option<()> {
        let (table, source) = (self.question.table, self.question.source);
        // Classes that differ in nothing that a rule asks for have one plan.
        let mut asked: BTreeSet<&str> = self.incomplete.words().collect();
        for ready in &self.meters {
            asked.extend(ready.meter.rule.filter.iter().flat_map(|filter| filter.columns()));
            asked.extend(ready.meter.filter(self.catalogue).iter().flat_map(|filter| filter.columns()));
            asked.extend(ready.meter.rule.quantity.columns());
            asked.extend(ready.meter.key.map(|key| key.column.as_str()));
        }
        for activity in &self.question.activities {
            asked.extend(activity.filter.iter().flat_map(|filter| filter.columns()));
        }
        let asked: Vec<&str> = asked.into_iter().chain(self.question.kind_columns()).collect();
        let mut plans: HashMap<Vec<Value>, u32> = HashMap::new();
        let mut scopes: HashMap<Place, u32> = HashMap::new();
        for class in &self.view.classes {
            let of_source = class.texts[PROVIDER].as_deref() == Some(&source.provider)
                && class.texts[SERVICE].as_deref() == Some(&source.service);
            if !of_source {
                self.of_class.push(None);
                continue;
            }
            let key: Vec<Value> = asked.iter().map(|column| class.value(table, column)).collect();
            let plan = match plans.get(&key) {
                Some(plan) => *plan,
                None => {
                    let plan = self.plan_of(class)?;
                    let number = u32::try_from(self.plans.len()).ok()?;
                    self.plans.push(plan);
                    self.examples.push(class);
                    plans.insert(key, number);
                    number
                }
            };
            let place = [ACCOUNT, REGION, RESOURCE].map(|place| class.texts[place].clone());
            let details: Details = self.question.details.iter().map(|column| class.detail(table, column)).collect();
            let next = u32::try_from(self.scopes.len()).ok()?;
            let scope = *scopes.entry((place, details.clone())).or_insert(next);
            if scope == next {
                self.scopes.push((class.scope(), details));
            }
            self.of_class.push(Some((plan, scope)));
        }
        Some(())
    }

    fn plan_of(&self, class: &Class) -> Option<Plan> {
        let table = self.question.table;
        let value = |column: &str| class.value(table, column);
        let mut plan = Plan {
            taken: self
                .question
                .activities
                .iter()
                .any(|activity| activity.filter.as_ref().is_none_or(|filter| filter.passes(&value))),
            unknown_word: self.incomplete.has_unknown_word(&|column| class.text(table, column)),
            ..Plan::default()
        };
        for (number, ready) in self.meters.iter().enumerate() {
            let (meter, bit) = (ready.meter, 1_u64 << number);
            if !meter.filter(self.catalogue).is_none_or(|filter| filter.passes(&value)) {
                continue;
            }
            let key = meter.key.and_then(|key| {
                class
                    .text(table, &key.column)
                    .map(str::to_owned)
                    .or_else(|| class.integer(table, &key.column).map(|number| number.to_string()))
            });
            let sku = meter.sku(key.as_deref());
            plan.takes |= if sku.is_some() { bit } else { 0 };
            let part = ready.parts.iter().find(|part| part.applies(&value))?;
            let is_null = meter.rule.quantity.evaluate(&value) == Value::Null;
            if is_null && can_be_missing(meter.rule.quantity) && sku.is_some() {
                plan.gaps |= bit;
            }
            let factor = part.factor(&value);
            let term = part.term().map(paygrain_pricing::expression::Term::to_sql);
            if let (Some(_), Some(term)) = (&factor, &term) {
                plan.needed.push((term.clone(), is_null));
            }
            let Some(factor) = factor.filter(|_| !is_null) else {
                if !is_null {
                    return None;
                }
                continue;
            };
            if let Some(sku) = sku {
                plan.uses.push(Use { meter: number, sku, factor: factor.to_i128()?, term });
            }
        }
        Some(plan)
    }

    /// Everything summed; nothing where a term is not known.
    fn sums(&self) -> Option<Found> {
        let mut found = Found { scopes: self.scopes.clone(), ..Found::default() };
        let mut gaps: HashMap<(u32, u64), u64> = HashMap::new();
        let mut without_sku: HashMap<u32, u64> = HashMap::new();
        let mut days: Vec<&Day> = self.view.days.iter().map(|day| &**day).collect();
        days.sort_by_key(|day| day.rollup.day);
        for of_day in days.chunk_by(|a, b| a.rollup.day == b.rollup.day) {
            self.add(of_day, &mut found, &mut gaps, &mut without_sku)?;
        }
        for (plan, count) in without_sku {
            let kind = self.question.kind(self.examples[plan as usize]);
            *found.without_sku.entry(kind).or_default() += count;
        }
        for ((plan, meters), count) in gaps {
            let class = self.examples[plan as usize];
            let lacking = |number: &usize| (self.plans[plan as usize].gaps & meters) >> number & 1 == 1;
            let numbers: Vec<usize> = (0..self.meters.len()).filter(lacking).collect();
            if let Some(why) = self.incomplete.why_of_class(&numbers, class) {
                *found.incomplete.entry(why).or_default() += count;
            }
        }
        Some(found)
    }

    /// Adds the rollups of one day, hour by hour: an output is numbered once for each class, not for each of its cells.
    fn add(
        &self,
        of_day: &[&Day],
        found: &mut Found,
        gaps: &mut HashMap<(u32, u64), u64>,
        without_sku: &mut HashMap<u32, u64>,
    ) -> Option<()> {
        let mut outputs = Outputs::default();
        let fed = of_day.iter().map(|day| self.feeds(day, &mut outputs)).collect::<Option<Vec<_>>>()?;
        let in_order = outputs.in_order();
        let mut sums = vec![(0_i128, 0_u64); in_order.len()];
        let by_hour: Vec<Vec<Vec<u32>>> = of_day.iter().map(|day| cells_by_hour(&day.rollup)).collect();
        let start_us = of_day.first()?.rollup.start_us();
        for hour in 0..HOURS {
            let hour_us = start_us + hour as i64 * HOUR_US;
            if !(self.question.scanned.0..self.question.scanned.1).contains(&hour_us) {
                continue;
            }
            let is_own = (self.question.own.0..self.question.own.1).contains(&hour_us);
            let is_active = |ready: &Ready<'_>| (ready.bounds.0..ready.bounds.1).contains(&hour_us);
            let active = self.meters.iter().enumerate().filter(|(_, ready)| is_active(ready));
            let active = active.fold(0_u64, |bits, (number, _)| bits | 1 << number);
            for ((day, fed), cells) in of_day.iter().zip(&fed).zip(&by_hour) {
                let rollup = &day.rollup;
                for cell in cells[hour].iter().map(|cell| *cell as usize) {
                    let class = rollup.cell_classes[cell] as usize;
                    let Some((number, _)) = self.of_class[day.numbers[class] as usize] else { continue };
                    let (plan, count) = (&self.plans[number as usize], rollup.counts[cell]);
                    if is_own {
                        found.record_count += count;
                        if !plan.taken && plan.takes & active == 0 {
                            *without_sku.entry(number).or_default() += count;
                        } else if plan.unknown_word || plan.gaps & active != 0 {
                            *gaps.entry((number, active)).or_default() += count;
                        }
                    }
                    for feed in fed.of(class).iter().filter(|feed| active >> feed.meter & 1 == 1) {
                        let sum = feed.term.map_or(i128::from(count), |term| i128::from(rollup.sum(term, cell)));
                        let (base, records) = &mut sums[feed.output];
                        *base = base.checked_add(sum.checked_mul(feed.factor)?)?;
                        *records += count;
                    }
                }
            }
            for (output, place) in &in_order {
                let (base, record_count) = std::mem::take(&mut sums[*place]);
                if record_count > 0 {
                    found.rows.push(Row { hour_us, output: *output, base, record_count });
                }
            }
        }
        Some(())
    }

    /// What the classes of a rollup feed; nothing where a term is not known that one of them needs.
    fn feeds(&self, day: &Day, outputs: &mut Outputs) -> Option<Feeds> {
        let rollup = &day.rollup;
        // For each plan that occurs on the day, the places of its terms.
        let mut places: HashMap<u32, Vec<Option<usize>>> = HashMap::new();
        let mut needed: HashMap<u32, Vec<(Option<usize>, bool)>> = HashMap::new();
        let mut feeds = Feeds { all: Vec::new(), ends: Vec::with_capacity(rollup.classes.len()) };
        let is_asked = rollup.classes_between(self.question.scanned);
        for (class, number) in day.numbers.iter().enumerate() {
            if let (true, Some((number, scope))) = (is_asked[class], self.of_class[*number as usize]) {
                let plan = &self.plans[number as usize];
                let needed = needed.entry(number).or_insert_with(|| {
                    plan.needed.iter().map(|(term, is_null)| (rollup.place_of(term), *is_null)).collect()
                });
                for (term, is_null) in needed {
                    let bit: Terms = 1 << (*term)?;
                    if !rollup.knows(class, bit) || (rollup.absent[class] & bit != 0) != *is_null {
                        return None;
                    }
                }
                let terms = places
                    .entry(number)
                    .or_insert_with(|| plan.uses.iter().map(|one| rollup.place_of(one.term.as_deref()?)).collect());
                feeds.all.extend(plan.uses.iter().zip(terms).map(|(one, term)| Feed {
                    output: outputs.place((scope, one.sku, one.meter)),
                    meter: one.meter,
                    factor: one.factor,
                    term: *term,
                }));
            }
            feeds.ends.push(feeds.all.len());
        }
        Some(feeds)
    }
}

/// What each class of a rollup feeds.
struct Feeds {
    all: Vec<Feed>,
    /// Where those of each class end.
    ends: Vec<usize>,
}

impl Feeds {
    fn of(&self, class: usize) -> &[Feed] {
        let from = class.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[from..self.ends[class]]
    }
}

/// The outputs of a day, by number.
#[derive(Default)]
struct Outputs {
    places: HashMap<Output, usize>,
}

impl Outputs {
    fn place(&mut self, output: Output) -> usize {
        let next = self.places.len();
        *self.places.entry(output).or_insert(next)
    }

    fn in_order(self) -> Vec<(Output, usize)> {
        let mut all: Vec<_> = self.places.into_iter().collect();
        all.sort_unstable();
        all
    }
}

/// The cells of each hour.
fn cells_by_hour(rollup: &Rollup) -> Vec<Vec<u32>> {
    let mut cells = vec![Vec::new(); HOURS];
    for (cell, hour) in (0..).zip(&rollup.hours) {
        cells[usize::from(*hour)].push(cell);
    }
    cells
}

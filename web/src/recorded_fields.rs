//! Fields of a form for what chooses among recorded executions: month, days, provider, resource.

use chrono::NaiveDate;
use paygrain_pricing::Period;

use crate::address::Address;
use crate::app::App;
use crate::error::AppError;
use crate::params::Params;

/// Fields of a form.
pub struct RecordedFields {
    /// Months with usage, latest first.
    pub periods: Vec<Period>,
    /// Providers there are price books of.
    pub providers: Vec<String>,
    /// The address of the page.
    pub address: Address,
    /// The month that is shown.
    pub shown: Option<Period>,
    /// Resources to choose from, with their executions, where they are offered.
    pub resources: Vec<(String, u64)>,
}

impl RecordedFields {
    /// The parameters of the fields.
    pub const NAMES: [&str; 5] = ["period", "from", "to", "provider", "resource"];

    /// The fields, filled in from a URL.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn new(app: &App, address: &Address) -> Result<Self, AppError> {
        let mut providers: Vec<String> =
            app.engine().catalogue().books().iter().map(|book| book.provider.clone()).collect();
        providers.sort_unstable();
        providers.dedup();
        let periods = app.engine().periods().await?;
        Ok(Self { periods, providers, address: address.clone(), shown: None, resources: Vec::new() })
    }

    /// Whether days are given.
    pub fn is_by_days(&self) -> bool {
        self.address.get("from").or(self.address.get("to")).is_some()
    }

    /// The month that is shown or was asked for; none for days of a month.
    pub fn period(&self) -> Option<Period> {
        let asked = self.address.get("period").and_then(|period| period.parse().ok());
        asked.or(self.shown.filter(|_| !self.is_by_days()))
    }

    /// The month before it that has usage.
    pub fn earlier(&self) -> Option<&Period> {
        let shown = self.period()?;
        self.periods.iter().filter(|period| **period < shown).max()
    }

    /// The month after it that has usage.
    pub fn later(&self) -> Option<&Period> {
        let shown = self.period()?;
        self.periods.iter().filter(|period| **period > shown).min()
    }

    /// The same of another month.
    pub fn of_month(&self, period: &Period) -> String {
        self.address.with("period", &period.to_string())
    }

    /// Filters that have no field.
    pub fn filters(&self) -> Vec<&str> {
        self.address.values("filter").collect()
    }
}

/// The form always sends its month. Days in it say more; days of another month are a mistake, which the engine tells.
pub fn without_month_of_days(params: Params) -> Params {
    let month = params.get("period").map(str::to_owned);
    let days: Vec<&str> = ["from", "to"].into_iter().filter_map(|name| params.get(name)).collect();
    let within = |month: &String| {
        let is_in = |day: &&str| day.parse::<NaiveDate>().is_ok_and(|day| day.format("%Y-%m").to_string() == *month);
        !days.is_empty() && days.iter().all(is_in)
    };
    match month.filter(within) {
        None => params,
        Some(_) => params.into_pairs().into_iter().filter(|(name, _)| name != "period").collect(),
    }
}

//! The entry point: a lake and a catalogue of price books, and every question the faces ask.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use paygrain_ingest::Lake;
use paygrain_ingest::lake::UploadRow;
use paygrain_ingest::table::{DAY_US, Table};
use paygrain_pricing::{Agreement, AgreementError, Catalogue, Period};

use crate::advice::Advice;
use crate::bill::{Bill, BillRequest, RatedUsage};
use crate::closing::{self, BillSummary, CloseRequest, Closing, StoredBill, Verification};
use crate::error::QueryError;
use crate::explain::Explanation;
use crate::focus::{FocusExport, FocusRequest};
use crate::lake_state::{Kept, days_with_usage};
use crate::metering::cell;
use crate::overview::Overview;
use crate::places::Places;
use crate::quarantine::{self, Quarantine, QuarantineRequest};
use crate::reconcile::{self, ReconcileRequest, Reconciliation};
use crate::rejected_rows::{RejectedFacts, RejectedOriginals, RejectedRowView};
use crate::report::{self, ReportAnswer};
use crate::sandbox::SqlSandbox;
use crate::session::{session, session_and_versions};
use crate::workload::Workload;

/// Answers questions about a lake; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    agreement: Agreement,
    kept: Kept,
}

impl Engine {
    /// An engine over a lake, rating with a catalogue of price books.
    pub fn new(lake: Lake, catalogue: Catalogue) -> Self {
        let (agreement, kept) = (Agreement::default(), Kept::of(catalogue));
        Self { inner: Arc::new(Inner { lake, agreement, kept }) }
    }

    /// The same engine for an account with an agreement: it holds for every request that brings none of its own.
    ///
    /// # Errors
    /// When the agreement names what no price book has.
    pub fn with_agreement(self, agreement: Agreement) -> Result<Self, AgreementError> {
        agreement.check(self.catalogue())?;
        let (lake, kept) = (self.inner.lake.clone(), self.inner.kept.clone());
        Ok(Self { inner: Arc::new(Inner { lake, agreement, kept }) })
    }

    /// The same engine with places for so many answers that are worked out.
    #[must_use]
    pub fn with_places(self, places: Places) -> Self {
        let Inner { lake, agreement, kept } = &*self.inner;
        let kept = Kept { places: Arc::new(places), ..kept.clone() };
        Self { inner: Arc::new(Inner { lake: lake.clone(), agreement: agreement.clone(), kept }) }
    }

    /// Places for answers that are worked out. Answers that are kept need none, nor do uploads.
    pub fn places(&self) -> &Places {
        &self.inner.kept.places
    }

    /// A session over the lake as it is now, whose records rollups may stand for.
    pub(crate) async fn session(&self) -> Result<SessionContext, QueryError> {
        Ok(session_and_versions(self.lake(), Some(&self.inner.kept)).await?.0)
    }

    /// What is kept of the lake from question to question.
    pub(crate) fn kept(&self) -> &Kept {
        &self.inner.kept
    }

    /// The account's agreement.
    pub fn agreement(&self) -> &Agreement {
        &self.inner.agreement
    }

    /// A request under the account's agreement.
    pub(crate) fn agreed(&self, request: &BillRequest) -> BillRequest {
        let mut request = request.clone();
        if request.rating.agreement == Agreement::default() {
            request.rating.agreement = self.inner.agreement.clone();
        }
        request
    }

    /// The lake.
    pub fn lake(&self) -> &Lake {
        &self.inner.lake
    }

    /// The price books in force.
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.kept.catalogue
    }

    /// Months with usage, latest first.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn periods(&self) -> Result<Vec<Period>, QueryError> {
        let session = self.session().await?;
        let mut found = BTreeSet::new();
        if let Some(days) = days_with_usage(&session)? {
            found.extend(days.into_iter().map(|day| Period::containing(i64::from(day) * DAY_US)));
            return Ok(found.into_iter().rev().collect());
        }
        for table in Table::USAGE {
            let sql = format!("SELECT DISTINCT substr(CAST(date AS VARCHAR), 1, 7) FROM {}", table.name());
            for batch in session.sql(&sql).await?.collect().await? {
                for row in 0..batch.num_rows() {
                    found.extend(cell(&batch, 0, row)?.and_then(|month| month.parse::<Period>().ok()));
                }
            }
        }
        Ok(found.into_iter().rev().collect())
    }

    /// The bill of a period.
    ///
    /// # Errors
    /// When the lake cannot be read, a sum overflows, or currencies would have to be added.
    pub async fn bill(&self, request: &BillRequest) -> Result<Bill, QueryError> {
        let session = self.session().await?;
        let request = self.agreed(request);
        let usage = RatedUsage::of(&session, self.catalogue(), &request).await?;
        let mut bill = usage.bill(&request)?;
        bill.closed = closing::closed_states(self, &session, &request, &usage).await?;
        Ok(bill)
    }

    /// Closes a period: issues its bill, or corrections of it where the rating has changed since.
    ///
    /// # Errors
    /// [`QueryError::NothingToClose`], [`QueryError::ClosedOtherwise`], or as [`Engine::bill`].
    pub async fn close(&self, request: &CloseRequest) -> Result<Closing, QueryError> {
        self.places().with(closing::close(self, request)).await
    }

    /// Every issued bill, by period, provider and revision.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn bills(&self) -> Result<Vec<BillSummary>, QueryError> {
        closing::bills(self).await
    }

    /// An issued bill, by its id.
    ///
    /// # Errors
    /// [`QueryError::NoSuchBill`], or [`QueryError::DamagedBill`] when it is not what was issued.
    pub async fn stored_bill(&self, id: &str) -> Result<StoredBill, QueryError> {
        closing::stored_bill(self, id).await
    }

    /// An issued bill of a period, by its revision; without one, the latest.
    ///
    /// # Errors
    /// [`QueryError::NotClosed`], [`QueryError::NoSuchRevision`], or as [`Engine::stored_bill`].
    pub async fn revision(
        &self,
        period: Period,
        provider: Option<&str>,
        revision: Option<u32>,
    ) -> Result<StoredBill, QueryError> {
        closing::revision(self, period, provider, revision).await
    }

    /// Rates an issued bill again, on the lake, with the price books and options it was issued with, and compares.
    ///
    /// # Errors
    /// As [`Engine::revision`], and when the lake no longer has what the bill was rated on. A difference is no error.
    pub async fn verify(
        &self,
        period: Period,
        provider: Option<&str>,
        revision: u32,
    ) -> Result<Verification, QueryError> {
        self.places().with(closing::verify(self, period, provider, revision)).await
    }

    /// Everything behind one charge; the period in its id wins over the request's.
    ///
    /// # Errors
    /// [`QueryError::NoSuchCharge`], or as [`Engine::bill`].
    pub async fn explain(
        &self,
        charge_id: &str,
        request: &BillRequest,
        offset: u64,
        limit: u64,
    ) -> Result<Explanation, QueryError> {
        let no_such = || QueryError::NoSuchCharge { id: charge_id.to_owned() };
        let period = charge_id.split('/').next().and_then(|text| text.parse().ok()).ok_or_else(no_such)?;
        let request = BillRequest { period, ..self.agreed(request) };
        let session = self.session().await?;
        let usage = RatedUsage::of(&session, self.catalogue(), &request).await?;
        let charge = usage.rated.charges.iter().position(|charge| charge.id == charge_id).ok_or_else(no_such)?;
        let explained = Explanation::of(&session, self.catalogue(), &usage, charge, &request, offset, limit);
        self.places().with(explained).await
    }

    /// The bill of a period as FOCUS rows.
    ///
    /// # Errors
    /// When the lake cannot be read, or a sum overflows. Several currencies are no error: every row names its own.
    pub async fn focus(&self, request: &FocusRequest) -> Result<FocusExport, QueryError> {
        let request = FocusRequest { bill: self.agreed(&request.bill), ..request.clone() };
        let session = self.session().await?;
        self.places().with(FocusExport::of(&session, self.catalogue(), &request)).await
    }

    /// An issued bill as FOCUS rows, up to a revision: the first revision by resource and day, later ones as corrections.
    /// The rating options of the request give way to those of the bill.
    ///
    /// # Errors
    /// As [`Engine::revision`], and when the lake no longer has what the bill was rated on.
    pub async fn focus_of_revision(&self, request: &FocusRequest, revision: u32) -> Result<FocusExport, QueryError> {
        self.places().with(FocusExport::of_revision(self, request, revision)).await
    }

    /// The overview of a month, by default the latest with usage; `None` when there is no usage at all.
    ///
    /// # Errors
    /// As [`Engine::bill`].
    pub async fn overview(&self, period: Option<Period>) -> Result<Option<Overview>, QueryError> {
        let periods = self.periods().await?;
        let Some(latest) = periods.first().copied() else { return Ok(None) };
        Overview::of(self, period.unwrap_or(latest), periods).await.map(Some)
    }

    /// The bill of the provider against the rating of the logs, every difference named.
    ///
    /// # Errors
    /// [`QueryError::NoSuchView`], or as [`Engine::bill`].
    pub async fn reconcile(&self, request: &ReconcileRequest) -> Result<Reconciliation, QueryError> {
        self.places().with(Reconciliation::of(self, request)).await
    }

    /// Months with a line of a provider's bill, latest first.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn billed_periods(&self) -> Result<Vec<Period>, QueryError> {
        reconcile::periods(&session(self.lake()).await?).await
    }

    /// A report by its name, with parameters as texts: [`REPORTS`](crate::REPORTS) lists both.
    ///
    /// # Errors
    /// [`QueryError::NoSuchChoice`] or [`QueryError::BadValue`] for what the report does not know, or as
    /// [`Engine::bill`]. A lake without usage is no error: the answer has no rows.
    pub async fn report(&self, name: &str, parameters: &[(String, String)]) -> Result<ReportAnswer, QueryError> {
        self.places().with(report::answer(self, name, parameters)).await
    }

    /// Every upload, latest first.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn uploads(&self) -> Result<Vec<UploadRow>, QueryError> {
        Ok(self.lake().uploads().await?)
    }

    /// One upload.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn upload(&self, id: &str) -> Result<Option<UploadRow>, QueryError> {
        Ok(self.lake().upload(id).await?)
    }

    /// A page of the refused rows of an upload, in file order.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn rejected_rows(
        &self,
        upload_id: &str,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<RejectedRowView>, QueryError> {
        crate::rejected_rows::rejected_rows(&session(self.lake()).await?, upload_id, offset, limit).await
    }

    /// The refused rows of every upload, or of those asked for.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn quarantine(&self, request: &QuarantineRequest) -> Result<Quarantine, QueryError> {
        quarantine::quarantine(&session(self.lake()).await?, request).await
    }

    /// How many rows of an upload were refused, and how much of them was kept.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn rejected_facts(&self, upload_id: &str) -> Result<RejectedFacts, QueryError> {
        crate::rejected_rows::rejected_facts(&session(self.lake()).await?, upload_id).await
    }

    /// The original bytes of the refused rows of an upload.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn rejected_originals(&self, upload: &UploadRow) -> Result<RejectedOriginals, QueryError> {
        RejectedOriginals::of(session(self.lake()).await?, upload).await
    }

    /// What the rows of an upload in the lake still lack.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn advice(&self, upload: &UploadRow) -> Result<Advice, QueryError> {
        Ok(Advice::of_row(self.catalogue(), upload, &self.lake().declarations().await?))
    }

    /// The invocations of some UTC days (days since 1970) added up; nothing where only their records say.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn workload(&self, days: RangeInclusive<i32>) -> Result<Arc<Option<Workload>>, QueryError> {
        Workload::of(&self.session().await?, self.catalogue(), days).await
    }

    /// The most executions at one moment, initialisation included, of each hour of some UTC days (days since 1970), by hours
    /// since 1970: what runs on from the hour before counts, and one that ends when another starts does not run with it.
    /// Nothing where rollups do not say it.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn hourly_peaks(&self, days: RangeInclusive<i32>) -> Result<Option<Vec<(i64, u64)>>, QueryError> {
        report::source::executions::hourly_peaks(&self.session().await?, self.catalogue(), days).await
    }

    /// Works out the rollups that are missing, so that no question has to wait for them; how many data files there are
    /// rollups of. `done` is told the table, its days done and its days in all.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn roll_up(&self, done: &(dyn Fn(Table, usize, usize) + Send + Sync)) -> Result<u64, QueryError> {
        crate::lake_state::catch_up(&self.session().await?, self.catalogue(), done).await
    }

    /// Drops every rollup: they are worked out again by [`Engine::roll_up`] or when they are asked for.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub async fn drop_rollups(&self) -> Result<(), QueryError> {
        self.kept().rollups.drop_all(self.lake()).await
    }

    /// Runs queries of strangers over the tables of the lake, each in a process of its own.
    ///
    /// # Errors
    /// As [`SqlSandbox::new`].
    pub fn sandbox(&self) -> Result<SqlSandbox, QueryError> {
        SqlSandbox::new(self.lake())
    }
}

//! What cost can be grouped by: of the charge, of whose usage it is, and of the records.

use std::str::FromStr;

use crate::error::QueryError;

/// What cost can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Cloud provider.
    Provider,
    /// Service of the price book.
    Service,
    /// Billing account.
    Account,
    /// Provider region.
    Region,
    /// Function, bucket, …
    Resource,
    /// SKU.
    Sku,
    /// Day of the provider's billing zone, `2026-10-31`.
    Day,
    /// Month of that day, `2026-10`.
    Month,
    /// Hour, UTC, `2026-10-31T23:00Z`.
    Hour,
    /// Status of the records.
    Status,
    /// Whether the records were cold starts, `true` or `false`.
    ColdStart,
    /// Configured memory in MB.
    Memory,
    /// Processor architecture.
    Architecture,
    /// Package type.
    PackageType,
    /// Runtime.
    Runtime,
    /// Capacity: on demand, provisioned, …
    Capacity,
    /// What caused the records.
    Trigger,
    /// Operation.
    Operation,
    /// Size, class or edition that picks the price.
    Variant,
    /// Storage class.
    StorageClass,
}

impl Dimension {
    /// Every dimension, in the order help lists them.
    pub const ALL: [Dimension; 20] = [
        Self::Provider,
        Self::Service,
        Self::Account,
        Self::Region,
        Self::Resource,
        Self::Sku,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Status,
        Self::ColdStart,
        Self::Memory,
        Self::Architecture,
        Self::PackageType,
        Self::Runtime,
        Self::Capacity,
        Self::Trigger,
        Self::Operation,
        Self::Variant,
        Self::StorageClass,
    ];

    /// Its name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Service => "service",
            Self::Account => "account",
            Self::Region => "region",
            Self::Resource => "resource",
            Self::Sku => "sku",
            Self::Day => "day",
            Self::Month => "month",
            Self::Hour => "hour",
            Self::Status => "status",
            Self::ColdStart => "cold_start",
            Self::Memory => "memory_mb",
            Self::Architecture => "architecture",
            Self::PackageType => "package_type",
            Self::Runtime => "runtime",
            Self::Capacity => "capacity",
            Self::Trigger => "trigger",
            Self::Operation => "operation",
            Self::Variant => "variant",
            Self::StorageClass => "storage_class",
        }
    }

    /// The column of usage records that says it and that metering does not look at unless it is asked for.
    pub(crate) const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Status
            | Self::ColdStart
            | Self::Memory
            | Self::Architecture
            | Self::PackageType
            | Self::Runtime
            | Self::Capacity
            | Self::Trigger
            | Self::Operation
            | Self::Variant
            | Self::StorageClass => Some(self.name()),
            _ => None,
        }
    }
}

impl FromStr for Dimension {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Self, QueryError> {
        Self::ALL.into_iter().find(|dimension| dimension.name() == name.trim()).ok_or_else(|| {
            QueryError::NoSuchDimension { name: name.to_owned(), known: Self::ALL.map(Dimension::name).to_vec() }
        })
    }
}

//! Agreements: discounts, commitments, currencies

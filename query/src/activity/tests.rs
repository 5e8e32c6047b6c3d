//! Recorded requests

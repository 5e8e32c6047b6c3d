//! Arrivals: exact counts, shapes, and the same for the same seed

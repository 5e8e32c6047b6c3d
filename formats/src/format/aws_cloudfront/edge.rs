//! Where an edge location is, as CloudFront prices it.

/// Price regions in the words of the price books, and the airports that their edge locations are named after: those
/// that the public list of edge locations gives.
const PRICE_REGIONS: [(&str, &[&str]); 9] = [
    (
        "north-america",
        &[
            "ATL", "BNA", "BOS", "CMH", "DEN", "DFW", "DTW", "EWR", "HIO", "IAD", "IAH", "JFK", "LAX", "MCI", "MIA",
            "MSP", "ORD", "PHL", "PHX", "PIT", "QRO", "SEA", "SFO", "SLC", "TPA", "YTO", "YUL", "YVR",
        ],
    ),
    (
        "europe",
        &[
            "AMS", "ARN", "ATH", "BCN", "BRU", "BUD", "CDG", "CPH", "DUB", "DUS", "FCO", "FRA", "HAM", "HEL", "IST",
            "LHR", "LIS", "MAD", "MAN", "MRS", "MUC", "MXP", "OSL", "OTP", "PMO", "PRG", "SOF", "TLV", "TXL", "VIE",
            "WAW", "ZAG", "ZRH",
        ],
    ),
    ("middle-east-africa", &["BAH", "CPT", "DXB", "FJR", "JNB", "LOS", "MCT", "NBO"]),
    ("south-america", &["BOG", "EZE", "FOR", "GIG", "GRU", "LIM", "SCL"]),
    ("japan", &["KIX", "NRT"]),
    ("australia", &["AKL", "BNE", "MEL", "PER", "SYD"]),
    ("asia", &["BKK", "CGK", "HAN", "HKG", "ICN", "KUL", "MNL", "SGN", "SIN", "TPE"]),
    ("india", &["BLR", "BOM", "CCU", "DEL", "HYD", "MAA", "PNQ"]),
    ("china", &["PEK", "PVG", "SZX", "ZHY"]),
];

/// The price region of an edge location such as `IAD53` or `SOF50-P2`.
pub(super) fn price_region(edge: &str) -> Option<&'static str> {
    let airport = edge.get(..3)?;
    let (region, _) = PRICE_REGIONS.iter().find(|(_, airports)| airports.contains(&airport))?;
    Some(region)
}

/// Whether a text has the form of an edge location: an airport and a number.
pub(super) fn is_edge(text: &str) -> bool {
    let (airport, number) = text.split_at_checked(3).unwrap_or_default();
    airport.bytes().all(|byte| byte.is_ascii_uppercase()) && number.starts_with(|digit: char| digit.is_ascii_digit())
}

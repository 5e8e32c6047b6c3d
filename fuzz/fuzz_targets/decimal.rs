//! Decimal text to integers: what is read is exact, and every way to read it agrees.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paygrain_formats::format::decimal::{self, Number};

fuzz_target!(|input: (i8, &str, &str)| {
    let (scale, text, other) = input;
    let scale = i32::from(scale) % 40;
    let canonical = decimal::canonical(text);
    let wide = decimal::exact_wide(text, scale);
    if let Ok(value) = decimal::exact(text, scale) {
        assert_eq!(wide, Ok(i128::from(value)), "{text} at {scale}");
    }
    if let (Ok(value), Ok(canonical)) = (&wide, &canonical) {
        let back = decimal::canonical(&format!("{value}E{}", -scale));
        assert_eq!(back.as_ref(), Ok(canonical), "{text} at {scale} is {value}");
    }
    let Ok(canonical) = canonical else { return };
    assert_eq!(decimal::canonical(&canonical).as_ref(), Ok(&canonical), "{text}");
    let Ok(other) = decimal::canonical(other) else { return };
    let (Some(one), Some(two)) = (Number::of(&canonical), Number::of(&other)) else { return };
    if let Some(sum) = one.plus(two) {
        assert!(sum.minus(two).is_none_or(|difference| difference.is(one)), "{canonical} + {other} - {other}");
        assert!(two.plus(one).is_some_and(|swapped| swapped.is(sum)), "{canonical} + {other}");
    }
    if let Some(product) = one.times(two) {
        assert!(two.times(one).is_some_and(|swapped| swapped.is(product)), "{canonical} * {other}");
        assert_eq!(product.is_zero(), one.is_zero() || two.is_zero(), "{canonical} * {other}");
    }
});

//! Texts and numbers in JSON.
//!
//! By code of its own, which is a tenth of what the library's takes in the module.

use std::fmt::Write;

/// A text as JSON.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    push_text(text, &mut quoted);
    quoted
}

/// Adds a text as JSON.
pub fn push_text(text: &str, to: &mut String) {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => to.extend(['\\', character]),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            '\x08' => to.push_str("\\b"),
            '\x0c' => to.push_str("\\f"),
            '\0'..' ' => {
                // It cannot fail on a string.
                let _ = write!(to, "\\u{:04x}", u32::from(character));
            }
            _ => to.push(character),
        }
    }
    to.push('"');
}

/// A number as JSON, in the fewest digits that no other 64-bit float is read from. Beyond 10^16 and
/// below 10^-5 it has thirteen digits at most, and an exponent.
#[must_use]
pub fn shortest(number: f64) -> String {
    let size = number.abs();
    let text = match size {
        0.0 => "0.0".to_owned(),
        1e-5..1e16 => plain(size),
        _ => with_exponent(size),
    };
    if number.is_sign_negative() { format!("-{text}") } else { text }
}

/// A number from 10^-5 to 10^16.
fn plain(number: f64) -> String {
    const MANTISSA: u32 = 52;
    /// How far the binary point is moved in a number whose exponent is zero.
    const BIAS: u64 = 1075;
    const MOST_PLACES: u32 = 22;
    // It is `mantissa / 2^shift`, with 54 bits and at most 69.
    let (bits, one) = (number.to_bits(), 1_u64 << MANTISSA);
    let exponent = bits >> MANTISSA;
    let mantissa = (bits & one.wrapping_sub(1) | one) << (exponent.saturating_sub(BIAS) & 1);
    let shift = BIAS.saturating_sub(exponent) & 127;
    let (mut scaled, mut power, mut places) = (u128::from(mantissa), 1_u128, 0);
    let half = 1_u128 << shift >> 1;
    // One more place each time, until what is cut off is less than half of the mantissa's last bit.
    let digits = loop {
        let rounded = scaled.wrapping_add(half) >> shift;
        let error = (rounded << shift).abs_diff(scaled);
        // Of two that are as near, the even one.
        let digits = rounded.wrapping_sub(rounded & u128::from(half > 0 && error == half));
        if error << 1 < power || places == MOST_PLACES {
            break digits as u64;
        }
        (scaled, power, places) = (scaled.wrapping_mul(10), power.wrapping_mul(10), places + 1);
    };
    let one = 10_u64.checked_pow(places).unwrap_or(u64::MAX);
    let (whole, rest) = (digits / one, digits % one);
    let places = places.max(1) as usize;
    format!("{whole}.{rest:0places$}")
}

fn with_exponent(mut number: f64) -> String {
    const DIGITS: f64 = 1e13;
    let mut exponent = 0;
    for (factor, step) in [(1e16, 16), (10.0, 1)] {
        while number >= DIGITS && number.is_finite() {
            (number, exponent) = (number / factor, exponent + step);
        }
        while number < DIGITS / factor {
            (number, exponent) = (number * factor, exponent - step);
        }
    }
    let digits = (number.round() as u64).to_string();
    let (first, rest) = digits.split_at_checked(1).unwrap_or_default();
    let exponent = rest.len() as i32 + exponent;
    match rest.trim_end_matches('0') {
        "" => format!("{first}e{exponent:+}"),
        rest => format!("{first}.{rest}e{exponent:+}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_written_as_the_library_writes_it(text: String, other in "[\\x00-\\x7f]*") {
            for text in [text, other] {
                prop_assert_eq!(quoted(&text), serde_json::to_string(&text)?);
            }
        }

        #[test]
        fn any_number_of_usual_size_is_written_as_the_library_writes_it(
            (bits, size) in (any::<u32>(), -5..16),
            (part, whole) in (0..1_000_000_u32, 1..1_000_000_u32),
        ) {
            let share = f64::from(part % whole) * 100.0 / f64::from(whole);
            let any = (f64::from(bits) / 1e10 + 0.5).mul_add(9.0, 1.0 - 4.5) * 10_f64.powi(size);
            for number in [share, -share, any, any.round(), -any, f64::from(bits)] {
                prop_assert_eq!(shortest(number), serde_json::to_string(&number)?);
            }
        }

        #[test]
        fn a_number_of_unusual_size_is_written_as_the_library_writes_it_in_thirteen_digits(
            digits in 1..1_000_000_000_000_u64,
            exponent in prop_oneof![16..290, -300..-20],
        ) {
            let number: f64 = format!("{digits}e{exponent}").parse()?;
            prop_assert_eq!(shortest(number), serde_json::to_string(&number)?);
        }
    }
}
